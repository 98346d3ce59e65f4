"""Trials on distillation: a small network trained on what a large one answers."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import networks, training
from experiments.common.backward import Adam, gradients
from experiments.common.networks import Rows, Weights

RATES = (0.003, 0.01)
"""Learning rates of Adam that every network may choose from."""


def fitted(
    seeds: Sequence[int], start: Weights, train: Rows, valid: Rows, steps: int, rates: Sequence[float] = RATES
) -> Weights:
    """Each network at the learning rate and the step at which it is right most often on validation rows."""
    watch = training.Best(lambda weights: training.accuracy(networks.dense, weights, valid))
    minibatches = networks.batches(seeds, train[0].shape[1], 32, steps)
    training.fit(networks.dense, start, train, minibatches, rates, optimizer="adam", watch=watch, every=steps // 20)
    return networks.best(watch.weights, list(watch.scores))


def printed(raw: Tensor, temperature: Tensor, weight: Tensor, constant: Tensor | float = 0.0) -> Tensor:
    """Derivatives of the printed loss by a row's raw outputs, less what does not depend on them.

    The loss is `weight` times the divergence of the softmax at a temperature from the teacher's at the same, multiplied
    by the square of the temperature, and the rest times the cross-entropy with the classes.

    Args:
        raw: Outputs, (networks, classes, rows).
        temperature: (networks, 1, 1).
        weight: (networks, 1, 1), in [0, 1].
        constant: The same of what the student should answer, from `wanted`.
    """
    return weight * temperature * (raw / temperature).softmax(1) + (1 - weight) * raw.softmax(1) - constant


def wanted(told: Tensor, classes: Tensor, temperature: Tensor, weight: Tensor) -> Tensor:
    """The same sum of the teacher's softmax and of the class, (networks, classes, rows).

    Args:
        told: Outputs of the teacher, (networks, classes, rows).
        classes: (networks, rows).
        temperature: As for `printed`.
        weight: As for `printed`.
    """
    hard = functional.one_hot(classes, told.shape[1]).mT
    return weight * temperature * (told / temperature).softmax(1) + (1 - weight) * hard


def taught(
    seeds: Sequence[int],
    start: Weights,
    rows: Rows,
    told: Tensor,
    steps: int,
    rates: Sequence[float],
    temperature: Sequence[float],
    weight: Sequence[float],
    watch: training.Watch | None = None,
) -> list[Weights]:
    """Students after Adam on the printed loss and minibatches of 32, one list per learning rate.

    Args:
        seeds: Each draws minibatches.
        start: Initial weights of the students, one per seed; all settings of the loss start there.
        rows: Training rows and classes.
        told: Outputs of the teacher on them, (replicates, rows, classes).
        steps: Minibatches.
        rates: Learning rates of Adam, side by side.
        temperature: One for each setting of the loss, side by side.
        weight: The same, in [0, 1].
        watch: Called as `training.fit` does, 20 times and at the end.

    Returns:
        Weights (settings x replicates, ...), one setting after another.
    """
    settings, replicates, count = len(weight), len(seeds), told.shape[1]
    heat, part = (
        torch.tensor(each, dtype=told.dtype).repeat_interleave(replicates).view(-1, 1, 1)
        for each in (temperature, weight)
    )
    constant = wanted(told.mT.repeat(settings, 1, 1), rows[1].repeat(settings, 1), heat, part)
    heat, part = (each.repeat(len(rates), 1, 1) for each in (heat, part))
    rule = Adam(
        [tensor.repeat(len(rates) * settings, 1, 1) for tensor in start],
        np.repeat(rates, settings * replicates).tolist(),
    )
    fits = [list(same) for same in zip(*(each.split(settings * replicates) for each in rule.weights), strict=True)]
    x, constant = rows[0].flatten(0, 1), constant.mT.flatten(0, 1)
    first = count * torch.arange(settings * replicates)[:, None]
    for done, step in enumerate(networks.batches(seeds, count, 32, steps)):
        if watch and done % (steps // 20) == 0:
            watch(done, fits)
        own = (step + first[:replicates]).repeat(len(rates) * settings, 1)
        place = (step.repeat(settings, 1) + first).repeat(len(rates), 1)
        batch, less = (
            of.index_select(0, at.flatten()).unflatten(0, at.shape).mT for of, at in ((x, own), (constant, place))
        )
        slope = partial(printed, temperature=heat, weight=part, constant=less)
        rule.step(gradients(rule.weights, batch, slope))
    if watch:
        watch(steps, fits)
    return fits


def by_classes(seeds: Sequence[int], start: Weights, train: Rows, valid: Rows, steps: int) -> Weights:
    """Networks trained on classes alone at the higher of RATES, each at the step that is best on validation rows."""
    watch = training.Best(lambda weights: training.accuracy(networks.dense, weights, valid))
    nothing = start[-1].new_zeros(len(seeds), train[0].shape[1], start[-1].shape[1])
    taught(seeds, start, train, nothing, steps, RATES[1:], (1.0,), (0.0,), watch)
    (weights,) = watch.weights
    return weights


def mislabelled(seeds: Sequence[int], rows: Rows, share: float, classes: int) -> Rows:
    """The same rows with `share` of the classes drawn at random."""
    x, y = rows
    drawn = []
    for seed, own in zip(seeds, y.numpy(), strict=True):
        rng = np.random.default_rng([seed, own.size])
        drawn.append(np.where(rng.random(own.size) < share, rng.integers(classes, size=own.size), own))
    return x, torch.from_numpy(np.stack(drawn))


def gain(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 500,
    n_valid: int = 300,
    n_test: int = 900,
    n_classes: int = 10,
    n_features: int = 20,
    student: int = 8,
    teacher: int = 64,
    wrong: float = 0.0,
    teacher_wrong: float | None = None,
    teacher_steps: int = 400,
    steps: int = 1200,
    temperature: float = 3.0,
    weight: float = 0.7,
    seen: int | None = None,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows of a small network trained on classes alone, `scratch`, and with a teacher, `distilled`.

    Both start at the same weights and see the same minibatches; every network stops, and takes the learning rate, that
    are best for it on validation rows. `teacher` is the accuracy of the large one. Test rows have their true classes.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` (scikit-learn's make_classification) or the name of a bundled set.
        n_train: Training rows, the same for all three networks.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        n_features: Columns of generated data, half of which carry the classes.
        student: Units in the student's hidden layer.
        teacher: Units in each of the teacher's two hidden layers.
        wrong: Share of the training and validation rows whose class is drawn at random.
        teacher_wrong: The same for the rows that the teacher is trained on; the very same rows where not given.
        teacher_steps: Minibatches of 32 for the teacher; with 0 it knows nothing.
        steps: Minibatches of 32 for the student.
        temperature: Of the printed loss.
        weight: Of the teacher in the printed loss.
        seen: Training rows that the student sees; all of the teacher's where not given.
    """
    train, valid, test = _drawn(seeds, data, (n_train, n_valid, n_test), n_classes, n_features)
    own, own_valid = (mislabelled(seeds, rows, wrong, n_classes) for rows in (train, valid))
    if teacher_wrong is None:
        shown, shown_valid = own, own_valid
    else:
        shown, shown_valid = (mislabelled(seeds, rows, teacher_wrong, n_classes) for rows in (train, valid))
    columns = train[0].shape[2]
    large, small = (
        [tensor.double() for tensor in networks.initial(seeds, (columns, *hidden, n_classes))]
        for hidden in ((teacher, teacher), (student,))
    )
    if teacher_steps:
        large = by_classes(seeds, large, shown, shown_valid, teacher_steps)
    rows = own[0][:, :seen], own[1][:, :seen]
    with torch.no_grad():
        told = networks.dense(large, rows[0].mT).mT
    # two students side by side, the first one to whom the teacher counts for nothing
    twice = [own_valid[0].repeat(2, 1, 1), own_valid[1].repeat(2, 1)]
    watch = training.Best(lambda weights: training.accuracy(networks.dense, weights, twice))
    taught(seeds, small, rows, told, steps, RATES, (temperature, temperature), (0.0, weight), watch)
    both = networks.best(watch.weights, list(watch.scores))
    scratch, distilled = zip(*(tensor.chunk(2) for tensor in both), strict=True)
    found = {"teacher": large, "scratch": scratch, "distilled": distilled}
    return {name: training.accuracy(networks.dense, list(weights), test) for name, weights in found.items()}


