"""The frozen record behind a verdict: assembled from a finished run, kept as JSON; see `claims.audit`."""

import dataclasses
import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from claims import plan, statistics
from claims.errors import ClaimsError
from claims.fingerprint import trial_sha256, versions
from claims.runner import CellRun, ClaimRun, population
from claims.schema import Claim, plain

FORMAT = 1
# Raised by hand when the decision engine could give another verdict from the same outcomes.
ENGINE = "1"
PASSING = ("hold_cp", "fail_cp", "standings")  # of a judgement what matters while a claim runs
NUMERIC = ("declaration", "conditions", "controls", "sensitivity", "verdict", "previous")
NUMBERS = frozenset({int, float})
SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Evidence = dict[str, Any]


def assemble(run: ClaimRun, committed: Evidence | None) -> Evidence:
    """The evidence of a claim that is done.

    Args:
        run: The finished run.
        committed: Evidence in force, whose declaration and verdict move to `previous` where a revision was added.
    """
    claim, settings = run.claim, run.settings
    declaration = plan.declaration(claim, settings.alpha, run.all_looks)
    verdict = run.verdict()
    controls = [_control(run, control) for control in run.controls]
    conditions = [_condition(condition, verdict) for condition in run.conditions]
    record = {
        "format": FORMAT,
        "engine": ENGINE,
        "id": claim.id,
        "topic": claim.topic,
        "quantifier": claim.quantifier,
        "kind": kind(run.rule),
        "criterion_text": statistics.describe(run.rule),
        "declaration": declaration,
        "declaration_sha256": plan.sha256(plain(declaration)),
        "trial": claim.trial,
        "trial_sha256": trial_sha256(claim.trial),
        "versions": versions(claim.trial),
        "base_seed": settings.base_seed,
        "revisions": [revision.model_dump() for revision in claim.revisions],
        **texts(claim),
        "timed": claim.timed,
        "clock": next((part["clock"] for part in statistics.leaf_criteria(run.rule) if "clock" in part), None),
        "alpha": settings.alpha,
        "looks": list(run.all_looks),
        "verdict": {**dataclasses.asdict(verdict), **validity(verdict, conditions, controls)},
        "sensitivity": [],
        "conditions": conditions,
        "controls": controls,
        "previous": _previous(claim, committed),
    }
    return record | {"sensitivity": sensitivity(record)}


def texts(claim: Claim) -> dict[str, Any]:
    """What a claim file says in words alone: this may change without a run."""
    rule = plan.criterion(claim)
    return {
        "statement": claim.statement,
        "guide": {"sections": claim.guide.sections, "lines": [str(lines) for lines in claim.guide.lines]},
        "margin_reasons": [part["why"] for part in statistics.leaf_criteria(rule) if "why" in part]
        or [rule.get("why", "")],
        "why_always": claim.why_always,
        "notes": claim.notes,
        "references": claim.references,
        "review": claim.review.model_dump() if claim.review else None,
    }


def kind(rule: Mapping[str, Any]) -> str:
    """The criterion's kind, written `all(diff, ratio)` where it has parts."""
    for key in ("all", "any"):
        if key in rule:
            return f"{key}({', '.join(kind(part) for part in rule[key])})"
    return str(rule["kind"])


