"""What MLflow shows of the evidence, before anything is written: names, tags, parameters, points and files."""

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from claims import evidence

KEY, PARAM = 250, 6000  # MLflow's limits: characters of a name and of a parameter
SUITE = "suite"
HARD_SPACE = "\u00a0"
VERDICTS = ("refuted", "conditional", "invalid", "inconclusive", "supported")  # those that ask for attention first
MACHINE = ("date", "commit", "host", "processor", "cores", "workers", "system", "python")  # of the run file
SERIES = {"effect": "estimate", "low": "low", "high": "high", "n": "n", "p_hold": "ph", "p_fail": "pf"}


@dataclass(frozen=True)
class Point:
    """A metric at a step."""

    key: str
    value: float
    step: int


@dataclass(frozen=True)
class Run:
    """One MLflow run before it is written: `seconds` of wall time, files by name."""

    experiment: str
    name: str
    seconds: float
    tags: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    files: dict[str, bytes]


def note(record: Mapping[str, Any]) -> str:
    """The evidence in Markdown for the run's page: verdict, statement, tables of conditions and controls."""
    verdict, guide = record["verdict"], record["guide"]
    held = f"{record['quantifier']}: {_tally(verdict)} conditions hold, {verdict['k']} needed"
    place = f"Guide: sections {_listed(guide['sections'])}, lines {_listed(guide['lines'])}."
    lines = [
        f"**{verdict['label'].capitalize()}: {record['statement']}**",
        "",
        f"{_sentence(held)} {_sentence(verdict['reason'])}",
        "",
        f"Criterion: {_sentence(record['criterion_text'])} {place}",
        "",
        *_table(
            ("condition", "label", "n", "effect", "interval", "why"),
            [
                *(_cells(c, c["name"], c["label"], c["reason"]) for c in record["conditions"]),
                *(_cells(c, f"{c['name']} ({c['role']} control)", _passing(c), c["why"]) for c in record["controls"]),
            ],
        ),
    ]
    return "\n".join([*lines, "", f"Run it again: `make claim CLAIM={path_of(record)}`"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Markdown whose cells end in hard spaces: MLflow's pages set tables without any room between columns."""
    yield f"| {' | '.join(head)} |"
    yield "|:---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') + 3 * HARD_SPACE for cell in row)} |"


def _cells(condition: Mapping[str, Any], name: str, label: str, why: str) -> tuple[str, ...]:
    effect, low, high = (_short(condition[key]) for key in ("estimate", "low", "high"))
    return name, label, str(condition["n"]), effect, f"[{low},{HARD_SPACE}{high}]", why


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _passing(control: Mapping[str, Any]) -> str:
    return f"{control['label']}, as it should" if control["passes"] else f"{control['label']}: does not pass"


def _tally(verdict: Mapping[str, Any]) -> str:
    return f"{len(verdict['holds']) + len(verdict['holds_star'])} of {verdict['count']}"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _short(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3g}"


def path_of(record: Mapping[str, Any]) -> str:
    """`topic/id`."""
    return f"{record['topic']}/{record['id']}"


def claim_run(
    record: Mapping[str, Any], run: Mapping[str, Any], tags: Mapping[str, str], files: dict[str, bytes]
) -> Run:
    """The run of one claim: verdict and cost as columns, the declaration as parameters, each look as a step."""
    verdict = record["verdict"]
    replicates = sum(c["n"] + c["failed"] for c in (*record["conditions"], *record["controls"]))
    totals = {
        "cost_cpu_seconds": run.get("cpu_seconds"),
        "replicates": run.get("replicates", replicates),
        "p_hold": verdict["p_hold"],
        "p_fail": verdict["p_fail"],
    }
    own = {
        "verdict": verdict["label"],
        "holds": _tally(verdict),
        "quantifier": record["quantifier"],
        "kind": record["kind"],
        "sections": _listed(record["guide"]["sections"]),
    }
    machine = {key: run[key] for key in MACHINE if key in run}
    declared = {key: record[key] for key in ("statement", "guide", "trial", "base_seed", "declaration_sha256")}
    return Run(
        experiment=record["topic"],
        name=record["id"],
        seconds=float(run.get("wall_seconds", 0.0)),
        tags=own | dict(tags),
        params=dict(_flat(declared | record["declaration"] | {"run": machine})),
        points=[*_points(totals), *(p for c in record["conditions"] for p in _grown(c))],
        files=files,
    )


def suite_run(
    evidences: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, str],
    links: Mapping[str, str],
) -> Run:
    """The run of the whole suite: counts per verdict, cost, an overview with `links` to the runs of its claims."""
    counts = dict.fromkeys(VERDICTS, 0) | Counter(e["verdict"]["label"] for e in evidences)
    known = [run for run in runs.values() if {"cpu_seconds", "replicates"} <= run.keys()]
    keys = {"cost_cpu_seconds": "cpu_seconds", "replicates": "replicates"} if known else {}
    cost = {name: sum(run[key] for run in known) for name, key in keys.items()}
    return Run(
        experiment=SUITE,
        name=f"{shared['profile']} {datetime.now():%Y-%m-%d %H:%M}",
        seconds=0.0,
        tags={**shared, "mlflow.note.content": _overview(evidences, counts, links)},
        params={},
        points=list(_points({"claims": len(evidences), **counts, **cost})),
        files={},
    )


def _overview(evidences: Sequence[Mapping[str, Any]], counts: Mapping[str, int], links: Mapping[str, str]) -> str:
    """The suite's run in Markdown: claims per verdict, then every claim with a link to its run."""
    found = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    rows = (
        (f"[{path_of(record)}]({links[path_of(record)]})", record["verdict"]["label"], _tally(record["verdict"]))
        for record in sorted(evidences, key=lambda e: (VERDICTS.index(e["verdict"]["label"]), path_of(e)))
    )
    head = f"**{len(evidences)} claims: {found or 'none'}.**"
    return "\n".join([head, "", *_table(("claim", "verdict", "holds"), rows)])


def _grown(condition: Mapping[str, Any]) -> Iterator[Point]:
    """How the evidence on one condition grew: a point of each series at each look, the step being the replicates."""
    for look in condition["looks"]:
        values = {f"{name}/{condition['name']}": look[field] for name, field in SERIES.items()}
        yield from _points(values, step=int(look["n"]))


def _points(values: Mapping[str, float | None], step: int = 0) -> Iterator[Point]:
    """Finite values to six digits: MLflow's database makes 1.8e308 of infinity, and its pages show all 17 digits."""
    for key, value in values.items():
        if value is not None and math.isfinite(value):
            yield Point(_key(key), float(f"{value:.6g}"), step)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in _leaves(values):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        yield _key(key), cut(text, PARAM)


def _leaves(values: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted path; a list is a leaf unless it holds mappings, as the parts of an `all` criterion do."""
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values, 1):
        parts = isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
        if parts or (isinstance(value, Mapping) and value):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key(text: str) -> str:
    return re.sub(r"[^\w\-. /:]", "_", text)[:KEY]


def cut(text: str, limit: int) -> str:
    """The whole lines or words that fit, with a mark where something is left out."""
    if len(text) <= limit:
        return text
    kept = text[: limit - len("\n\n[cut]")]
    return f"{kept.rpartition(chr(10) if chr(10) in kept else ' ')[0] or kept}\n\n[cut]"


def files_of(record: Mapping[str, Any], claim_file: Path | None, figure: bytes | None) -> dict[str, bytes]:
    """The artifacts of a claim's run: evidence, replicates, and claim file and figure where there are such."""
    files = {"evidence.json": evidence.text(record).encode(), "replicates.parquet": _replicates(record)}
    if claim_file is not None and claim_file.is_file():
        files["claim.yaml"] = claim_file.read_bytes()
    if figure:
        files["figure.svg"] = figure
    return files


def _replicates(record: Mapping[str, Any]) -> bytes:
    """Parquet with one row per replicate: condition, role, replicate, and a column for each outcome."""
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"condition": c["name"], "role": c.get("role", "condition"), "replicate": i}
        | {name: values[i] for name, values in c["outcomes"].items()}
        for c in (*record["conditions"], *record["controls"])
        for i in range(max(map(len, c["outcomes"].values()), default=0))
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    return buffer.getvalue()
