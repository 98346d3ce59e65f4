"""Figures of the evidence as SVG text: effects and intervals against the margin, or mean curves over x.

The same evidence gives the same bytes: fixed hash salt, no date, no random numbers. Text stays text, so that it is
small and can be selected.
"""

import ast
import hashlib
import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from claims.report import words
from claims.report.words import Record
from claims.statistics.criteria import Group, Leaf, Tree, leaf_criteria, leaves, tree

Array = NDArray[np.float64]
Outcomes = Mapping[str, Array]

# Blue against vermilion stays apart for every kind of colour blindness; the marker says the same a second time.
COLOURS = {"holds": "#0b5fa5", "holds*": "#0b5fa5", "fails": "#c2410c", "undecided": "#5f6b7a"}
MARKERS = {"holds": "o", "holds*": "o", "fails": "X", "undecided": "D"}
HOLLOW = ("holds*", "undecided")
VERDICTS = {
    "supported": "#0b5fa5",
    "conditional": "#8a6500",
    "refuted": "#c2410c",
    "inconclusive": "#5f6b7a",
    "invalid": "#24292f",
}
INK, MUTED, GRID, ZONE, EDGE = "#1f2328", "#59636e", "#e6eaee", "#e1edf9", "#d0d7de"
CONTROL, MISBEHAVES = "#8b949e", "#b42318"
BOUND: dict[str, Any] = {"color": COLOURS["holds"], "ls": (0, (4, 2)), "lw": 1.1, "zorder": 1}

WIDTH, LEFT, RIGHT, HEAD = 7.25, 1.7, 1.95, 0.48  # inches; 7.25 in are 696 px
MANY_CONDITIONS, MANY_REPLICATES = 12, 64  # above either, single replicates become a density strip
ROOM = 140_000  # bytes that single replicates may take, as a page has to stay under 300 KB
PLACES = re.compile(r' (?:d|x|y)="[^"]*"')
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
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
}


def stamp(evidence: bytes) -> str:
    """Identifies what a figure was drawn from: the bytes of the evidence and this module's code without comments."""
    return hashlib.sha256(evidence + _code().encode()).hexdigest()[:32]


@cache
def _code() -> str:
    return ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8")))


