"""Trials on how networks are trained: rows per step, momentum, Adam's default rate."""

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from experiments.common import layers, networks, streams, training
from experiments.common.data import bundled
from experiments.common.networks import Rows

Net = layers.Layer
SHAPE = {"n_features": 20, "n_informative": 10}  # of generated data


def multilayer(columns: int, hidden: Sequence[int], outs: int) -> Net:
    """Fully connected layers with rectified units between them; no hidden layer makes a linear model."""
    widths = pairwise((columns, *hidden, outs))
    return layers.chain(*[layer for pair in widths for layer in (layers.relu, layers.linear(*pair))][1:])


def chosen(valid: np.ndarray, *values: np.ndarray) -> list[np.ndarray]:
    """Per replicate the values at the learning rate with the best validation score.

    Args:
        valid: Scores, (rates, replicates), higher is better; NaN loses.
        values: Arrays of the same shape.
    """
    best = np.nan_to_num(valid, nan=-np.inf).argmax(axis=0)
    return [value[best, np.arange(value.shape[1])] for value in values]


# Rows per step ----------------------------------------------------------------------------------------------------


def seconds_to_loss(
    seed: int,
    *,
    data: str = "generated",
    n: int,
    columns: int = 20,
    hidden: Sequence[int] = (),
    gap: float = 0.05,
    rates: Sequence[float],
    mini: int = 32,
    spread: float = 1.0,
    same: bool = False,
    limit: float = 1.0,
) -> dict[str, float]:
    """Time that gradient descent takes to come down to one training loss, by rows per step, each at its fastest rate.

    The loss to reach lies `gap` of the way from the lowest to the first. It is looked at whenever a tenth more
    steps are done, which is not timed. A training that is not there after `limit` seconds counts as that long.

    Args:
        seed: Draws data, weights and rows of each step; all arms share data and weights.
        data: `generated` (a linear rule with 10 % wrong classes), `repeated` (one row of it, over and over) or `digits`
            (0 to 4 against 5 to 9).
        n: Training rows.
        columns: Columns generated; scaled so that a row is as long whatever their number and spread.
        hidden: Units per hidden layer; none for logistic regression.
        gap: How near to the lowest loss, as a share.
        rates: Learning rates tried by every arm, by `single` from the first on and by the others from the last back;
            each is given up once it has taken as long as the best before.
        mini: Rows of a minibatch.
        spread: The largest of the generated columns' standard deviations over the smallest; all matter alike.
        same: Whether all arms take all rows in each step.
        limit: CPU seconds of steps.

    Returns:
        `single_s` (one row per step), `mini_s` (a minibatch) and `full_s` (all), in CPU seconds; with `_rows` the
        gradients of single rows computed on the way, and with `_rate` the rate.
    """
    drawing, starting, stepping = streams(seed, 3)
    X, y = _two_classes(drawing, data, n, columns, spread)
    rng = np.random.default_rng(starting)
    shapes = pairwise((X.shape[1], *hidden, 1))
    start = [(rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32) for shape in shapes]
    first = _log_loss(start, X, y)
    lowest = 0.0 if data == "repeated" else _lowest(X, y, hidden)
    target = lowest + gap * (first - lowest)
    outcomes = {}
    for arm, size in {"single": 1, "mini": mini, "full": n}.items():
        best, rows, fastest = limit, 0, np.nan
        for rate in rates if arm == "single" else rates[::-1]:
            seconds, used = _descended(start, X, y, n if same else size, rate, target, best, stepping)
            if seconds < best:
                best, rows, fastest = seconds, used, rate
        outcomes |= {f"{arm}_s": best, f"{arm}_rows": float(rows), f"{arm}_rate": float(fastest)}
    return outcomes


