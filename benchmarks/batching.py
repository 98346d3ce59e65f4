"""Row 4: networks trained together, against a loop over seeds that trains the same networks one after the other.

The loop is what one writes in plain PyTorch: a module, an optimizer at its defaults, one step per minibatch. Both start
from the same weights and see the same minibatches, so that they train the same networks.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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

    def module(self) -> nn.Module:
        """One network of torch."""
        stack = [layer for pair in pairwise(self.widths) for layer in (nn.Linear(*pair), nn.ReLU())]
        return nn.Sequential(*stack[:-1])

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """What trains it."""
        return torch.optim.Adam(module.parameters(), lr=self.rate)

    def material(self) -> dict[str, Any]:
        """Rows, initial weights and minibatches of every network."""
        seeds = range(self.replicates)
        shape = {"n_features": self.widths[0], "n_informative": 10, "n_classes": self.widths[-1]}
        return {
            "rows": networks.classification(seeds, (ROWS,), "generated", **shape)[0],
            "weights": networks.initial(seeds, self.widths),
            "steps": networks.batches(seeds, ROWS, BATCH, self.steps),
        }

    def batch(self, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
        """Weights of all networks trained together, first axis the replicate."""
        return training.fit(networks.dense, weights, rows, steps, [self.rate], optimizer="adam")[0]


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

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """What trains a network of torch."""
        return torch.optim.SGD(module.parameters(), lr=self.rate, momentum=0.9)

    def material(self) -> dict[str, Any]:
        """Rows, initial weights and minibatches of every network."""
        seeds = range(self.replicates)
        draw = np.random.default_rng(0)
        x = torch.from_numpy(draw.normal(size=(self.replicates, ROWS, *self.row)).astype(np.float32))
        return {
            "rows": (x, (x.flatten(2).mean(2) > 0).long()),
            "weights": layers.initial(self.layer, seeds),
            "steps": networks.batches(seeds, ROWS, BATCH, self.steps),
        }

    def batch(self, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
        """Weights of all networks trained together, first axis the replicate."""
        trained = training.fit(self.layer, weights, rows, steps, [self.rate], momentum=0.9)[0]
        return [tensor.detach() for tensor in trained]


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
    small: list[Setting | Kind] = [replace(setting, replicates=8, steps=40) for setting in SETTINGS]
    small += [replace(kind, replicates=8, steps=20) for kind in KINDS]
    for size in small if plan.quick else (*SETTINGS, *KINDS):
        given = size.material()
        far = farthest(size)
        if far > TOLERANCE:
            raise RuntimeError(f"{size}: batch and loop differ by {far:.1e} after {CHECKED_STEPS} steps")
        arms = {
            "batch": lambda s=size, g=given: cpu(s.batch, g),
            "loop": lambda s=size, g=given: cpu(partial(loop, s), g),
        }
        cpu(size.batch, given)  # the first call pays for torch's start
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


def cpu(train: Callable[..., object], given: dict[str, Any]) -> float:
    """CPU seconds of one training."""
    torch.set_num_threads(1)
    start = time.process_time()
    train(**given)
    return time.process_time() - start


def loop(setting: Setting | Kind, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Weights of networks trained one after the other, first axis the replicate."""
    made = [one(setting, r, rows, weights, steps) for r in range(setting.replicates)]
    return [torch.stack(tensors) for tensors in zip(*made, strict=True)]


def one(setting: Setting | Kind, replicate: int, rows: Any, weights: Any, steps: Any) -> list[torch.Tensor]:
    """Weights of one network, trained in plain PyTorch."""
    network = setting.module()
    tensors = _tensors(network)
    with torch.no_grad():
        for tensor, start in zip(tensors, weights, strict=True):
            tensor.copy_(start[replicate].reshape(tensor.shape))
    optimizer = setting.optimizer(network)
    x, y = rows[0][replicate], rows[1][replicate]
    for step in steps[:, replicate]:
        optimizer.zero_grad()
        loss: Any = nn.functional.cross_entropy(network(x[step]), y[step])
        loss.backward()
        optimizer.step()
    return [t.detach().reshape(start[replicate].shape) for t, start in zip(tensors, weights, strict=True)]


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Parameters and running statistics, module by module."""
    held: list[torch.Tensor] = []
    for module in network.children():
        if list(module.children()) and not isinstance(module, nn.MultiheadAttention):
            held += _tensors(module)
        else:
            held += [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.dim())]
    return held


def farthest(setting: Setting | Kind) -> float:
    """Largest difference of a weight after a few steps, as a share of the largest weight of its layer."""
    few = replace(setting, replicates=4, steps=CHECKED_STEPS)
    given = few.material()
    pairs = zip(few.batch(**given), loop(few, **given), strict=True)
    return max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in pairs)
