"""Small fully connected networks, all replicates of a block trained at once.

The first axis of every tensor is the replicate. A layer is one `torch.baddbmm`; an optimizer of torch.optim steps over
the stacked tensors (its rule acts on each element alone); the loss is the sum of the replicates' losses, so that each
replicate gets the gradient that it would get by itself. `torch.func.vmap` over the same network took 2 to 4 times the
CPU with 32 to 128 hidden units, so the layers are written out. Against a loop over seeds (64 columns, 10 classes, Adam,
minibatches of 32, one thread) a replicate costs a 16th to a 22nd of the CPU with 32 hidden units in blocks of 32 and
64, an eighth with 128, half with two layers of 256, where the arithmetic itself dominates.

All randomness (rows, initial weights, minibatches, dropout masks) comes from one numpy generator per seed and purpose,
drawn outside the network: what a seed gives does not depend on its neighbours beyond rounding, and the global
generators of numpy and torch are neither read nor set.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
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
Masks = Callable[[], Iterator[list[Tensor]]]

DATA, SPLIT, WEIGHTS, BATCHES, MASKS = range(5)  # purposes: the streams of one replicate
TOGETHER = 64  # networks trained side by side: more only grow out of the processor's cache


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


def dropout_masks(seeds: Sequence[int], rates: Sequence[float], widths: Sequence[int], size: int) -> Masks:
    """Iterators over training steps: per layer the factors on its inputs, (replicates, width, size), none at rate 0.

    Args:
        seeds: One stream of masks each.
        rates: Share dropped before each layer (of the columns, then of each hidden layer), in [0, 1). The factors are 0
            and 1 / (1 - rate): nothing is left to do at test time.
        widths: As for `initial`.
        size: Rows of a minibatch.
    """

    def steps() -> Iterator[list[Tensor]]:
        rngs = generators(seeds, MASKS)
        while True:
            step = []
            for rate, width in zip(rates, widths, strict=False):
                # 16 raw bits a factor: a third of the time of a uniform number, and the rate is missed by 1e-5 at most
                words = -(-width * size // 4)
                raw = [rng.bit_generator.random_raw(words).view(np.uint16) for rng in rngs if rate]
                kept = np.reshape(raw, (-1, 4 * words))[:, : width * size] >= round(rate * 2**16)
                factors = kept.astype(np.float32) * np.float32(1 / (1 - rate))
                step.append(torch.from_numpy(factors.reshape(-1, width, size)))
            yield step

    return steps


def outputs(weights: Weights, x: Tensor, activation: str = "relu", masks: Sequence[Tensor] = ()) -> Tensor:
    """Raw outputs of the networks, (replicates, outputs, rows); `activation` names a function of torch."""
    # rows last, as products with ten classes on the last axis are several times slower, and log-softmax twenty
    x = x.mT
    for layer in range(0, len(weights), 2):
        x = x if layer == 0 else getattr(torch, activation)(x)
        if len(masks) > layer // 2 and len(masks[layer // 2]):
            x = x * masks[layer // 2]
        x = torch.baddbmm(weights[layer + 1], weights[layer], x)
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
OPTIMIZERS: Mapping[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def trained(
    weights: Weights,
    rows: Rows,
    steps: Tensor,
    rates: Sequence[float],
    *,
    loss: str = "cross_entropy",
    optimizer: str = "adam",
    activation: str = "relu",
    masks: Masks | None = None,
    **options: float,
) -> list[Weights]:
    """Weights after one optimizer step per minibatch, one list per learning rate; the given ones stay as they are.

    Args:
        weights: From `initial`; every learning rate starts there and sees the same minibatches and masks.
        rows: Training rows.
        steps: From `batches`.
        rates: Learning rates.
        loss: A name in LOSSES.
        optimizer: A name in OPTIMIZERS.
        activation: As for `outputs`.
        masks: From `dropout_masks`.
        options: Further keywords of the optimizer, such as momentum or weight_decay.
    """
    (x, y), replicates = rows, len(rows[0])
    together = max(1, TOGETHER // replicates)
    if len(rates) > together:
        settings = {"loss": loss, "optimizer": optimizer, "activation": activation, "masks": masks}
        again = partial(trained, weights, rows, steps, **settings, **options)
        starts = range(0, len(rates), together)
        return [done for start in starts for done in again(rates[start : start + together])]
    leaves = [[tensor.clone().requires_grad_() for tensor in weights] for _ in rates]
    groups = [{"params": leaf, "lr": rate} for leaf, rate in zip(leaves, rates, strict=True)]
    rule = OPTIMIZERS[optimizer](groups, fused=True, **options)  # fused: one pass over the memory in place of seven
    flat_x, flat_y = x.reshape(-1, x.shape[2]), y.reshape(-1)
    first_row = torch.arange(replicates)[:, None] * x.shape[1]
    drawn = masks() if masks else None
    for step in steps:
        place = (step + first_row).repeat(len(rates), 1)
        batch = flat_x.index_select(0, place.reshape(-1)).view(*place.shape, -1)  # x[replicate, step] is 6 times slower
        factors = [factor.repeat(len(rates), 1, 1) for factor in next(drawn)] if drawn else []
        stacked = [torch.cat(tensors) for tensors in zip(*leaves, strict=True)] if len(rates) > 1 else leaves[0]
        raw = outputs(stacked, batch, activation, factors)
        rule.zero_grad()
        LOSSES[loss](raw, flat_y.take(place)).sum().backward()
        rule.step()
    return [[tensor.detach() for tensor in leaf] for leaf in leaves]


@torch.no_grad()
def accuracy(weights: Weights, rows: Rows, activation: str = "relu") -> np.ndarray:
    """Share of the rows whose largest output is their class, (replicates,), in [0, 1]."""
    hits = outputs(weights, rows[0], activation).argmax(1) == rows[1]
    return hits.double().mean(1).numpy()


@torch.no_grad()
def mean_loss(weights: Weights, rows: Rows, loss: str = "cross_entropy", activation: str = "relu") -> np.ndarray:
    """Loss over the rows, (replicates,), unit and range as the loss has them; not finite where training diverged."""
    return LOSSES[loss](outputs(weights, rows[0], activation), rows[1]).double().numpy()


def best(candidates: Sequence[Weights], scores: Sequence[np.ndarray]) -> Weights:
    """For each replicate the candidate with the highest score, the first of equals.

    Args:
        candidates: The same networks trained in several ways, such as at several learning rates.
        scores: Of each candidate, (replicates,), from validation rows; NaN loses against any number.
    """
    chosen = torch.from_numpy(np.argmax(np.nan_to_num(np.stack(scores), nan=-np.inf), axis=0))
    stacks = [torch.stack(tensors) for tensors in zip(*candidates, strict=True)]
    return [stack[chosen, torch.arange(len(chosen))] for stack in stacks]
