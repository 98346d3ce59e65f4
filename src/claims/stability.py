"""Verdicts under other base seeds, against the committed ones: what moved, and how close to the margin it lay."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from claims.evidence import Evidence
from claims.report.markdown import escaped, laid_out, page_of
from claims.report.numbers import number
from claims.report.words import Record, count, deciding

OPPOSITE = {"supported", "refuted"}
SAME = ("declaration_sha256", "trial_sha256", "revisions", "versions")
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
    distance_before: float
    distance_after: float


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


def comparable(committed: Evidence, found: Evidence) -> bool:
    """Whether evidence under another base seed, if there is any, is of the same claim, trial and libraries."""
    return bool(found) and all(committed[key] == found[key] for key in SAME)


def changes(committed: Mapping[str, Evidence], found: Mapping[int, Mapping[str, Evidence]]) -> list[Change]:
    """Claims whose verdict differs from the committed one, by claim and seed."""
    return [
        Change(path, seed, record["verdict"]["label"], other["verdict"]["label"], record["timed"], moved(record, other))
        for path, record in committed.items()
        for seed, records in found.items()
        if comparable(record, other := records.get(path, {}))
        and record["verdict"]["label"] != other["verdict"]["label"]
    ]


def moved(before: Record, after: Record) -> tuple[Moved, ...]:
    """The conditions and controls with another label, and the controls that behave in one of the two only."""
    pairs = zip(before["conditions"] + before["controls"], after["conditions"] + after["controls"], strict=True)
    return tuple(
        Moved(a["name"], _label(a), _label(b), distance(a), distance(b)) for a, b in pairs if _label(a) != _label(b)
    )


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


def page(committed: Mapping[str, Evidence], found: Mapping[int, Mapping[str, Evidence]]) -> str:
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
            record["verdict"]["label"],
            *(_cell(record, found[seed].get(path, {})) for seed in seeds),
        ]
        for path, record in committed.items()
    ]
    head = ["claim", "committed", *(f"base seed {seed}" for seed in seeds)]
    lines = ["# Verdicts under other base seeds", "", PREFACE, "", told, "", *laid_out(head, rows)]
    lines += ["## What moved", "", *_told(differing)] if differing else []
    return "\n".join(lines).rstrip() + "\n"


def _cell(record: Evidence, other: Evidence) -> str:
    if not comparable(record, other):
        return "not run"
    label = str(other["verdict"]["label"])
    return label if label == record["verdict"]["label"] else f"**{label}**"


def _told(differing: Sequence[Change]) -> Iterator[str]:
    yield from (DISTANCE, "")
    for change in differing:
        claim = f"**{change.claim}**, base seed {change.seed}"
        yield f"- {claim}: {change.before} -> {change.after}{' **(the opposite)**' if change.flip else ''}"
        for one in change.moved:
            far = " -> ".join(
                number(x, 1) if math.isfinite(x) else "-" for x in (one.distance_before, one.distance_after)
            )
            yield f"  - {escaped(one.name)}: {one.before} -> {one.after}, distance {far}"
        if not change.moved:
            yield "  - no label of a condition or control moved: the verdict did together"
    yield ""
