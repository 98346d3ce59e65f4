"""Trials on how networks are built and trained."""

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
    mean,
    relu,
)
from experiments.common.networks import MASKS, Rows, batches, classification, cross_entropy, generators
from experiments.common.training import accuracy
from experiments.common.training import fit as trained  # `fit` is a variable of the first trial


def accuracy_by_loss(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 1000,
    n_valid: int = 300,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32,),
    gain: float = 1.0,
    optimizer: str = "sgd",
    rates: Sequence[float] = (0.01, 0.04, 0.16, 0.64, 2.5, 10.0),
    n_steps: int = 300,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows of one network trained for its classes with three losses, in [0, 1].

    All start at the same weights and see the same minibatches of 32; each takes the learning rate that is best for
    it on the validation rows.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` (scikit-learn's make_classification, 10 of 20 columns informative) or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, in training and test rows alike.
        hidden: Units per hidden layer (ReLU).
        gain: Factor on torch's default initial weights; at 8 the first softmax is sure of wrong classes.
        optimizer: `sgd` (without momentum) or `adam`.
        rates: Learning rates tried, the same for each loss: the best rate of each should lie inside.
        n_steps: Minibatches.

    Returns:
        `cross_entropy`, `mse_softmax` and `mse_linear`; the last two are squared distances of softmax and of raw
        outputs from one-hot classes.
    """
    shape = {"n_features": 20, "n_informative": 10, "n_classes": n_classes, "flip_y": flip_y}
    train, valid, test = networks.classification(seeds, (n_train, n_valid, n_test), data, **shape)
    start = networks.initial(seeds, (train[0].shape[2], *hidden, n_classes), gain=gain)
    steps = networks.batches(seeds, n_train, 32, n_steps)
    outcomes = {}
    for loss in networks.LOSSES:
        fits = networks.trained(start, train, steps, rates, loss=loss, optimizer=optimizer)
        chosen = networks.best(fits, [networks.accuracy(fit, valid) for fit in fits])
        outcomes[loss] = networks.accuracy(chosen, test)
    return outcomes


SMALLEST = 1e-30  # a gradient that has underflowed is taken for this, so that its logarithm is defined


def gradient_by_depth(
    seeds: Sequence[int],
    *,
    depth: int,
    init: str = "torch",
    activation: str = "relu",
    width: int = 64,
    data: str = "generated",
    n_steps: int = 0,
) -> dict[str, np.ndarray]:
    """Gradient of the loss that reaches the first and the last hidden layer of a plain network.

    Args:
        seeds: Each draws rows and weights of one replicate.
        depth: Hidden layers.
        init: `torch` (nn.Linear's default), `he` or `glorot`.
        activation: A function of torch.
        width: Units of each hidden layer.
        data: `generated` (scikit-learn's make_classification, two classes) or `digits`.
        n_steps: Steps of Adam, minibatches of 32 at rate 0.001, before the gradient is measured.

    Returns:
        `first` and `last`, norms over 256 rows of the gradient with respect to the layer's sums before activation, and
        `first_weights` and `last_weights`, those with respect to the weights of the first and the last layer between
        hidden layers; double precision, at least 1e-30.
    """
    (x, y), fresh = classification(seeds, (512, 256), data, n_features=20, n_informative=10)
    bend = function(getattr(torch, activation))
    hidden = [part for _ in range(depth - 1) for part in (linear(width, width, init), bend)]
    net = chain(linear(x.shape[2], width, init), bend, *hidden, linear(width, 10, init))
    weights = initial(net, seeds)
    if n_steps:
        (weights,) = trained(net, weights, (x, y), batches(seeds, 512, 32, n_steps), [0.001], optimizer="adam")
    weights = [tensor.detach().double().requires_grad_() for tensor in weights]
    signal, sums = fresh[0].double().mT, []
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        sums.append(torch.baddbmm(bias, weight, signal))
        signal = getattr(torch, activation)(sums[-1])
    loss = cross_entropy(sums[-1], fresh[1]).sum()
    wanted = {"first": sums[0], "last": sums[-2], "first_weights": weights[2], "last_weights": weights[-4]}
    grads = torch.autograd.grad(loss, list(wanted.values()))
    norms = (grad.flatten(1).norm(dim=1).clamp(min=SMALLEST).numpy() for grad in grads)
    return dict(zip(wanted, norms, strict=True))


def gradient_through_blocks(
    seeds: Sequence[int],
    *,
    blocks: int,
    layer: str = "linear",
    norm: bool = False,
    init: str = "torch",
    activation: str = "relu",
    width: int = 32,
    data: str = "digits",
    shortcut: float = 1.0,
) -> dict[str, np.ndarray]:
    """How much of the last block's gradient reaches the first block, with and without shortcuts, at initial weights.

    A block is layer, activation, layer, then (with shortcuts) its input added, then activation. Both networks start at
    the same weights and see the same rows.

    Args:
        seeds: Each draws rows and weights of one replicate.
        blocks: Blocks of two layers.
        layer: `linear`, or `convolution` (3 x 3 on 8 x 8 images).
        norm: Batch normalisation after each layer of a block.
        init: `torch` (default of nn.Linear and nn.Conv2d), `he` or `glorot`.
        activation: A function of torch.
        width: Units or channels.
        data: `digits` or `generated` (two classes, 64 columns).
        shortcut: Factor on what the shortcut adds; the identity is 1.

    Returns:
        `residual` and `plain`, ratio of the norms over 64 rows of the gradients with respect to the first block's input
        and the last block's output; at least 1e-30.
    """
    ((x, y),) = classification(seeds, (64,), data, n_features=64, n_informative=10)
    x = x.unflatten(2, (1, 8, 8)) if layer == "convolution" else x
    make = {"linear": linear, "convolution": convolution}[layer]
    bend = function(getattr(torch, activation))

    def layers(last: Layer) -> list[Layer]:
        return [make(width, width, init=init), *([batch_norm(width)] if norm else []), last]

    enter = make(x.shape[2], width, init=init)
    leave = chain(*([mean] if layer == "convolution" else []), linear(width, 10, init))
    block = chain(*layers(bend), *layers(chain()))
    weights = initial(chain(enter, *[block] * blocks, leave), seeds)
    outcomes = {}
    for arm, factor in {"residual": shortcut, "plain": 0.0}.items():
        used = (tensor.double() for tensor in weights)
        first = state = bend.apply(used, enter.apply(used, x.double().movedim(1, 2), ()), ())
        for _ in range(blocks):
            state = bend.apply(used, block.apply(used, state, ()) + factor * state, ())
        loss = cross_entropy(leave.apply(used, state, ()), y).sum()
        grads = torch.autograd.grad(loss, [first, state])
        reached, given = (grad.movedim(1, -1).flatten(1).norm(dim=1) for grad in grads)
        outcomes[arm] = (reached / given).clamp(min=SMALLEST).numpy()
    return outcomes


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
        fits = trained(net, initial(net, seeds), train, steps, rates, **options)
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
        fits = trained(net, initial(net, seeds), train, steps, rates, momentum=0.9)
        chosen = networks.best(fits, [accuracy(net, fitted, valid) for fitted in fits])
        outcomes[arm] = accuracy(net, chosen, test)
    return outcomes


def smoothed_target(
    seed: int, *, label_smoothing: float, own: float, other: float, rows: int = 1, n_classes: int = 3
) -> dict[str, float]:
    """How far the target that nn.CrossEntropyLoss smooths a class into is from the one claimed.

    The loss's gradient with respect to raw outputs is their softmax minus the target, which gives the target back.

    Args:
        seed: Draws raw outputs and classes.
        label_smoothing: As given to the loss.
        own: Claimed target of the row's class.
        other: Claimed target of every other class.
        rows: Rows of the minibatch.
        n_classes: Classes.

    Returns:
        `distance`, the largest over rows and classes, and the targets found, `own` and `other`, in the first row.
    """
    rng = np.random.default_rng(seed)
    raw = torch.from_numpy(rng.normal(size=(rows, n_classes))).requires_grad_()
    classes = torch.from_numpy(rng.integers(n_classes, size=rows))
    (slope,) = torch.autograd.grad(torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)(raw, classes), raw)
    found = raw.detach().softmax(1) - rows * slope
    hot = torch.nn.functional.one_hot(classes, n_classes).bool()
    distance = (found - (other + (own - other) * hot.double())).abs().max()
    return {"distance": float(distance), "own": float(found[0][hot[0]]), "other": float(found[0][~hot[0]][0])}


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
        fits = trained(net, start, train, steps, rates, seeds=seeds, watch=watch)
        scores = [accuracy(net, fitted, valid) for fitted in fits]
        outcomes[arm] = accuracy(net, networks.best(fits, scores), test)
        means, spreads = (torch.stack(same) for same in zip(*moments, strict=True))
        moved = (means[1::2] - means[::2]).abs().sum((0, 3)) / spreads[::2].sum((0, 3))
        outcomes[f"{arm}_shift"] = moved.numpy()[np.argmax(scores, axis=0), np.arange(len(seeds))]
    return outcomes | {"midway": (outcomes["plain"] + outcomes["batch"]) / 2}