def _drawn(seeds: Sequence[int], data: str, sizes: Sequence[int], classes: int, columns: int) -> list[Rows]:
    shape = {"n_features": columns, "n_informative": columns // 2, "n_classes": classes, "n_clusters_per_class": 1}
    # in double precision, since the step that is kept may hang on rounding
    return [(x.double(), y) for x, y in networks.classification(seeds, sizes, data, flip_y=0.0, **shape)]


def similarity(
    seeds: Sequence[int],
    *,
    temperatures: Sequence[float] = (1, 2, 4, 8, 20),
    data: str = "generated",
    n_train: int = 500,
    n_valid: int = 300,
    n_test: int = 300,
    n_classes: int = 10,
    n_features: int = 20,
    student: int = 16,
    teacher: int = 64,
    dark: bool = True,
    steps: int = 600,
) -> dict[str, np.ndarray]:
    """How well a student ranks the wrong classes of test rows as its teacher does, at each temperature.

    `agreement` is Spearman's correlation of the two networks' outputs for the wrong classes, mean over test rows;
    `accuracy` is the student's share of right classes. Both have shape (replicates, temperatures). Students learn from
    the teacher alone, from the same weights and minibatches, and are taken as they are after the last step.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        temperatures: Of the printed loss, one student each.
        data: `generated` (scikit-learn's make_classification) or the name of a bundled set.
        n_train: Training rows.
        n_valid: Rows on which the teacher stops.
        n_test: Test rows.
        n_classes: Classes, at least 3; 10 for digits.
        n_features: Columns of generated data, half of which carry the classes.
        student: Units in the student's hidden layer.
        teacher: Units in each of the teacher's two hidden layers.
        dark: Whether the student is told the teacher's outputs for wrong classes, or their mean in place of each.
        steps: Minibatches of 32.
    """
    train, valid, test = _drawn(seeds, data, (n_train, n_valid, n_test), n_classes, n_features)
    start = networks.initial(seeds, (train[0].shape[2], teacher, teacher, n_classes))
    large = fitted(seeds, [tensor.double() for tensor in start], train, valid, 400, RATES[1:])
    small = networks.initial(seeds, (train[0].shape[2], student, n_classes))
    # students are taken after the last step, which no rounding chooses: single precision will do from here on
    x, test = train[0].float(), (test[0].float(), test[1])
    large = [tensor.float() for tensor in large]
    with torch.no_grad():
        told = networks.dense(large, x.mT).mT
        sought = networks.dense(large, test[0].mT).mT
    if not dark:
        right = functional.one_hot(train[1], n_classes).bool()
        others = told.masked_fill(right, 0.0).sum(2, keepdim=True) / (n_classes - 1)
        told = torch.where(right, told, others)
    count = len(temperatures)
    (weights,) = taught(seeds, small, (x, train[1]), told, steps, [0.005], temperatures, [1.0] * count)
    agreement, right = [], []
    for place in range(count):
        own = [tensor[place * len(seeds) : (place + 1) * len(seeds)] for tensor in weights]
        agreement.append(ranked_alike(networks.dense(own, test[0].mT).mT, sought, test[1]))
        right.append(training.accuracy(networks.dense, own, test))
    return {"agreement": np.stack(agreement, 1), "accuracy": np.stack(right, 1)}


def ranked_alike(one: Tensor, other: Tensor, classes: Tensor) -> np.ndarray:
    """Spearman's correlation of two networks' outputs over the wrong classes, mean over rows, (replicates,)."""
    wrong = ~functional.one_hot(classes, one.shape[2]).bool()
    shape = (*one.shape[:2], one.shape[2] - 1)
    ranks = [outputs[wrong].reshape(shape).argsort(2).argsort(2).double() for outputs in (one, other)]
    count = shape[2]
    return (1 - 6 * (ranks[0] - ranks[1]).square().sum(2) / (count**3 - count)).mean(1).numpy()
