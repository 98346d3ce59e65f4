"""Trials on schedules of a training: learning rates that change along it, and rows in an order of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import lr_scheduler

from experiments.common import layers, networks, streams, training
from experiments.common.networks import Rows
from experiments.optimization import SHAPE, Net, chosen, multilayer

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
    of its own over which the schedule runs, at the rate (for one cycle the largest) that is best on the validation
    rows. Between budgets the length is interpolated, in logarithms; what never gets there counts as the longest.

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
    options = {"optimizer": optimizer} | ({"momentum": 0.9} if optimizer == "sgd" else {})
    ends = [an_epoch * budget for budget in budgets]
    runs = Budgets(net, start, (train, valid, test), steps, ends, rates, options)
    # the longest training at a constant rate passes through all shorter ones
    passed = runs.accuracy(training.SCHEDULES["constant"], ends[-1], np.arange(len(seeds)), every=an_epoch)
    constant = np.array([passed[end] for end in ends])
    target = constant[-1] - short if goal is None else np.full(len(seeds), goal)
    curves = {
        "constant": constant,
        "step": runs.curve(training.SCHEDULES["step"], target),
        "one_cycle": runs.curve(_one_cycle, target) if cycle else constant,
    }
    return {arm: _crossing(np.log(budgets), curve, target) for arm, curve in curves.items()}


@dataclass(frozen=True)
class Budgets:
    """Trainings of the same networks that end after different numbers of steps.

    Attributes:
        net: The network.
        start: Initial weights of the replicates.
        parts: Training, validation and test rows.
        steps: Minibatches of the longest training.
        ends: Steps of each budget, rising.
        rates: Learning rates tried, the best of which validation rows tell for each budget.
        options: Optimizer and its keywords.
    """

    net: Net
    start: layers.Weights
    parts: tuple[Rows, Rows, Rows]
    steps: Tensor
    ends: Sequence[int]
    rates: Sequence[float]
    options: Mapping[str, Any]

    def accuracy(self, plan: training.Schedule, end: int, left: np.ndarray, every: int) -> dict[int, np.ndarray]:
        """Accuracy on test rows by steps done, where they are a budget, in one training of the replicates left."""
        rows, *judged = [(x[left], y[left]) for x, y in self.parts]
        reached = {}

        def judge(done: int, fits: list[layers.Weights]) -> None:
            if done in self.ends:
                scores = (np.stack([training.accuracy(self.net, fit, part) for fit in fits]) for part in judged)
                (reached[done],) = chosen(*scores)

        begin, looks = [tensor[left] for tensor in self.start], {"watch": judge, "every": every}
        training.fit(self.net, begin, rows, self.steps[:end, left], self.rates, schedule=plan, **looks, **self.options)
        return reached

    def curve(self, plan: training.Schedule, target: np.ndarray) -> np.ndarray:
        """Accuracy by budget, (budgets, replicates); NaN after a replicate's first at the target, where none counts."""
        found = np.full((len(self.ends), len(target)), np.nan)
        for row, end in zip(found, self.ends, strict=True):
            left = np.flatnonzero(~(found >= target).any(axis=0))
            if len(left):
                row[left] = self.accuracy(plan, end, left, every=end)[end]
        return found


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
