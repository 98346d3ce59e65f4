"""Trials on generative models: adversarial networks, and autoencoders with a drawn code."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor
from torch.nn import functional

from experiments.common import layers, networks, streams
from experiments.common.layers import Layer
from experiments.common.networks import DATA, SPLIT
from experiments.common.real import table

# Adversarial networks ------------------------------------------------------------------------------------------------


def places(modes: str) -> np.ndarray:
    """Centres in the plane, (modes, 2): `ring` has eight at distance 1 from 0, `grid` 25 in a square with side 2."""
    if modes == "grid":
        return np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(-1, 2)
    turns = 2 * np.pi * np.arange(8) / 8
    return np.c_[np.cos(turns), np.sin(turns)]


def rows_of(seeds: Sequence[int], modes: str, spread: float) -> tuple[Tensor, ...]:
    """Rows to train on, points that stand for modes, the mode of each, and how far from points one is still near.

    Rows are (replicates, features, rows), points (replicates, points, features), their modes (replicates, points) from
    0, distances (replicates, 1). Points are the centres of generated modes, and near them is what is within a quarter
    of the way to the next. Of digits a third of all rows is trained on, points are the others, modes their classes, and
    near is as near as 95 in 100 rows trained on; pixels are in [-1, 1].

    Args:
        seeds: Each draws rows, for digits the split.
        modes: `ring`, `grid` or `digits`.
        spread: Standard deviation of a generated mode in each direction; 10,000 rows are drawn.
    """
    parts = []
    for seed in seeds:
        rng = np.random.default_rng(streams(seed, 5)[DATA])
        if modes == "digits":
            x, y = table("digits")
            x, order = x / 8 - 1, rng.permutation(len(x))
            rows, points, own = x[order[:599]], x[order[599:]], y[order[599:]]
            near = np.quantile(cdist(rows, points).min(1), 0.95)
        else:
            points = places(modes)
            own = np.arange(len(points))
            rows = points[rng.integers(len(points), size=10_000)] + spread * rng.normal(size=(10_000, 2))
            near = pdist(points).min() / 4
        parts.append((rows.T.astype(np.float32), points.astype(np.float32), own, np.array([near], np.float32)))
    return tuple(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))


def reached(made: Tensor, points: Tensor, own: Tensor, near: Tensor) -> dict[str, np.ndarray]:
    """What kinds of rows were generated, (replicates,) each, in [0, 1].

    `reached` is the share of modes to whose points at least one generated row in a hundred is nearest, `near` the share
    of rows near their nearest point, `collapsed` 1 where most rows are, and at most half of the modes are reached.

    Args:
        made: Generated rows, (replicates, features, rows).
        points: As from `rows_of`.
        own: Likewise.
        near: Likewise.
    """
    distance, nearest = torch.cdist(made.mT, points).min(2)
    shares = functional.one_hot(own.gather(1, nearest), int(own.max()) + 1).double().mean(1)
    found, close = (shares >= 0.01).double().mean(1), (distance <= near).double().mean(1)
    collapsed = ((found <= 0.5) & (close > 0.5)).double()
    return {"reached": found.numpy(), "near": close.numpy(), "collapsed": collapsed.numpy()}


def dense(widths: Sequence[int], *end: Layer) -> Layer:
    """Linear layers with leaky rectifiers of slope 0.2 between them, as printed, and what comes at the end."""
    parts = [layers.linear(*widths[:2])]
    for inputs, outs in pairwise(widths[1:]):
        parts += [layers.function(lambda x: functional.leaky_relu(x, 0.2)), layers.linear(inputs, outs)]
    return layers.chain(*parts, *end)


def energy(made: Tensor, real: Tensor) -> Tensor:
    """Unbiased energy distance of samples (replicates, features, rows), (replicates,) (Székely & Rizzo 2013)."""
    between, among, others = (torch.cdist(a.mT, b.mT) for a, b in ((made, real), (made, made), (real, real)))
    pairs = among.shape[1] * (among.shape[1] - 1)
    return 2 * between.mean((1, 2)) - (among + others).sum((1, 2)) / pairs


def variety(
    seeds: Sequence[int],
    *,
    modes: str = "ring",
    spread: float = 0.05,
    hidden: Sequence[int] = (32, 32),
    rate: float = 0.002,
    momentum: float = 0.5,
    per_judge: int = 1,
    steps: int = 1000,
    adversary: bool = True,
) -> dict[str, np.ndarray]:
    """How many modes of the data a generator reaches after training (Goodfellow et al. 2014, with the printed losses).

    Outcomes are those of `reached`, from 1,000 generated rows.

    Args:
        seeds: Each draws data, weights, noise and minibatches of one replicate.
        modes: As for `rows_of`.
        spread: Likewise.
        hidden: Units of the generator's hidden layers, and in reverse order of the discriminator's.
        rate: Learning rate of Adam, for both.
        momentum: Its first decay rate; printed are 0.5.
        per_judge: Steps of the generator for each of the discriminator; printed is one.
        steps: Of the generator, each on 32 rows.
        adversary: Whether there is a discriminator; otherwise the generator is trained by the energy distance between
            its rows and those of the minibatch.
    """
    rows, *known = rows_of(seeds, modes, spread)
    maker = dense((16, *hidden, rows.shape[1]), *([layers.tanh] if modes == "digits" else []))
    judge = dense((rows.shape[1], *hidden[::-1], 1))
    made_by = layers.initial(maker, seeds)
    judged_by = layers.initial(judge, [streams(seed, 5)[SPLIT] for seed in seeds])
    making, judging = (torch.optim.Adam(w, rate, (momentum, 0.999), fused=True) for w in (made_by, judged_by))
    rngs = networks.generators(seeds, networks.BATCHES)
    for step in range(steps):
        noise = torch.from_numpy(np.stack([rng.standard_normal((16, 32), np.float32) for rng in rngs]))
        chosen = torch.from_numpy(np.stack([rng.integers(rows.shape[2], size=(1, 32)) for rng in rngs]))
        real, made = rows.take_along_dim(chosen, 2), maker(made_by, noise)
        making.zero_grad()
        loss = functional.softplus(-judge(judged_by, made)).mean((1, 2)) if adversary else energy(made, real)
        loss.sum().backward()
        making.step()
        if adversary and (step + 1) % per_judge == 0:
            judging.zero_grad()
            wrong = torch.cat([-judge(judged_by, real), judge(judged_by, made.detach())], 2)
            functional.softplus(wrong).mean((1, 2)).sum().backward()
            judging.step()
    noise = torch.from_numpy(np.stack([rng.standard_normal((16, 1000), np.float32) for rng in rngs]))
    with torch.no_grad():
        return reached(maker(made_by, noise), *known)
