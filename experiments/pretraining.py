"""Trials on what other tasks give where labels are few: a source trained on before, or tasks trained on together."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from experiments.common import networks, streams, training
from experiments.common.layers import Layer, Weights, chain, flat, initial, linear, relu
from experiments.common.networks import DATA, SPLIT, Rows
from experiments.common.real import table
from experiments.convolution import convolutional
from experiments.transfer import compared, many_tasks

CLASSES, FACTORS = 5, 3


def generated_pair(
    seed: int, sizes: Sequence[int], shared: int, columns: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Columns and classes of a source and of a target task that read some of the same factors of the columns.

    A factor is a random direction in the columns, orthogonal to the task's others. A row's class is the largest of
    five random quadratic functions, standardised, of the task's three factors; the functions differ between tasks.

    Args:
        seed: Draws everything.
        sizes: Rows of the source and of the target.
        shared: How many of the three factors both tasks read, 0 to 3.
        columns: Gaussian columns.
    """
    rng = np.random.default_rng(seed)
    source = np.linalg.qr(rng.normal(size=(columns, FACTORS)))[0]
    target = np.linalg.qr(np.c_[source[:, :shared], rng.normal(size=(columns, FACTORS - shared))])[0]
    X, y = [], []
    for rows, directions in zip(sizes, (source, target), strict=True):
        X.append(rng.normal(size=(rows, columns)))
        z = X[-1] @ directions
        squares, slopes = rng.normal(size=(CLASSES, FACTORS, FACTORS)), rng.normal(size=(FACTORS, CLASSES))
        heights = np.einsum("ri,cij,rj->rc", z, squares, z) + z @ slopes
        y.append(((heights - heights.mean(axis=0)) / heights.std(axis=0)).argmax(axis=1))
    return X, y


