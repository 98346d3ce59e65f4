"""Layers of small networks, all replicates of a block computed at once.

The axes of every tensor are replicate, feature (or channel), row, and then height and width or time, where there are
any: a linear layer is the same product for a table, an image's pixels and a sequence's positions, and a norm is told
apart by the axes it runs over. Convolution has one group per replicate. Cells and attention are written out of batched
products, as `nn.LSTM` has no rule for stacked weights.

A layer knows how one replicate's weights are drawn and what it does with stacked ones. Tensors that require a gradient
are trained; others (running statistics, frozen layers) are not. Default initial weights are torch's for the same layer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common.networks import WEIGHTS, generators

Weights = list[Tensor]  # in the order in which the layers take them; the first axis is the replicate
Noise = (
    Sequence[np.random.Generator] | None
)  # in training, one per replicate, or none where nothing is drawn; else None


@dataclass(frozen=True)
class Layer:
    """A network or a part of one: called with its weights and inputs, it gives its outputs.

    Attributes:
        draw: Initial weights of one replicate from its generator.
        apply: Outputs from stacked weights, of which it takes as many as it needs, and inputs.
    """

    draw: Callable[[np.random.Generator], Weights]
    apply: Callable[[Iterator[Tensor], Tensor, Noise], Tensor]

    def __call__(self, weights: Weights, x: Tensor, noise: Noise = None) -> Tensor:
        """Outputs, (replicates, outputs, rows, ...); without `noise` those outside training (no dropout)."""
        return self.apply(iter(weights), x, noise)


def initial(net: Layer, seeds: Sequence[int]) -> Weights:
    """Initial weights of one network per seed, each from a generator of its own."""
    drawn = zip(*(net.draw(rng) for rng in generators(seeds, WEIGHTS)), strict=True)
    return [torch.stack(same).detach().requires_grad_(same[0].requires_grad) for same in drawn]


def function(of: Callable[[Tensor], Tensor]) -> Layer:
    """A layer without weights."""
    return Layer(lambda rng: [], lambda weights, x, noise: of(x))


relu, tanh, sigmoid = function(torch.relu), function(torch.tanh), function(torch.sigmoid)
flat = function(lambda x: x.movedim(2, -1).flatten(1, -2))  # every pixel or position of every channel a feature
mean = function(lambda x: x.flatten(3).mean(-1))  # over pixels or positions
last = function(lambda x: x[..., -1])  # the last position


def chain(*layers: Layer) -> Layer:
    """The layers one after the other."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        for layer in layers:
            x = layer.apply(weights, x, noise)
        return x

    return Layer(lambda rng: [tensor for layer in layers for tensor in layer.draw(rng)], apply)


def residual(inner: Layer) -> Layer:
    """The inner layer's outputs added to its inputs."""
    return Layer(inner.draw, lambda weights, x, noise: x + inner.apply(weights, x, noise))


# Initial weights ---------------------------------------------------------------------------------------------------

SPREADS: dict[str, Callable[[int, int], float]] = {
    "torch": lambda inputs, outs: (1 / (3 * inputs)) ** 0.5,  # uniform within 1/sqrt(inputs), biases too
    "he": lambda inputs, outs: (2 / inputs) ** 0.5,
    "glorot": lambda inputs, outs: (2 / (inputs + outs)) ** 0.5,
}
"""Standard deviation of initial weights from inputs and outputs (He et al. 2015; Glorot & Bengio 2010)."""


def parameter(values: np.ndarray) -> Tensor:
    """A trained tensor in single precision."""
    return torch.from_numpy(values.astype(np.float32)).requires_grad_()


def uniform(rng: np.random.Generator, spread: float, shape: Sequence[int]) -> Tensor:
    """A trained tensor drawn uniformly around 0 with the given standard deviation."""
    return parameter(rng.uniform(-1, 1, shape) * spread * 3**0.5)


def affine(rng: np.random.Generator, shape: Sequence[int], init: str) -> Weights:
    """Weight (outputs, inputs, ...) and bias (outputs, 1); biases start at 0 except for torch's default."""
    inputs = int(np.prod(shape[1:]))
    outs = shape[0] * inputs // shape[1]  # as glorot counts them: a kernel's pixels are counted on both sides
    spread = SPREADS[init](inputs, outs)
    weight = uniform(rng, spread, shape)
    return [weight, uniform(rng, spread if init == "torch" else 0.0, (shape[0], 1))]


# Layers ------------------------------------------------------------------------------------------------------------


