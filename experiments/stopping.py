"""Trials on early stopping: where it leaves a training."""

from collections.abc import Sequence

import numpy as np
import torch

from experiments.common import layers, networks, streams, training
from experiments.common.data import bundled
from experiments.optimization import multilayer


def _losses(
    net: layers.Layer,
    start: layers.Weights,
    fitted: networks.Rows,
    judged: Sequence[networks.Rows],
    steps: torch.Tensor,
    rate: float,
    every: int,
) -> np.ndarray:
    """Losses on the parts judged along a training with Adam, (parts, replicates, looks), the first before any step."""
    seen: list[list[np.ndarray]] = []

    def watch(done: int, fits: list[layers.Weights]) -> None:
        seen.append([training.mean_loss(net, fits[0], rows) for rows in judged])

    training.fit(net, start, fitted, steps, [rate], optimizer="adam", watch=watch, every=every)
    return np.moveaxis(np.array(seen), 0, 2)


def stopped_losses(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n: int,
    patience: int,
    epochs: int,
    n_classes: int = 2,
    flip_y: float = 0.0,
    hidden: Sequence[int] = (32,),
    rate: float = 0.003,
    n_valid: int = 0,
    shuffled: bool = False,
    studies: int = 4,
) -> dict[str, np.ndarray]:
    """Test loss of a network at the epoch where early stopping leaves it, and at the best epoch of the whole training.

    Of n rows 70 % train, in minibatches of 32 with Adam, and 15 % validate; stopping restores the weights with the
    lowest validation loss. The best epoch is picked on one half of the test rows and measured on the other, in turn.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: As for `networks.classification`.
        n: Rows split as the guide does; its last 15 % are left out, as more test rows are drawn instead.
        patience: Epochs without a new lowest validation loss after which training stops.
        epochs: Epochs of the whole training.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random.
        hidden: Units per hidden layer (ReLU).
        rate: Learning rate.
        n_valid: Validation rows if not 15 % of n.
        shuffled: Whether each validation row has the class of another, so that they say nothing.
        studies: Data sets of one replicate, over which the losses are averaged.

    Returns:
        `stopped` and `best`: cross-entropy on test rows in nats; `last`: after all epochs.
    """
    seeds = [one for seed in seeds for one in streams(seed, studies)]
    n_train, n_valid = n * 7 // 10, n_valid or n * 15 // 100
    n_test = 1000 if data == "generated" else len(bundled(data)[1]) - n_train - n_valid
    shape = {"n_features": 20, "n_informative": 10, "n_classes": n_classes, "flip_y": flip_y}
    train, valid, test = networks.classification(seeds, (n_train, n_valid, n_test), data, **shape)
    if shuffled:
        valid = (valid[0], valid[1].roll(1, dims=1))
    net = multilayer(train[0].shape[2], hidden, n_classes)
    an_epoch = n_train // 32
    start, steps = layers.initial(net, seeds), networks.batches(seeds, n_train, 32, an_epoch * epochs)
    halves = [tuple(part[:, half::2] for part in test) for half in (0, 1)]
    curves = []
    for some in np.split(np.arange(len(seeds)), range(128, len(seeds), 128)):  # more grow out of the processor's cache
        fitted, *judged = [tuple(part[some].contiguous() for part in rows) for rows in (train, valid, *halves)]
        begin = [weights[some] for weights in start]
        curves.append(_losses(net, begin, fitted, judged, steps[:, some], rate, an_epoch))
    validation, *tests = np.concatenate(curves, axis=1)
    chosen = np.array([_stopping(curve, patience) for curve in validation])
    at = np.arange(len(seeds))
    best = [measured[at, picking.argmin(axis=1)] for picking, measured in (tests, tests[::-1])]
    mean = np.mean(tests, axis=0)
    losses = {"stopped": mean[at, chosen], "best": np.mean(best, axis=0), "last": mean[:, -1]}
    return {name: values.reshape(-1, studies).mean(axis=1) for name, values in losses.items()}


def _stopping(curve: np.ndarray, patience: int) -> int:
    """Epoch of the lowest value before `patience` values in a row were no lower."""
    best = 0
    for epoch, value in enumerate(curve):
        if value < curve[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best