def _two_classes(seed: int, data: str, n: int, columns: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows with a column of ones, and classes 0 and 1, single precision."""
    rng = np.random.default_rng(seed)
    if data == "digits":
        X, digits = bundled("digits")
        rows = rng.permutation(len(X))[:n]
        X, y = X[rows] - X.mean(), digits[rows] > 4
    else:
        X = rng.standard_normal((n, columns), dtype=np.float32)
        y = (X @ rng.standard_normal(columns, dtype=np.float32) > 0) ^ (rng.random(n) < 0.1)
        deviations = np.geomspace(1, 1 / spread, columns, dtype=np.float32)
        X *= deviations * np.sqrt(20 / np.sum(deviations**2))
        if data == "repeated":
            X, y = X[:1].repeat(n, axis=0), y[:1].repeat(n)
    return np.c_[X, np.ones(len(X))].astype(np.float32), y.astype(np.float32)


def _forward(weights: Sequence[np.ndarray], X: np.ndarray) -> list[np.ndarray]:
    """Inputs of each layer, then the probability of class 1."""
    found = [X]
    for layer in weights[:-1]:
        found.append(np.maximum(found[-1] @ layer, 0))
    return [*found, 1 / (1 + np.exp(-(found[-1] @ weights[-1])))]


def _log_loss(weights: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray) -> float:
    right = np.abs(_forward(weights, X)[-1][:, 0] - (1 - y))
    return float(-np.log(np.maximum(right, 1e-7)).mean(dtype=float))


def _stepped(weights: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray, rate: float) -> None:
    """One step of gradient descent, in place."""
    *inputs, share = _forward(weights, X)
    back = (share - y[:, None]) * np.float32(rate / len(y))
    for place in range(len(weights) - 1, -1, -1):
        below = (back @ weights[place].T) * (inputs[place] > 0) if place else back
        weights[place][...] -= inputs[place].T @ back
        back = below


def _lowest(X: np.ndarray, y: np.ndarray, hidden: Sequence[int]) -> float:
    """The lowest loss there is: of logistic regression its optimum, of a network 0."""
    if hidden:
        return 0.0
    fitted = LogisticRegression(C=1e6, fit_intercept=False, max_iter=500).fit(X, y)
    return _log_loss([fitted.coef_.T.astype(np.float32)], X, y)


def _descended(
    start: Sequence[np.ndarray], X: np.ndarray, y: np.ndarray, size: int, rate: float, target: float, limit: float,
    seed: int,
) -> tuple[float, int]:  # fmt: skip
    """CPU seconds of the steps until the loss is at the target, at most the limit, and the rows used."""
    weights, rng = [layer.copy() for layer in start], np.random.default_rng(seed)
    spent, done = 0.0, 0
    while spent < limit:
        steps = max(1, done // 10)
        drawn = rng.integers(len(X), size=(steps, size)) if size < len(X) else [slice(None)] * steps
        begin = time.process_time()
        for rows in drawn:
            _stepped(weights, X[rows], y[rows], rate)
        spent += time.process_time() - begin
        done += steps
        loss = _log_loss(weights, X, y)
        if loss <= target or not np.isfinite(loss):
            return (spent if loss <= target else limit), done * size
    return limit, done * size


# Momentum ----------------------------------------------------------------------------------------------------------


def steps_to_loss(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 400,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32,),
    size: int = 32,
    condition: float = 1.0,
    rates: Sequence[float],
    momentum: float = 0.9,
    n_steps: int = 400,
    every: int = 4,
    near: float = 0.02,
) -> dict[str, np.ndarray]:
    """Steps that SGD needs without and with momentum to come down to the same training loss, each at its best rate.

    The loss to reach lies near the lowest that plain SGD sees with any rate within half of the steps; where momentum
    never gets there it counts as all steps, twice as slow.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate; both arms share them.
        data: `generated`, `digits`, or `quadratic`: noiseless least squares on columns whose scales give the curvature
            the ratio `condition` between its largest and smallest value, the largest being 1.
        n_train: Training rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random.
        hidden: Units per hidden layer.
        size: Rows of a minibatch; a quadratic takes all.
        condition: Of a quadratic.
        rates: Learning rates tried by both arms.
        momentum: Of the arm that has it.
        n_steps: Steps of each training.
        every: Steps between two looks at the loss.
        near: How near, as a share of the way down from the first loss.

    Returns:
        `plain` and `momentum`, in steps; `plain_rate` and `momentum_rate`: the rates that got there first.
    """
    if data == "quadratic":
        train, loss, net, size = _quadratic(seeds, n_train, condition), _squared, WEIGHTED_SUM, n_train
    else:
        (train,) = networks.classification(seeds, (n_train,), data, n_classes=n_classes, flip_y=flip_y, **SHAPE)
        loss, net = networks.cross_entropy, multilayer(train[0].shape[2], hidden, n_classes)
    start, steps = layers.initial(net, seeds), networks.batches(seeds, n_train, size, n_steps)
    curves = {}
    for arm, share in {"plain": 0.0, "momentum": momentum}.items():
        seen: list[np.ndarray] = []

        def watch(done: int, fits: list[layers.Weights], seen: list[np.ndarray] = seen) -> None:
            seen.append(np.stack([training.mean_loss(net, fit, train, loss) for fit in fits]))

        training.fit(net, start, train, steps, rates, loss=loss, momentum=share, watch=watch, every=every)
        curves[arm] = np.nan_to_num(np.array(seen), nan=np.inf)  # (looks, rates, replicates)
    lowest = curves["plain"][: len(curves["plain"]) // 2].min(axis=(0, 1))
    target = lowest + near * (curves["plain"][0, 0] - lowest)
    outcomes = {}
    for arm, curve in curves.items():
        there = curve <= target
        looks = np.where(there.any(axis=0), there.argmax(axis=0), len(curve) - 1)  # (rates, replicates)
        outcomes[arm] = np.minimum(looks.min(axis=0) * every, n_steps).astype(float)
        outcomes[f"{arm}_rate"] = np.asarray(rates)[looks.argmin(axis=0)]
    return outcomes


def _quadratic(seeds: Sequence[int], rows: int, condition: float) -> Rows:
    drawn = []
    for rng in networks.generators(seeds, networks.DATA):
        directions = np.linalg.qr(rng.normal(size=(rows, 20)))[0] * np.sqrt(rows / 2)  # curvature 1 in each
        X = directions * np.sqrt(np.geomspace(1, 1 / condition, 20))
        drawn.append((X, X @ rng.normal(size=20) * 3))
    x, y = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*drawn, strict=True))
    return x, y


WEIGHTED_SUM = layers.Layer(
    lambda rng: [layers.parameter(np.zeros((1, 20)))], lambda weights, x, noise: next(weights) @ x
)


def _squared(raw: Tensor, y: Tensor) -> Tensor:
    return (raw[:, 0] - y).square().mean(1)


# Adam's default ----------------------------------------------------------------------------------------------------


def adam_default_shortfall(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 400,
    n_valid: int = 300,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32,),
    default: float = 0.001,
    adam_rates: Sequence[float] = (0.003, 0.01, 0.03),
    sgd_rates: Sequence[float] = (0.03, 0.1, 0.3),
    epochs: int = 30,
    patience: int = 4,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows that Adam with its default rate lacks against the best tuned of Adam and SGD with momentum.

    All start at the same weights and see the same minibatches of 32. The default has `patience` times the epochs, so
    that a small rate is not taken for a bad one. Validation rows choose each training's epoch, and among all of them.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, test rows included.
        hidden: Units per hidden layer; none for a linear model.
        default: Rate of Adam that is not tuned.
        adam_rates: Further rates tried for Adam.
        sgd_rates: Rates tried for SGD with momentum 0.9.
        epochs: Passes over the training rows.
        patience: How many times as many for the default.

    Returns:
        `shortfall`: tuned less default, in [-1, 1]. `default`; `adam` and `sgd` at their best rates. `plateau`: share
        of the default's epochs that were done at its best one.
    """
    sizes = (n_train, n_valid, n_test)
    train, valid, test = networks.classification(seeds, sizes, data, n_classes=n_classes, flip_y=flip_y, **SHAPE)
    net = multilayer(train[0].shape[2], hidden, n_classes)
    start, an_epoch = layers.initial(net, seeds), n_train // 32
    steps = networks.batches(seeds, n_train, 32, an_epoch * epochs * patience)
    arms = {
        "default": ("adam", [default], patience, {}),
        "adam": ("adam", adam_rates, 1, {}),
        "sgd": ("sgd", sgd_rates, 1, {"momentum": 0.9}),
    }
    scores, tested, plateau = {}, {}, np.empty(0)
    for arm, (optimizer, rates, times, options) in arms.items():
        best = training.Best(lambda weights: training.accuracy(net, weights, valid))
        part = steps[: an_epoch * epochs * times]
        training.fit(net, start, train, part, rates, optimizer=optimizer, watch=best, every=an_epoch, **options)
        scores[arm] = best.scores
        tested[arm] = np.stack([training.accuracy(net, fit, test) for fit in best.weights])
        plateau = best.steps[0] / len(part) if arm == "default" else plateau
    (tuned,) = chosen(*(np.concatenate(list(found.values())) for found in (scores, tested)))
    accuracies = {arm: chosen(scores[arm], tested[arm])[0] for arm in arms}
    return accuracies | {"shortfall": tuned - accuracies["default"], "plateau": plateau}