def validity(
    verdict: statistics.Verdict, conditions: Sequence[Mapping[str, Any]], controls: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Label and reason of the verdict once controls and failed trials are taken into account."""
    broken = [c["name"] for c in conditions if c["state"] == "broken"]
    wrong = [f"{c['role']} control {c['name']}: {c['why']}" for c in controls if not c["passes"]]
    if broken:
        return {"label": "invalid", "reason": f"too many trials failed in {', '.join(broken)}"}
    if wrong:
        return {"label": "invalid", "reason": "; ".join(wrong)}
    if verdict.label == "refuted" and not any(c["role"] == "positive" for c in controls):
        reason = "no condition holds, and no positive control shows that the trial can see the effect"
        return {"label": "invalid", "reason": reason}
    return {"label": verdict.label, "reason": ""}


def _condition(run: CellRun, verdict: statistics.Verdict) -> dict[str, Any]:
    return {"name": run.cell.name, "label": condition_label(run.cell.name, verdict), **_judged(run)}


def condition_label(name: str, verdict: statistics.Verdict) -> str:
    """holds, holds* (covered by the verdict, not individually named), fails or undecided."""
    groups = {"holds": verdict.holds, "holds*": verdict.holds_star, "fails": verdict.fails}
    return next((label for label, names in groups.items() if name in names), "undecided")


def _control(run: ClaimRun, control: CellRun) -> dict[str, Any]:
    passes, why = run.passes(control)
    return {
        "name": control.cell.name,
        "role": control.cell.role,
        "base": control.cell.base,
        "passes": passes,
        "why": why,
        "rerun": control.rerun,
        "label": control.label(control.alpha),
        "planned": list(control.looks),
        **_judged(control),
    }


def _judged(run: CellRun) -> dict[str, Any]:
    outcomes = {name: values.tolist() for name, values in run.outcomes().items()}
    return {
        "parameters": dict(run.cell.parameters),
        "real": run.cell.real,
        **{key: value for key, value in dataclasses.asdict(run.judgement).items() if key not in PASSING},
        "outcomes": outcomes,
        "failures": list(_failures(run)),
    }


def _failures(run: CellRun) -> Iterator[dict[str, Any]]:
    needed = [run.outcomes()[name] for name in statistics.outcome_names(run.rule)]
    finite = np.logical_and.reduce([np.isfinite(values).reshape(len(values), -1).all(axis=1) for values in needed])
    if not finite.all():  # failed ones are rows of NaN
        told = [result.error for result in run.results for _ in range(result.count)]
        for row in np.flatnonzero(~finite).tolist():
            yield {"replicate": row, "error": told[row] or "an outcome is not finite"}


def sensitivity(evidence: Evidence) -> list[dict[str, Any]]:
    """Range of each margin with the same verdict, from the stored outcomes."""
    found = statistics.sensitivity(
        evidence["declaration"]["criterion"],
        {c["name"]: series(c, evidence["looks"]) for c in evidence["conditions"]},
        [series(c, c["planned"], plan.duty(c["role"], c["name"])) for c in evidence["controls"]],
        quantifier=evidence["quantifier"],
        alpha=evidence["alpha"],
    )
    return [dataclasses.asdict(one) for one in found]


def series(record: Mapping[str, Any], looks: Sequence[int], duty: str = "") -> statistics.Series:
    """The stored outcomes of a condition or control."""
    outcomes = {name: np.asarray(values, dtype=float) for name, values in record["outcomes"].items()}
    return statistics.Series(outcomes, looks, population(record["real"], outcomes), duty)


def _previous(claim: Claim, committed: Evidence | None) -> list[dict[str, Any]]:
    if committed is None:
        return []
    earlier = list(committed["previous"])
    if len(claim.revisions) > len(committed["revisions"]):
        record = {key: committed[key] for key in ("declaration", "trial_sha256", "verdict", "versions")}
        earlier.append({**record, "revision": len(committed["revisions"])})
    return earlier


def cost(run: ClaimRun, workers: int, commit: str, date: str) -> dict[str, Any]:
    """What the evidence cost and where it was computed: the run file beside it."""
    cells = [*run.conditions, *run.controls]
    results = [result for cell in cells for result in cell.results]
    return {
        "cpu_seconds": round(sum(r.cpu for r in results), 2),
        "wall_seconds": round(sum(r.wall for r in results), 2),
        "replicates": sum(r.count for r in results),
        "cost": {cell.cell.name: round(sum(r.cpu for r in cell.results), 2) for cell in cells},
        "host": "sha256:" + plan.sha256(platform.node())[:12],
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": date,
        "commit": commit,
        "workers": workers,
    }


def processor() -> str:
    """The processor by its model name; `unknown` where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def read(path: Path) -> Evidence:
    """Evidence or a run file, with NaN and infinities as floats again.

    Raises:
        ClaimsError: The file cannot be read or is no JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClaimsError(
            f"{path}: cannot be read ({error}); restore it from version control, or run the claim again"
        ) from None
    return {key: _numbers(value) if key in NUMERIC else value for key, value in content.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item if key == "parameters" else _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return value if NUMBERS.issuperset(map(type, value)) else [_numbers(item) for item in value]
    return SPECIAL.get(value, value) if isinstance(value, str) else value


def text(record: Mapping[str, Any]) -> str:
    """The record as the JSON text that is committed: the same bytes for the same record."""
    return _laid_out(record, "\n") + "\n"


def _laid_out(value: Any, line: str) -> str:
    """JSON one value a line, but lists of numbers on one, so that a diff of evidence can be read."""
    inner = line + " "
    if isinstance(value, Mapping) and value:
        parts = [f"{_json(str(key))}: {_laid_out(item, inner)}" for key, item in value.items()]
        return f"{{{inner}{f',{inner}'.join(parts)}{line}}}"
    if isinstance(value, list | tuple) and not NUMBERS.issuperset(map(type, value)):
        return f"[{inner}{f',{inner}'.join([_laid_out(item, inner) for item in value])}{line}]"
    return _json(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(plain(value), ensure_ascii=False)


def write(record: Mapping[str, Any], path: Path) -> bool:
    """Writes the record; False where the file already says so."""
    return write_text(path, text(record))


def write_text(path: Path, content: str) -> bool:
    """Writes a file as a whole or not at all; False where it already says so.

    Raises:
        ClaimsError: The folder cannot be written.
    """
    try:
        if path.is_file() and path.read_bytes() == content.encode():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two processes may write the same file
        try:
            scratch.write_bytes(content.encode())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise ClaimsError(
            f"{path}: cannot be written ({error}); free the path or its disk, and run the command again"
        ) from None
    return True


def read_all(reports: Path) -> dict[str, Evidence]:
    """Committed evidence by `topic/id`."""
    root = reports / "evidence"
    return {f"{path.parent.name}/{path.stem}": read(path) for path in sorted(root.glob("*/*.json"))}


@dataclass(frozen=True)
class Drift:
    """How one claim's evidence differs from what is committed.

    Attributes:
        before: Committed verdict, None for a new claim. after: verdict of this run.
        labels: Conditions whose label moved, as `name: before -> after`.
        shift: Largest shift of an effect in half-widths of its committed interval.
        contradicts: Whether more than a want of replicates lies between them: a condition is decided the other way,
            a trial failed, or a control is shown to misbehave.
    """

    claim: str
    before: str | None
    after: str
    labels: tuple[str, ...]
    shift: float
    timed: bool
    contradicts: bool

    @property
    def reproduced(self) -> bool:
        """Whether verdict and every label came out as committed."""
        return self.before == self.after and not self.labels


def flat(values: Iterable[Any]) -> list[float]:
    """What an outcome holds, replicate after replicate, where each is a number or a list of them."""
    return [x for value in values for x in (value if isinstance(value, list) else [value])]


def close(a: float, b: float) -> bool:
    """Whether two values of an outcome are the same but for rounding, to 1e-6: processors and libraries differ."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) or (a != a and b != b)


# What a control must not be shown to do.
WRONG = {"negative": "holds", "positive": "fails"}


def drift(committed: Evidence | None, found: Evidence) -> Drift:
    """Compares a run with the committed evidence."""
    path = f"{found['topic']}/{found['id']}"
    after = found["verdict"]["label"]
    if committed is None:
        return Drift(path, None, after, (), math.nan, found["timed"], contradicts=False)
    before = {c["name"]: c for c in committed["conditions"]}
    now = {c["name"]: c for c in found["conditions"]}
    both = [(name, before[name], now[name]) for name in before if name in now]
    moved = tuple(f"{name}: {a['label']} -> {b['label']}" for name, a, b in both if a["label"] != b["label"])
    shifts = [
        abs(b["estimate"] - a["estimate"]) / ((a["high"] - a["low"]) / 2) for _, a, b in both if a["high"] > a["low"]
    ]
    finite = [shift for shift in shifts if math.isfinite(shift)]
    opposed = any({a["label"].rstrip("*"), b["label"].rstrip("*")} == {"holds", "fails"} for _, a, b in both)
    failed = any(c["state"] == "broken" for c in now.values())
    wrong = any(c["label"] == WRONG[c["role"]] for c in found["controls"])
    contradicts = opposed or failed or wrong
    largest = max(finite, default=0.0)
    return Drift(path, committed["verdict"]["label"], after, moved, largest, found["timed"], contradicts)
