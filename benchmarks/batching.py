"""Row 4: networks trained together, against a loop over seeds that trains the same networks one after the other.

The loop is what one writes in plain PyTorch: a module, an optimizer at its defaults, one step per minibatch. Both start
from the same weights and see the same minibatches, so that they train the same networks.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.measured import Measure, Plan, Row, in_turn, middle, ratios
from experiments.common import networks

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


def row(plan: Plan) -> Row:
    """CPU of the loop over that of the batch, for small to middling networks."""
    measures, notes = [], []
    for setting in SETTINGS:
        size = Setting(setting.widths, 8, 40) if plan.quick else setting
        given = material(size)
        far = farthest(size)
        if far > TOLERANCE:
            raise RuntimeError(f"{size}: batch and loop differ by {far:.1e} after {CHECKED_STEPS} steps")
        arms = {"batch": lambda s=size, g=given: cpu(batch, s, g), "loop": lambda s=size, g=given: cpu(loop, s, g)}
        cpu(batch, size, given)  # the first call pays for torch's start
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
        f"Adam, minibatches of {BATCH}, {SETTINGS[0].steps} steps, one thread, {ROWS} generated rows a replicate."
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


def farthest(setting: Setting) -> float:
    """Largest difference of a weight after a few steps, as a share of the largest weight of its layer."""
    few = Setting(setting.widths, 4, CHECKED_STEPS, setting.rate)
    given = material(few)
    pairs = zip(batch(few, **given), loop(few, **given), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