def svg(evidence: Record, stamped: str = "") -> str:
    """The figure of a claim as an SVG document, 696 px wide; `stamped` is kept in its metadata."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text, not ours
        panels = list(_panels(evidence))
        few = len(evidence["conditions"]) + len(evidence["controls"]) <= MANY_CONDITIONS
        single = few and sum(panel.bytes_of_replicates for panel in panels) <= ROOM
        top = HEAD + sum(panel.height for panel in panels)
        figure = Figure(figsize=(WIDTH, top), facecolor="white", edgecolor=EDGE, linewidth=1.5)
        _head(figure, evidence)
        top -= HEAD
        for panel in panels:
            panel.draw(figure, top, single)
            top -= panel.height
        stream = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Title": words.clean(evidence["statement"]), "Identifier": stamped}
        figure.savefig(stream, format="svg", metadata=metadata)
    return "\n".join(line.strip() for line in PLACES.sub(_rounded, stream.getvalue()).splitlines()) + "\n"


def _rounded(place: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", place[0])


def _panels(evidence: Record) -> "Iterator[Curves | Forest]":
    """One panel for each criterion, from left to right in the declaration."""
    rows = [*evidence["conditions"], *sorted(evidence["controls"], key=lambda row: str(row["role"]))]
    data = [_arrays(row) for row in rows]
    points = {name: values.shape[1] for outcomes in data for name, values in outcomes.items() if values.ndim == 2}
    start, criteria = 0, list(leaf_criteria(evidence["declaration"]["criterion"]))
    for one in criteria:
        if "range" in one:  # an open end stands as "inf" in the file
            one = {**one, "range": [float(end) for end in one["range"]]}
        if "over" in one and one["outcome"] not in points:  # no replicate succeeded anywhere
            continue
        node, alone = tree(one, points), len(criteria) == 1
        parts = leaves(node)
        if "over" in one:
            curves = [o.get(one["outcome"], np.empty((0, 0))) for o in data]
            own = [row["label"] if alone else _leaning(node, row["leaves"][start:]) for row in rows]
            yield Curves(one, rows, curves, own, alone)
        else:
            yield Forest(one, parts, start, rows, data, alone and len(parts) == 1)
        start += len(parts)


def _arrays(row: Record) -> dict[str, Array]:
    """Outcomes of the replicates that did not fail, shapes (n,) or (n, points)."""
    arrays = {name: np.array(values, dtype=float) for name, values in row["outcomes"].items()}
    finite = [np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in arrays.values()]
    return {name: a[np.logical_and.reduce(finite)] for name, a in arrays.items()}


def _head(figure: Figure, evidence: Record) -> None:
    """The verdict as a coloured label, in how many conditions it holds and fails, and in how many it must hold."""
    y, text, verdict = 1 - 0.27 / figure.get_figheight(), words.headline(evidence), evidence["verdict"]
    pill = {"boxstyle": "round,pad=0.35,rounding_size=0.5", "fc": VERDICTS[verdict["label"]], "ec": "none"}
    figure.text(0.2 / WIDTH, y, text, color="white", weight="bold", size=10, va="center", bbox=pill)
    end = 0.43 + sum(0.05 if letter in "iltf " else 0.095 for letter in text)  # inches; no font is measured
    figure.text(end / WIDTH, y, words.tally(evidence), size=9, va="center")
    demand = f"must hold in {verdict['k']}"
    figure.text(1 - 0.15 / WIDTH, y, demand, color=MUTED, size=8, va="center", ha="right")


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches; `top` is measured from the figure's lower edge."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, (top - height) / h, width / w, height / h))


def _wrapped(text: str, width: int, lines: int = 1) -> str:
    """Text in at most so many lines."""
    return "\n".join(textwrap.wrap(words.clean(text), width, max_lines=lines, placeholder="...")) or "-"


def _plain(axis: Any, ticks: Sequence[float]) -> None:
    """Ticks at these values, with plain numbers on a log axis too."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: words.number(float(f"{value:.6g}"))))


def _colour(row: Record) -> str:
    return CONTROL if "role" in row else COLOURS[row["label"]]


def _status(row: Record) -> tuple[str, dict[str, Any]]:
    """Label and replicates of a condition, for a control whether it behaved, with the text's style."""
    told, colour = row["label"], _colour(row)
    if "role" in row:
        must, colour = {"negative": "fails", "positive": "holds"}[row["role"]], MUTED if row["passes"] else MISBEHAVES
        told = f"{told}, as it must" if told == must else f"{'behaves' if row['passes'] else 'misbehaves'}: {told}"
    failed = f", {row['failed']} failed" if row["failed"] else ""
    return f"{told}, n = {row['n']}{failed}", {"color": colour, "size": 7.5}


# Effects and intervals ---------------------------------------------------------------------------------------------


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
        axes = _axes(figure, LEFT, top - self.above, self.width, self.body)
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
        _plain(axes.xaxis, _ticks(low, high, ratio))
        axes.set_xlabel(_wrapped(self._label(), 75), labelpad=2)
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
        name, (told, style) = _wrapped(words.condition_name(row), 24, 2), _status(row)
        two = "\n" in name
        up = 0 if self.alone else 0.08 + 0.04 * two
        tone = {"color": MUTED if "role" in row else INK, "size": 7.5 if two else 8.5}
        self._text(axes, 0.15 - LEFT, y - up, name, **tone)
        x, down = (self.width + 0.14, 0.09) if self.alone else (0.15 - LEFT, 0.1 + 0.06 * two)
        self._text(axes, x, y + down, told, **style)

    def _interval(self, axes: Axes, y: float, row: Record, index: int, part: Record, x: Array, single: bool) -> None:
        """One interval with its estimate and replicates; what lies beyond the axis is shown at its end."""
        low, high = axes.get_xlim()
        shown = row["label"] if self.alone else _where(part)
        colour = CONTROL if "role" in row else COLOURS[shown]
        if len(x) > MANY_REPLICATES or not single:
            _density(axes, x, y, 0.4 * self.step, colour)
        else:
            spread = y + ((np.arange(len(x)) * GOLDEN) % 1 - 0.5) * 0.62 * self.step
            axes.plot(np.clip(x, low, high), spread, "o", ms=2.6, color=colour, alpha=0.3, mew=0, clip_on=False)
        told, one = words.effect(part), len(self.parts) == 1
        if not one:
            told = f"{_wrapped(self.criterion['rivals'][index], 12)}: {told}"
        tone = {"color": MUTED if "role" in row else INK, "size": 8 if one else 7.5}
        self._text(axes, self.width + 0.14, y - 0.08 * self.alone, _wrapped(told, 34), **tone)
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
        title = _wrapped(f"{name}holds if {words.region(part)}", 70)
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
            "identity": f"largest distance from {c.get('b') or words.number(c.get('value', 0.0))}",
        }.get(leaf.kind, leaf.name + (" (log axis)" if leaf.scale == "ratio" else ""))


