"""Claims about chosen changes of the inputs: what small ones do to a network, and what training against them costs."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import streams
from experiments.common.backward import gradients
from experiments.common.layers import Layer, Weights, chain, flat, initial, linear, relu
from experiments.common.networks import DATA, Rows, batches, classification
from experiments.common.training import SCHEDULES, Best, accuracy, fit, mean_loss, outputs
from experiments.convolution import convolutional, pictures

IMAGES = {"digits": 8, "mnist": 14}
"""Bundled images by name, with the pixels of a side."""


def problem(
    seeds: Sequence[int],
    sizes: Sequence[int],
    data: str,
    structure: str,
    n_classes: int,
    n_features: int,
    flip_y: float = 0.0,
) -> tuple[Layer, list[Rows], tuple[float, float]]:
    """A network to be trained, disjoint parts of one data set per seed, and the range in which columns must stay.

    Args:
        seeds: One draw each.
        sizes: Rows of each part.
        data: `digits` or `mnist` (grey levels in [0, 1]), `breast_cancer`, `generated`: two classes, half of the
            columns informative, or `weak_and_strong`; columns of tables have mean 0 and variance 1.
        structure: `linear`, `mlp` (64 hidden units) or `cnn` (two small convolutions with pooling, for images).
        n_classes: Classes of the data.
        n_features: Columns of generated data.
        flip_y: Share of generated classes drawn anew at random.
    """
    if data in IMAGES:
        parts = pictures(seeds, sizes, data)
    elif data == "weak_and_strong":
        drawn = zip(*(weak_and_strong(streams(seed, 5)[DATA], sum(sizes)) for seed in seeds), strict=True)
        x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in drawn)
        parts = [(columns.float(), classes) for columns, classes in zip(x, y, strict=True)]
    else:
        shape = {"n_features": n_features, "n_informative": n_features // 2, "n_redundant": 0, "flip_y": flip_y}
        parts = classification(seeds, sizes, data, **shape)
    inputs = parts[0][0][0, 0].numel()
    nets = {
        "linear": chain(flat, linear(inputs, n_classes)) if data in IMAGES else linear(inputs, n_classes),
        "mlp": chain(*[flat] * (data in IMAGES), linear(inputs, 64), relu, linear(64, n_classes)),
    }
    box = (0.0, 1.0) if data in IMAGES else (-np.inf, np.inf)
    return convolutional(IMAGES[data], n_classes) if structure == "cnn" else nets[structure], parts, box


Gradient = Callable[[Tensor, Tensor], Tensor]  # from inputs and classes to the gradient of the lead by the inputs


def lead(raw: Tensor, y: Tensor) -> Tensor:
    """By how much the right class's output is ahead of the next, (replicates, rows); negative where it is not."""
    right = y[:, None]
    return (raw.gather(1, right) - raw.scatter(1, right, -torch.inf).amax(1, keepdim=True)).squeeze(1)


