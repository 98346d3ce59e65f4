"""Figures of the evidence as SVG text: effects and intervals against the margin, or mean curves over x.

The same evidence gives the same bytes: fixed hash salt, no date, no random numbers. Text stays text (selectable, small).
"""

import ast
import hashlib
import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from claims.report import words
from claims.report.words import Record
from claims.statistics.criteria import Leaf, leaf_criteria, leaves, tree

# Blue against vermilion stays apart for every kind of colour blindness; the marker says the same a second time.
COLOURS = {"holds": "#0b5fa5", "holds*": "#0b5fa5", "fails": "#c2410c", "undecided": "#5f6b7a"}
MARKERS = {"holds": "o", "holds*": "o", "fails": "X", "undecided": "D"}
VERDICTS = {"supported": "#0b5fa5", "conditional": "#8a6500", "refuted": "#c2410c", "inconclusive": "#5f6b7a", "invalid": "#24292f"}
INK, MUTED, GRID, ZONE, EDGE = "#1f2328", "#59636e", "#e6eaee", "#e1edf9", "#d0d7de"

WIDTH, LEFT, RIGHT, HEAD = 7.25, 1.7, 1.95, 0.5  # inches; 7.25 in are 696 px
MANY_CONDITIONS, MANY_REPLICATES = 12, 64  # above either, single replicates become a density strip
GOLDEN = 0.6180339887498949  # multiples of it modulo 1 spread points evenly, without random numbers

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "claims",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": EDGE,
    "axes.linewidth": 0.8,
    "axes.labelcolor": MUTED,
    "axes.unicode_minus": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
}


def stamp(evidence: bytes) -> str:
    """Identifies what a figure was drawn from: the bytes of the evidence and this module's code without comments."""
    code = ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    return hashlib.sha256(evidence + code.encode()).hexdigest()[:32]


def svg(evidence: Record, stamped: str = "") -> str:
    """The figure of a claim as an SVG document, 696 px wide; `stamped` is kept in its metadata."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text, not ours
        panels = list(_panels(evidence))
        height = HEAD + sum(panel.height for panel in panels) + 0.06
        figure = Figure(figsize=(WIDTH, height), facecolor="white", edgecolor=EDGE, linewidth=1.5)
        _head(figure, evidence, height)
        top = height - HEAD
        for panel in panels:
            panel.draw(figure, top)
            top -= panel.height
        stream = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Title": words.clean(evidence["statement"]), "Identifier": stamped}
        figure.savefig(stream, format="svg", metadata=metadata)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _panels(evidence: Record) -> "Iterator[Curves | Forest]":
    """One panel for each curve criterion and for each other leaf; panels without any estimate are left out."""
    criterion = evidence["declaration"]["criterion"]
    rows = [*evidence["conditions"], *evidence["controls"]]
    data = [_arrays(row) for row in rows]
    points = {name: max(o[name].shape[1] for o in data if o[name].ndim == 2) for name in _curve_names(data)}
    start, total = 0, sum(1 for _ in leaf_criteria(criterion))
    for one in leaf_criteria(criterion):
        parts = leaves(tree(one, points))
        if "over" in one:
            yield Curves(one, rows, [o[one["outcome"]] for o in data], start)
        else:
            single = total == len(parts) == 1
            yield from (Forest(one, part, start + i, rows, data, single) for i, part in enumerate(parts))
        start += len(parts)


def _arrays(row: Record) -> dict[str, NDArray[np.float64]]:
    """Outcomes of the replicates that did not fail, shapes (n,) or (n, points)."""
    arrays = {}
    for name, values in row["outcomes"].items():
        length = max((len(v) for v in values if isinstance(v, Sequence)), default=0)
        full = [v if isinstance(v, Sequence) else [v] * length for v in values] if length else values
        arrays[name] = np.array(full, dtype=float)
    finite = [np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in arrays.values() if len(a)]
    kept = np.logical_and.reduce(finite) if finite else np.array([], dtype=bool)
    return {name: a[kept] if len(a) else a for name, a in arrays.items()}


def _curve_names(data: Sequence[Mapping[str, NDArray[np.float64]]]) -> set[str]:
    return {name for outcomes in data for name, values in outcomes.items() if values.ndim == 2}


def _head(figure: Figure, evidence: Record, height: float) -> None:
    """The verdict as a coloured label, and how many conditions hold and fail."""
    verdict = evidence["verdict"]
    colour, text = VERDICTS[verdict["label"]], words.headline(evidence)
    y = height - 0.27
    pill = figure.text(0.02, y / height, text, color="white", weight="bold", size=10, va="center")
    pill.set_bbox({"boxstyle": "round,pad=0.35,rounding_size=0.6", "facecolor": colour, "edgecolor": "none"})
    counts = [len(verdict["holds"]) + len(verdict["holds_star"]), len(verdict["fails"]), len(verdict["open"])]
    told = [f"{n} {word}" for n, word in zip(counts, ("hold", "fail", "open"), strict=True) if n]
    of = f"of {words.count(verdict['count'], 'condition')}: {', '.join(told)}" if told else "nothing is said about the claim"
    figure.text((0.3 + 0.085 * len(text)) / WIDTH, y / height, of, color=INK, size=9.5, va="center")
    figure.text(1 - 0.15 / WIDTH, y / height, words.rule(evidence), color=MUTED, size=8, va="center", ha="right")


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches, `top` measured from the figure's lower edge to the axes' upper edge."""
    w, h = figure.get_size_inches()
    axes = figure.add_axes((left / w, (top - height) / h, width / w, height / h))
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return axes


