"""Trials on how networks are trained: rows per step, momentum, schedules, the order of rows, Adam's default rate."""

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.optim import lr_scheduler

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


# Schedules ---------------------------------------------------------------------------------------------------------


def accuracy_by_schedule(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 400,
    n_valid: int = 300,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32,),
    optimizer: str = "sgd",
    momentum: float = 0.9,
    rates: Sequence[float] = (0.01, 0.03, 0.1, 0.3),
    size: int = 32,
    n_steps: int = 300,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows after the last step under a constant and under a falling learning rate, in [0, 1].

    Both arms share weights and minibatches; each takes the (first) rate that is best for it on the validation rows.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, test rows included.
        hidden: Units per hidden layer.
        optimizer: `sgd` or `adam`.
        momentum: Of SGD.
        rates: Learning rates tried by both arms.
        size: Rows of a minibatch.
        n_steps: Steps of each training; the schedule falls over all of them.

    Returns:
        `constant` and `cosine` (half a cosine down to 0); with `_loss` their cross-entropy on the training rows, in
        nats.
    """
    sizes = (n_train, n_valid, n_test)
    train, valid, test = networks.classification(seeds, sizes, data, n_classes=n_classes, flip_y=flip_y, **SHAPE)
    net = multilayer(train[0].shape[2], hidden, n_classes)
    start, steps = layers.initial(net, seeds), networks.batches(seeds, n_train, size, n_steps)
    options = {"momentum": momentum} if optimizer == "sgd" else {}
    outcomes = {}
    for arm in ("constant", "cosine"):
        plan = training.SCHEDULES[arm]
        fits = training.fit(net, start, train, steps, rates, optimizer=optimizer, schedule=plan, **options)
        valid_scores, test_scores = (
            np.stack([training.accuracy(net, fit, rows) for fit in fits]) for rows in (valid, test)
        )
        losses = np.stack([training.mean_loss(net, fit, train) for fit in fits])
        outcomes[arm], outcomes[f"{arm}_loss"] = chosen(valid_scores, test_scores, losses)
    return outcomes


def _one_cycle(rule: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    """OneCycleLR as torch has it, momentum between 0.85 and 0.95 included."""
    return lr_scheduler.OneCycleLR(rule, [group["lr"] for group in rule.param_groups], steps)


def epochs_to_accuracy(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 400,
    n_valid: int = 300,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (32,),
    optimizer: str = "sgd",
    rates: Sequence[float] = (0.03, 0.1, 0.3, 1.0),
    budgets: Sequence[int] = (1, 2, 4, 8, 16, 32),
    short: float = 0.01,
    goal: float | None = None,
    cycle: bool = True,
) -> dict[str, np.ndarray]:
    """Length of the shortest training that reaches an accuracy on test rows, under one cycle and two other schedules.

    The accuracy to reach is that of the longest training at a constant rate, less a little. Every budget is a training
    of its own over which the schedule runs; each schedule takes, for each budget, the rate (for one cycle the largest)
    that is best for it on the validation rows. Between two budgets the length is interpolated, in logarithms; a
    schedule that never gets there counts as the longest training.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, test rows included.
        hidden: Units per hidden layer.
        optimizer: `sgd` (momentum 0.9) or `adam`.
        rates: Learning rates tried by every schedule.
        budgets: Epochs, rising; minibatches of 32.
        short: How much less accuracy than the longest training at a constant rate has.
        goal: The accuracy to reach, if not that.
        cycle: Whether the first arm has one cycle; if not, it has a constant rate under that name.

    Returns:
        `one_cycle`, `constant` and `step` (a tenth at each third), in epochs.
    """
    sizes = (n_train, n_valid, n_test)
    train, valid, test = networks.classification(seeds, sizes, data, n_classes=n_classes, flip_y=flip_y, **SHAPE)
    net = multilayer(train[0].shape[2], hidden, n_classes)
    start, an_epoch = layers.initial(net, seeds), n_train // 32
    steps = networks.batches(seeds, n_train, 32, an_epoch * budgets[-1])
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    ends = [an_epoch * budget for budget in budgets]

    def scored(plan: training.Schedule, end: int, left: np.ndarray, every: int) -> dict[int, np.ndarray]:
        """Accuracy by steps done, at those of a budget, of the replicates left."""
        rows, reached = [(x[left], y[left]) for x, y in (train, valid, test)], {}

        def judge(done: int, fits: list[layers.Weights]) -> None:
            if done in ends:
                scores = (np.stack([training.accuracy(net, fit, part) for fit in fits]) for part in rows[1:])
                (reached[done],) = chosen(*scores)

        begin, looks = [tensor[left] for tensor in start], {"watch": judge, "every": every}
        training.fit(
            net, begin, rows[0], steps[:end, left], rates, optimizer=optimizer, schedule=plan, **looks, **options
        )
        return reached

    def curve(plan: training.Schedule) -> np.ndarray:
        """Accuracy by budget, (budgets, replicates); NaN after a replicate's first at the target, where none counts."""
        found = np.full((len(ends), len(seeds)), np.nan)
        for row, end in zip(found, ends, strict=True):
            left = np.flatnonzero(~(found >= target).any(axis=0))
            if len(left):
                row[left] = scored(plan, end, left, end)[end]
        return found

    # the longest training at a constant rate passes through all shorter ones
    passed = scored(training.SCHEDULES["constant"], ends[-1], np.arange(len(seeds)), an_epoch)
    curves = {"constant": np.array([passed[end] for end in ends])}
    target = curves["constant"][-1] - short if goal is None else np.full(len(seeds), goal)
    curves["step"] = curve(training.SCHEDULES["step"])
    curves["one_cycle"] = curve(_one_cycle) if cycle else curves["constant"]
    return {arm: _crossing(np.log(budgets), curve, target) for arm, curve in curves.items()}


