"""Trials on reinforcement learning: the printed Q-learning in the printed grid."""

from collections.abc import Sequence

import numpy as np

from experiments.common import streams

UP, DOWN, LEFT, RIGHT = range(4)


def moved(states: np.ndarray, actions: np.ndarray, size: int, corridor: bool) -> np.ndarray:
    """Cells after a move, (replicates,); a wall leaves one where one is, and in a corridor every move goes on."""
    if corridor:
        return states + 1
    row, column = np.divmod(states, size)
    row = np.clip(row + (actions == DOWN).astype(int) - (actions == UP), 0, size - 1)
    column = np.clip(column + (actions == RIGHT).astype(int) - (actions == LEFT), 0, size - 1)
    return row * size + column


def q_learning(
    seeds: Sequence[int], epsilon: float, *, size: int, episodes: int, start: float, penalty: float, slip: float,
    prize: float, corridor: bool,
) -> np.ndarray:  # fmt: skip
    """Values of actions after learning with rate 0.1 and discount 0.99, (replicates, states, 4); arguments as below."""
    count, states = len(seeds), size if corridor else size * size
    values = np.full((count, states, 4), start)
    everyone, goal = np.arange(count), states - 1
    rngs = [np.random.default_rng(streams(seed, 1)) for seed in seeds]
    for _ in range(episodes):
        drawn = np.stack([rng.random((100, 3)) for rng in rngs], 1)
        wild = np.stack([rng.integers(4, size=(100, 2)) for rng in rngs], 1)
        at, active = np.zeros(count, int), np.ones(count, bool)
        for chance, random in zip(drawn, wild, strict=True):
            chosen = np.where(chance[:, 0] < epsilon, random[:, 0], values[everyone, at].argmax(1))
            then = moved(at, np.where(chance[:, 1] < slip, random[:, 1], chosen), size, corridor)
            won, near = then == goal, (then == 1) & (prize > 0)
            reward = np.where(won, 1.0, np.where(near, prize, -penalty))
            ended = won | near
            target = reward + np.where(ended, 0.0, 0.99 * values[everyone, then].max(1))
            step = 0.1 * (target - values[everyone, at, chosen])
            values[everyone, at, chosen] += np.where(active, step, 0.0)
            active &= ~ended
            at = np.where(active, then, at)
            if not active.any():
                break
    return values


def rewards(
    seeds: Sequence[int],
    *,
    size: int = 5,
    episodes: int = 500,
    epsilon: float = 0.1,
    start: float = 0.0,
    penalty: float = 0.01,
    slip: float = 0.0,
    prize: float = 0.0,
    corridor: bool = False,
) -> dict[str, np.ndarray]:
    """What the learned policy collects in a walk of at most 100 steps from the first cell, without random actions.

    `exploring` learned with random actions now and then, `greedy` without; both saw the same random numbers. In the
    walk moves go where they should.

    Args:
        seeds: Each draws the random actions, and slips, of one replicate.
        size: Cells along each side of the grid; of a corridor, its length.
        episodes: Walks to learn from, from the first cell, of at most 100 steps.
        epsilon: Share of random actions of the exploring learner.
        start: Values that learning begins with.
        penalty: Subtracted for each step that ends nowhere; the far corner gives 1 and ends the walk.
        slip: Share of moves that go anywhere in place of where they should.
        prize: Reward of a second cell that ends the walk, next to the first on its right; none where 0.
        corridor: One row of cells, in which every action goes on.
    """
    settings = {"size": size, "episodes": episodes, "start": start, "penalty": penalty, "slip": slip, "prize": prize}
    everyone = np.arange(len(seeds))
    outcomes = {}
    for arm, share in {"exploring": epsilon, "greedy": 0.0}.items():
        values = q_learning(seeds, share, corridor=corridor, **settings)
        at, active, collected = np.zeros(len(seeds), int), np.ones(len(seeds), bool), np.zeros(len(seeds))
        for _ in range(100):
            at = np.where(active, moved(at, values[everyone, at].argmax(1), size, corridor), at)
            won, near = at == values.shape[1] - 1, (at == 1) & (prize > 0)
            collected += active * np.where(won, 1.0, np.where(near, prize, -penalty))
            active &= ~(won | near)
        outcomes[arm] = collected
    return outcomes
