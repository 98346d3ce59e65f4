"""Trials on how networks are built and trained."""

from collections.abc import Sequence

import numpy as np
import torch

from experiments.common import networks
from experiments.common.layers import (
    Layer,
    batch_norm,
    chain,
    convolution,
    function,
    initial,
    linear,
    mean,
)
from experiments.common.networks import batches, classification, cross_entropy
from experiments.common.training import accuracy, fit


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
    for name, loss in networks.LOSSES.items():
        fits = fit(networks.dense, start, train, steps, rates, loss=loss, optimizer=optimizer)
        chosen = networks.best(fits, [accuracy(networks.dense, fitted, valid) for fitted in fits])
        outcomes[name] = accuracy(networks.dense, chosen, test)
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
        (weights,) = fit(net, weights, (x, y), batches(seeds, 512, 32, n_steps), [0.001], optimizer="adam")
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
