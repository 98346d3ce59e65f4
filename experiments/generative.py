"""Trials on generative models: adversarial networks, and autoencoders with a drawn code."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist
from scipy.special import expit
from torch import Tensor
from torch.nn import functional

from experiments.common import layers, networks, streams
from experiments.common.layers import Layer, Weights
from experiments.common.networks import DATA, SPLIT
from experiments.common.real import table
from experiments.optimization import multilayer
from experiments.self_supervision import real as pictures

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
    of the way to the next. Of digits a third of all rows is trained on, points are another third, modes their classes,
    and near is as near as 95 in 100 rows trained on; pixels are in [-1, 1].

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
            rows, points, own = x[order[:599]], x[order[599:1198]], y[order[599:1198]]
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
    """How many modes of the data a generator reaches late in training (Goodfellow et al. 2014; the printed losses).

    Outcomes are those of `reached` from 400 generated rows, on average over ten moments evenly spread over the second
    half of the training, its end among them: `collapsed` is the share of them at which the generator has collapsed.

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
    rngs = networks.generators(seeds, networks.MASKS)
    wrong = torch.tensor([-1.0, 1.0]).repeat_interleave(32)
    late, found = np.linspace(steps / 2, steps, 11).astype(int)[1:], []
    fresh = torch.from_numpy(np.stack([rng.standard_normal((16, 400), np.float32) for rng in rngs]))
    noises = torch.from_numpy(np.stack([rng.standard_normal((steps, 16, 32), np.float32) for rng in rngs], 1))
    for step, (chosen, noise) in enumerate(zip(networks.batches(seeds, rows.shape[2], 32, steps), noises, strict=True)):
        real, made = rows.take_along_dim(chosen[:, None], 2), maker(made_by, noise)
        told = judge(judged_by, torch.cat([real, made], 2))
        loss = functional.softplus(-told[..., 32:]).mean((1, 2)) if adversary else energy(made, real)
        losses = [(making, made_by, loss)]
        if adversary and (step + 1) % per_judge == 0:
            losses.append((judging, judged_by, functional.softplus(told * wrong).mean((1, 2))))
        for _, weights, loss in losses:
            for tensor, grad in zip(weights, torch.autograd.grad(loss.sum(), weights, retain_graph=True), strict=True):
                tensor.grad = grad
        for rule, *_ in losses:
            rule.step()
        if step + 1 in late:
            with torch.no_grad():
                found.append(reached(maker(made_by, fresh), *known))
    return {name: np.mean([moment[name] for moment in found], axis=0) for name in found[0]}


# Variational autoencoders --------------------------------------------------------------------------------------------


def images(seeds: Sequence[int], data: str) -> list[Tensor]:
    """Images of black and white, (replicates, rows, pixels), 0 or 1: to train on, and fresh ones.

    Args:
        seeds: Each draws or splits the images.
        data: `digits` (64 pixels) or `mnist` (the inner 100 of 196), white where brighter than half, a third of the
            rows to train on; `factors`, 36 pixels, white with probabilities that two normal factors give through random
            weights and a logistic function, 1,000 rows to train on.
    """
    parts = []
    for seed in seeds:
        rng = np.random.default_rng(streams(seed, 5)[DATA])
        if data == "factors":
            x, train = rng.random((1500, 36)) < expit(rng.normal(size=(1500, 2)) @ rng.normal(0, 3, (2, 36))), 1000
        else:
            x, _ = pictures(data)
            if data == "mnist":
                x = x.reshape(-1, 14, 14)[:, 2:-2, 2:-2].reshape(-1, 100)
            x, train = x > x.max() / 2, len(x) // 3
            x = x[rng.permutation(len(x))[: train + 500]]
        parts.append(np.split(x.astype(np.float32), [train]))
    return [torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)]


ESTIMATES = {"reparameterised": (1, 0, 0), "baseline": (0, 1, 1), "plain": (0, 1, 0), "none": (0, 0, 0)}
"""Of the encoder's gradient: whether it goes through the draw, is a score function's, and with a baseline."""


