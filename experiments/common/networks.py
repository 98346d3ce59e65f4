"""Small fully connected networks, all replicates of a block at once: their data, weights, minibatches and losses.

The first axis of every tensor is the replicate. A layer is one `torch.baddbmm`; the loss is one value per replicate,
and `training.fit` steps along their sum, so that each gets the gradient that it would get by itself. `torch.func.vmap`
over the same network took 2 to 4 times the CPU with 32 to 128 hidden units, so the layers are written out. Against a
loop over seeds (64 columns, 10 classes, Adam, minibatches of 32, one thread) a replicate costs a 16th to a 22nd of the
CPU with 32 hidden units in blocks of 32 and 64, an eighth with 128, half with two layers of 256, where the arithmetic
itself dominates.

All randomness (rows, initial weights, minibatches, dropout masks) comes from one numpy generator per seed and purpose,
drawn outside the network: what a seed gives does not depend on its neighbours beyond rounding, and the global
generators of numpy and torch are neither read nor set.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import make_classification
from torch import Tensor
from torch.nn import functional

from experiments.common import streams
from experiments.common.data import bundled, shares

Weights = list[Tensor]  # weight (replicates, outputs, inputs), bias (replicates, outputs, 1), weight, bias, ...
Rows = tuple[Tensor, Tensor]  # features (replicates, rows, columns) float32, classes (replicates, rows) int64

DATA, SPLIT, WEIGHTS, BATCHES, MASKS = range(5)  # purposes: the streams of one replicate


def generators(seeds: Sequence[int], purpose: int) -> list[np.random.Generator]:
    """One generator per seed for one purpose (DATA, SPLIT, WEIGHTS, BATCHES or MASKS)."""
    return [np.random.default_rng(streams(seed, 5)[purpose]) for seed in seeds]


def classification(seeds: Sequence[int], sizes: Sequence[int], data: str, **generator: float) -> list[Rows]:
    """Disjoint parts (training, validation, test, ...) of one classification data set per seed.

    Args:
        seeds: One data set each.
        sizes: Rows of each part.
        data: `generated` draws a new problem per seed (scikit-learn's make_classification, columns standardised by the
            first part); the name of a set in `experiments.common.data` draws rows of it without replacement.
        generator: Keywords of make_classification, such as n_features, n_classes, flip_y; bundled sets ignore them.
    """
    drawn = []
    for seed in seeds:
        made, split = streams(seed, 5)[DATA : SPLIT + 1]
        if data == "generated":
            columns, classes = make_classification(sum(sizes), random_state=made, **generator)
            first = columns[: sizes[0]]
            columns = (columns - first.mean(axis=0)) / first.std(axis=0)
        else:
            columns, classes = bundled(data)
            chosen = np.concatenate(shares(split, len(classes), *sizes)[:-1])
            columns, classes = columns[chosen], classes[chosen]
        drawn.append((columns.astype(np.float32), classes.astype(np.int64)))
    x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in zip(*drawn, strict=True))
    return [(columns.contiguous(), labels.contiguous()) for columns, labels in zip(x, y, strict=True)]


def initial(seeds: Sequence[int], widths: Sequence[int], init: str = "torch", gain: float = 1.0) -> Weights:
    """Initial weights of networks with layers of the given widths (columns, hidden layers, outputs).

    Args:
        seeds: One network each.
        widths: At least columns and outputs.
        init: `torch` is nn.Linear's default (weights and biases uniform within 1/sqrt(inputs)); `he` and `glorot`
            are normal (He et al. 2015; Glorot & Bengio 2010) with zero biases.
        gain: Factor on the weights, not on the biases.
    """
    weights: Weights = []
    rngs = generators(seeds, WEIGHTS)
    for inputs, outs in pairwise(widths):
        if init == "torch":
            drawn = [rng.uniform(-1, 1, (outs, inputs + 1)) / np.sqrt(inputs) for rng in rngs]
        elif init in ("he", "glorot"):
            spread = np.sqrt(2 / inputs if init == "he" else 2 / (inputs + outs))
            drawn = [np.c_[rng.normal(0, spread, (outs, inputs)), np.zeros(outs)] for rng in rngs]
        else:
            raise ValueError(f"init must be torch, he or glorot, not {init!r}: choose one of the three")
        layer = torch.from_numpy(np.stack(drawn).astype(np.float32))
        weights += [gain * layer[..., :-1], layer[..., -1:].clone()]
    return weights


def batches(seeds: Sequence[int], rows: int, size: int, steps: int) -> Tensor:
    """Row numbers of the minibatches, (steps, replicates, size): each epoch in a new order, its remainder dropped."""
    kept = rows // size * size
    epochs = -(-steps * size // kept)
    orders = [[rng.permutation(rows)[:kept] for _ in range(epochs)] for rng in generators(seeds, BATCHES)]
    return torch.from_numpy(np.reshape(orders, (len(seeds), -1, size))[:, :steps].swapaxes(0, 1).copy())


def dense(weights: Weights, x: Tensor, noise: object = None) -> Tensor:
    """Raw outputs of the networks, ReLU between their layers: a forward function of `training.fit`.

    Args:
        weights: From `initial`.
        x: Inputs, (replicates, columns, rows).
        noise: Not looked at: nothing is drawn in training.

    Returns:
        (replicates, outputs, rows).
    """
    # rows last, as products with ten classes on the last axis are several times slower, and log-softmax twenty
    for layer in range(0, len(weights), 2):
        x = torch.baddbmm(weights[layer + 1], weights[layer], x.relu() if layer else x)
    return x


def cross_entropy(raw: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the softmax of raw outputs, in nats, mean over rows: (replicates,)."""
    return functional.cross_entropy(raw, y, reduction="none").mean(1)


def mse_linear(raw: Tensor, y: Tensor) -> Tensor:
    """Squared distance of raw outputs from one-hot classes, mean over rows: (replicates,).

    Summed over classes, so that its best learning rates are near those of cross-entropy; nn.MSELoss is this divided by
    the number of classes.
    """
    return (raw - functional.one_hot(y, raw.shape[1]).mT).square().sum(1).mean(1)


def mse_softmax(raw: Tensor, y: Tensor) -> Tensor:
    """As `mse_linear`, of the softmax of raw outputs: (replicates,), in [0, 2]."""
    return mse_linear(raw.softmax(1), y)


LOSSES = {"cross_entropy": cross_entropy, "mse_linear": mse_linear, "mse_softmax": mse_softmax}


def best(candidates: Sequence[Weights], scores: Sequence[np.ndarray]) -> Weights:
    """For each replicate the candidate with the highest score, the first of equals.

    Args:
        candidates: The same networks trained in several ways, such as at several learning rates.
        scores: Of each candidate, (replicates,), from validation rows; NaN loses against any number.
    """
    chosen = torch.from_numpy(np.argmax(np.nan_to_num(np.stack(scores), nan=-np.inf), axis=0))
    stacks = [torch.stack(tensors) for tensors in zip(*candidates, strict=True)]
    return [stack[chosen, torch.arange(len(chosen))] for stack in stacks]