def of_network(net: Layer, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of the lead by the inputs, of their shape."""
    fixed, x = [tensor.detach() for tensor in weights], x.detach().requires_grad_()
    return torch.autograd.grad(lead(net(fixed, x.movedim(1, 2)), y).sum(), x)[0]


@torch.no_grad()
def of_dense(weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    """The same of linear layers with ReLU between them, written out: a third of the time where they are small."""
    entering = [x.mT]
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        entering.append(torch.baddbmm(bias, weight, entering[-1]).relu_())
    raw, right = torch.baddbmm(weights[-1], weights[-2], entering[-1]), y[:, None]
    others = raw.scatter(1, right, -torch.inf)
    # comparing is several times faster than argmax over classes, and a product of one type than one with bools
    back = (others == others.amax(1, keepdim=True)).float().neg_().scatter_(1, right, 1.0)
    for weight, above in zip(weights[-2:0:-2], entering[:0:-1], strict=True):
        back = torch.bmm(weight.mT, back).mul_(above.sign())
    return torch.bmm(weights[0].mT, back).mT


def chosen(
    gradient: Gradient, rows: Rows, size: float, steps: int, box: tuple[float, float] = (-np.inf, np.inf)
) -> Tensor:
    """Rows moved against a network by signed gradient steps (Madry et al. 2018), no column by more than `size`.

    The steps lower the right class's lead rather than raise the cross-entropy, whose gradient vanishes where a network
    is sure (Carlini & Wagner 2017). Grey levels stay in the box.
    """
    x, y = rows
    moved, least, most = x, (x - size).clamp(*box), (x + size).clamp(*box)
    for _ in range(steps):
        moved = (moved - 2.5 * size / steps * gradient(moved, y).sign()).clamp(least, most)
    return moved


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
    sizes = n_train, n_valid, n_test
    net, (train, valid, test), box = problem(seeds, sizes, data, structure, n_classes, n_features)
    best = Best(lambda weights: -mean_loss(net, weights, valid))
    steps, options = batches(seeds, n_train, 32, n_steps), {"optimizer": "adam", "schedule": SCHEDULES["cosine"]}
    fit(net, initial(net, seeds), train, steps, [rate], watch=best, every=-(-n_steps // 20), **options)
    (weights,) = best.weights
    others = [streams(seed, 7)[5:] for seed in seeds]
    leads = weights if guide == "itself" else initial(net, [start for start, _ in others])
    gradient = partial(of_network, net, leads)
    found = {
        "clean": accuracy(net, weights, test),
        "one_step": accuracy(net, weights, (chosen(gradient, test, size, 1, box), test[1])),
        "chosen": accuracy(net, weights, (chosen(gradient, test, size, tries, box), test[1])),
        "trained": best.steps[0] / n_steps,
    }
    rngs, right = [np.random.default_rng(noise) for _, noise in others], []
    for _ in range(tries):
        signs = np.stack([2 * rng.integers(2, size=test[0].shape[1:], dtype=np.int8) - 1 for rng in rngs])
        moved = (test[0] + size * torch.from_numpy(signs)).clamp(*box)
        right.append(outputs(net, weights, moved).argmax(1) == test[1])
    found["random"] = right[0].double().mean(1).numpy()
    return found | {"random_tries": torch.stack(right).all(0).double().mean(1).numpy()}


def weak_and_strong(seed: int, rows: int, weak: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """One column that is the class in nine rows of ten, and weak ones that tell more together (Tsipras et al. 2019).

    Returns:
        Columns (rows, 1 + weak), the first -1 or 1, the others of variance 1 with means 0.2 to either side; classes.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=rows)
    side = 2 * y - 1
    strong = np.where(rng.random(rows) < 0.9, side, -side)
    return np.c_[strong, 0.2 * side[:, None] + rng.normal(size=(rows, weak))], y


