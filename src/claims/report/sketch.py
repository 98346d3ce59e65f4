"""The effects of a claim at a glance: a row for each condition, laid out in per cent of the width."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from claims.report import numbers, words
from claims.report.words import Record

ROWS = 8


@dataclass(frozen=True)
class Row:
    """A condition; `left` and `right` are the ends of its interval, `at` its estimate, NaN where there is none."""

    name: str
    label: str
    left: float
    right: float
    at: float


@dataclass(frozen=True)
class Sketch:
    """Rows on one scale; the criterion holds from `left` to `right`, all in per cent from the left.

    Attributes:
        rule: What the scale shows and where the criterion holds. more: Conditions that are left out.
    """

    rule: str
    left: float
    right: float
    rows: tuple[Row, ...]
    more: int


def sketch(evidence: Record) -> Sketch | None:
    """The part of the criterion that decides most conditions, over the first of them; None where nothing was judged."""
    conditions = evidence["conditions"]
    votes = Counter(c["leaves"].index(words.deciding(c)) for c in conditions if c["leaves"])
    if not votes:
        return None
    (chosen, _), *_ = votes.most_common(1)
    found = [(c, c["leaves"][chosen]) for c in conditions if len(c["leaves"]) > chosen]
    part = found[0][1]
    log = part["scale"] == "ratio"
    low, high = _limits([leaf for _, leaf in found], log)

    def place(value: float) -> float:
        """Per cent of the way from low to high; beyond the ends it is at the end."""
        if math.isnan(value):
            return value
        value = (math.log(value) if value > 0 else -math.inf) if log else value
        return round(100 * (min(max(value, low), high) - low) / (high - low), 1)

    rows = []
    for condition, leaf in found[:ROWS]:
        low_end, at, high_end = (place(float(leaf[key])) for key in ("low", "estimate", "high"))
        rows.append(Row(condition["name"], condition["label"], low_end, high_end, at))
    rule, parts = f"{part['name']}: holds if {numbers.region(part)}", len(found[0][0]["leaves"])
    if parts > 1:
        enough = "any" if evidence["kind"].startswith("any") else "all"
        rule += f" (one of {parts} parts, of which {enough} must hold)"
    return Sketch(rule, place(part["lower"]), place(part["upper"]), tuple(rows), len(conditions) - len(rows))


def _limits(parts: Sequence[Record], log: bool) -> tuple[float, float]:
    """Ends of the scale: every estimate and bound, and of the intervals what lies near them."""
    if parts[0]["scale"] == "share":
        return -0.03, 1.03
    keys = {"core": ("estimate", "lower", "upper"), "ends": ("low", "high")}
    core, ends = ([float(part[key]) for part in parts for key in group] for group in keys.values())
    core += {"ratio": [1.0], "difference": [0.0]}.get(parts[0]["scale"], [])
    if log:
        core, ends = ([math.log(v) if v > 0 else -math.inf for v in values] for values in (core, ends))
    core = [v for v in core if math.isfinite(v)] or [0.0]
    near = 0.6 * (max(core) - min(core)) or 0.5 * abs(core[0]) or 1.0
    ends = [v for v in ends if math.isfinite(v) and min(core) - near <= v <= max(core) + near]
    low, high = min([*core, *ends]), max([*core, *ends])
    pad = 0.12 * (high - low) or near
    return low - pad, high + pad
