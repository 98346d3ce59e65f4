"""What the figures of all claims share: colours, sizes, text and ticks."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from claims.report import numbers, words
from claims.report.words import Record

Array = NDArray[np.float64]

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

WIDTH = 7.25  # inches, which are 696 px
MANY_CONDITIONS, MANY_REPLICATES = 12, 64  # above either, single replicates become a density strip

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


def place_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches; `top` is measured from the figure's lower edge."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, (top - height) / h, width / w, height / h))


def wrapped(text: str, width: int, lines: int = 1) -> str:
    """Text in at most so many lines."""
    return "\n".join(textwrap.wrap(words.clean(text), width, max_lines=lines, placeholder="...")) or "-"


def plain_ticks(axis: Any, ticks: Sequence[float]) -> None:
    """Ticks at these values, with plain numbers on a log axis too."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.number(float(f"{value:.6g}"))))


def colour_of(row: Record) -> str:
    """The colour of a row's label; controls are grey."""
    return CONTROL if "role" in row else COLOURS[row["label"]]


def status(row: Record) -> tuple[str, dict[str, Any]]:
    """Label and replicates of a condition, for a control whether it behaved, with the text's style."""
    told, colour = row["label"], colour_of(row)
    if "role" in row:
        must, colour = {"negative": "fails", "positive": "holds"}[row["role"]], MUTED if row["passes"] else MISBEHAVES
        told = f"{told}, as it must" if told == must else f"{'behaves' if row['passes'] else 'misbehaves'}: {told}"
    failed = f", {row['failed']} failed" if row["failed"] else ""
    return f"{told}, n = {row['n']}{failed}", {"color": colour, "size": 7.5}


def round_ticks(low: float, high: float, ratio: bool) -> list[float]:
    """Some five round numbers; decades and their parts where a ratio spans much."""
    values = [float(v) for v in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    if ratio and high / low > 5:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        parts = (1, 2, 5) if high / low < 200 else (1,)
        values = [m * 10.0**d for d in decades[:: max(1, len(decades) // 6)] for m in parts]
    return [v for v in values if low <= v <= high]