def _scores(leaf: Leaf, outcomes: Outcomes) -> Array:
    """One number a replicate on the scale that is shown; infinite ones left out."""
    if not outcomes or not min(map(len, outcomes.values())):
        return np.array([])
    x = leaf.score(outcomes)
    x = np.exp(x) if leaf.scale == "ratio" else np.abs(x) if leaf.kind == "identity" else x
    return np.asarray(x[np.isfinite(x)], dtype=float)


def _leaning(node: Tree, results: Sequence[Record]) -> str:
    """What a part of the criterion shows by itself: intervals inside their region, outside, or neither."""
    if isinstance(node, Group):
        order = ("fails", "undecided", "holds") if node.op == "all" else ("holds", "undecided", "fails")
        return min((_leaning(one, results) for one in node.parts), key=order.index)
    if node.index >= len(results):
        return "undecided"
    return _where(results[node.index])


def _where(part: Record) -> str:
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


def _ticks(low: float, high: float, ratio: bool) -> list[float]:
    """Some five round numbers; decades and their parts where a ratio spans much."""
    values = [float(v) for v in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    if ratio and high / low > 5:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        parts = (1, 2, 5) if high / low < 200 else (1,)
        values = [m * 10.0**d for d in decades[:: max(1, len(decades) // 6)] for m in parts]
    return [v for v in values if low <= v <= high]


# Curves ------------------------------------------------------------------------------------------------------------


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
            axes = _axes(figure, 0.68 + column * width, upper, width - 0.68, self.cell - 0.92)
            self._draw_one(axes, row, values, shown, single)

    def _draw_one(self, axes: Axes, row: Record, y: Array, shown: str, single: bool) -> None:
        control, (told, style) = "role" in row, _status(row)
        colour = CONTROL if control else COLOURS[shown]
        name = f"{row['role']} control: {row['name']}" if control else words.condition_name(row)
        size = 8 if len(name) <= 30 else 6.6
        tone = {"color": MUTED, "size": size} if control else {"color": INK, "size": size, "weight": "bold"}
        for text, offset, look in ((_wrapped(name, 42), 17, tone), (told, 6, style)):
            axes.annotate(text, (0, 1), (-26, offset), xycoords="axes fraction", textcoords="offset points", **look)
        axes.set_xlabel(_wrapped(self.criterion["over"], 32), size=7.5, labelpad=1)
        axes.set_ylabel(_wrapped(self.criterion["outcome"], 20), size=7.5, labelpad=2)
        if y.ndim != 2 or not len(y):
            axes.text(0.5, 0.5, "no replicate succeeded", transform=axes.transAxes, ha="center", color=MUTED)
            return
        x, n, mean = np.array(row["parameters"][self.criterion["over"]], dtype=float), len(y), y.mean(axis=0)
        axes.set_xscale("log" if x.min() > 0 and x.max() / x.min() >= 16 else "linear")
        _plain(axes.xaxis, x[np.unique(np.linspace(0, len(x) - 1, min(len(x), 5)).round().astype(int))].tolist())
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
        _plain(axes.yaxis, _ticks(lowest, highest, ratio=False))
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