def product(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """Weight (replicates, outputs, features) times x, plus bias, at every row and position."""
    return torch.baddbmm(bias, weight, x.flatten(2)).unflatten(2, x.shape[2:])


def linear(inputs: int, outs: int, init: str = "torch") -> Layer:
    """nn.Linear over the features; `init` is a name in SPREADS."""
    return Layer(
        lambda rng: affine(rng, (outs, inputs), init),
        lambda weights, x, noise: product(next(weights), next(weights), x),
    )


def convolution(channels: int, outs: int, size: int = 3, padding: int = 1, init: str = "torch") -> Layer:
    """nn.Conv2d with stride 1."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        weight, bias = next(weights), next(weights)
        return by_row(
            x, lambda z: functional.conv2d(z, weight.flatten(0, 1), bias.flatten(), padding=padding, groups=len(x))
        )

    return Layer(lambda rng: affine(rng, (outs, channels, size, size), init), apply)


def by_row(x: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """Outputs of an image function of torch, for which replicates and channels together are the channels."""
    # a row's values stay together in memory: only the first such layer of a network copies
    return of(x.movedim(2, 0).flatten(1, 2)).unflatten(1, (len(x), -1)).movedim(0, 2)


def max_pool(size: int = 2, stride: int | None = None) -> Layer:
    """nn.MaxPool2d."""
    return function(lambda x: by_row(x, lambda z: functional.max_pool2d(z, size, stride)))


def dropout(rate: float) -> Layer:
    """nn.Dropout, with each replicate's masks from its own generator; `rate` in [0, 1)."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        if noise is None or rate == 0:
            return x
        if not noise:
            raise ValueError("dropout: needs one generator per replicate in training, got none; give seeds to fit")
        # 16 raw bits a factor: a third of the time of a uniform number, and the rate is missed by 1e-5 at most
        values = x[0].numel()
        raw = [rng.bit_generator.random_raw(-(-values // 4)).view(np.uint16)[:values] for rng in noise]
        factors = (np.stack(raw) >= round(rate * 2**16)).astype(np.float32) * np.float32(1 / (1 - rate))
        return x * torch.from_numpy(factors).view(-1, *x.shape[1:]).repeat(len(x) // len(noise), *[1] * (x.dim() - 1))

    return Layer(lambda rng: [], apply)


def moments(x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over the axes, distance from it, and population variance."""
    centre = x.mean(tuple(axes), keepdim=True)
    apart = x - centre
    return centre, apart, apart.square().mean(tuple(axes), keepdim=True)  # torch.var_mean is several times slower


def standardised(x: Tensor, axes: Sequence[int], eps: float) -> Tensor:
    """The values with mean 0 and variance 1 (population variance plus eps) over the axes."""
    _, apart, variance = moments(x, axes)
    return apart * (variance + eps).rsqrt()


def scaled(weights: Iterator[Tensor], x: Tensor) -> Tensor:
    """The values times a scale plus a shift per feature."""
    return x * per_feature(next(weights), x) + per_feature(next(weights), x)


def per_feature(tensor: Tensor, x: Tensor) -> Tensor:
    """A tensor (replicates, features, 1) with as many axes as the values."""
    return tensor.view(*tensor.shape[:2], *[1] * (x.dim() - 2))


def scale_and_shift(features: int) -> Weights:
    """Initial scale 1 and shift 0 of a norm."""
    return [parameter(np.ones((features, 1))), parameter(np.zeros((features, 1)))]


def batch_norm(features: int, momentum: float = 0.1, eps: float = 1e-5) -> Layer:
    """nn.BatchNorm1d and 2d: batch statistics in training, running ones otherwise.

    Raises:
        ValueError: A minibatch has one value per feature: there is no variance to divide by.
    """

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        scale, shift, centre, variance = (per_feature(next(weights), x) for _ in range(4))
        if noise is None:
            return (x - centre) * (scale * (variance + eps).rsqrt()) + shift
        values = x[0, 0].numel()
        if values == 1:
            raise ValueError("batch_norm: needs more than one value per feature in training, got 1; take more rows")
        now, apart, spread = moments(x, range(2, x.dim()))
        with torch.no_grad():
            centre.lerp_(now, momentum)
            variance.lerp_(spread * (values / (values - 1)), momentum)
        return apart * (scale * (spread + eps).rsqrt()) + shift

    def draw(rng: np.random.Generator) -> Weights:
        return [*scale_and_shift(features), torch.zeros(features, 1), torch.ones(features, 1)]

    return Layer(draw, apply)


def layer_norm(features: int, eps: float = 1e-5) -> Layer:
    """nn.LayerNorm over the features, at each row and position by itself."""
    return Layer(
        lambda rng: scale_and_shift(features), lambda weights, x, noise: scaled(weights, standardised(x, (1,), eps))
    )


def group_norm(features: int, groups: int, eps: float = 1e-5) -> Layer:
    """nn.GroupNorm: over the features of a group and all positions of a row."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        grouped = x.unflatten(1, (groups, -1))
        return scaled(weights, standardised(grouped, (2, *range(4, grouped.dim())), eps).flatten(1, 2))

    return Layer(lambda rng: scale_and_shift(features), apply)


# Sequences: inputs (replicates, features, rows, time) ---------------------------------------------------------------


def rnn_cell(driven: Tensor, recalled: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    """State of a plain recurrent cell from what inputs and the last state contribute."""
    return (torch.tanh(driven + recalled),)


def lstm_cell(driven: Tensor, recalled: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    """Output and memory (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000); gates in torch's order."""
    write, keep, new, show = (driven + recalled).chunk(4, 1)
    c = keep.sigmoid() * c + write.sigmoid() * new.tanh()
    return show.sigmoid() * c.tanh(), c


def gru_cell(driven: Tensor, recalled: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    """State (Cho et al. 2014, with the reset gate after the product as in torch); gates in torch's order."""
    hidden = h.shape[1]
    reset, keep = (driven[:, : 2 * hidden] + recalled[:, : 2 * hidden]).sigmoid().chunk(2, 1)
    new = torch.tanh(driven[:, 2 * hidden :] + reset * recalled[:, 2 * hidden :])
    return (new + keep * (h - new),)


CELLS = {"rnn": (rnn_cell, 1, 1), "lstm": (lstm_cell, 4, 2), "gru": (gru_cell, 3, 1)}
"""Per kind the cell, its blocks of weights (gates), and its state's tensors."""


def recurrent(kind: str, inputs: int, hidden: int) -> Layer:
    """nn.RNN, nn.LSTM or nn.GRU of one layer: its output at every time, from a state of zeros.

    Weights are those from inputs and from the state, (gates x hidden, ...), then the two biases.
    """
    cell, gates, states = CELLS[kind]

    def draw(rng: np.random.Generator) -> Weights:
        rows, spread = gates * hidden, (1 / (3 * hidden)) ** 0.5
        return [uniform(rng, spread, (rows, columns)) for columns in (inputs, hidden, 1, 1)]

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        from_inputs, from_state, bias, state_bias = (next(weights) for _ in range(4))
        driven = product(from_inputs, bias, x.movedim(-1, 2)).unbind(2)
        state = (x.new_zeros(len(x), hidden, x.shape[2]),) * states
        outs = []
        for drive in driven:
            state = cell(drive, torch.baddbmm(state_bias, from_state, state[0]), *state)
            outs.append(state[0])
        return torch.stack(outs, -1)

    return Layer(draw, apply)


def embedding(tokens: int, features: int) -> Layer:
    """nn.Embedding: the one feature of the inputs is the token's number."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        first = torch.arange(len(x)).view(-1, 1, 1, 1) * tokens
        return functional.embedding((x + first).squeeze(1), next(weights).flatten(0, 1)).movedim(-1, 1)

    return Layer(lambda rng: [parameter(rng.normal(size=(tokens, features)))], apply)


def positions(length: int, features: int, spread: float = 1.0) -> Layer:
    """Adds a learned vector per position, drawn normally with the given standard deviation."""
    return Layer(
        lambda rng: [parameter(rng.normal(0, spread, (features, 1, length)))],
        lambda weights, x, noise: x + next(weights),
    )


def waves(length: int, features: int) -> Layer:
    """Adds the fixed sines and cosines of Vaswani et al. 2017 per position."""
    turns = np.arange(length) / 10_000.0 ** (np.arange(0, features, 2)[:, None] / features)
    values = torch.from_numpy(np.stack([np.sin(turns), np.cos(turns)], 1).reshape(-1, 1, length)[:features])
    return function(lambda x: x + values.float())


def attention(features: int, heads: int, causal: bool = False) -> Layer:
    """nn.MultiheadAttention of a sequence to itself; `causal` hides later positions."""

    def draw(rng: np.random.Generator) -> Weights:
        bias = np.zeros((features, 1))
        inner = uniform(rng, SPREADS["glorot"](features, 3 * features), (3 * features, features))
        outer = uniform(rng, SPREADS["torch"](features, features), (features, features))
        return [inner, parameter(np.tile(bias, (3, 1))), outer, parameter(bias)]

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        replicates, _, rows, _ = x.shape
        together = product(next(weights), next(weights), x).unflatten(1, (3, heads, -1))
        q, k, v = together.permute(1, 0, 4, 2, 5, 3).flatten(1, 2)  # each (replicates x rows, heads, time, width)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=causal).unflatten(0, (replicates, rows))
        return product(next(weights), next(weights), mixed.permute(0, 2, 4, 1, 3).flatten(1, 2))

    return Layer(draw, apply)


def encoder(features: int, heads: int, hidden: int, causal: bool = False, norm_first: bool = True) -> Layer:
    """nn.TransformerEncoderLayer without dropout; norms before each part or, as in torch's default, after it."""
    parts = (attention(features, heads, causal), chain(linear(features, hidden), relu, linear(hidden, features)))
    norm = layer_norm(features)
    if norm_first:
        return chain(*(residual(chain(norm, part)) for part in parts))
    return chain(*(layer for part in parts for layer in (residual(part), norm)))
