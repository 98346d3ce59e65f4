"""Trials on normalisation between a layer and its activation: what it allows, when it fails, and why it works."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from experiments.common import networks
from experiments.common.layers import (
    Layer,
    Noise,
    Weights,
    batch_norm,
    chain,
    convolution,
    flat,
    function,
    group_norm,
    initial,
    layer_norm,
    linear,
    max_pool,
    relu,
)
from experiments.common.networks import MASKS, Rows, batches, classification, generators
from experiments.common.training import accuracy, fit

NORMS = {
    "none": lambda features: chain(),
    "batch": batch_norm,
    "layer": layer_norm,
    "group": lambda features: group_norm(features, 4),
}
"""What stands between a layer and its activation."""


def normed(inputs: int, hidden: Sequence[int], classes: int, norm: str, images: bool) -> Layer:
    """Linear layers or, on images of 8 x 8, convolutions (the first two pooled), each with a norm and ReLU."""
    make, parts = convolution if images else linear, []
    for number, (size, width) in enumerate(pairwise((1 if images else inputs, *hidden))):
        # the largest is pooled before ReLU: the same values as after it, at a quarter of the work
        parts += [make(size, width), NORMS[norm](width), *([max_pool()] if images and number < 2 else []), relu]
    return chain(*parts, *([flat] if images else []), linear(hidden[-1] * (4 if images else 1), classes))


def parts_of(seeds: Sequence[int], sizes: Sequence[int], data: str, images: bool, **shape: float) -> list[Rows]:
    """Disjoint parts of digits or of generated data with 20 columns, 10 of them informative."""
    parts = classification(seeds, sizes, data, n_features=20, n_informative=10, **shape)
    return [(x.unflatten(2, (1, 8, 8)) if images else x, y) for x, y in parts]


def largest_rate(
    seeds: Sequence[int],
    *,
    norms: Sequence[str] = ("none", "batch"),
    data: str = "digits",
    images: bool = False,
    n_classes: int = 10,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32, 16),
    rates: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8),
    n_steps: int = 100,
    **options: float,
) -> dict[str, np.ndarray]:
    """Largest learning rate with which a network learns, without and with a norm.

    A rate works where the accuracy on 500 test rows, after all steps, is at least 90 % of the way from chance to the
    best of the same network at any rate. Both arms see the same minibatches of 32.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        norms: Names in NORMS, of the first and of the second arm.
        data: `digits` or `generated`.
        images: Convolutions in place of linear layers.
        n_classes: Classes, equally frequent; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random.
        hidden: Units or channels per hidden layer.
        rates: Learning rates tried, ascending.
        n_steps: Minibatches.
        options: Optimizer (`sgd` or `adam`) and its keywords.

    Returns:
        `plain` and `normed`, the largest rate at which the first and the second arm work; `plain_best` and
        `normed_best`, their highest accuracy at any rate, in [0, 1].
    """
    train, test = parts_of(seeds, (500, 500), data, images, n_classes=n_classes, flip_y=flip_y)
    steps, outcomes = batches(seeds, 500, 32, n_steps), {}
    for arm, norm in zip(("plain", "normed"), norms, strict=True):
        net = normed(train[0].shape[2], hidden, n_classes, norm, images)
        fits = fit(net, initial(net, seeds), train, steps, rates, **options)
        reached = np.stack([accuracy(net, fitted, test) for fitted in fits])
        best = reached.max(axis=0)
        works = reached >= 1 / n_classes + 0.9 * (best - 1 / n_classes)
        outcomes |= {arm: np.max(works * np.array(rates)[:, None], axis=0), f"{arm}_best": best}
    return outcomes


def accuracy_by_norm(
    seeds: Sequence[int],
    *,
    size: int,
    norm: str = "layer",
    data: str = "digits",
    images: bool = False,
    n_train: int = 400,
    n_classes: int = 10,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32, 16),
    rates: Sequence[float] = (0.003, 0.02, 0.1),
    n_steps: int = 500,
) -> dict[str, np.ndarray]:
    """Accuracy on 1000 test rows of one network with batch normalisation, with another norm, and with none, in [0, 1].

    All see the same minibatches and take equally many steps of SGD with momentum 0.9; each takes the learning rate that
    is best for it on 199 validation rows.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        size: Rows of a minibatch.
        norm: `layer` or `group`, the rival of batch normalisation.
        data: `digits` or `generated`.
        images: Convolutions in place of linear layers.
        n_train: Training rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, in training and test rows alike.
        hidden: Units or channels per hidden layer.
        rates: Learning rates tried.
        n_steps: Minibatches.

    Returns:
        `batch`, `rival` (with the other norm) and `none`.
    """
    train, valid, test = parts_of(seeds, (n_train, 199, 1000), data, images, n_classes=n_classes, flip_y=flip_y)
    steps, outcomes = batches(seeds, n_train, size, n_steps), {}
    for arm, name in {"batch": "batch", "rival": norm, "none": "none"}.items():
        net = normed(train[0].shape[2], hidden, n_classes, name, images)
        fits = fit(net, initial(net, seeds), train, steps, rates, momentum=0.9)
        chosen = networks.best(fits, [accuracy(net, fitted, valid) for fitted in fits])
        outcomes[arm] = accuracy(net, chosen, test)
    return outcomes


def jolts(mean: float, scale: float) -> Layer:
    """In training, a new shift (uniform within +-mean) and factor (uniform from 1 to scale) per unit at every step."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        if noise is None:
            return x
        drawn = torch.from_numpy(np.stack([rng.random((2, x.shape[1], 1), np.float32) for rng in noise]))
        drawn = drawn.repeat(len(x) // len(noise), 1, 1, 1).view(len(x), 2, -1, *[1] * (x.dim() - 2))
        return x * (1 + (scale - 1) * drawn[:, 0]) + mean * (2 * drawn[:, 1] - 1)

    return Layer(lambda rng: [], apply)


def learning_under_jolts(
    seeds: Sequence[int],
    *,
    data: str = "digits",
    images: bool = False,
    n_classes: int = 10,
    hidden: Sequence[int],
    n_steps: int,
    jolt: tuple[float, float] = (0.5, 1.25),
    rates: Sequence[float] = (0.03, 0.1, 0.3, 1.0),
) -> dict[str, np.ndarray]:
    """Accuracy on 1000 test rows without norm, with batch normalisation, and with it undone by jolts, in [0, 1].

    Every hidden layer is linear or a convolution, then batch normalisation, then jolts, then ReLU, as far as the arm
    has them, from He's initial weights. All see the same minibatches of 32 and take equally many steps of SGD; each
    takes the learning rate that is best for it on 199 validation rows. At test time nothing is jolted.

    Args:
        seeds: Each draws data, weights, minibatches and jolts of one replicate.
        data: `digits` or `generated`.
        images: Convolutions in place of linear layers.
        n_classes: Classes; 10 for digits.
        hidden: Units or channels per hidden layer.
        n_steps: Minibatches.
        jolt: Largest shift of a unit, and largest factor on it, after batch normalisation to variance 1.
        rates: Learning rates tried.

    Returns:
        `plain`, `batch` and `jolted`; `midway` between the first two; and `plain_shift`, `batch_shift`, `jolted_shift`,
        how far a hidden unit's mean output over 100 rows moves in one step, in standard deviations, over units and
        every twentieth step.
    """
    train, valid, test = parts_of(seeds, (398, 199, 1000), data, images, n_classes=n_classes)
    steps, make, outcomes = batches(seeds, 398, 32, n_steps), convolution if images else linear, {}
    for arm in ("plain", "batch", "jolted"):
        parts, inputs = [], []
        for number, (size, width) in enumerate(pairwise((1 if images else train[0].shape[2], *hidden))):
            parts += [make(size, width, init="he"), *([] if arm == "plain" else [batch_norm(width)])]
            parts += [jolts(*jolt)] if arm == "jolted" else []
            parts += [relu, function(lambda x, seen=inputs: seen.append(x.detach().flatten(2)) or x)]
            parts += [max_pool()] if images and number < 2 else []
        net = chain(*parts, *([flat] if images else []), linear(hidden[-1] * (4 if images else 1), n_classes))
        moments, noise = [], generators(seeds, MASKS)

        def watch(done: int, fits: list[Weights], net=net, seen=inputs, moments=moments, noise=noise) -> None:
            if done % 20 > 1 or done == n_steps:
                return
            now = []
            for weights in fits:
                seen.clear()  # of what training has passed through
                net([tensor.detach().clone() for tensor in weights], valid[0][:, :100].movedim(1, 2), noise)
                now.append([torch.cat([of(x, 2) for x in seen], 1) for of in (torch.mean, torch.std)])
            moments.append([torch.stack(same) for same in zip(*now, strict=True)])

        start = initial(net, seeds)
        fits = fit(net, start, train, steps, rates, seeds=seeds, watch=watch)
        scores = [accuracy(net, fitted, valid) for fitted in fits]
        outcomes[arm] = accuracy(net, networks.best(fits, scores), test)
        means, spreads = (torch.stack(same) for same in zip(*moments, strict=True))
        moved = (means[1::2] - means[::2]).abs().sum((0, 3)) / spreads[::2].sum((0, 3))
        outcomes[f"{arm}_shift"] = moved.numpy()[np.argmax(scores, axis=0), np.arange(len(seeds))]
    return outcomes | {"midway": (outcomes["plain"] + outcomes["batch"]) / 2}
