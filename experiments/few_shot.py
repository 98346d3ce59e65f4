"""Trials on classes of which few rows, or none, were seen."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import backward, networks, streams, training
from experiments.common.networks import DATA, Rows, Weights
from experiments.self_supervision import real

PRINTED: Mapping[str, Sequence[int]] = {
    "dog": (1, 0, 0, 1, 0),
    "cat": (1, 0, 0, 1, 0),
    "bird": (0, 1, 0, 0, 1),
    "zebra": (1, 0, 1, 1, 0),
}
"""The guide's table: fur, wings, stripes, mammal, flies. The last class is not trained on."""


def table(attributes: str) -> Tensor:
    """Attributes of each class, 0 or 1, (classes, attributes), the unseen class last.

    Args:
        attributes: `printed`; `printed-told-apart`, in which cats have a sixth attribute; `many`, the printed table
            after 28 classes, one for each other combination of attributes but none at all, so that stripes come and go
            with any other attribute among the classes seen.
    """
    printed = list(PRINTED.values())
    others = [each for each in product((0, 1), repeat=5) if any(each) and each not in printed]
    found = np.array(others + printed if attributes == "many" else printed)
    return torch.from_numpy(np.c_[found, [0, 1, 0, 0]] if attributes == "printed-told-apart" else found).float()


def cosine(raw: Tensor, attributes: Tensor) -> Tensor:
    """Cosines of encoded rows (replicates, attributes, rows) and classes, (replicates, classes, rows)."""
    return functional.normalize(attributes, dim=2) @ functional.normalize(raw, dim=1)


def mixed(rng: np.random.Generator, attributes: np.ndarray, pixels: int, noise: float) -> list[np.ndarray]:
    """Training and test images, (rows, pixels), of rows of attributes: one random mixture of them, and own noise."""
    shows = rng.normal(size=(attributes.shape[1], pixels))
    return [attributes @ shows + rng.normal(0, noise, (len(attributes), pixels)) for _ in range(2)]


def unseen(
    seeds: Sequence[int],
    *,
    attributes: str = "printed",
    per_class: int = 100,
    pixels: int = 50,
    noise: float = 0.5,
    told_by: str = "classes",
    hidden: int = 64,
    steps: int = 500,
    shown: bool = True,
) -> dict[str, np.ndarray]:
    """How often the printed zero-shot classifier knows rows of a class that it was not trained on.

    `recall` is the share of the unseen class's rows that are nearest, by cosine, to its attributes among all classes;
    `seen` the share of right answers on fresh rows of the classes trained on, those alike in attributes counted as one.

    Args:
        seeds: Each draws how attributes show in images, rows, weights and minibatches of one replicate.
        attributes: As for `table`.
        per_class: Training rows of each seen class, and test rows of each class.
        pixels: Columns of an image: a random mixture of its class's attributes, plus noise.
        noise: Standard deviation of that noise; an attribute moves a pixel by one on average.
        told_by: What encoded images are trained towards: `classes`, by cross-entropy of ten times the cosines;
            `attributes`, by the squared distance to those of the class.
        hidden: Units of the encoder's hidden layer.
        steps: Minibatches of 32, Adam.
        shown: Whether an attribute changes images at all in the unseen class.
    """
    given = table(attributes).expand(len(seeds), -1, -1)
    known = given.shape[1] - 1
    labels = np.repeat(np.arange(known + 1), per_class)
    seen = given.numpy()[0]
    if not shown:
        seen = np.r_[seen[:-1], seen[:-1].mean(0, keepdims=True)]
    parts = [mixed(np.random.default_rng(streams(seed, 5)[DATA]), seen[labels], pixels, noise) for seed in seeds]
    train, test = (torch.from_numpy(np.stack(rows)).float() for rows in zip(*parts, strict=True))
    y = torch.from_numpy(labels).expand(len(seeds), -1)
    own_rows = known * per_class
    start = networks.initial(seeds, (pixels, hidden, given.shape[2]))
    minibatches = networks.batches(seeds, own_rows, 32, steps)

    def loss(raw: Tensor, y: Tensor) -> Tensor:
        if told_by == "classes":
            return networks.cross_entropy(10 * cosine(raw, given[:, :-1]), y)
        wanted = torch.take_along_dim(given, y[:, :, None], 1).mT
        return (raw - wanted).square().sum(1).mean(1)

    (weights,) = training.fit(
        networks.dense, start, (train[:, :own_rows], y[:, :own_rows]), minibatches, [0.002], loss=loss, optimizer="adam"
    )
    with torch.no_grad():
        near = cosine(networks.dense(weights, test.mT), given)
    best = near.argmax(1)
    alike = (torch.take_along_dim(given, best[:, :, None], 1) == torch.take_along_dim(given, y[:, :, None], 1)).all(2)
    return {
        "recall": alike[:, own_rows:].double().mean(1).numpy(),
        "seen": alike[:, :own_rows].double().mean(1).numpy(),
    }


