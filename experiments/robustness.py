"""Claims about chosen changes of the inputs: what small ones do to a network, and what training against them costs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.common import streams
from experiments.common.layers import Layer, Weights, chain, flat, initial, linear, relu
from experiments.common.networks import Rows, batches, classification
from experiments.common.training import SCHEDULES, Best, accuracy, fit, mean_loss, outputs
from experiments.convolution import convolutional, pictures

IMAGES = {"digits": 8, "mnist": 14}
"""Bundled images by name, with the pixels of a side."""


def problem(
    seeds: Sequence[int], sizes: Sequence[int], data: str, structure: str, n_classes: int, n_features: int
) -> tuple[Layer, list[Rows]]:
    """A network to be trained and disjoint parts of one data set per seed.

    Args:
        seeds: One draw each.
        sizes: Rows of each part.
        data: `digits` or `mnist` (grey levels in [0, 1]), `breast_cancer`, or `generated`: two classes without wrong
            labels, half of the columns informative; columns of tables have mean 0 and variance 1.
        structure: `linear`, `mlp` (64 hidden units) or `cnn` (two small convolutions with pooling, for images).
        n_classes: Classes of the data.
        n_features: Columns of generated data.
    """
    if data in IMAGES:
        parts = pictures(seeds, sizes, data)
    else:
        shape = {"n_features": n_features, "n_informative": n_features // 2, "n_redundant": 0, "flip_y": 0.0}
        parts = classification(seeds, sizes, data, **shape)
    inputs = parts[0][0][0, 0].numel()
    nets = {
        "linear": chain(flat, linear(inputs, n_classes)) if data in IMAGES else linear(inputs, n_classes),
        "mlp": chain(*[flat] * (data in IMAGES), linear(inputs, 64), relu, linear(64, n_classes)),
    }
    return convolutional(IMAGES[data], n_classes) if structure == "cnn" else nets[structure], parts


def lead(net: Layer, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    """By how much the right class's output is ahead of the next, (replicates, rows); negative where it is not."""
    raw = net(weights, x.movedim(1, 2)).movedim(1, 2)
    right = torch.zeros_like(raw, dtype=torch.bool).scatter_(2, y[..., None], True)
    return raw[right].view(y.shape) - raw.masked_fill(right, -torch.inf).amax(2)


def chosen(
    net: Layer, weights: Weights, rows: Rows, size: float, steps: int, box: tuple[float, float] = (-np.inf, np.inf)
) -> Tensor:
    """Rows moved against the network by signed gradient steps (Madry et al. 2018), no column by more than `size`.

    The steps lower the right class's lead rather than raise the cross-entropy, whose gradient vanishes where a network
    is sure (Carlini & Wagner 2017). Grey levels stay in the box.
    """
    x, y = rows
    moved, fixed = x.clone(), [tensor.detach() for tensor in weights]
    for _ in range(steps):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(lead(net, fixed, moved, y).sum(), moved)
        stepped = moved.detach() - 2.5 * size / steps * gradient.sign()
        moved = stepped.clamp(x - size, x + size).clamp(*box)
    return moved.detach()


def accuracy_under_small_changes(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    structure: str = "mlp",
    n_train: int,
    n_valid: int,
    n_test: int = 300,
    n_classes: int = 2,
    n_features: int = 20,
    size: float,
    tries: int = 20,
    guide: str = "itself",
    n_steps: int = 600,
    rate: float = 0.003,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows as they are, after random and after chosen changes of the same size, in [0, 1].

    A network is trained by Adam on minibatches of 32, its rate falling to 0 along a cosine, and taken as it was when
    the loss on the validation rows was lowest.

    Args:
        seeds: Each draws data, weights, minibatches and random changes of one replicate.
        data: As for `problem`.
        structure: As for `problem`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes of the data.
        n_features: Columns of generated data.
        size: Largest change of a column: a share of the range from black to white, or of a standard deviation.
        tries: Signed gradient steps of the one who chooses, and random changes; each of these moves every column up or
            down by the whole size.
        guide: Whose gradients choose: the network `itself`, or an `untrained` one of the same structure.
        n_steps: Minibatches.
        rate: First learning rate.

    Returns:
        `clean`; `random`, after one random change; `random_tries`, the share right after each of them; `one_step`,
        after one signed gradient (Goodfellow et al. 2015); `chosen`; `trained`, the share of the minibatches at which
        the loss was lowest.
    """
    net, (train, valid, test) = problem(seeds, (n_train, n_valid, n_test), data, structure, n_classes, n_features)
    best = Best(lambda weights: -mean_loss(net, weights, valid))
    steps, options = batches(seeds, n_train, 32, n_steps), {"optimizer": "adam", "schedule": SCHEDULES["cosine"]}
    fit(net, initial(net, seeds), train, steps, [rate], watch=best, every=20, **options)
    (weights,), box = best.weights, (0.0, 1.0) if data in IMAGES else (-np.inf, np.inf)
    others = [streams(seed, 7)[5:] for seed in seeds]
    leads = weights if guide == "itself" else initial(net, [start for start, _ in others])
    found = {
        "clean": accuracy(net, weights, test),
        "one_step": accuracy(net, weights, (chosen(net, leads, test, size, 1, box), test[1])),
        "chosen": accuracy(net, weights, (chosen(net, leads, test, size, tries, box), test[1])),
        "trained": best.steps[0] / n_steps,
    }
    rngs, right = [np.random.default_rng(noise) for _, noise in others], []
    for _ in range(tries):
        signs = np.stack([2 * rng.integers(2, size=test[0].shape[1:], dtype=np.int8) - 1 for rng in rngs])
        moved = (test[0] + size * torch.from_numpy(signs)).clamp(*box)
        right.append(outputs(net, weights, moved).argmax(1) == test[1])
    found["random"] = right[0].double().mean(1).numpy()
    return found | {"random_tries": torch.stack(right).all(0).double().mean(1).numpy()}
