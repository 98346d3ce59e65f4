"""Trials on sharing what is learned between tasks that are trained together."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import networks, streams
from experiments.common.layers import Layer, Weights, chain, dropout, initial, linear, relu
from experiments.common.networks import DATA, SPLIT, Rows, batches
from experiments.common.real import table
from experiments.common.training import Best, fit, outputs
from experiments.convolution import quartered

# what can be asked about a digit, each with four to six digits for yes
QUESTIONS = ((1, 3, 5, 7, 9), (5, 6, 7, 8, 9), (2, 3, 5, 7), (0, 6, 8, 9), (1, 4, 7, 9))


def latent_tasks(
    seed: int, rows: int, tasks: int, columns: int, related: bool, flipped: float, factors: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and classes of tasks that read the same few factors of the columns, each in a way of its own.

    A factor is a random direction in the columns. A task's class is the side of a random mixture of the factors and
    their products, cut at its median.

    Args:
        seed: Draws everything.
        rows: Rows; each has a class in every task.
        tasks: Tasks.
        columns: Gaussian columns.
        related: Whether all tasks read the same factors; otherwise each has its own.
        flipped: Share of classes turned over, each by itself.
        factors: Factors of a task.

    Returns:
        Columns (rows, columns), classes 0 or 1 (rows, tasks), flips included.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    directions = [np.linalg.qr(rng.normal(size=(columns, factors)))[0] for _ in range(tasks)]
    y = np.empty((rows, tasks), int)
    pairs = np.triu_indices(factors)
    for task in range(tasks):
        z = X @ directions[0 if related else task]
        mixed = z @ rng.normal(size=factors) + (z[:, pairs[0]] * z[:, pairs[1]]) @ rng.normal(size=len(pairs[0]))
        y[:, task] = mixed > np.median(mixed)
    return X, y ^ (rng.random(y.shape) < flipped)


def many_tasks(
    seeds: Sequence[int], sizes: Sequence[int], data: str, tasks: int, columns: int, related: bool, flipped: float
) -> list[Rows]:
    """Disjoint parts of one set of rows per seed, (replicates, rows, columns), and classes (replicates, rows, tasks).

    Args:
        seeds: One draw each.
        sizes: Rows of each part.
        data: `generated` as in `latent_tasks`; `digits` or `mnist` (14 x 14), with the first of QUESTIONS for tasks.
        tasks: Tasks; at most five for images.
        columns: Columns generated.
        related: As for `latent_tasks`; questions about images always are.
        flipped: Share of classes turned over.
    """
    drawn = []
    for seed in seeds:
        made, split = streams(seed, 5)[DATA : SPLIT + 1]
        if data == "generated":
            X, y = latent_tasks(made, sum(sizes), tasks, columns, related, flipped)
        else:
            pixels, digit = table(data)
            chosen = np.random.default_rng(split).permutation(len(digit))[: sum(sizes)]
            X = pixels[chosen] / 16 if data == "digits" else quartered(pixels[chosen]).reshape(len(chosen), -1) / 255
            y = np.stack([np.isin(digit[chosen], question) for question in QUESTIONS[:tasks]], 1)
            y = y ^ (np.random.default_rng(made).random(y.shape) < flipped)
        drawn.append((X.astype(np.float32), y.astype(np.float32)))
    x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in zip(*drawn, strict=True))
    return list(zip(x, y, strict=True))


def binary_cross_entropy(raw: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the sigmoid of raw outputs (networks, tasks, rows), mean over tasks and rows: (networks,)."""
    return functional.binary_cross_entropy_with_logits(raw, y.mT, reduction="none").mean((1, 2))


def trunk(columns: int, tasks: int, hidden: Sequence[int]) -> Layer:
    """The printed shared encoder, smaller: two hidden layers with ReLU and dropout of 0.3, and an output per task."""
    first, second = hidden
    body = linear(columns, first), relu, dropout(0.3), linear(first, second), relu, dropout(0.3)
    return chain(*body, linear(second, tasks))


def stopped(
    seeds: Sequence[int], net: Layer, train: Rows, valid: Rows, rates: Sequence[float], n_steps: int
) -> Weights:
    """Networks, several per seed, each at the rate and moment at which its loss on validation rows is least."""
    times = len(train[0]) // len(seeds)
    start = [
        t.detach().repeat(times, *[1] * (t.dim() - 1)).requires_grad_(t.requires_grad) for t in initial(net, seeds)
    ]
    best = Best(lambda weights: -loss_of(net, weights, valid))
    steps = batches(seeds, train[0].shape[1], min(32, train[0].shape[1]), n_steps).repeat(1, times, 1)
    plan = {"loss": binary_cross_entropy, "optimizer": "adam", "seeds": list(seeds) * times}
    fit(net, start, train, steps, rates, watch=best, every=n_steps // 40, **plan)
    return networks.best(best.weights, list(best.scores))


def loss_of(net: Layer, weights: Weights, rows: Rows) -> np.ndarray:
    """Binary cross-entropy over the rows, (networks,)."""
    return binary_cross_entropy(outputs(net, weights, rows[0]), rows[1]).double().numpy()


def joint_and_single(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int,
    n_valid: int = 0,
    n_test: int = 1000,
    tasks: int = 4,
    columns: int = 20,
    related: bool = True,
    flipped: float = 0.0,
    hidden: Sequence[int] = (64, 32),
    rates: Sequence[float] = (0.002, 0.008),
    n_steps: int = 800,
) -> dict[str, np.ndarray]:
    """Accuracy, mean over tasks, of one network for all tasks and of one network of the same size for each, in [0, 1].

    All networks start at the same weights but for the outputs, see the same minibatches of 32, and each chooses among
    rates and moments on the validation rows: the single ones on their own task, the joint one on the mean over tasks.

    Args:
        seeds: Each draws rows, weights, minibatches and masks of one replicate.
        data: As for `many_tasks`.
        n_train: Training rows; each has a label for every task.
        n_valid: Validation rows; 0 for half as many as training rows.
        n_test: Test rows, with the classes turned over that training has.
        tasks: Tasks.
        columns: Columns generated.
        related: Whether the tasks read the same factors of the columns.
        flipped: Share of classes turned over.
        hidden: Units of the two hidden layers.
        rates: Learning rates tried.
        n_steps: Minibatches at most.

    Returns:
        `joint` and `single`.
    """
    sizes = n_train, n_valid or n_train // 2, n_test
    train, valid, test = many_tasks(seeds, sizes, data, tasks, columns, related, flipped)

    def apart(rows: Rows) -> Rows:
        """Every task's rows as those of a network of its own, (tasks x replicates, rows, ...)."""
        return rows[0].repeat(tasks, 1, 1), torch.cat(rows[1].split(1, 2))

    one, each = (trunk(train[0].shape[2], outs, hidden) for outs in (tasks, 1))
    joint = stopped(seeds, one, train, valid, rates, n_steps)
    single = stopped(seeds, each, apart(train), apart(valid), rates, n_steps)
    found = {"joint": outputs(one, joint, test[0]), "single": outputs(each, single, apart(test)[0])}
    hits = {
        "joint": (found["joint"] > 0) == (test[1].mT > 0),
        "single": (found["single"] > 0) == (apart(test)[1].mT > 0),
    }
    return {arm: hit.double().mean((1, 2)).view(-1, len(seeds)).mean(0).numpy() for arm, hit in hits.items()}
