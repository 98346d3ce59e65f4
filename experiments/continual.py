"""Trials on learning one task after another with the same network, as printed in the guide's section on it."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.datasets import make_classification
from torch import Tensor

from experiments.common import networks, streams, training
from experiments.common.data import bundled, shares
from experiments.common.layers import Noise
from experiments.common.networks import DATA, SPLIT, Rows, Weights

Images = Callable[[np.ndarray, np.random.Generator], np.ndarray]

CHANGES: dict[str, Images] = {
    "permuted": lambda x, rng: x[:, rng.permutation(64)],
    "mirrored": lambda x, rng: x.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64),
    "dimmed": lambda x, rng: x / 2 + 0.25,
    "again": lambda x, rng: x,
}
"""What a task after the first does to images of digits whose classes stay what they are."""


def tasks(seeds: Sequence[int], kind: str, count: int, n_train: int, n_test: int) -> list[tuple[Rows, Rows]]:
    """Training and test rows of each task, from fresh rows for each seed.

    Args:
        seeds: One sequence of tasks each.
        kind: `generated`: unrelated problems of three classes, as printed. `split`: the digits 0 to 4, then 5 to 9, as
            five classes. A key of CHANGES: all digits as they are, then changed, each task with other rows.
        count: Tasks; two for `split`.
        n_train: Training rows of a task.
        n_test: Test rows of a task.
    """
    found = []
    for number in range(count):
        drawn = [_task(seed, kind, number, count, n_train, n_test) for seed in seeds]
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
        found.append(((x[:, :n_train], y[:, :n_train]), (x[:, n_train:], y[:, n_train:])))
    return found


def _task(seed: int, kind: str, number: int, count: int, n_train: int, n_test: int) -> tuple[np.ndarray, np.ndarray]:
    made, split = streams(seed, 5)[DATA : SPLIT + 1]
    rows = n_train + n_test
    if kind == "generated":
        shape = {"n_features": 20, "n_informative": 15, "n_classes": 3}
        x, y = make_classification(rows, random_state=(made + number) % 2**32, **shape)
    elif kind == "split":
        images, digits = bundled("digits")
        (own,) = np.nonzero(digits // 5 == number)
        (chosen, _) = shares(split, len(own), rows)
        x, y = images[own[chosen]], digits[own[chosen]] % 5
    else:
        images, digits = bundled("digits")
        parts = shares(split, len(digits), *[rows] * count)
        change = CHANGES[kind if number else "again"]
        x, y = change(images[parts[number]], np.random.default_rng([made, number])), digits[parts[number]]
    return x.astype(np.float32), y.astype(np.int64)


class Anchored:
    """A forward function that also keeps how far the weights are from those that mattered for tasks before."""

    def __init__(self) -> None:
        """No task before."""
        self.anchors: list[tuple[Weights, Weights]] = []
        self.penalty: Tensor | float = 0.0

    def __call__(self, weights: Weights, x: Tensor, noise: Noise) -> Tensor:
        """Raw outputs (replicates, classes, rows)."""
        terms = [
            (importance * (weight - old).square()).flatten(1).sum(1)
            for olds, importances in self.anchors
            for weight, old, importance in zip(weights, olds, importances, strict=True)
        ]
        self.penalty = torch.stack(terms).sum(0) if terms else 0.0
        return networks.dense(weights, x)

    def anchor(self, weights: Weights, rows: Rows, minibatches: Tensor) -> None:
        """Adds a task: squares of the gradients of its minibatches' mean loss, summed and divided by its rows."""
        kept = [tensor.detach().clone().requires_grad_() for tensor in weights]
        importance = [torch.zeros_like(tensor) for tensor in weights]
        replicate = torch.arange(len(rows[0]))[:, None]
        for places in minibatches:
            x, y = (part[replicate, places] for part in rows)
            loss = networks.cross_entropy(networks.dense(kept, x.mT), y).sum()
            for total, gradient in zip(importance, torch.autograd.grad(loss, kept), strict=True):
                total += gradient.square() / rows[0].shape[1]
        self.anchors.append(([tensor.detach() for tensor in kept], importance))


def forgetting(
    seeds: Sequence[int],
    *,
    kind: str = "generated",
    count: int = 3,
    n_train: int = 500,
    n_test: int = 300,
    hidden: Sequence[int] = (64, 32),
    epochs: int = 10,
    later_epochs: int = 10,
    strength: float = 5000.0,
    methods: Sequence[str] = ("naive", "ewc"),
) -> dict[str, np.ndarray]:
    """Accuracy on test rows while one network learns task after task with Adam at 0.001, minibatches of 32.

    For each method `<method>_first` and `<method>_first_at_end` are that of the first task right after it was learned
    and after the last task; `<method>_mean` is that of all tasks after the last, and `<method>_forgotten` the mean
    over tasks but the last of what was lost since they were learned. Methods start at the same weights and see the same
    minibatches.

    Args:
        seeds: Each draws tasks, weights and minibatches of one replicate.
        kind: As for `tasks`.
        count: Tasks.
        n_train: Training rows of a task.
        n_test: Test rows of a task.
        hidden: Units of the hidden layers.
        epochs: Passes over the first task's rows.
        later_epochs: Passes over those of each later one.
        strength: Of the printed penalty (elastic weight consolidation, Kirkpatrick et al. 2017).
        methods: `naive` goes on training, `ewc` with the penalty for each task before.
    """
    given = tasks(seeds, kind, count, n_train, n_test)
    x, y = given[0][0]
    start = networks.initial(seeds, (x.shape[2], *hidden, int(y.max()) + 1))
    longest = networks.batches(seeds, n_train, 32, max(epochs, later_epochs, 1) * (n_train // 32) * count)

    def learned(forward: Anchored, weights: Weights, number: int) -> Weights:
        steps = (later_epochs if number else epochs) * (n_train // 32)
        return training.fit(
            forward, weights, given[number][0],
            longest[number * steps : (number + 1) * steps], [0.001], optimizer="adam",
            loss=lambda raw, y: networks.cross_entropy(raw, y) + strength * forward.penalty,
        )[0]  # fmt: skip

    outcomes, first = {}, learned(Anchored(), start, 0)  # the same for all methods: there is no task to be kept yet
    for method in methods:
        forward, weights = Anchored(), first
        reached = np.zeros((count, count, len(seeds)))
        for number, (train, _) in enumerate(given):
            weights = learned(forward, weights, number) if number else first
            if method == "ewc" and number + 1 < count:
                forward.anchor(weights, train, longest[-(n_train // 32) :])
            reached[number] = [training.accuracy(networks.dense, weights, test) for _, test in given]
        lost = [reached[task, task] - reached[-1, task] for task in range(count - 1)]
        outcomes |= {f"{method}_first": reached[0, 0], f"{method}_first_at_end": reached[-1, 0]}
        outcomes |= {f"{method}_mean": reached[-1].mean(0), f"{method}_forgotten": np.mean(lost, axis=0)}
    return outcomes
