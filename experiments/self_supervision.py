"""Trials on learning from rows without labels, by tasks made of the rows themselves, before learning from labels."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch

from experiments.common import networks, streams, training
from experiments.common.layers import Layer, Weights, chain, initial, linear
from experiments.common.networks import DATA, SPLIT, Rows, batches
from experiments.common.real import mnist, table
from experiments.convolution import quartered
from experiments.pretexts import FEATURES, distorted, encoder, pretext, scaled, supervised, trained, unscaled, untrained

SIDES = {"digits": 8, "mnist": 14}
"""Sets of images, and the pixels of a side."""
DRAWS = 3  # of few labels in a replicate
VIEWS = 5  # stream of the distorted copies of labelled rows, after those of `networks`

# Rows --------------------------------------------------------------------------------------------------------------


def surface(rng: np.random.Generator, rows: int, factors: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Thirty columns that are smooth functions of a few factors, plus noise.

    Args:
        rng: Draws factors, functions and noise.
        rows: Rows.
        factors: Gaussian; each column is a random mixture of 50 random sigmoids of them, with variance 1.
        noise: Standard deviation of what is added to each column.

    Returns:
        Columns (rows, 30) and factors (rows, factors).
    """
    z = rng.normal(size=(rows, factors))
    x = np.tanh(z @ rng.normal(size=(factors, 50)) + rng.normal(size=50)) @ rng.normal(size=(50, 30))
    return (x - x.mean(0)) / x.std(0) + noise * rng.normal(size=x.shape), z


def nearest(rng: np.random.Generator, z: np.ndarray, classes: int) -> np.ndarray:
    """Class of each row, (rows,): the nearest of random points among the factors; none has less than a twentieth."""
    while True:
        y = np.square(z[:, None] - rng.normal(size=(classes, z.shape[1]))).sum(2).argmin(1)
        if np.bincount(y, minlength=classes).min() >= len(z) / 20:
            return y