def bounds(
    net: tuple[Layer, Layer], weights: Weights, x: Tensor, eps: Tensor, estimate: Tensor
) -> tuple[Tensor, Tensor]:
    """Lower bound on the log-likelihood of each image in nats, and what to ascend, (networks, rows) each.

    What to ascend has the bound's gradient in expectation. Through a draw z = mean + deviation * eps the gradient is
    that of Kingma and Welling (2014). A score function instead takes z as it is and adds the gradient of log q(z) times
    the log-likelihood that z gives (Williams 1992; Ranganath, Gerrish and Blei 2014), less, as a baseline, that of the
    other draws for the same image (Mnih and Rezende 2016; Kool, van Hoof and Welling 2019). The divergence from the
    prior is exact, as printed.

    Args:
        net: Encoder to means and log-variances, and decoder to log-odds of white.
        weights: Of both, (networks, ...).
        x: Images, (networks, pixels, rows).
        eps: Standard normal, (networks, code, draws, rows).
        estimate: Values of ESTIMATES, (3, networks, 1, 1).
    """
    through, score, centred = estimate
    encoder, decoder = net
    mean, spread = encoder(weights[:4], x).chunk(2, 1)
    mean, deviation = mean[:, :, None], (spread / 2).exp()[:, :, None]
    drawn = mean + deviation * eps
    z = through[..., None] * drawn + (1 - through[..., None]) * drawn.detach()
    raw = decoder(weights[4:], z.flatten(2)).unflatten(2, eps.shape[2:])
    likelihood = -functional.softplus((1 - 2 * x)[:, :, None] * raw).sum(1)
    others = (likelihood.sum(1, keepdim=True) - likelihood) / max(1, eps.shape[2] - 1)
    log_q = -(((drawn.detach() - mean) / deviation).square() / 2 + deviation.log()).sum(1)
    extra = score * (likelihood - centred * others).detach() * log_q
    divergence = (mean.square() + deviation.square() - 1 - 2 * deviation.log()).sum((1, 2)) / 2
    return likelihood.mean(1) - divergence, (likelihood + extra).mean(1) - divergence


def code_worth(
    seeds: Sequence[int],
    *,
    data: str = "digits",
    latent: int = 8,
    rival: str = "baseline",
    hidden: int = 32,
    draws: int = 4,
    steps: int = 400,
) -> dict[str, np.ndarray]:
    """Lower bound on the log-likelihood of fresh images after training by several estimates of the gradient, in nats.

    Arms are `reparameterised` and the rival, trained alike; both start from the same weights and see the same
    minibatches of 20 and as many draws. `ignored` is the log-likelihood when the decoder
    gives each pixel its frequency, as it would without a code; `recovered` is what the rival gains on that, as a share
    of what the reparameterised arm gains: 1 where they are alike, 0 where the rival has gained nothing.

    Args:
        seeds: Each draws images, weights, minibatches and noise of one replicate.
        data: As for `images`.
        latent: Numbers in the code.
        rival: A name in ESTIMATES.
        hidden: Units of the encoder's and the decoder's hidden layer.
        draws: Of the code for each image; the baseline takes more than one.
        steps: Of Adam, at rate 0.01.
    """
    train, test = images(seeds, data)
    pixels, arms = train.shape[2], ["reparameterised", rival]
    net = multilayer(pixels, (hidden,), 2 * latent), multilayer(latent, (hidden,), pixels)
    start = layers.initial(net[0], seeds) + layers.initial(net[1], [streams(seed, 5)[SPLIT] for seed in seeds])
    weights = [tensor.detach().repeat(len(arms), 1, 1).requires_grad_() for tensor in start]
    rule = torch.optim.Adam(weights, 0.01, fused=True)
    kinds = torch.tensor([ESTIMATES[arm] for arm in arms]).float().T
    estimate = kinds.repeat_interleave(len(seeds), 1)[..., None, None]
    rngs = networks.generators(seeds, networks.MASKS)

    def bound(x: Tensor) -> tuple[Tensor, Tensor]:
        shape = (2, latent, draws, x.shape[1])
        shared, own = torch.from_numpy(np.stack([rng.standard_normal(shape, np.float32) for rng in rngs], 1))
        # the rival has noise of its own, so that it differs from the first arm even where it is the same
        return bounds(net, weights, x.mT.repeat(len(arms), 1, 1), torch.cat([shared, own]), estimate)

    every, first = train.flatten(0, 1), train.shape[1] * torch.arange(len(seeds))[:, None]
    for batch in networks.batches(seeds, train.shape[1], 20, steps):
        rule.zero_grad()
        x = every.index_select(0, (batch + first).flatten()).unflatten(0, batch.shape)
        (-bound(x)[1].mean(1).sum()).backward()
        rule.step()
    with torch.no_grad():
        found = bound(test)[0].double().mean(1).view(len(arms), -1).numpy()
    frequency = (train.sum(1, keepdim=True) + 1) / (train.shape[1] + 2)
    ignored = torch.where(test > 0, frequency, 1 - frequency).log().sum(2).double().mean(1).numpy()
    recovered = (found[1] - ignored) / (found[0] - ignored)
    return {**dict(zip(arms, found, strict=True)), "ignored": ignored, "recovered": recovered}
