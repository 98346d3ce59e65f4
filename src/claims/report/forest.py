"""Effects and intervals against the margin: the figure of a criterion whose outcomes are numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claims.report import numbers, words
from claims.report.drawing import (
    BOUND,
    COLOURS,
    CONTROL,
    EDGE,
    GRID,
    HOLLOW,
    INK,
    MANY_CONDITIONS,
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
from claims.statistics.criteria import Leaf

Outcomes = Mapping[str, Array]
LEFT, RIGHT = 1.7, 1.95  # inches beside the axes
GOLDEN = 0.6180339887498949  # multiples of it modulo 1 spread points evenly, without random numbers


@dataclass(frozen=True)
class Forest:
    """One criterion over all conditions, then the controls: interval, estimate, single replicates and margin.

    A row has one interval for each of `parts` (the rivals of `best`), found in its leaves from `start` on. `alone`: the
    row has no other part anywhere, so that its label is that of the interval.
    """

    criterion: Record
    parts: Sequence[Leaf]
    start: int
    rows: Sequence[Record]
    data: Sequence[Outcomes]
    alone: bool

    above, below, heading, width = 0.3, 0.52, 0.3, WIDTH - LEFT - RIGHT  # inches

    @property
    def step(self) -> float:
        """Inches from one interval to the next within a row."""
        if len(self.parts) > 1:
            return 0.24
        return 0.48 if not self.alone else 0.42 if len(self.rows) <= MANY_CONDITIONS else 0.32

    @property
    def row(self) -> float:
        """Inches of a row."""
        return self.step * len(self.parts) + (0.14 if len(self.parts) > 1 else 0)

    @property
    def body(self) -> float:
        """Inches of all rows and the headings of the controls."""
        return self.row * len(self.rows) + self.heading * len({row["role"] for row in self.rows if "role" in row})

    @property
    def height(self) -> float:
        """Inches, with title and axis."""
        return self.above + self.body + self.below

    @property
    def bytes_of_replicates(self) -> int:
        """About what drawing every replicate takes."""
        return 92 * len(self.parts) * sum(int(row["n"]) for row in self.rows if row["n"] <= MANY_REPLICATES)

    def draw(self, figure: Figure, top: float, single: bool) -> None:
        """Draws into the figure, downwards from `top` (inches), with `single` replicates or their density."""
        axes = place_axes(figure, LEFT, top - self.above, self.width, self.body)
        axes.set_ylim(self.body, 0)  # so that y is in inches, downwards
        axes.set_yticks([])
        axes.spines.left.set_visible(False)
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="x", color=GRID, lw=0.7)
        scores = [[_scores(leaf, outcomes) for leaf in self.parts] for outcomes in self.data]
        results = [row["leaves"][self.start : self.start + len(self.parts)] for row in self.rows]
        low, high = self._limits([x for group in scores for x in group], [r for group in results for r in group])
        ratio = self.parts[0].scale == "ratio"
        axes.set_xscale("log" if ratio else "linear")
        axes.set_xlim(low, high)
        plain_ticks(axes.xaxis, round_ticks(low, high, ratio))
        axes.set_xlabel(wrapped(self._label(), 75), labelpad=2)
        self._zone(axes, next((group[0] for group in results if group), None), low, high)
        y, role = 0.0, ""
        for row, group, x in zip(self.rows, results, scores, strict=True):
            if row.get("role", "") != role:
                role = row["role"]
                heading = f"{role} control (must {'fail' if role == 'negative' else 'hold'})"
                axes.axhline(y + 0.03, color=EDGE, lw=0.8)
                self._text(axes, 0.15 - LEFT, y + 0.17, heading, color=MUTED, size=7.5, style="italic")
                y += self.heading
            self._names(axes, y + self.row / 2, row)
            for i, (part, replicates) in enumerate(zip(group, x, strict=False)):
                middle = y + self.row / 2 + self.step * (i - (len(group) - 1) / 2)
                self._interval(axes, middle, row, i, part, replicates, single)
            y += self.row

    def _text(self, axes: Axes, inches: float, y: float, text: str, **style: Any) -> None:
        """Text at a distance in inches from the axes' left edge."""
        axes.text(inches / self.width, y, text, transform=axes.get_yaxis_transform(), va="center", **style)

    def _names(self, axes: Axes, y: float, row: Record) -> None:
        """The row's name, and its label: at the right of its only interval, else under the name."""
        name, (told, style) = wrapped(words.condition_name(row), 24, 2), status(row)
        two = "\n" in name
        up = 0 if self.alone else 0.08 + 0.04 * two
        tone = {"color": MUTED if "role" in row else INK, "size": 7.5 if two else 8.5}
        self._text(axes, 0.15 - LEFT, y - up, name, **tone)
        x, down = (self.width + 0.14, 0.09) if self.alone else (0.15 - LEFT, 0.1 + 0.06 * two)
        self._text(axes, x, y + down, told, **style)

    def _interval(self, axes: Axes, y: float, row: Record, index: int, part: Record, x: Array, single: bool) -> None:
        """One interval with its estimate and replicates; what lies beyond the axis is shown at its end."""
        low, high = axes.get_xlim()
        shown = row["label"] if self.alone else where(part)
        colour = CONTROL if "role" in row else COLOURS[shown]
        if len(x) > MANY_REPLICATES or not single:
            _density(axes, x, y, 0.4 * self.step, colour)
        else:
            spread = y + ((np.arange(len(x)) * GOLDEN) % 1 - 0.5) * 0.62 * self.step
            axes.plot(np.clip(x, low, high), spread, "o", ms=2.6, color=colour, alpha=0.3, mew=0, clip_on=False)
        told, one = numbers.effect(part), len(self.parts) == 1
        if not one:
            told = f"{wrapped(self.criterion['rivals'][index], 12)}: {told}"
        tone = {"color": MUTED if "role" in row else INK, "size": 8 if one else 7.5}
        self._text(axes, self.width + 0.14, y - 0.08 * self.alone, wrapped(told, 34), **tone)
        if math.isnan(part["estimate"]):
            return
        if not math.isnan(part["low"]):
            ends = np.clip((part["low"], part["high"]), low, high)
            axes.plot(ends, (y, y), color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
            for end, beyond, marker in ((low, part["low"] < low, "<"), (high, part["high"] > high, ">")):
                if beyond:
                    axes.plot([end], [y], marker, color=colour, ms=5, clip_on=False, zorder=3)
        face, edge, thick = ("white", colour, 1.6) if shown in HOLLOW else (colour, "white", 0.9)
        at, size = float(np.clip(part["estimate"], low, high)), 7.5 if one else 6
        axes.plot([at], [y], MARKERS[shown], ms=size, mfc=face, mec=edge, mew=thick, clip_on=False, zorder=4)

    def _limits(self, scores: Sequence[Array], parts: Sequence[Record]) -> tuple[float, float]:
        """Ends of the axis: every finite interval and bound, the middle 96 % of each row's replicates, no effect."""
        leaf = self.parts[0]
        if leaf.scale == "share":
            return -0.04, 1.04
        if leaf.kind == "identity":
            farthest = (
                max((v for p in parts for v in (p["estimate"], p["upper"]) if math.isfinite(v)), default=0) or 1.0
            )
            return -0.06 * farthest, 1.06 * farthest
        shown = [float(part[key]) for part in parts for key in ("estimate", "low", "high", "lower", "upper")]
        shown += [float(q) for x in scores if len(x) for q in np.quantile(x, (0.02, 0.98))]
        shown += {"ratio": [1.0], "difference": [0.0]}.get(leaf.scale, [])
        shown = [v for v in shown if math.isfinite(v) and (leaf.scale != "ratio" or v > 0)]
        low, high = min(shown, default=0.0), max(shown, default=1.0)
        if leaf.scale == "ratio":
            pad = max((high / low) ** 0.06, 1.01)
            return low / pad, high * pad
        pad = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return low - pad, high + pad

    def _zone(self, axes: Axes, part: Record | None, low: float, high: float) -> None:
        """The region of support with its bounds, named above it, and a line at no effect."""
        if part is None:
            return
        lower, upper = max(part["lower"], low), min(part["upper"], high)
        axes.axvspan(lower, max(upper, lower), color=ZONE, lw=0, zorder=0)
        for bound in sorted({part["lower"], part["upper"]}):
            if low < bound < high:
                axes.axvline(bound, **BOUND)
        null = {"difference": 0.0, "ratio": 1.0}.get(part["scale"], lower)
        if null not in (part["lower"], part["upper"], lower):
            axes.axvline(null, color=MUTED, lw=0.7, zorder=1)
        name = "" if self.alone or len(self.parts) > 1 else f"{self.parts[0].name}: "
        title = wrapped(f"{name}holds if {numbers.region(part)}", 70)
        ends = (axes.transData + axes.transAxes.inverted()).transform([(lower, 0), (upper, 0)])
        half = min(0.033 * len(title) / self.width, 0.5)
        at = min(max(float(ends[:, 0].mean()), half), 1 - half), 1.0
        style: dict[str, Any] = {"color": COLOURS["holds"], "size": 8, "weight": "bold", "ha": "center"}
        axes.annotate(title, at, (0, 5), xycoords="axes fraction", textcoords="offset points", **style)

    def _label(self) -> str:
        """What the axis shows, in words."""
        c, leaf = self.criterion, self.parts[0]
        return {
            "best": f"how much {c.get('better')} {c.get('a')} is than each rival",
            "diff": f"how much {c.get('better')} {c.get('a')} is than {c.get('b')}",
            "winrate": f"share of replicates in which {leaf.name}",
            "rate": f"share of replicates with {leaf.name}",
            "identity": f"largest distance from {c.get('b') or numbers.number(c.get('value', 0.0))}",
        }.get(leaf.kind, leaf.name + (" (log axis)" if leaf.scale == "ratio" else ""))


def _scores(leaf: Leaf, outcomes: Outcomes) -> Array:
    """One number a replicate on the scale that is shown; infinite ones left out."""
    if not outcomes or not min(map(len, outcomes.values())):
        return np.array([])
    x = leaf.score(outcomes)
    x = np.exp(x) if leaf.scale == "ratio" else np.abs(x) if leaf.kind == "identity" else x
    return np.asarray(x[np.isfinite(x)], dtype=float)


def where(part: Record) -> str:
    """Whether an interval lies inside its region (holds), outside (fails) or neither."""
    low, high = (part["estimate"],) * 2 if math.isnan(part["low"]) else (part["low"], part["high"])
    if part["lower"] <= low and high <= part["upper"]:
        return "holds"
    return "fails" if high < part["lower"] or low > part["upper"] else "undecided"


def _density(axes: Axes, x: Array, y: float, half: float, colour: str) -> None:
    """Replicates as a strip whose thickness is their density."""
    low, high = axes.get_xlim()
    edges = (np.geomspace if axes.get_xscale() == "log" else np.linspace)(low, high, 49)
    counts = np.convolve(np.histogram(np.clip(x, low, high), edges)[0], (0.25, 0.5, 0.25), mode="same")
    thick = half * counts / max(counts.max(), 1e-9)
    centres = (edges[1:] + edges[:-1]) / 2
    axes.fill_between(centres, y - thick, y + thick, color=colour, alpha=0.25, lw=0)
