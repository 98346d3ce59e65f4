"""Row 4: networks trained together, against a loop over seeds that trains the same networks one after the other.

The loop is what one writes in plain PyTorch: a module, an optimizer at its defaults, one step per minibatch. Both start
from the same weights and see the same minibatches, so that they train the same networks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.measured import Measure, Plan, Row, in_turn, middle, ratios
from experiments.common import layers, networks, training
from experiments.common.layers import Layer, chain, convolution, linear, recurrent, relu

GOAL = 10.0
TOLERANCE = 1e-4
CHECKED_STEPS = 20
ROWS, BATCH = 500, 32


@dataclass(frozen=True)
class Setting:
    """One network for all: its layers, how many are trained, for how many steps.

    `replicates` is a block between two looks.
    """

    widths: tuple[int, ...]
    replicates: int
    steps: int
    rate: float = 1e-3

    def __str__(self) -> str:
        """As on the page."""
        return f"{'-'.join(map(str, self.widths))} units, {self.replicates} networks"


SETTINGS = (Setting((20, 32, 2), 32, 300), Setting((20, 64, 2), 32, 300), Setting((64, 128, 10), 32, 300))


class Skip(nn.Sequential):
    """What its modules give, added to what they are given."""

    def forward(self, x: Any) -> Any:
        """Of the shape of `x`."""
        return x + super().forward(x)  # type: ignore[no-untyped-call]


class Attention(nn.MultiheadAttention):
    """Of rows to themselves."""

    def forward(self, x: Any) -> Any:  # type: ignore[override]
        """Of the shape of `x`, (rows, times, features)."""
        return super().forward(x, x, x, need_weights=False)[0]


class Times(nn.Sequential):
    """Applies modules to rows with their times before their features, and keeps the last time."""

    def forward(self, x: Any) -> Any:
        """(rows, features) from (rows, features, times)."""
        outs = super().forward(x.mT)  # type: ignore[no-untyped-call]
        return (outs[0] if isinstance(outs, tuple) else outs)[:, -1]


@dataclass(frozen=True)
class Kind:
    """Stacked layers, the same of torch with its tensors in the same order, and the shape of a row.

    `replicates` is a block between two looks.
    """

    name: str
    layer: Layer
    module: Callable[[], nn.Module]
    row: tuple[int, ...]
    replicates: int = 32
    steps: int = 60
    rate: float = 0.02

    def __str__(self) -> str:
        """As on the page."""
        return f"{self.name}, {self.replicates} networks"


def _read_last(layer: Layer, module: Callable[[], nn.Module], features: int) -> tuple[Layer, Callable[[], nn.Module]]:
    ours = chain(layer, layers.last, linear(features, 2))
    return ours, lambda: nn.Sequential(Times(module()), nn.Linear(features, 2))


def _encoder() -> nn.Module:
    attention = Skip(nn.LayerNorm(16), Attention(16, 2, batch_first=True))
    return nn.Sequential(attention, Skip(nn.LayerNorm(16), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)))


KINDS = (
    Kind("two normed layers of 32 units",
         chain(linear(20, 32), layers.batch_norm(32), relu, linear(32, 32), layers.batch_norm(32), relu, linear(32, 2)),
         lambda: nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(),
                               nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2)), (20,)),
    Kind("two convolutions on 8 x 8",
         chain(convolution(1, 8), relu, layers.max_pool(), convolution(8, 16), relu, layers.flat, linear(256, 2)),
         lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                               nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)), (1, 8, 8)),
    Kind("recurrent cells of 16 units, 20 times",
         *_read_last(recurrent("rnn", 4, 16), lambda: nn.RNN(4, 16, batch_first=True), 16), (4, 20)),
    Kind("gated recurrent cells of 16 units, 20 times",
         *_read_last(recurrent("gru", 4, 16), lambda: nn.GRU(4, 16, batch_first=True), 16), (4, 20)),
    Kind("long short-term memory of 16 units, 20 times",
         *_read_last(recurrent("lstm", 4, 16), lambda: nn.LSTM(4, 16, batch_first=True), 16), (4, 20)),
    Kind("a transformer's layer of 16 features, 20 times",
         *_read_last(layers.encoder(16, 2, 32), _encoder, 16), (16, 20)),
)  # fmt: skip


def row(plan: Plan) -> Row:
    """CPU of the loop over that of the batch, for small to middling networks and each kind of layer."""
    measures, notes = [], []
    sizes = [Setting(s.widths, 8, 40) if plan.quick else s for s in SETTINGS]
    kinds = [replace(kind, replicates=8, steps=20) if plan.quick else kind for kind in KINDS]
    dense, layered = (batch, loop, material), (batch_of_kind, loop_of_kind, material_of_kind)
    arranged: list[tuple[Any, tuple[Any, Any, Any]]] = [(size, dense) for size in sizes]
    arranged += [(kind, layered) for kind in kinds]
    for size, (together, apart, made) in arranged:
        given = made(size)
        far = farthest(size, together, apart, made)
        if far > TOLERANCE:
            raise RuntimeError(f"{size}: batch and loop differ by {far:.1e} after {CHECKED_STEPS} steps")
        arms = {
            "batch": lambda s=size, g=given, t=together: cpu(t, s, g),
            "loop": lambda s=size, g=given, t=apart: cpu(t, s, g),
        }
        cpu(together, size, given)  # the first call pays for torch's start
        seconds = in_turn(arms, plan.repeats)
        measures.append(
            Measure(f"CPU of a loop over seeds, {size}", "times the batch's", GOAL, "higher",
                    ratios(seconds["loop"], seconds["batch"]), "the same networks in one batch")
        )  # fmt: skip
        each = [1000 * middle(seconds[name]) / size.replicates for name in ("batch", "loop")]
        notes.append(
            f"{size}: {each[0]:.1f} and {each[1]:.1f} CPU milliseconds a network; weights after {CHECKED_STEPS} steps "
            f"differ by at most {far:.0e} of the largest."
        )
    settings = (
        f"Minibatches of {BATCH}, one thread, {ROWS} generated rows a replicate. Dense networks: Adam, "
        f"{SETTINGS[0].steps} steps; other kinds: momentum, {KINDS[0].steps} steps."
    )
    return Row("Networks trained together", tuple(measures), (settings, *notes))


def material(setting: Setting) -> dict[str, Any]:
    """Rows, initial weights and minibatches of every network."""
    seeds = range(setting.replicates)
    columns, classes = setting.widths[0], setting.widths[-1]
    shape = {"n_features": columns, "n_informative": 10, "n_classes": classes}
    return {
        "rows": networks.classification(seeds, (ROWS,), "generated", **shape)[0],
        "weights": networks.initial(seeds, setting.widths),
        "steps": networks.batches(seeds, ROWS, BATCH, setting.steps),
    }


def cpu(train: Any, setting: Setting, given: dict[str, Any]) -> float:
    """CPU seconds of one training."""
    torch.set_num_threads(1)
    start = time.process_time()
    train(setting, **given)
    return time.process_time() - start


def batch(setting: Setting, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Trained weights, first axis the replicate."""
    return networks.trained(weights, rows, steps, [setting.rate])[0]


