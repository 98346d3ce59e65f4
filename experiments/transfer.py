"""Trials on sharing what is learned between tasks that are trained together."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import networks, streams
from experiments.common.layers import Layer, Noise, chain, initial, linear, relu
from experiments.common.networks import DATA, SPLIT, Rows, batches
from experiments.common.real import mnist, table
from experiments.common.training import Best, Loss, fit, mean_loss, outputs
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
            pixels, digit = mnist() if data == "mnist" else table(data)
            chosen = np.random.default_rng(split).permutation(len(digit))[: sum(sizes)]
            X = pixels[chosen] / 16 if data == "digits" else quartered(pixels[chosen]).reshape(len(chosen), -1) / 255
            y = np.stack([np.isin(digit[chosen], question) for question in QUESTIONS[:tasks]], 1)
            y = y ^ (np.random.default_rng(made).random(y.shape) < flipped)
        drawn.append((X.astype(np.float32), y.astype(np.float32)))
    x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in zip(*drawn, strict=True))
    return list(zip(x, y, strict=True))


def own_loss(shares: Tensor) -> Loss:
    """Loss of networks each of which learns some of the tasks: cross-entropy of sigmoids, one value per network.

    Args:
        shares: Weight of each task, (networks, tasks).

    Returns:
        From raw outputs (networks, tasks, rows) and classes (networks, rows, tasks); where several rates are tried,
        their networks follow each other.
    """

    def loss(raw: Tensor, y: Tensor) -> Tensor:
        by_task = functional.binary_cross_entropy_with_logits(raw, y.mT, reduction="none").mean(2)
        return (by_task * shares.repeat(len(raw) // len(shares), 1)).sum(1)

    return loss


def dropped(rate: float) -> Layer:
    """As `layers.dropout`, but all networks of a replicate share its masks without a copy for each."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        if noise is None:
            return x
        drawn = np.empty((len(noise), *x.shape[1:]), np.float32)
        for rng, own in zip(noise, drawn, strict=True):
            rng.random(dtype=np.float32, out=own)
        factors = torch.from_numpy(drawn).ge(rate).float().mul_(1 / (1 - rate))
        return (x.unflatten(0, (-1, len(noise))) * factors).flatten(0, 1)

    return Layer(lambda rng: [], apply)


def trunk(columns: int, tasks: int, hidden: Sequence[int]) -> Layer:
    """The printed shared encoder, smaller: two hidden layers with ReLU and dropout of 0.3, and an output per task."""
    first, second = hidden
    body = linear(columns, first), relu, dropped(0.3), linear(first, second), relu, dropped(0.3)
    return chain(*body, linear(second, tasks))


def compared(
    seeds: Sequence[int], parts: Sequence[Rows], hidden: Sequence[int], rates: Sequence[float], n_steps: int
) -> dict[str, np.ndarray]:
    """Accuracy, mean over tasks, of one network for all tasks and of one network of the same size for each, in [0, 1].

    All are trained side by side, from the same weights and on the same minibatches and dropout masks; a single one has
    outputs for all tasks too, of which one is trained. Each stops at the rate and the twentieth of the training at
    which its loss on validation rows is least.

    Args:
        seeds: Each draws weights, minibatches and masks of one replicate.
        parts: Training, validation and test rows from `many_tasks`.
        hidden: Units of the two hidden layers.
        rates: Learning rates tried.
        n_steps: Minibatches of 32 at most.

    Returns:
        `joint` and `single`.
    """
    tasks = parts[0][1].shape[2]
    arms = torch.cat([torch.full((1, tasks), 1 / tasks), torch.eye(tasks)])
    train, valid = ((x.repeat(len(arms), 1, 1), y.repeat(len(arms), 1, 1)) for x, y in parts[:2])
    net, loss = trunk(train[0].shape[2], tasks, hidden), own_loss(arms.repeat_interleave(len(seeds), 0))
    start = [tensor.detach().repeat(len(arms), 1, 1).requires_grad_() for tensor in initial(net, seeds)]
    best = Best(lambda weights: -mean_loss(net, weights, valid, loss))
    rows = train[0].shape[1]
    steps = batches(seeds, rows, min(32, rows), n_steps).repeat(1, len(arms), 1)
    # one generator per seed: all networks of a replicate share its masks
    fit(net, start, train, steps, rates, loss=loss, optimizer="adam", seeds=seeds, watch=best, every=n_steps // 20)
    weights = networks.best(best.weights, list(best.scores))
    x, y = parts[2]
    hits = (outputs(net, weights, x.repeat(len(arms), 1, 1)) > 0).view(len(arms), *y.mT.shape) == (y.mT > 0)
    by_task = hits.double().mean(3)  # (arms, replicates, tasks)
    return {"joint": by_task[0].mean(1).numpy(), "single": by_task[1:].diagonal(dim1=0, dim2=2).mean(1).numpy()}


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
    """Accuracy of one network for all tasks and of one for each, as `compared` gives it.

    Each chooses among rates and moments on the validation rows: the single ones on their own task, the joint one on the
    mean over tasks.

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
    return compared(seeds, many_tasks(seeds, sizes, data, tasks, columns, related, flipped), hidden, rates, n_steps)
