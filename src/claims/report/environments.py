"""Evidence under other library versions beside the committed: which verdicts and effects moved, and through what."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from claims import evidence
from claims.environments import Environment
from claims.report import numbers, words
from claims.report.tables import Table
from claims.report.words import Record

PREFACE = (
    "The claims are run a second time with other versions of the libraries than the pinned ones, with the same seeds, "
    "so that what differs comes from the libraries. Evidence of another environment is kept apart and never enters a "
    "verdict of the committed one."
)
SAME = ("declaration_sha256", "trial_sha256", "revisions")
SHIFT = 1.0
"""An effect that moved by this many half-widths of its interval is listed, whatever its label."""


@dataclass(frozen=True)
class Drifted:
    """What came out in one environment.

    Attributes:
        told: Counts, as sentences.
        verdicts: Claims whose verdict differs, with the reason.
        effects: Conditions and controls whose label differs, or whose outcomes do and estimate moved by `SHIFT`.
    """

    name: str
    told: str
    verdicts: Table
    effects: Table


def read(reports: Path, records: Sequence[Record], known: Mapping[str, Environment]) -> list[Drifted]:
    """Compares every environment of which evidence is kept with the committed evidence."""
    return [
        _drifted(folder.name, evidence.read_all(folder), records, known.get(folder.name))
        for folder in sorted((reports / "environments").glob("*/"))
    ]


def _drifted(name: str, there: Mapping[str, Record], records: Sequence[Record], known: Environment | None) -> Drifted:
    paths = {f"{e['topic']}/{e['id']}": e for e in records}
    pairs = {p: (e, there[p]) for p, e in paths.items() if p in there and all(e[k] == there[p][k] for k in SAME)}
    reasons = known.reasons if known else {}
    verdicts, effects, touched, rows = [], [], 0, 0
    for path, (here, other) in pairs.items():
        both = list(_both(here, other))
        differing = {a["name"]: found for a, b in both if (found := outcomes_apart(a, b))}
        touched += len(differing)
        rows += len(both)
        if here["verdict"]["label"] != other["verdict"]["label"]:
            why = reasons.get(path) or _reason(here, other, differing, len(both))
            verdicts.append((path, words.headline(here), words.headline(other), why))
        for a, b in both:
            far = shift(a, b)
            if a["label"] != b["label"] or (a["name"] in differing and far >= SHIFT):
                far_told = numbers.number(far, 1) if math.isfinite(far) else "-"
                labels = a["label"] if a["label"] == b["label"] else f"{a['label']} -> {b['label']}"
                apart = ", ".join(differing.get(a["name"], ())) or "none"
                effects.append((path, a["name"], _effect(a), _effect(b), far_told, labels, apart))
    told = (
        f"{_pins(known)}{words.count(len(pairs), 'claim')} of {len(paths)} run there: {len(pairs) - len(verdicts)} "
        f"with the same verdict, {len(verdicts)} with another. Outcomes differ in {touched:,} of "
        f"{rows:,} conditions and controls; {len(effects)} of these have another label, or an estimate that moved by "
        f"at least {numbers.number(SHIFT)} half-width of its interval."
    )
    head = ("claim", "condition", "here", "there", "moved (half-widths)", "label", "outcomes that differ")
    return Drifted(
        name,
        told,
        Table(("claim", "here", "there", "reason"), tuple(verdicts)),
        Table(head, tuple(effects), (4,)),
    )


def _pins(known: Environment | None) -> str:
    return f"With {', '.join(f'{name} {version}' for name, version in known.pins.items())}. " if known else ""


def _both(here: Record, there: Record) -> Iterator[tuple[Record, Record]]:
    for kind in ("conditions", "controls"):
        others = {row["name"]: row for row in there[kind]}
        yield from ((row, others[row["name"]]) for row in here[kind] if row["name"] in others)


def outcomes_apart(here: Record, there: Record) -> list[str]:
    """Names of the outcomes of which a replicate that both have run came out differently (to 1e-6)."""
    return [
        name
        for name in sorted(here["outcomes"].keys() & there["outcomes"].keys())
        if not all(map(evidence.close, *(evidence.flat(record["outcomes"][name]) for record in (here, there))))
    ]


def shift(here: Record, there: Record) -> float:
    """How far the estimate moved, in half-widths of the interval here; 0 where both are undefined."""
    a, b = words.deciding(here), words.deciding(there)
    if a is None or b is None:
        return 0.0 if a is b else math.nan
    change, half = abs(b["estimate"] - a["estimate"]), (a["high"] - a["low"]) / 2
    if change == 0 or math.isnan(change):
        return 0.0
    return change / half if half > 0 else math.inf


def _effect(row: Record) -> str:
    leaf = words.deciding(row)
    return numbers.effect(leaf) if leaf else "not defined"


def _reason(here: Record, there: Record, differing: Mapping[str, Sequence[str]], total: int) -> str:
    """What can be said without an author: through which libraries and outcomes it moved."""
    versions = here["versions"], there["versions"]
    changed = [f"{n} {v} -> {versions[1].get(n, 'none')}" for n, v in versions[0].items() if v != versions[1].get(n)]
    names = sorted({name for found in differing.values() for name in found})
    if not names:
        return "every shared replicate is the same; another number of replicates was run"
    return f"{', '.join(names)} differ in {len(differing)} of {total} ({'; '.join(changed) or 'same versions'})"