def hardened(
    weights: Weights,
    rows: Rows,
    minibatches: Tensor,
    rate: float,
    sizes: Sequence[float],
    steps: int,
    box: tuple[float, float],
    best: Best,
) -> None:
    """Trains by Adam on rows that are first moved against the network as it is then; `best` keeps what is best.

    Args:
        weights: Initial weights of dense networks, (replicates, ...).
        rows: Training rows.
        minibatches: From `networks.batches`; the rate falls to 0 along a cosine over them.
        rate: First learning rate.
        sizes: Of the changes, one network per replicate each, side by side; 0 leaves the rows as they are.
        steps: Of the attack on each minibatch.
        box: As for `chosen`.
        best: Looks 24 times on the way and at the end, at (sizes x replicates, ...).
    """
    (x, y), first = (part.flatten(0, 1) for part in rows), rows[0].shape[1] * torch.arange(len(rows[0]))[:, None]
    leaves = [torch.cat([tensor.detach()] * len(sizes)).requires_grad_() for tensor in weights]
    rule = torch.optim.Adam(leaves, rate, fused=True)
    plan = SCHEDULES["cosine"](rule, len(minibatches))
    for done, drawn in enumerate(minibatches):
        if done % -(-len(minibatches) // 24) == 0:
            best(done, [leaves])
        place = drawn + first
        batch = tuple(part.index_select(0, place.flatten()).unflatten(0, place.shape) for part in (x, y))
        moved, classes = moved_each(leaves, batch, sizes, steps, box)
        for leaf, grad in zip(leaves, cross_entropy_gradients(leaves, moved, classes), strict=True):
            leaf.grad = grad
        rule.step()
        plan.step()
    best(len(minibatches), [leaves])


@torch.no_grad()
def cross_entropy_gradients(weights: Weights, x: Tensor, y: Tensor) -> Weights:
    """Gradient of the cross-entropy, mean over rows, by weights and biases of each network."""
    return gradients(weights, x.mT, lambda raw: raw.softmax(1).sub_(functional.one_hot(y, raw.shape[1]).mT))


def moved_each(weights: Weights, rows: Rows, sizes: Sequence[float], steps: int, box: tuple[float, float]) -> Rows:
    """The rows once for each size, moved by `chosen` against the networks that train with it, one after another."""
    arms = zip(*(tensor.chunk(len(sizes)) for tensor in weights), strict=True)
    moved = [
        chosen(partial(of_dense, arm), rows, size, steps, box) if size else rows[0]
        for arm, size in zip(arms, sizes, strict=True)
    ]
    return torch.cat(moved), torch.cat([rows[1]] * len(sizes))


def accuracy_of_hardened(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int,
    n_valid: int,
    n_test: int = 1000,
    n_classes: int = 2,
    n_features: int = 20,
    flip_y: float = 0.0,
    size: float,
    against: float | None = None,
    n_steps: int,
    rate: float = 0.01,
) -> dict[str, np.ndarray]:
    """Accuracy with and without chosen changes of the test rows, after standard and after adversarial training.

    Both networks start from the same weights and see the same minibatches of 32, as they are or moved by three signed
    gradient steps. Each is taken as it was when its loss on the validation rows was lowest, on these rows as they are
    or moved against the network in the same way.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: As for `problem`, or `weak_and_strong`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes of the data.
        n_features: Columns of generated data.
        flip_y: Share of generated classes drawn anew at random.
        size: Largest change of a column in the attack on the test rows.
        against: The same in training; the same number if none is given.
        n_steps: Minibatches.
        rate: First learning rate.

    Returns:
        Accuracies in [0, 1]: `standard` and `robust` on rows as they are, `standard_attacked` and `robust_attacked` on
        rows moved by 20 steps against the network that is judged; `standard_trained` and `robust_trained`, the share
        of the minibatches at which training was best.
    """
    sizes = n_train, n_valid, n_test
    net, parts, box = problem(seeds, sizes, data, "mlp", n_classes, n_features, flip_y)
    train, valid, test = ((x.flatten(2), y) for x, y in parts)
    strengths = 0.0, size if against is None else against

    def score(weights: Weights) -> np.ndarray:
        return -mean_loss(net, weights, moved_each(weights, valid, strengths, 3, box))

    best, found = Best(score), {}
    hardened(initial(net, seeds), train, batches(seeds, n_train, 32, n_steps), rate, strengths, 3, box, best)
    arms, steps = zip(*(tensor.chunk(2) for tensor in best.weights[0]), strict=True), np.split(best.steps[0], 2)
    for name, arm, at in zip(("standard", "robust"), arms, steps, strict=True):
        weights = list(arm)
        found[name] = accuracy(net, weights, test)
        found[f"{name}_attacked"] = accuracy(
            net, weights, (chosen(partial(of_dense, weights), test, size, 20, box), test[1])
        )
        found[f"{name}_trained"] = at / n_steps
    return found
