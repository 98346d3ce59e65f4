"""Verdicts under other base seeds, against the committed ones: what moved, and how close to the margin it lay."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claims.evidence import Evidence
from claims.report.markdown import escaped, laid_out, page_of
from claims.report.numbers import number
from claims.report.words import Record, count, deciding

OPPOSITE = {"supported", "refuted"}
SAME = ("declaration_sha256", "trial_sha256", "revisions", "versions")
# What is kept of evidence under another base seed; see `kept`.
Kept = Mapping[str, Any]
PREFACE = (
    "Every claim is run again with other base seeds, so that all generated data, draws from real data sets, splits and "
    "initial weights are fresh; the rows of a real data set stay the same. A claim near its margin may become "
    "inconclusive or conditional, or leave one of them; it is listed below, with the conditions that moved. None may "
    "go from supported to refuted or back. Nothing in a claim is changed because of this page, unless its trial is "
    "wrong. `make stability` writes it."
)
DISTANCE = (
    "Distances are from the estimate to the nearest bound of what the criterion asks for, in half-widths of the "
    "condition's interval: positive on the side on which the criterion holds; within 1 the interval reaches over the "
    "bound."
)


@dataclass(frozen=True)
class Moved:
    """A condition or control that came out differently; distances to the margin in half-widths."""

    name: str
    before: str
    after: str
    distance_before: float | None
    distance_after: float | None


@dataclass(frozen=True)
class Change:
    """A claim whose verdict differs under another base seed."""

    claim: str
    seed: int
    before: str
    after: str
    timed: bool
    moved: tuple[Moved, ...]

    @property
    def flip(self) -> bool:
        """Whether the verdict turned into its opposite; a timed claim may."""
        return {self.before, self.after} == OPPOSITE and not self.timed


def kept(record: Evidence) -> Kept:
    """What the comparison needs of evidence, small enough to be committed for every claim and seed.

    Returns:
        `of`, a hash that is the same for the same claim, trial and libraries; `verdict`; `timed`; and `rows`, for each
        condition and control its name, label and distance to the margin (None where there is no interval).
    """
    same = json.dumps([record[key] for key in SAME], sort_keys=True)
    far = ((row, distance(row)) for row in (*record["conditions"], *record["controls"]))
    return {
        "of": hashlib.sha256(same.encode()).hexdigest()[:16],
        "verdict": record["verdict"]["label"],
        "timed": record["timed"],
        "rows": [[row["name"], _label(row), round(x, 3) if math.isfinite(x) else None] for row, x in far],
    }


def comparable(committed: Kept, found: Kept) -> bool:
    """Whether a result under another base seed, if there is any, is of the same claim, trial and libraries."""
    return bool(found) and committed["of"] == found["of"]


def comparables(committed: Mapping[str, Kept], found: Mapping[int, Mapping[str, Kept]]) -> dict[int, dict[str, Kept]]:
    """What stays of all that was found, by seed: the rest is of other claims, trials or libraries than those of now."""
    return {
        seed: {path: one for path, one in found[seed].items() if path in committed and comparable(committed[path], one)}
        for seed in sorted(found)
    }


def changes(committed: Mapping[str, Kept], found: Mapping[int, Mapping[str, Kept]]) -> list[Change]:
    """Claims whose verdict differs from the committed one, by claim and seed."""
    return [
        Change(path, seed, record["verdict"], other["verdict"], record["timed"], moved(record, other))
        for path, record in committed.items()
        for seed, records in found.items()
        if comparable(record, other := records.get(path, {})) and record["verdict"] != other["verdict"]
    ]


def moved(before: Kept, after: Kept) -> tuple[Moved, ...]:
    """The conditions and controls with another label, and the controls that behave in one of the two only."""
    pairs = zip(before["rows"], after["rows"], strict=True)
    return tuple(Moved(name, a, b, x, y) for (name, a, x), (_, b, y) in pairs if a != b)


def _label(row: Record) -> str:
    return str(row["label"] if row.get("passes", True) else f"{row['label']}, misbehaves")


def distance(row: Record) -> float:
    """From the estimate to the nearest bound in half-widths of the interval; NaN where there is no interval."""
    leaf = deciding(row)
    if leaf is None:
        return math.nan
    keys = ("estimate", "low", "high", "lower", "upper")
    estimate, low, high, lower, upper = (float(leaf[key]) for key in keys)
    if leaf["scale"] == "ratio":
        estimate, low, high, lower, upper = (
            math.log(x) if x > 0 else -math.inf for x in (estimate, low, high, lower, upper)
        )
    half = (high - low) / 2
    return min(estimate - lower, upper - estimate) / half if half > 0 and math.isfinite(half) else math.nan


def _place(path: str) -> str:
    topic, _, id = path.partition("/")
    return f"{page_of(topic)}#{id}"


def page(committed: Mapping[str, Kept], found: Mapping[int, Mapping[str, Kept]]) -> str:
    """The comparison as Markdown."""
    differing = changes(committed, found)
    seeds = list(found)
    run = [p for p, record in committed.items() if all(comparable(record, found[s].get(p, {})) for s in seeds)]
    unstable = {change.claim for change in differing}
    flips = sum(change.flip for change in differing)
    told = (
        f"{count(len(run), 'claim')} of {len(committed)} run under all base seeds: {len(set(run) - unstable)} with the "
        f"same verdict under all, {len(unstable)} with another under some, {flips} turned into the opposite."
    )
    rows = [
        [
            f"[{path}]({_place(path)})" + (" (timed)" if record["timed"] else ""),
            record["verdict"],
            *(_cell(record, found[seed].get(path, {})) for seed in seeds),
        ]
        for path, record in committed.items()
    ]
    head = ["claim", "committed", *(f"base seed {seed}" for seed in seeds)]
    lines = ["# Verdicts under other base seeds", "", PREFACE, "", told, "", *laid_out(head, rows)]
    lines += ["## What moved", "", *_told(differing)] if differing else []
    return "\n".join(lines).rstrip() + "\n"


def _cell(record: Kept, other: Kept) -> str:
    if not comparable(record, other):
        return "not run"
    label = str(other["verdict"])
    return label if label == record["verdict"] else f"**{label}**"


def _told(differing: Sequence[Change]) -> Iterator[str]:
    yield from (DISTANCE, "")
    for change in differing:
        claim = f"**{change.claim}**, base seed {change.seed}"
        yield f"- {claim}: {change.before} -> {change.after}{' **(the opposite)**' if change.flip else ''}"
        for one in change.moved:
            distances = (one.distance_before, one.distance_after)
            far = " -> ".join("-" if x is None else number(x, 1) for x in distances)
            yield f"  - {escaped(one.name)}: {one.before} -> {one.after}, distance {far}"
        if not change.moved:
            yield "  - no label of a condition or control moved: the verdict did together"
    yield ""