@cache
def real(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in [0, 1] (mnist as 14 x 14) or columns with mean 0 and variance 1, (rows, columns), and classes."""
    x, y = mnist() if data == "mnist" else table(data)
    if data == "mnist":
        return quartered(x).reshape(len(x), -1) / 255, y
    return (x / 16 if data == "digits" else (x - x.mean(0)) / x.std(0)), y


def balanced(rng: np.random.Generator, y: np.ndarray, per_class: int) -> np.ndarray:
    """All row numbers in random order, but first `per_class` rounds of one row of every class."""
    order = rng.permutation(len(y))
    first = np.stack([order[y[order] == one][:per_class] for one in np.unique(y)], 1).flatten()
    return np.concatenate([first, order[~np.isin(order, first)]])


def stacked(drawn: Sequence[tuple[np.ndarray, np.ndarray]]) -> Rows:
    """Columns and classes of all replicates."""
    x, y = zip(*drawn, strict=True)
    return torch.from_numpy(np.stack(x).astype(np.float32)), torch.from_numpy(np.stack(y).astype(np.int64))


# Learning from labels ----------------------------------------------------------------------------------------------


def with_views(rngs: Sequence[np.random.Generator], rows: Rows, side: int, copies: int = 7) -> Rows:
    """The rows and `copies` distorted ones of each."""
    made = [distorted(rows[0].mT, rngs, side).mT for _ in range(copies)]
    return torch.cat([rows[0], *made], 1), rows[1].repeat(1, copies + 1)


def fine_tuned(
    seeds: Sequence[int], starts: Sequence[Weights], train: Rows, valid: Rows, test: Rows, steps: int, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy of classifiers on top of each start, and minus their loss on validation rows.

    All weights are trained, or the head alone: either way training stops where the loss on the validation rows is
    least, and the way with the lower one is taken.

    Args:
        seeds: One per replicate.
        starts: Encoders, (replicates, ...).
        train: Labelled rows, (draws x replicates, rows, ...): all draws are learned from side by side.
        valid: The same, to choose by.
        test: Test rows, (replicates, rows, ...).
        steps: Minibatches, the same for all draws.
        rate: Learning rate where all weights are trained.

    Returns:
        Both (starts, draws, replicates).
    """
    columns, classes = train[0].shape[2], int(train[1].max()) + 1
    draws = len(train[0]) // len(seeds)
    times = len(starts) * draws
    body = [torch.cat([tensor.repeat(draws, 1, 1) for tensor in same]) for same in zip(*starts, strict=True)]
    train, valid = ((x.repeat(len(starts), 1, 1), y.repeat(len(starts), 1)) for x, y in (train, valid))
    test = test[0].repeat(times, 1, 1), test[1].repeat(times, 1)
    minibatches = batches(seeds, train[0].shape[1], min(32, train[0].shape[1]), steps).repeat(1, times, 1)
    base, head = encoder(columns), linear(FEATURES, classes)
    scaled = Layer(base.draw, lambda weights, x, noise: (base.apply(weights, x, noise) - next(weights)) * next(weights))
    first = [tensor.detach().repeat(times, 1, 1).requires_grad_() for tensor in initial(chain(base, head), seeds)[4:]]

    def stopped(net: Layer, weights: Weights, train: Rows, valid: Rows, rate: float) -> tuple[Weights, np.ndarray]:
        best = training.Best(lambda now: -training.mean_loss(net, now, valid))
        training.fit(net, weights, train, minibatches, [rate], optimizer="adam", watch=best, every=max(1, steps // 25))
        return best.weights[0], best.scores[0]

    net = chain(scaled, head)
    free = [tensor.clone().requires_grad_(place < 4) for place, tensor in enumerate(body)]
    everything, of_all = stopped(net, [*free, *first], train, valid, rate)
    features = [(training.outputs(scaled, body, x).mT, y) for x, y in (train, valid)]
    alone, of_head = stopped(head, first, *features, 0.02)
    taken = networks.best([everything, [*body, *alone]], [of_all, of_head])
    shape = len(starts), draws, len(seeds)
    return training.accuracy(net, taken, test).reshape(shape), np.maximum(of_all, of_head).reshape(shape)


def on_labels(
    seeds: Sequence[int],
    arms: Mapping[str, Sequence[Weights]],
    rows: Rows,
    test: Rows,
    labels: int,
    draws: int,
    steps: int,
    rate: float,
    side: int,
) -> dict[str, np.ndarray]:
    """Accuracy of each arm, (replicates,), mean over draws of its labelled rows.

    Args:
        seeds: One per replicate.
        arms: Encoders that each arm may start from; it takes the one with the lowest loss on the validation rows.
        rows: Labelled ones; each draw takes the next `labels` of them to train on and as many to choose by.
        test: Test rows.
        labels: Rows of a draw.
        draws: How often.
        steps: Minibatches.
        rate: Learning rate where all weights are trained.
        side: Of images from distorted copies of which arms learn too; 0 for none.
    """
    starts = [start for own in arms.values() for start in own]
    ends = np.cumsum([len(own) for own in arms.values()])[:-1]
    rngs = [np.random.default_rng(streams(seed, VIEWS + 1)[VIEWS]) for seed in seeds]
    drawn = []
    for part in range(0, 2 * draws * labels, 2 * labels):
        train, valid = ((rows[0][:, at : at + labels], rows[1][:, at : at + labels]) for at in (part, part + labels))
        drawn.append((*(with_views(rngs, train, side) if side else train), *valid))
    x, y, valid_x, valid_y = (torch.cat(same) for same in zip(*drawn, strict=True))
    every, scores = fine_tuned(seeds, starts, (x, y), (valid_x, valid_y), test, steps, rate)
    found = {}
    for arm, own, score in zip(arms, np.split(every, ends), np.split(scores, ends), strict=True):
        found[arm] = np.take_along_axis(own, score.argmax(0)[None], 0)[0].mean(0)
    return found


# Trials ------------------------------------------------------------------------------------------------------------


def labels(
    seeds: Sequence[int],
    *,
    data: str = "surface",
    kind: str,
    few: int,
    many: int = 20,
    unlabelled: int = 600,
    n_test: int = 500,
    factors: int = 4,
    noise: float = 0.5,
    classes: int = 6,
    scrambled: bool = False,
    steps: int = 400,
    updates: Sequence[int] = (150, 600),
) -> dict[str, np.ndarray]:
    """Accuracy of a network pretrained on rows without labels and of the same from scratch, with few and many labels.

    Both start at the same weights and get the same labels, half of which choose the way, the moment to stop and whether
    features are scaled to unit spread over the rows without labels; where
    views of an image make the pretext task, both learn from seven distorted copies of each labelled image too. With few
    labels accuracy is the mean over three draws of them.

    Args:
        seeds: Each draws rows, weights, minibatches and views of one replicate.
        data: `surface`, or `digits`, `mnist` or `breast_cancer`.
        kind: As for `pretext`.
        few: Labelled rows of each class to train on, and as many again to choose by; at most a third of `many`.
        many: The same where labels are many.
        unlabelled: Rows of pretraining, those with labels among them.
        n_test: Test rows.
        factors: As for `surface`.
        noise: As for `surface`.
        classes: Of `surface`.
        scrambled: Whether each column of the unlabelled rows is shuffled by itself, so that nothing hangs together.
        steps: Minibatches of 32 of the pretext task.
        updates: Minibatches at most with few labels and with many; each network stops where its validation loss is
            least.

    Returns:
        `pretrained_few`, `scratch_few`, `pretrained_many`, `scratch_many` in [0, 1]; and what each loses from many to
        few, `pretrained_loss` and `scratch_loss`.
    """
    drawn, pools = [], []
    for seed in seeds:
        made, split = (np.random.default_rng(one) for one in streams(seed, 5)[DATA : SPLIT + 1])
        if data == "surface":
            x, z = surface(made, unlabelled + n_test, factors, noise)
            y = nearest(made, z, classes)
        else:
            x, y = real(data)
        order = balanced(split, y, 2 * many)[: unlabelled + n_test]
        drawn.append((x[order], y[order]))
        rows = x[order[:unlabelled]]
        pools.append((made.permuted(rows, axis=0) if scrambled else rows, y[order[:unlabelled]]))
    (x, y), pool = stacked(drawn), stacked(pools)
    side, count = SIDES.get(data, 0), int(y.max()) + 1
    bodies = {
        "scratch": untrained(seeds, x.shape[2]),
        "pretrained": trained(seeds, pool, *pretext(kind, x.shape[2], side), steps)[-1],
    }
    # scaled features alone are worth a point or two, of which neither arm may have the sole use
    arms = {arm: [scaled(body, x[:, :unlabelled]), unscaled(body)] for arm, body in bodies.items()}
    test, found = (x[:, unlabelled:], y[:, unlabelled:]), {}
    plans = ("few", few, DRAWS, updates[0], 0.003), ("many", many, 1, updates[1], 0.004)
    for size, per_class, draws, most, rate in plans:
        views = side if kind == "contrastive" else 0
        accuracy = on_labels(seeds, arms, (x, y), test, per_class * count, draws, most, rate, views)
        found |= {f"{arm}_{size}": values for arm, values in accuracy.items()}
    return found | {f"{arm}_loss": found[arm + "_many"] - found[arm + "_few"] for arm in ("pretrained", "scratch")}


def transferred(
    seeds: Sequence[int],
    *,
    data: str = "surface",
    kind: str,
    task: str = "other",
    labelled: float = 1.0,
    few: int = 5,
    source: int = 500,
    n_test: int = 300,
    factors: int = 4,
    noise: float = 0.5,
    steps: int = 300,
    updates: int = 150,
) -> dict[str, np.ndarray]:
    """Accuracy on a target task, with few labels, of networks pretrained on source rows with and without their labels.

    Both are pretrained from the same weights on as many minibatches of the same rows; then both are fine-tuned alike,
    as is a network that starts from scratch; accuracy is the mean over three draws of the target's labels.

    Args:
        seeds: Each draws rows, tasks, weights, minibatches and views of one replicate.
        data: `surface`, `digits` or `mnist`.
        kind: As for `pretext`; where it is `contrastive`, labels too are learned from distorted images.
        task: What the target asks. `other`: five digits at random where the source has the other five; other classes of
            the same factors. `finer`: ten digits of which the source tells two groups of five. `apart`: the second
            half of the factors where the source asks for the first. `same`: what the source asks.
        labelled: Share of the source rows that have labels; supervised pretraining sees these alone.
        few: Labelled target rows of each class to train on, and as many again to choose by.
        source: Source rows.
        n_test: Test rows of the target task.
        factors: As for `surface`.
        noise: As for `surface`.
        steps: Minibatches of 32 in pretraining.
        updates: Minibatches of the target at most; each network stops where its validation loss is least.

    Returns:
        `self_supervised`, `supervised` and `scratch`, in [0, 1].
    """
    sources, targets = [], []
    for seed in seeds:
        made, split = (np.random.default_rng(one) for one in streams(seed, 5)[DATA : SPLIT + 1])
        x, known, wanted, first, rest = two_tasks(made, split, data, task, source, factors, noise)
        order = rest[balanced(split, wanted[rest], 2 * few * DRAWS)][: 2 * few * DRAWS * (wanted.max() + 1) + n_test]
        sources.append((x[first], known[first]))
        targets.append((x[order], wanted[order]))
    (x, y), (own, wanted) = stacked(sources), stacked(targets)
    side, width = SIDES.get(data, 0), x.shape[2]
    told = x[:, : round(labelled * source)], y[:, : round(labelled * source)]
    views = side if kind == "contrastive" else 0
    arms = {
        "self_supervised": trained(seeds, (x, y), *pretext(kind, width, side), steps),
        "supervised": trained(seeds, told, *supervised(width, int(y.max()) + 1, views), steps),
        "scratch": [untrained(seeds, width)],
    }
    labels = few * (int(wanted.max()) + 1)
    rest = 2 * DRAWS * labels
    return on_labels(
        seeds, arms, (own, wanted), (own[:, rest:], wanted[:, rest:]), labels, DRAWS, updates, 0.003, views
    )


def two_tasks(
    made: np.random.Generator,
    split: np.random.Generator,
    data: str,
    task: str,
    source: int,
    factors: int,
    noise: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, classes in the source and in the target, the source's row numbers, and those the target may have.

    Args:
        made: Draws rows and tasks.
        split: Draws the source's rows.
        data: As for `transferred`, like all others.
        task: What the target asks.
        source: Source rows.
        factors: As for `surface`.
        noise: As for `surface`.
    """
    if data == "surface":
        x, z = surface(made, source + 2000, factors, noise)
        known, other = (nearest(made, z[:, part], 6) for part in _read(task, factors))
        return x, known, known if task == "same" else other, np.arange(source), np.arange(source, len(x))
    x, digit = real(data)
    place = made.permutation(10)[digit]
    order = split.permutation(len(x))
    if task == "finer":
        return x, (place >= 5).astype(int), place, order[:source], order[source:]
    lower = order[place[order] < 5]
    return x, place % 5, place % 5, lower[:source], lower[source:] if task == "same" else order[place[order] >= 5]


def _read(task: str, factors: int) -> list[slice]:
    """Factors that the source task and the target task ask for."""
    return [slice(factors // 2), slice(factors // 2, None)] if task == "apart" else [slice(None)] * 2