def by_class(seed: int, data: str, classes: int, per_class: int, columns: int, noise: float) -> np.ndarray:
    """Rows of each class, (classes, rows, columns), classes in random order for each seed.

    Generated classes differ in ten columns, by centres of standard deviation 1 with noise of standard deviation 0.5;
    the others are noise of standard deviation `noise` and tell nothing.
    """
    rng = np.random.default_rng(streams(seed, 5)[DATA])
    if data == "generated":
        centres = np.c_[rng.normal(size=(classes, 10)), np.zeros((classes, columns - 10))]
        spread = np.r_[np.full(10, 0.5), np.full(columns - 10, noise)]
        return centres[:, None] + spread * rng.normal(size=(classes, per_class, columns))
    x, y = real(data)
    found = [x[rng.permutation(np.flatnonzero(y == digit))[:per_class]] for digit in rng.permutation(10)]
    return np.stack(found)


def episode(rngs: Sequence[np.random.Generator], classes: int, rows: int, way: int, shot: int, queries: int) -> Tensor:
    """Places of rows in (classes x rows), (replicates, way, shot + queries): those of `way` classes at random."""
    drawn = []
    for rng in rngs:
        chosen = rng.permutation(classes)[:way, None]
        drawn.append(chosen * rows + rng.permuted(np.tile(np.arange(rows), (way, 1)), axis=1)[:, : shot + queries])
    return torch.from_numpy(np.array(drawn))


def scores(rows: Tensor, shot: int) -> Tensor:
    """Minus the distances of queries to prototypes, (replicates, way, way x queries), and so the printed logits.

    Args:
        rows: Embedded or raw, (replicates, way, shot + queries, features); the first `shot` make the prototype.
        shot: Support rows of each class.
    """
    prototypes = rows[:, :, :shot].mean(2)
    return -torch.cdist(prototypes, rows[:, :, shot:].flatten(1, 2))


def taken(part: Tensor, places: Tensor) -> Tensor:
    """Rows (replicates, classes, shown, columns) at the places (replicates, classes, shown) of each replicate's own."""
    first_row = part.shape[1] * torch.arange(len(part))[:, None, None]
    return part.view(-1, part.shape[2]).index_select(0, (places + first_row).flatten()).unflatten(0, places.shape)


def prototypes(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    base: int = 50,
    way: int = 5,
    shot: int = 5,
    columns: int = 50,
    noise: float = 1.0,
    episodes: int = 800,
    shuffled: bool = False,
) -> dict[str, np.ndarray]:
    """Accuracy in telling new classes apart by the nearest mean of a few rows each, in [0, 1].

    `learned` measures distance after the printed encoder, trained on episodes of other classes, `raw` between the rows
    themselves; both get the same 50 episodes of new classes, with 15 queries each.

    Args:
        seeds: Each draws classes, rows, weights and episodes of one replicate.
        data: `generated`, or `digits` or `mnist` (14 by 14), whose ten classes are split at random.
        base: Classes to train on; of images at most 10 - `way`.
        way: Classes in an episode, and new classes of images; generated ones are 20.
        shot: Rows of each class whose mean is the prototype.
        columns: Of generated rows; ten tell classes apart.
        noise: Standard deviation of the others.
        episodes: To train on, each one step of Adam.
        shuffled: Whether training episodes have rows and classes mixed up, so that there is nothing to learn.
    """
    new = 20 if data == "generated" else way
    per_class = 60 if data == "generated" else 150
    parts = [by_class(seed, data, base + new, per_class, columns, noise)[: base + new] for seed in seeds]
    rows = torch.from_numpy(np.stack(parts)).float()
    train, test = (part.flatten(1, 2).contiguous() for part in (rows[:, :base], rows[:, base:]))
    rngs = networks.generators(seeds, networks.BATCHES)
    if shuffled:
        orders = [torch.from_numpy(rng.permutation(train.shape[1])) for rng in rngs]
        train = torch.stack([part[order] for part, order in zip(train, orders, strict=True)])
    rule = backward.Adam(networks.initial(seeds, (rows.shape[3], 64, 64, 64)), [0.001] * len(seeds))
    classes = torch.arange(min(way, base)).repeat_interleave(15).expand(len(seeds), -1)

    def embedded(weights: Weights, given: Tensor) -> Tensor:
        return networks.dense(weights, given.flatten(1, 2).mT).mT.unflatten(1, given.shape[1:3])

    for _ in range(episodes):
        places = episode(rngs, base, per_class, min(way, base), shot, 15)
        weights = [tensor.detach().requires_grad_() for tensor in rule.weights]
        loss = networks.cross_entropy(scores(embedded(weights, taken(train, places)), shot), classes).sum()
        rule.step(list(torch.autograd.grad(loss, weights)))
    hits = {"learned": np.zeros(len(seeds)), "raw": np.zeros(len(seeds))}
    wanted = torch.arange(way).repeat_interleave(15)
    with torch.no_grad():
        for _ in range(50):
            given = taken(test, episode(rngs, new, per_class, way, shot, 15))
            for arm, seen in (("learned", embedded(rule.weights, given)), ("raw", given)):
                hits[arm] += (scores(seen, shot).argmax(1) == wanted).double().mean(1).numpy() / 50
    return hits


