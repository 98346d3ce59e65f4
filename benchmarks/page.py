"""The measured rows as a page and a figure."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.measured import Measure, Row

PREFACE = (
    "What the suite costs beside its trials, by `make bench`: medians, with the smallest and largest of the pairs or "
    "repetitions that were measured in turn within one run of each row. Timings belong to the machine named with them."
)
STYLE: dict[Any, Any] = {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 8.5}
MET, MISSED = "#0b5fa5", "#c2410c"
Stored = Mapping[str, Mapping[str, Any]]


def stored(row: Row, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """A row as plain values, with when and where it was measured."""
    measures = [vars(measure) | {"values": list(measure.values)} for measure in row.measures]
    return {"title": row.title, "measures": measures, "notes": list(row.notes), **circumstances}


def measures(row: Mapping[str, Any]) -> list[Measure]:
    """The measures of a stored row."""
    return [Measure(**{**measure, "values": tuple(measure["values"])}) for measure in row["measures"]]


def number(value: float) -> str:
    """Three significant digits, whole numbers above 100 as they are."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text(rows: Stored) -> str:
    """The page: one table of all measures against their goals, then what was run."""
    lines = ["# Benchmarks", "", PREFACE, "", "![Every pair against its goal](figures/benchmarks.svg)", ""]
    lines += ["| row | what | goal | measured | spread | pairs | |", "|---:|---|---|---:|---|---:|---|"]
    for key, row in sorted(rows.items()):
        for m in measures(row):
            goal = f"at {'least' if m.better == 'higher' else 'most'} {number(m.goal)} {m.unit}".strip()
            spread = f"{number(min(m.values))} to {number(max(m.values))}"
            told = "met" if m.met else "**missed**"
            line = (key, m.what, goal, f"{number(m.value)} {m.unit}".strip(), spread, str(len(m.values)), told)
            lines.append(f"| {' | '.join(line)} |")
    for key, row in sorted(rows.items()):
        lines += ["", f"## {key}. {row['title']}", "", *(f"- {note}" for note in row["notes"])]
        lines.append(f"- Measured on {row['date']} at commit {row['commit']}: {row['machine']}.{_warning(row)}")
    return "\n".join(lines) + "\n"


def _warning(row: Mapping[str, Any]) -> str:
    return " **Small sizes, to see that the benchmark works; the numbers mean little.**" if row["quick"] else ""


def figure(rows: Stored) -> str:
    """Every pair of every measure as a factor by which it is better than its goal, as SVG."""
    named = [(f"{key}  {m.what}", m) for key, row in sorted(rows.items()) for m in measures(row)]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(10, 0.7 + 0.3 * len(named)), facecolor="white")
        axes = drawn.add_axes((0.57, 0.45 / drawn.get_figheight(), 0.41, 1 - 0.6 / drawn.get_figheight()))
        for place, (_, m) in enumerate(named):
            _draw(axes, place, m)
        axes.axvline(1, color="#24292f", lw=1)
        axes.set_xscale("log")
        axes.set_yticks(range(len(named)), [name for name, _ in named])
        axes.set_ylim(len(named) - 0.4, -0.6)
        axes.set_xlabel("times better than the goal (log scale); left of the line the goal is missed")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        stream = io.StringIO()
        drawn.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Title": "Benchmarks"})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _draw(axes: Any, place: int, m: Measure) -> None:
    colour = MET if m.met else MISSED
    values: Sequence[float] = [value for value in m.times_goal() if math.isfinite(value) and value > 0]
    axes.hlines(place, min(values), max(values), color=colour, lw=1)
    axes.plot(values, [place] * len(values), "o", color=colour, ms=3, alpha=0.5, mew=0)
    whole = m.value / m.goal if m.better == "higher" else m.goal / m.value
    axes.plot([whole], [place], "o" if m.met else "X", color=colour, ms=7)