def loop(setting: Setting, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """The same, one network after the other."""
    made = [one(setting, r, rows, weights, steps) for r in range(setting.replicates)]
    return [torch.stack(tensors) for tensors in zip(*made, strict=True)]


def one(setting: Setting, replicate: int, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Weights of one network, trained in plain PyTorch."""
    network = _network(setting.widths, [tensor[replicate] for tensor in weights])
    optimizer = torch.optim.Adam(network.parameters(), lr=setting.rate)
    x, y = rows[0][replicate], rows[1][replicate]
    for step in steps[:, replicate]:
        optimizer.zero_grad()
        loss: Any = nn.functional.cross_entropy(network(x[step]), y[step])
        loss.backward()
        optimizer.step()
    shapes = [tensor[replicate].shape for tensor in weights]
    return [p.detach().reshape(shape) for p, shape in zip(network.parameters(), shapes, strict=True)]


def _network(widths: Sequence[int], weights: Sequence[torch.Tensor]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outs in pairwise(widths):
        layers += [nn.Linear(inputs, outs), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, start in zip(network.parameters(), weights, strict=True):
            parameter.copy_(start.reshape(parameter.shape))
    return network


def material_of_kind(kind: Kind) -> dict[str, Any]:
    """Rows, initial weights and minibatches of every network."""
    seeds = range(kind.replicates)
    draw = np.random.default_rng(0)
    x = torch.from_numpy(draw.normal(size=(kind.replicates, ROWS, *kind.row)).astype(np.float32))
    return {
        "rows": (x, (x.flatten(2).mean(2) > 0).long()),
        "weights": layers.initial(kind.layer, seeds),
        "steps": networks.batches(seeds, ROWS, BATCH, kind.steps),
    }


def batch_of_kind(kind: Kind, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Trained weights, first axis the replicate."""
    trained = training.fit(kind.layer, weights, rows, steps, [kind.rate], momentum=0.9)[0]
    return [tensor.detach() for tensor in trained]


def loop_of_kind(kind: Kind, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """The same, one network of torch after the other."""
    made = [one_of_kind(kind, r, rows, weights, steps) for r in range(kind.replicates)]
    return [torch.stack(tensors) for tensors in zip(*made, strict=True)]


def one_of_kind(kind: Kind, replicate: int, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Weights of one network, trained in plain PyTorch."""
    network = kind.module()
    with torch.no_grad():
        for tensor, start in zip(_tensors(network), weights, strict=True):
            tensor.copy_(start[replicate].reshape(tensor.shape))
    rule = torch.optim.SGD(network.parameters(), lr=kind.rate, momentum=0.9)
    x, y = rows[0][replicate], rows[1][replicate]
    for step in steps[:, replicate]:
        rule.zero_grad()
        loss: Any = nn.functional.cross_entropy(network(x[step]), y[step])
        loss.backward()
        rule.step()
    return [
        tensor.detach().reshape(start[replicate].shape)
        for tensor, start in zip(_tensors(network), weights, strict=True)
    ]


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Parameters and running statistics, module by module."""
    held: list[torch.Tensor] = []
    for module in network.children():
        if list(module.children()) and not isinstance(module, nn.MultiheadAttention):
            held += _tensors(module)
        else:
            held += [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.dim())]
    return held


def farthest(setting: Any, together: Any, apart: Any, made: Any) -> float:
    """Root mean square difference of a tensor after a few steps, as a share of that of all weights; the largest."""
    few = replace(setting, replicates=4, steps=CHECKED_STEPS)
    given = made(few)
    ours, theirs = together(few, **given), apart(few, **given)
    size = torch.cat([tensor.flatten() for tensor in theirs]).square().mean().sqrt()
    return max(float((a - b).square().mean().sqrt() / size) for a, b in zip(ours, theirs, strict=True))
