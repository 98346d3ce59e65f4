"""Figures of the evidence as SVG text: effects and intervals against the margin, or mean curves over x.

The same evidence gives the same bytes: fixed hash salt, no date, no random numbers. Text stays text, so that it is
small and can be selected.
"""

import ast
import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from claims.report import words
from claims.report.curves import Curves
from claims.report.drawing import EDGE, MANY_CONDITIONS, MUTED, STYLE, VERDICTS, WIDTH, Array
from claims.report.forest import Forest, where
from claims.report.words import Record
from claims.statistics.criteria import Group, Tree, leaf_criteria, leaves, tree

HEAD = 0.48  # inches of the verdict above the panels
ROOM = 140_000  # bytes that single replicates may take, as a page has to stay under 300 KB
PLACES = re.compile(r' (?:d|x|y)="[^"]*"')


def stamp(evidence: bytes) -> str:
    """Identifies what a figure was drawn from: the bytes of the evidence and the code that draws, without comments."""
    return hashlib.sha256(evidence + _code().encode()).hexdigest()[:32]


@cache
def _code() -> str:
    here = Path(__file__)
    modules = [here.with_name(f"{name}.py") for name in ("figures", "curves", "forest", "drawing", "words", "numbers")]
    return "\n".join(ast.unparse(ast.parse(module.read_text(encoding="utf-8"))) for module in modules)


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


def _leaning(node: Tree, results: Sequence[Record]) -> str:
    """What a part of the criterion shows by itself: intervals inside their region, outside, or neither."""
    if isinstance(node, Group):
        order = ("fails", "undecided", "holds") if node.op == "all" else ("holds", "undecided", "fails")
        return min((_leaning(one, results) for one in node.parts), key=order.index)
    if node.index >= len(results):
        return "undecided"
    return where(results[node.index])