def _crossing(x: np.ndarray, curves: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Exponential of x where each curve first reaches its target, (replicates,); of the last x where it never does."""
    found = []
    for curve, height in zip(curves.T, target, strict=True):
        first = int(np.argmax(curve >= height)) if (curve >= height).any() else len(x) - 1
        before = max(first - 1, 0)
        rise = curve[first] - curve[before]
        share = np.clip((height - curve[before]) / rise, 0, 1) if rise > 0 else 1.0
        found.append(x[before] + share * (x[first] - x[before]))
    return np.exp(found)


# Order of the rows -------------------------------------------------------------------------------------------------


def accuracy_by_order(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 800,
    n_valid: int = 400,
    n_test: int = 1000,
    n_informative: int = 15,
    n_classes: int = 3,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (64, 32),
    rate: float = 0.001,
    size: int = 32,
    epochs: int = 12,
    halvings: int = 0,
    ordered: bool = True,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows after as many steps with rows from easy to hard and in random order, in [0, 1].

    A row's difficulty is its loss under networks of the same kind trained on the other half of the training rows in
    random order. All arms start at the same weights and may take as many minibatches with Adam; how many each
    takes, validation rows tell.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_informative: Columns of 20 generated that carry the classes.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, but for test rows, which keep the true one.
        hidden: Units per hidden layer.
        rate: Learning rate.
        size: Rows of a minibatch.
        epochs: Passes over the training rows; their halves must be multiples of 3.
        halvings: How often they are halved for shorter trainings, among which an arm chooses too; each scores its rows.
        ordered: Whether difficulties order the rows; if not, random numbers do.

    Returns:
        `staged`: three stages with the easiest third, two thirds and all rows, shuffled within each. `sorted`: every
        epoch from the easiest row to the hardest. `shuffled`: random order. `reversed`: stages from the hardest.
    """
    shape = {"n_features": 20, "n_informative": n_informative, "n_classes": n_classes, "flip_y": 0.0}
    train, valid, test = networks.classification(seeds, (n_train, n_valid, n_test), data, **shape)
    if data == "generated":
        rngs = networks.generators(seeds, networks.SPLIT)
        train, valid = (_with_wrong_classes(rngs, part, n_classes, flip_y) for part in (train, valid))
    net = multilayer(train[0].shape[2], hidden, n_classes)
    start = layers.initial(net, seeds)
    scores = []
    for halved in range(halvings + 1):
        n_steps = n_train // size * (epochs // 2**halved)
        if ordered:
            hardness = _hardness(net, seeds, start, train, size, n_steps, rate)
        else:
            hardness = np.stack([rng.random(n_train) for rng in networks.generators(seeds, networks.MASKS)])
        order = hardness.argsort(axis=1)
        plans = {
            "staged": _stages(seeds, order, size, n_steps),
            "sorted": _every_epoch(order, size, n_steps),
            "shuffled": networks.batches(seeds, n_train, size, n_steps),
            "reversed": _stages(seeds, order[:, ::-1], size, n_steps),
        }
        copies = [_copies(rows, len(plans)) for rows in (start, train, valid, test)]  # all arms train side by side
        steps = torch.cat(list(plans.values()), dim=1)
        (fit,) = training.fit(net, *copies[:2], steps, [rate], optimizer="adam")
        scores.append([training.accuracy(net, fit, rows).reshape(len(plans), -1) for rows in copies[2:]])
    by_length = np.array(scores)  # (lengths, valid and test, arms, replicates)
    best = by_length[:, :1].argmax(axis=0)[None]
    return dict(zip(plans, np.take_along_axis(by_length[:, 1:], best, axis=0)[0, 0], strict=True))


def _copies(tensors: Sequence[Tensor], count: int) -> tuple[Tensor, ...]:
    """The replicates so many times one after the other."""
    return tuple(tensor.repeat(count, *[1] * (tensor.dim() - 1)) for tensor in tensors)


def _with_wrong_classes(rngs: Sequence[np.random.Generator], rows: Rows, n_classes: int, share: float) -> Rows:
    count = rows[1].shape[1]
    wrong = np.stack([rng.random(count) < share for rng in rngs])
    drawn = np.stack([rng.integers(n_classes, size=count) for rng in rngs])
    return rows[0], torch.from_numpy(np.where(wrong, drawn, rows[1].numpy()))


def _hardness(
    net: Net, seeds: Sequence[int], start: layers.Weights, train: Rows, size: int, n_steps: int, rate: float
) -> np.ndarray:
    """Loss of each training row under a network trained on the half that it is not in, (replicates, rows)."""
    count, half = train[0].shape[1], train[0].shape[1] // 2
    # the two halves train side by side, of an odd number the first with a row of the second that no step takes
    parts = [torch.cat([part[:, : count - half], part[:, half:]]) for part in train]
    steps = networks.batches(seeds, half, size, n_steps // 2).repeat(1, 2, 1)
    (fit,) = training.fit(net, _copies(start, 2), (parts[0], parts[1]), steps, [rate], optimizer="adam")
    raw = training.outputs(net, fit, parts[0].roll(len(seeds), 0))  # each network judges the half it has not seen
    losses = torch.nn.functional.cross_entropy(raw, parts[1].roll(len(seeds), 0), reduction="none").numpy()
    return np.concatenate([losses[len(seeds) :, :half], losses[: len(seeds)]], axis=1)


def _stages(seeds: Sequence[int], order: np.ndarray, size: int, n_steps: int) -> Tensor:
    """Minibatches from the first third of the order, then from two thirds, then from all; a third of the steps each."""
    parts = []
    for stage in (1, 2, 3):
        rows = order.shape[1] * stage // 3
        places = networks.batches([streams(seed, 3)[stage - 1] for seed in seeds], rows, size, n_steps // 3)
        parts.append(np.take_along_axis(order[None], places.numpy(), axis=2))
    return torch.from_numpy(np.concatenate(parts))


def _every_epoch(order: np.ndarray, size: int, n_steps: int) -> Tensor:
    kept = order[:, : order.shape[1] // size * size]
    one = kept.reshape(len(order), -1, size).swapaxes(0, 1)  # (steps of an epoch, replicates, size)
    return torch.from_numpy(np.tile(one, (-(-n_steps // len(one)), 1, 1))[:n_steps].copy())


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
    that a small rate is not taken for a bad one. Each training is stopped at its best epoch on the validation rows,
    which choose among rates and optimizers as well, the default included.

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
        `shortfall`: tuned less default, in [-1, 1]. `default`, `adam`, `sgd`: accuracies, the latter two at their best
        rates. `plateau`: share of the default's epochs that were done at its best one.
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