def digit_pair(made: int, split: int, sizes: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images (rows, 1, 8, 8) and classes of five digits drawn at random, then of the other five.

    Args:
        made: Draws which digits are the source's.
        split: Draws the rows.
        sizes: Rows of the source and of the target.
    """
    pixels, digit = table("digits")
    renamed = np.random.default_rng(made).permutation(10)[digit]
    order = np.random.default_rng(split).permutation(len(digit))
    chosen = [order[renamed[order] // CLASSES == task][:rows] for task, rows in enumerate(sizes)]
    return [pixels[rows].reshape(-1, 1, 8, 8) / 16 for rows in chosen], [renamed[rows] % CLASSES for rows in chosen]


def source_and_target(
    seeds: Sequence[int],
    data: str,
    sizes: Sequence[int],
    shared: int,
    columns: int,
    flipped: float,
    shuffled: bool,
) -> list[Rows]:
    """Training and validation rows of the source, then training, validation and test rows of the target.

    Args:
        seeds: One draw each.
        data: `generated` or `digits`.
        sizes: Rows of the five parts.
        shared: As for `generated_pair`.
        columns: As for `generated_pair`.
        flipped: Share of the target's training and validation rows whose class is drawn anew.
        shuffled: Whether the source's classes are dealt to its rows at random.

    Returns:
        Inputs (replicates, rows, ...) and classes 0 to 4, (replicates, rows), of each part.
    """
    drawn = []
    for seed in seeds:
        made, split, noise = (streams(seed, 6)[purpose] for purpose in (DATA, SPLIT, 5))
        pair = sum(sizes[:2]), sum(sizes[2:])
        X, y = generated_pair(made, pair, shared, columns) if data == "generated" else digit_pair(made, split, pair)
        rng = np.random.default_rng(noise)
        if shuffled:
            y[0] = rng.permutation(y[0])
        known = sum(sizes[2:4])
        y[1][:known] = np.where(rng.random(known) < flipped, rng.integers(0, CLASSES, known), y[1][:known])
        drawn.append((np.concatenate(X).astype(np.float32), np.concatenate(y)))
    x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in zip(*drawn, strict=True))
    return list(zip(x, y, strict=True))


def stopped(
    net: Layer, start: Weights, train: Rows, valid: Rows, minibatches: torch.Tensor, rates: Sequence[float]
) -> Weights:
    """Each network at the learning rate and the twentieth of the training at which its validation loss is least.

    Args:
        net: The network.
        start: Weights to start from; those that require a gradient are trained.
        train: Training rows.
        valid: Validation rows.
        minibatches: From `networks.batches`.
        rates: Learning rates of Adam to choose from.
    """
    best = training.Best(lambda weights: -training.mean_loss(net, weights, valid))
    plan = {"optimizer": "adam", "watch": best, "every": max(1, len(minibatches) // 20)}
    training.fit(net, start, train, minibatches, rates, **plan)
    return networks.best(best.weights, list(best.scores))


def accuracy_after_source(
    seeds: Sequence[int],
    *,
    arms: Sequence[str],
    n_target: int,
    data: str = "generated",
    n_source: int = 2000,
    n_test: int = 700,
    shared: int = FACTORS,
    flipped: float = 0.0,
    shuffled: bool = False,
    columns: int = 20,
    convolved: bool = False,
    rates: Sequence[float] = (0.0005, 0.003, 0.02),
    n_steps: int = 300,
    source_rate: float = 0.006,
    source_steps: int = 280,
) -> dict[str, np.ndarray]:
    """Accuracy on the target's test rows of networks fitted to its few training rows in several ways, in [0, 1].

    All start with the same random last layer, see the same minibatches of at most 16 rows, and choose rate and moment
    by the loss on as many validation rows of the target as it has training rows. Hidden layers have 64 and 32 units.

    Args:
        seeds: Each draws tasks, rows, weights and minibatches of one replicate.
        arms: Of `scratch` (random weights, all trained), `tuned` (all but the last layer from the source, all trained)
            and `frozen` (the same, of which only the last layer is trained).
        n_target: Training rows of the target.
        data: `generated` or `digits`.
        n_source: Training rows of the source; a quarter as many validate.
        n_test: Test rows of the target.
        shared: Factors that the generated tasks share, 0 to 3.
        flipped: Share of the target's training and validation classes drawn anew.
        shuffled: Whether the source's classes are dealt to its rows at random.
        columns: Of generated data.
        convolved: Whether images go through two convolutions of 4 and 8 channels in place of the hidden layers.
        rates: Learning rates tried on the target.
        n_steps: Minibatches of the target at most.
        source_rate: Learning rate on the source.
        source_steps: Minibatches of the source at most.
    """
    sizes = n_source, n_source // 4, n_target, n_target, n_test
    parts = source_and_target(seeds, data, sizes, shared, columns, flipped, shuffled)
    source, source_valid, train, valid, test = parts
    dense = chain(flat, linear(train[0][0, 0].numel(), 64), relu, linear(64, 32), relu, linear(32, CLASSES))
    net = convolutional(8, CLASSES, (4, 8)) if convolved else dense
    # the source's network starts at weights of its own, as one that somebody else has trained
    elsewhere, start = initial(net, [streams(seed, 7)[6] for seed in seeds]), initial(net, seeds)
    taken = networks.batches(seeds, n_source, 32, source_steps)
    learned = stopped(net, elsewhere, source, source_valid, taken, [source_rate])
    minibatches = networks.batches(seeds, n_target, min(16, n_target), n_steps)
    found = {}
    for arm in arms:
        if arm == "frozen":
            # what the layers that stay give is computed once: a last layer that changes nothing shows it
            width = start[-2].shape[2]
            shown = [*learned[:-2], torch.eye(width).expand(len(seeds), -1, -1), torch.zeros_like(start[-1][:, :1])]
            features = [(training.outputs(net, shown, x).mT, y) for x, y in (train, valid, test)]
            head = linear(width, CLASSES)
            fitted = stopped(head, start[-2:], *features[:2], minibatches, rates)
            found[arm] = training.accuracy(head, fitted, features[2])
            continue
        first = start if arm == "scratch" else [tensor.requires_grad_() for tensor in learned[:-2]] + start[-2:]
        found[arm] = training.accuracy(net, stopped(net, first, train, valid, minibatches, rates), test)
    return found


@cache
def known_part(
    seeds: tuple[int, ...],
    sizes: tuple[int, int, int],
    asked: tuple[str, int, int, bool, float],
    hidden: tuple[int, ...],
    rates: tuple[float, ...],
    n_steps: int,
) -> dict[str, np.ndarray]:
    """Accuracies from `compared` where the first of the training and validation rows alone are known.

    They are kept, as conditions that differ in the number of few labels have the same networks with many.

    Args:
        seeds: As for `gain_by_labels`.
        sizes: Training rows that are known, all training rows, and test rows; half as many validate.
        asked: What `many_tasks` takes after the sizes.
        hidden: As for `compared`.
        rates: Likewise.
        n_steps: Likewise.
    """
    rows, drawn, n_test = sizes
    train, valid, test = many_tasks(seeds, (drawn, drawn // 2, n_test), *asked)
    known = [(x[:, :part], y[:, :part]) for (x, y), part in ((train, rows), (valid, rows // 2))]
    return compared(seeds, [*known, test], hidden, rates, n_steps)


def gain_by_labels(
    seeds: Sequence[int],
    *,
    few: int,
    many: int,
    data: str = "generated",
    n_test: int = 1000,
    tasks: int = 4,
    columns: int = 20,
    related: bool = True,
    flipped: float = 0.0,
    hidden: Sequence[int] = (64, 32),
    rates: Sequence[float] = (0.002, 0.008),
    few_steps: int = 300,
    many_steps: int = 1000,
) -> dict[str, np.ndarray]:
    """What one network for all tasks gains in accuracy over one network for each, with few labels and with many.

    The few rows are among the many, and both are judged on the same test rows.

    Args:
        seeds: Each draws rows, weights, minibatches and masks of one replicate.
        few: Training rows, each with a label for every task; half as many validate.
        many: The same, many.
        data: As for `many_tasks`.
        n_test: Test rows, with the classes turned over that training has.
        tasks: As for `many_tasks`.
        columns: Likewise.
        related: Likewise.
        flipped: Likewise.
        hidden: As for `compared`.
        rates: Likewise.
        few_steps: Minibatches at most with few rows; each network stops where its validation loss is least.
        many_steps: The same with many rows, which take longer to learn.

    Returns:
        `joint_few`, `single_few`, `joint_many` and `single_many`, accuracies in [0, 1]; `gain_few` and `gain_many`, the
        joint network's less the single ones'.
    """
    asked, found = (data, tasks, columns, related, flipped), {}
    for name, rows, steps in (("few", few, few_steps), ("many", many, many_steps)):
        accuracy = known_part(tuple(seeds), (rows, many, n_test), asked, tuple(hidden), tuple(rates), steps)
        found |= {f"{arm}_{name}": values for arm, values in accuracy.items()}
        found[f"gain_{name}"] = accuracy["joint"] - accuracy["single"]
    return found