def sines(rngs: Sequence[np.random.Generator], tasks: int, points: int, **fixed: float) -> tuple[Tensor, Tensor]:
    """Points x in [-5, 5] of sines, (replicates, tasks, points, 1), and each sine's amplitude and phase, (..., 2, 1).

    Args:
        rngs: One per replicate.
        tasks: Sines of each replicate, amplitudes uniform in [0.1, 5] and phases in [0, pi], as printed.
        points: Of each sine.
        fixed: `amplitude` and `phase` of all of them in place of those drawn.
    """
    drawn = [(rng.uniform(-5, 5, (tasks, points, 1)), rng.random((tasks, 2, 1))) for rng in rngs]
    x, waves = (torch.from_numpy(np.stack(part)).float() for part in zip(*drawn, strict=True))
    waves = torch.tensor([[0.1], [0.0]]) + waves * torch.tensor([[4.9], [np.pi]])
    for place, name in enumerate(("amplitude", "phase")):
        waves[:, :, place] = fixed.get(name, waves[:, :, place])
    return x, waves


def heights(x: Tensor, waves: Tensor) -> Tensor:
    """Values of sines at x, in its shape."""
    return waves[..., :1, :] * torch.sin(x + waves[..., 1:, :])


def squared(raw: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of raw outputs (networks, 1, rows) on y (networks, rows, 1), (networks,)."""
    return (raw - y.mT).square().mean((1, 2))


def traced(weights: Weights, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """What enters each layer, and the derivatives of the squared error by what leaves it, (networks, units, rows)."""
    entering = [x.mT]
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        entering.append(torch.baddbmm(bias, weight, entering[-1]).relu_())
    slopes = [(torch.baddbmm(weights[-1], weights[-2], entering[-1]) - y.mT).mul_(2 / x.shape[1])]
    for weight, below in zip(weights[-2:0:-2], entering[:0:-1], strict=True):
        slopes.insert(0, torch.bmm(weight.mT, slopes[0]).mul_(below.sign()))
    return entering, slopes


def gradient(entering: list[Tensor], slopes: list[Tensor]) -> Weights:
    """Gradient of the squared error by weights and biases, from what `traced` returns."""
    pairs = zip(entering, slopes, strict=True)
    return [part for inner, slope in pairs for part in (torch.bmm(slope, inner.mT), slope.sum(2, keepdim=True))]


def curvature(along: Weights, weights: Weights, entering: list[Tensor], slopes: list[Tensor]) -> Weights:
    """Derivative of that gradient in a direction: the Hessian times `along`, written out (Pearlmutter 1994).

    Every quantity of the way forward and back is differentiated in turn; this takes half the time of having autograd
    pass through the inner steps, where networks are small.
    """
    moving: list[Tensor] = []  # derivatives of what enters each layer but the first, and of what leaves the last
    for place, inner in enumerate(entering):
        change = torch.baddbmm(along[2 * place + 1], along[2 * place], inner)
        if moving:
            change.baddbmm_(weights[2 * place], moving[-1])
        moving.append(change.mul_(entering[place + 1].sign()) if place + 1 < len(entering) else change)
    turn, found = moving.pop() * (2 / entering[0].shape[2]), []
    for place in reversed(range(len(entering))):
        by_weight = torch.bmm(turn, entering[place].mT)
        if place:
            by_weight.baddbmm_(slopes[place], moving[place - 1].mT)
        found = [by_weight, turn.sum(2, keepdim=True), *found]
        if place:
            turn = torch.bmm(weights[2 * place].mT, turn).baddbmm_(along[2 * place].mT, slopes[place])
            turn.mul_(entering[place].sign())
    return found


@torch.no_grad()
def adapted(weights: Weights, x: Tensor, y: Tensor) -> tuple[Weights, list[tuple[Weights, list[Tensor], list[Tensor]]]]:
    """Weights after the inner loop: five steps of gradient descent at rate 0.01 on a task's support rows.

    Args:
        weights: One network per task.
        x: Rows, (tasks, rows, 1).
        y: Their targets, in the same shape.

    Returns:
        The weights, and those before each step with what `traced` returns there.
    """
    path = []
    for _ in range(5):
        path.append((weights, *traced(weights, x, y)))
        weights = [tensor.sub(grad, alpha=0.01) for tensor, grad in zip(weights, gradient(*path[-1][1:]), strict=True)]
    return weights, path


@torch.no_grad()
def meta_gradient(weights: Weights, support: Rows, query: Rows) -> Weights:
    """Gradient of the squared error on query rows after the inner loop, by the weights before it, one per task."""
    own, path = adapted(weights, *support)
    along = gradient(*traced(own, *query))
    for step in reversed(path):
        along = [grad.sub(bent, alpha=0.01) for grad, bent in zip(along, curvature(along, *step), strict=True)]
    return along


@lru_cache(maxsize=4)  # conditions differ in the new tasks alone, and meta-training is nearly all of the cost
def meta_trained(seeds: tuple[int, ...], iterations: int) -> Weights:
    """Initial weights learned by MAML (Finn, Abbeel and Levine 2017) on sines, one network per seed.

    Each iteration draws five sines; the squared error on ten query points of each, after the inner loop on ten support
    points of the same sine, gives the gradient for one step of Adam at rate 0.001.
    """
    rule = backward.Adam(networks.initial(seeds, (1, 40, 40, 1)), [0.001] * len(seeds))
    rngs = networks.generators(seeds, networks.BATCHES)
    for _ in range(iterations):
        x, waves = (part.flatten(0, 1) for part in sines(rngs, 5, 20))
        support, query = ((points, heights(points, waves)) for points in x.split(10, 1))
        grads = meta_gradient([tensor.repeat_interleave(5, 0) for tensor in rule.weights], support, query)
        rule.step([grad.unflatten(0, (-1, 5)).mean(1) for grad in grads])
    return rule.weights


def maml(
    seeds: Sequence[int],
    *,
    amplitude: float | None = None,
    phase: float | None = None,
    points: int = 10,
    noise: float = 0.0,
    iterations: int = 1000,
) -> dict[str, np.ndarray]:
    """Mean squared error on new sines, at 100 points over [-5, 5] and over ten new tasks, at least 0.

    `maml` takes five steps of gradient descent from the weights that MAML learned on other sines, `scratch` the printed
    100 steps of Adam at rate 0.01 from new random weights, both on the same points; `unadapted` is the network that
    MAML learned before any step, `flat` the answer 0 everywhere.

    Args:
        seeds: Each draws the sines, points and initial weights of one replicate.
        amplitude: Of new sines; none draws them as in meta-training.
        phase: Likewise.
        points: Of each new sine to learn from; in meta-training there are ten.
        noise: Standard deviation of what is added to their heights.
        iterations: Of meta-training, each on five sines.
    """
    tasks = 10
    fixed = {name: value for name, value in (("amplitude", amplitude), ("phase", phase)) if value is not None}
    rngs = networks.generators(seeds, DATA)
    x, waves = (part.flatten(0, 1) for part in sines(rngs, tasks, points, **fixed))
    added = np.concatenate([rng.normal(0, noise, (tasks, points, 1)) for rng in rngs])
    y = heights(x, waves) + torch.from_numpy(added).float()
    learned = [tensor.repeat_interleave(tasks, 0) for tensor in meta_trained(tuple(seeds), iterations)]
    fresh = [one for seed in seeds for one in streams(streams(seed, 5)[networks.SPLIT], tasks)]
    scratch = backward.Adam(networks.initial(fresh, (1, 40, 40, 1)), [0.01] * len(x))
    for _ in range(100):
        scratch.step(gradient(*traced(scratch.weights, x, y)))
    grid = torch.linspace(-5, 5, 100).view(1, -1, 1).expand(len(x), -1, 1)
    arms = {"maml": adapted(learned, x, y)[0], "scratch": scratch.weights, "unadapted": learned}
    with torch.no_grad():
        raw = {arm: networks.dense(weights, grid.mT) for arm, weights in arms.items()}
        raw["flat"] = torch.zeros_like(raw["maml"])
        wanted = heights(grid, waves)
        return {
            arm: squared(out, wanted).double().unflatten(0, (-1, tasks)).mean(1).numpy() for arm, out in raw.items()
        }
