"""Trials on reinforcement learning: the printed Q-learning in the printed grid."""

from collections.abc import Sequence

import numpy as np

from experiments.common import streams

UP, DOWN, LEFT, RIGHT = range(4)


def moves(size: int, corridor: bool) -> np.ndarray:
    """Cell after each action, (cells, 4); a wall leaves one where one is, and in a corridor every move goes on."""
    if corridor:
        return np.tile(np.arange(1, size + 1)[:, None], 4)
    row, column = (place[:, None] for place in np.divmod(np.arange(size * size), size))
    down, right = np.zeros((2, 4), int)
    down[[UP, DOWN]], right[[LEFT, RIGHT]] = (-1, 1), (-1, 1)
    return np.clip(row + down, 0, size - 1) * size + np.clip(column + right, 0, size - 1)


def q_learning(
    seeds: Sequence[int], epsilon: float, after: np.ndarray, *,
    episodes: int, start: float, penalty: float, slip: float, prize: float,
) -> np.ndarray:  # fmt: skip
    """Values of actions after learning with rate 0.1 and discount 0.99, (replicates, cells, 4).

    `after` is from `moves`, the other arguments as below.
    """
    values = np.full((len(seeds), *after.shape), start)
    everyone, goal = np.arange(len(seeds)), len(after) - 1
    rngs = [np.random.default_rng(streams(seed, 1)) for seed in seeds]
    for _ in range(episodes):
        drawn = np.stack([rng.random((100, 3)) for rng in rngs], 1)
        random = np.stack([rng.integers(4, size=(100, 2)) for rng in rngs], 1)
        wild, slips, before = drawn[..., 0] < epsilon, drawn[..., 1] < slip, values.copy()
        who, at = everyone, np.zeros(len(seeds), int)  # those that are on their way, and where
        for step in range(100):
            chosen = values[who, at].argmax(1)
            if epsilon:
                chosen = np.where(wild[step, who], random[step, who, 0], chosen)
            then = after[at, np.where(slips[step, who], random[step, who, 1], chosen) if slip else chosen]
            won, near = then == goal, (then == 1) & (prize > 0)
            ended = won | near
            target = np.where(ended, 0.0, 0.99 * values[who, then].max(1))
            target += np.where(won, 1.0, np.where(near, prize, -penalty))
            values[who, at, chosen] += 0.1 * (target - values[who, at, chosen])
            who, at = (who[~ended], then[~ended]) if ended.any() else (who, then)
            if not len(who):
                break
        if not epsilon and not slip and np.array_equal(values, before):
            break  # nothing is random, so that every later walk would be this one
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
    settings = {"episodes": episodes, "start": start, "penalty": penalty, "slip": slip, "prize": prize}
    everyone, after = np.arange(len(seeds)), moves(size, corridor)
    outcomes = {}
    for arm, share in {"exploring": epsilon, "greedy": 0.0}.items():
        best = q_learning(seeds, share, after, **settings).argmax(2)
        at, active, collected = np.zeros(len(seeds), int), np.ones(len(seeds), bool), np.zeros(len(seeds))
        for _ in range(100):
            at = np.where(active, after[at, best[everyone, at]], at)
            won, near = at == len(after) - 1, (at == 1) & (prize > 0)
            collected += active * np.where(won, 1.0, np.where(near, prize, -penalty))
            active &= ~(won | near)
        outcomes[arm] = collected
    return outcomes