def _wrapped(text: str, width: int, lines: int = 2) -> str:
    """Text in at most so many lines."""
    return "\n".join(textwrap.wrap(words.clean(text), width, max_lines=lines, placeholder="...")) or "-"


# Effects and intervals -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forest:
    """One leaf of the criterion over all conditions, then the controls: interval, estimate, replicates, margin."""

    criterion: Record
    leaf: Leaf
    index: int
    rows: Sequence[Record]
    data: Sequence[Mapping[str, NDArray[np.float64]]]
    single: bool

    @property
    def _row(self) -> float:
        return 0.42 if len(self.rows) <= MANY_CONDITIONS else 0.3

    @property
    def _gaps(self) -> int:
        """Rows that the headings of the controls take."""
        return len({row["role"] for row in self.rows if "role" in row})

    @property
    def height(self) -> float:
        """Inches, with title and axis."""
        return 0.9 + self._row * (len(self.rows) + 0.75 * self._gaps)

    def draw(self, figure: Figure, top: float) -> None:
        """Draws into the figure, downwards from `top` (inches)."""
        height = self.height - 0.9
        axes = _axes(figure, LEFT, top - 0.38, WIDTH - LEFT - RIGHT, height)
        axes.set_ylim(height / self._row, 0)
        axes.set_yticks([])
        ratio = self.leaf.scale == "ratio"
        scores = [self._scores(outcomes) for outcomes in self.data]
        parts = [row["leaves"][self.index] if self.index < len(row["leaves"]) else None for row in self.rows]
        low, high = self._limits(scores, [part for part in parts if part])
        if ratio:
            axes.set_xscale("log")
        axes.set_xlim(low, high)
        _ticks(axes, low, high, ratio)
        self._zone(axes, next((part for part in parts if part), None), low, high)
        y, role = 0.5, ""
        for row, part, x in zip(self.rows, parts, scores, strict=True):
            if row.get("role", "") != role:
                role = row["role"]
                must = "the mechanism is removed, so it must fail" if role == "negative" else "known effect, so it must hold"
                axes.axhline(y - 0.5 + 0.1, color=EDGE, lw=0.8)
                self._text(axes, -LEFT + 0.15, y - 0.02, f"{role} control: {must}", color=MUTED, size=7.5, style="italic")
                y += 0.75
            self._draw_row(axes, y, row, part, x, low, high)
            y += 1
        axes.set_xlabel(_wrapped(self._label(), 70), size=8)

    def _text(self, axes: Axes, inches: float, y: float, text: str, **style: Any) -> None:
        """Text at a distance in inches from the axes' left edge, at row coordinate y."""
        share = inches / (WIDTH - LEFT - RIGHT)
        axes.text(share, y, text, transform=axes.get_yaxis_transform(), va="center", clip_on=False, **style)

    def _scores(self, outcomes: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        if not all(len(values) for values in outcomes.values()):
            return np.array([])
        x = np.asarray(self.leaf.score(outcomes), dtype=float)
        x = np.exp(x) if self.leaf.scale == "ratio" else np.abs(x) if self.leaf.kind == "identity" else x
        return x[np.isfinite(x)]

    def _limits(self, scores: Sequence[NDArray[np.float64]], parts: Sequence[Record]) -> tuple[float, float]:
        """Ends of the axis: every finite interval and bound, the middle 96 % of each row's replicates, no effect."""
        if self.leaf.scale == "share":
            return -0.04, 1.04
        shown = [float(part[key]) for part in parts for key in ("estimate", "low", "high", "lower", "upper")]
        shown += [float(q) for x in scores if len(x) for q in np.quantile(x, (0.02, 0.98))]
        ratio = self.leaf.scale == "ratio"
        shown += [1.0 if ratio else 0.0] if self.leaf.kind != "level" else []
        shown = [v for v in shown if math.isfinite(v) and (not ratio or v > 0)]
        low, high = min(shown, default=0.0), max(shown, default=1.0)
        if ratio:
            pad = max((high / low) ** 0.06, 1.01)
            return low / pad, high * pad
        pad = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return low - pad, high + pad

    def _zone(self, axes: Axes, part: Record | None, low: float, high: float) -> None:
        """The region of support with its bounds, and what it says."""
        if part is None:
            return
        lower, upper = (max(part["lower"], low), min(part["upper"], high)) if self.leaf.kind != "identity" else (low, part["upper"])
        axes.axvspan(lower, max(upper, lower), color=ZONE, lw=0, zorder=0)
        for bound in {part["lower"], part["upper"]}:
            if low < bound < high:
                axes.axvline(bound, color=COLOURS["holds"], lw=1.1, ls=(0, (4, 2)), zorder=1)
        null = 1.0 if self.leaf.scale == "ratio" else 0.0
        if self.leaf.kind in ("diff", "best", "ratio", "equiv") and null not in (part["lower"], part["upper"]):
            axes.axvline(null, color=MUTED, lw=0.7, zorder=1)
        title = f"holds {words.region(part)}" if self.single else f"{words.clean(self.leaf.name)}: holds {words.region(part)}"
        span = WIDTH - LEFT - RIGHT
        to_share = axes.transData + axes.transAxes.inverted()
        middle = float(to_share.transform(((lower + upper) / 2 if axes.get_xscale() == "linear" else math.sqrt(lower * upper), 0))[0])
        reach = 0.032 * len(title) / span
        axes.text(min(max(middle, reach), 1 - reach), 1.0, title + "\n", transform=axes.transAxes, ha="center", va="center",
                  color=COLOURS["holds"], size=8, weight="bold", linespacing=1.6)

    def _draw_row(self, axes: Axes, y: float, row: Record, part: Record | None, x: NDArray[np.float64], low: float, high: float) -> None:
        control = "role" in row
        shown = row["label"] if self.single or part is None else _leaning(part)
        colour, strength = COLOURS[shown], 0.6 if control else 1.0
        if len(x) > MANY_REPLICATES or len(self.rows) > MANY_CONDITIONS:
            _density(axes, x, y, low, high, colour)
        else:
            spread = y + ((np.arange(len(x)) * GOLDEN) % 1 - 0.5) * 0.62
            axes.plot(np.clip(x, low, high), spread, "o", ms=2.6, color=colour, alpha=0.3, mew=0, clip_on=False, zorder=2)
        name = _wrapped(words.condition_name(row), 24)
        self._text(axes, -LEFT + 0.15, y, name, color=MUTED if control else INK, size=8.5 if "\n" not in name else 7.5)
        if part is None or math.isnan(part["estimate"]):
            told = "no estimate"
        else:
            told = words.effect(part, (part["lower"], part["upper"]))
            _interval(axes, part, y, shown, low, high, strength)
        verdict = row["label"] if not control else f"{row['label']}: {'behaves' if row['passes'] else 'misbehaves'}"
        second = f"{verdict}, n = {row['n']}" + (f", {row['failed']} failed" if row["failed"] else "")
        right = WIDTH - LEFT - RIGHT + 0.14
        self._text(axes, right, y - 0.19, _wrapped(told, 30, 1), color=MUTED if control else INK, size=8)
        self._text(axes, right, y + 0.2, second if self.single else f"n = {row['n']}", color=COLOURS[row["label"]] if self.single else MUTED, size=7.5, alpha=strength)

    def _label(self) -> str:
        """What the axis shows, in words."""
        c, kind = self.criterion, self.leaf.kind
        if kind in ("diff", "best"):
            a, b = self.leaf.name.split(" - ") if c["better"] == "higher" else reversed(self.leaf.name.split(" - "))
            return f"how much {c['better']} {a} is than {b}"
        if kind == "winrate":
            return f"share of replicates in which {self.leaf.name}"
        if kind == "rate":
            return f"share of replicates with {c['event']}"
        if kind == "identity":
            return f"largest distance from {c['b'] if 'b' in c else words.number(c['value'])}"
        return self.leaf.name + (" (log axis)" if self.leaf.scale == "ratio" else "")


def _leaning(part: Record) -> str:
    """Where the interval of one part of several lies: wholly inside its region, wholly outside, or neither."""
    low, high = (part["estimate"],) * 2 if math.isnan(part["low"]) else (part["low"], part["high"])
    if part["lower"] <= low and high <= part["upper"]:
        return "holds"
    return "fails" if high < part["lower"] or low > part["upper"] else "undecided"


def _interval(axes: Axes, part: Record, y: float, shown: str, low: float, high: float, strength: float) -> None:
    """Interval with its estimate; an end beyond the axis becomes an arrow head."""
    colour = COLOURS[shown]
    if not math.isnan(part["low"]):
        ends = max(part["low"], low), min(part["high"], high)
        axes.plot(ends, (y, y), color=colour, lw=2.4, solid_capstyle="butt", alpha=strength, zorder=3)
        for end, beyond, marker in ((low, part["low"] < low, "<"), (high, part["high"] > high, ">")):
            if beyond:
                axes.plot([end], [y], marker, color=colour, ms=5, alpha=strength, clip_on=False, zorder=3)
    face = "white" if shown in ("holds*", "undecided") else colour
    axes.plot([min(max(part["estimate"], low), high)], [y], MARKERS[shown], ms=7.5, mfc=face, mec=colour if face == "white" else "white",
              mew=1.6 if face == "white" else 0.9, alpha=strength if face != "white" else 1, clip_on=False, zorder=4)


def _density(axes: Axes, x: NDArray[np.float64], y: float, low: float, high: float, colour: str) -> None:
    """Replicates as a strip whose thickness is their density."""
    if not len(x):
        return
    log = axes.get_xscale() == "log"
    edges = np.geomspace(low, high, 49) if log else np.linspace(low, high, 49)
    counts, _ = np.histogram(np.clip(x, low, high), edges)
    smooth = np.convolve(counts, (0.25, 0.5, 0.25), mode="same")
    half = 0.4 * smooth / smooth.max()
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    axes.fill_between(centres, y - half, y + half, color=colour, alpha=0.25, lw=0, zorder=2)


def _ticks(axes: Axes, low: float, high: float, ratio: bool) -> None:
    """Few ticks with plain numbers, on a log axis too."""
    values = [float(v) for v in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    if ratio and high / low > 5:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high / low < 200 else (1,)
        values = [m * 10.0**d for d in decades for m in steps][:: max(1, len(decades) // 6) if steps == (1,) else 1]
    values = [v for v in values if low <= v <= high]
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(float(f"{value:.6g}"))))
    axes.grid(axis="x", color=GRID, lw=0.7)
    axes.tick_params(axis="x", length=0)


# Curves ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """The mean curve of each condition and control with a band of two standard errors, and where it has to end."""

    criterion: Record
    rows: Sequence[Record]
    data: Sequence[NDArray[np.float64]]
    start: int

    columns = 3
    cell = 2.05  # inches

    @property
    def height(self) -> float:
        """Inches."""
        return self.cell * math.ceil(len(self.rows) / self.columns) + 0.3

    def draw(self, figure: Figure, top: float) -> None:
        """Draws into the figure, downwards from `top` (inches)."""
        figure_height = figure.get_size_inches()[1]
        trend = self.criterion["kind"] == "trend"
        told = "the last point" if trend else "both ends"
        told = f"Mean curve, band of two standard errors, single replicates. Holds if {told} of the mean curve lie{'s' * trend} in the shaded region"
        figure.text(0.15 / WIDTH, (top - 0.06) / figure_height, told + (" and it never steps back." if trend else "."), size=7.5, color=MUTED, va="center")
        width = (WIDTH - 0.25) / self.columns
        for i, (row, y) in enumerate(zip(self.rows, self.data, strict=True)):
            line, column = divmod(i, self.columns)
            axes = _axes(figure, 0.2 + 0.42 + column * width, top - 0.68 - line * self.cell, width - 0.62, self.cell - 1.0)
            self._draw_one(axes, row, y)

    def _draw_one(self, axes: Axes, row: Record, y: NDArray[np.float64]) -> None:
        colour = COLOURS[row["label"]]
        x = np.array(row["parameters"].get(self.criterion["over"], range(y.shape[-1] if y.ndim == 2 else 0)), dtype=float)
        axes.spines["left"].set_visible(True)
        role = f"{row['role']} control: " if "role" in row else ""
        told = f"{row['label']}, n = {row['n']}" + (f", {row['failed']} failed" if row["failed"] else "")
        if role:
            told = f"{'behaves' if row['passes'] else 'misbehaves'}: {told}"
        axes.text(0, 1.23, _wrapped(role + words.condition_name(row), 34, 1), transform=axes.transAxes, size=8.5 if len(role) < 1 else 7.5, color=MUTED if role else INK, weight="normal" if role else "bold")
        axes.text(0, 1.07, told, transform=axes.transAxes, size=7.5, color=colour)
        axes.set_xlabel(words.clean(self.criterion["over"]), size=7.5, labelpad=1)
        axes.tick_params(length=2)
        axes.set_ylabel(_wrapped(self.criterion["outcome"], 22, 1), size=7.5, labelpad=2)
        if y.ndim != 2 or not len(y):
            axes.text(0.5, 0.5, "no replicate succeeded", transform=axes.transAxes, ha="center", color=MUTED)
            return
        if x.min() > 0 and x.max() / x.min() >= 16:
            axes.set_xscale("log")
        shown = x if len(x) <= 5 else x[:: math.ceil(len(x) / 5)]
        axes.xaxis.set_major_locator(FixedLocator(shown))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(float(f"{value:.4g}"))))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        mean = y.mean(axis=0)
        error = 2 * y.std(axis=0, ddof=1) / math.sqrt(len(y)) if len(y) > 1 else np.zeros_like(mean)
        if len(y) <= MANY_REPLICATES and len(self.rows) <= MANY_CONDITIONS:
            axes.plot(x, y.T, color=colour, lw=0.5, alpha=0.18, zorder=1)
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.22, lw=0, zorder=2)
        axes.plot(x, mean, color=colour, lw=1.8, zorder=3)
        bound, upwards, ends = self._target(mean)
        face = "white" if row["label"] in ("holds*", "undecided") else colour
        axes.plot(x[ends], mean[ends], MARKERS[row["label"]], ms=6, mfc=face, mec=colour, mew=1.3, zorder=4, clip_on=False)
        lowest, highest = axes.get_ylim()
        lowest, highest = min(lowest, bound - 0.06 * (highest - lowest)), max(highest, bound + 0.06 * (highest - lowest))
        axes.set_ylim(lowest, highest)
        axes.axhspan(bound, highest if upwards else lowest, color=ZONE, lw=0, zorder=0)
        axes.axhline(bound, color=COLOURS["holds"], lw=1, ls=(0, (4, 2)), zorder=1)

    def _target(self, mean: NDArray[np.float64]) -> tuple[float, bool, list[int]]:
        """Where the region of support begins, whether it lies above, and which points must lie in it."""
        margin = self.criterion["margin"]
        if self.criterion["kind"] == "trend":
            up = self.criterion["direction"] == "up"
            return float(mean[0] + (margin if up else -margin)), up, [len(mean) - 1]
        lower = self.criterion["better"] == "lower"
        inner = mean[1:-1]
        best = float(inner.min() + margin if lower else inner.max() - margin)
        return best, lower, [0, len(mean) - 1]


__all__ = ["COLOURS", "VERDICTS", "FancyBboxPatch", "Line2D", "stamp", "svg"]
