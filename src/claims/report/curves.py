"""Mean curves over x and where they must end: the figure of a criterion whose outcomes are curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claims.report import words
from claims.report.drawing import (
    BOUND,
    COLOURS,
    CONTROL,
    HOLLOW,
    INK,
    MANY_REPLICATES,
    MARKERS,
    MUTED,
    WIDTH,
    ZONE,
    Array,
    place_axes,
    plain_ticks,
    round_ticks,
    status,
    wrapped,
)
from claims.report.words import Record


@dataclass(frozen=True)
class Curves:
    """The mean curve of each condition and control with a band of two standard errors, and where it has to end.

    `shown` says what this criterion shows in each row; where it is not `alone`, the row's label may rest on others.
    """

    criterion: Record
    rows: Sequence[Record]
    data: Sequence[Array]
    shown: Sequence[str]
    alone: bool

    columns, cell, above = 3, 1.95, 0.38  # inches

    @property
    def bytes_of_replicates(self) -> int:
        """About what drawing every replicate takes."""
        return sum((150 + 16 * y.shape[1]) * len(y) for y in self.data if y.ndim == 2 and len(y) <= MANY_REPLICATES)

    @property
    def height(self) -> float:
        """Inches."""
        return self.cell * math.ceil(len(self.rows) / self.columns) + self.above

    def draw(self, figure: Figure, top: float, single: bool) -> None:
        """Draws into the figure, downwards from `top` (inches), with `single` replicates or their density."""
        rule = "both ends of the mean curve lie in the shaded region"
        if self.criterion["kind"] == "trend":
            rule = "the mean curve ends in the shaded region and never steps back"
        legend = "Thick: mean, with a band of two standard errors. Thin: single replicates."
        told = f"{'Holds' if self.alone else 'This part holds'} if {rule}.\n{legend}"
        y = (top - 0.12) / figure.get_figheight()
        figure.text(0.15 / WIDTH, y, told, size=8, color=MUTED, va="center", linespacing=1.4)
        width = (WIDTH - 0.25) / self.columns
        for i, (row, values, shown) in enumerate(zip(self.rows, self.data, self.shown, strict=True)):
            line, column = divmod(i, self.columns)
            upper = top - self.above - 0.45 - line * self.cell
            axes = place_axes(figure, 0.68 + column * width, upper, width - 0.68, self.cell - 0.92)
            self._draw_one(axes, row, values, shown, single)

    def _draw_one(self, axes: Axes, row: Record, y: Array, shown: str, single: bool) -> None:
        control, (told, style) = "role" in row, status(row)
        colour = CONTROL if control else COLOURS[shown]
        name = f"{row['role']} control: {row['name']}" if control else words.condition_name(row)
        size = 8 if len(name) <= 30 else 6.6
        tone = {"color": MUTED, "size": size} if control else {"color": INK, "size": size, "weight": "bold"}
        for text, offset, look in ((wrapped(name, 42), 17, tone), (told, 6, style)):
            axes.annotate(text, (0, 1), (-26, offset), xycoords="axes fraction", textcoords="offset points", **look)
        axes.set_xlabel(wrapped(self.criterion["over"], 32), size=7.5, labelpad=1)
        axes.set_ylabel(wrapped(self.criterion["outcome"], 20), size=7.5, labelpad=2)
        if y.ndim != 2 or not len(y):
            axes.text(0.5, 0.5, "no replicate succeeded", transform=axes.transAxes, ha="center", color=MUTED)
            return
        x, n, mean = np.array(row["parameters"][self.criterion["over"]], dtype=float), len(y), y.mean(axis=0)
        axes.set_xscale("log" if x.min() > 0 and x.max() / x.min() >= 16 else "linear")
        plain_ticks(axes.xaxis, x[np.unique(np.linspace(0, len(x) - 1, min(len(x), 5)).round().astype(int))].tolist())
        if single and n <= MANY_REPLICATES:
            axes.plot(x, y.T, color=colour, lw=0.5, alpha=0.18, zorder=1)
        error = 2 * y.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else 0 * mean
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.22, lw=0, zorder=2)
        axes.plot(x, mean, color=colour, lw=1.8, zorder=3)
        bound, upwards, ends = self._target(mean)
        face = "white" if shown in HOLLOW else colour
        mark: dict[str, Any] = {"ms": 6, "mfc": face, "mec": colour, "mew": 1.3, "zorder": 4, "clip_on": False}
        axes.plot(x[ends], mean[ends], MARKERS[shown], **mark)
        lowest, highest = axes.get_ylim()
        pad = 0.08 * (highest - lowest)
        lowest, highest = min(lowest, bound - pad), max(highest, bound + pad)
        axes.set_ylim(lowest, highest)
        plain_ticks(axes.yaxis, round_ticks(lowest, highest, ratio=False))
        axes.axhspan(bound, highest if upwards else lowest, color=ZONE, lw=0, zorder=0)
        axes.axhline(bound, **BOUND)

    def _target(self, mean: Array) -> tuple[float, bool, list[int]]:
        """Where the region of support begins, whether it lies above, and which points must lie in it."""
        margin, last = self.criterion["margin"], len(mean) - 1
        if self.criterion["kind"] == "trend":
            up = self.criterion["direction"] == "up"
            return float(mean[0] + (margin if up else -margin)), up, [last]
        lower, inner = self.criterion["better"] == "lower", mean[1:-1]
        return float(inner.min() + margin if lower else inner.max() - margin), lower, [0, last]
