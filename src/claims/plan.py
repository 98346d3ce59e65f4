"""From a claim to its replicates: cells (conditions and controls), seeds, blocks, jobs and their keys."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from claims import statistics
from claims.fingerprint import signature, trial_sha256, versions
from claims.job import Job
from claims.schema import Claim

Role = Literal["condition", "negative", "positive"]
STREAM = {"condition": 0, "negative": 1, "positive": 2}
RERUN = {"negative": 3, "positive": 4}
BOUNDARIES = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Cell:
    """A condition or a control: one set of parameters under which replicates are drawn from one seed stream."""

    name: str
    role: Role
    parameters: Mapping[str, Any]
    stream: int
    real: str | None = None
    base: str | None = None


def cells(claim: Claim) -> list[Cell]:
    """The claim's conditions, then its negative and positive controls, with their parameters merged."""
    conditions = {}
    for name, own in claim.conditions.items():
        merged = {**claim.parameters, **(own or {})}
        real = merged.pop("real", None)
        conditions[name] = Cell(name, "condition", merged, STREAM["condition"], real)
    found = list(conditions.values())
    for role, controls in (("negative", claim.controls.negative), ("positive", claim.controls.positive)):
        for name, control in controls.items():
            merged = {**conditions[control.base].parameters, **control.parameters()}
            real = merged.pop("real", conditions[control.base].real)
            found.append(Cell(name, role, merged, STREAM[role], real, control.base))  # type: ignore[arg-type]
    return found


def seeds(base_seed: int, claim: Claim, stream: int, first: int, last: int) -> tuple[int, ...]:
    """uint32 seeds of replicates `first` to `last` - 1 of one stream; a revision draws fresh ones."""
    identity = int(hashlib.sha256(claim.id.encode()).hexdigest()[:16], 16)
    root = [base_seed, identity, len(claim.revisions), stream]
    return tuple(int(np.random.SeedSequence([*root, r]).generate_state(1)[0]) for r in range(first, last))


def blocks(last: int) -> list[tuple[int, int]]:
    """Replicates 0 to `last` - 1 cut at the looks 8, 16, 32, ...: the same blocks whatever the profile."""
    edges = [0, *(edge for edge in BOUNDARIES if edge < last), last]
    return list(itertools.pairwise(edges))


def batched(trial: str) -> bool:
    """Whether the trial takes a block of `seeds` at once."""
    return next(iter(signature(trial).parameters), "") == "seeds"


def criterion(claim: Claim) -> dict[str, Any]:
    """The claim's criterion with its defaults filled in."""
    return statistics.complete(claim.criterion)


def jobs(claim: Claim, cell: Cell, base_seed: int, last: int) -> list[Job]:
    """The jobs that give a cell its first `last` replicates, in seed order."""
    rule = criterion(claim)
    names = tuple(sorted(statistics.outcome_names(rule)))
    curves = {outcome: len(cell.parameters[over]) for outcome, over in statistics.curve_names(rule).items()}
    if cell.real == "population":
        names = tuple(sorted({*names, "n_train", "n_test"}))
    whole = batched(claim.trial)
    spans = blocks(last) if whole else [(r, r + 1) for r in range(last)]
    identity = _identity(claim.trial, cell.parameters, claim.threads)
    found = []
    for first, end in spans:
        own = seeds(base_seed, claim, cell.stream, first, end)
        key = hashlib.sha256(f"{identity}{list(own)}".encode()).hexdigest()[:32]
        found.append(
            Job(
                claim.path,
                cell.name,
                cell.stream,
                claim.trial,
                dict(cell.parameters),
                first,
                own,
                whole,
                names,
                curves,
                claim.threads,
                key,
            )
        )
    return found


def _identity(trial: str, parameters: Mapping[str, Any], threads: int) -> str:
    parts = [trial, parameters, trial_sha256(trial), versions(trial), threads]
    return json.dumps(parts, sort_keys=True, default=str)


def declaration(claim: Claim, alpha: float, looks: Sequence[int]) -> dict[str, Any]:
    """What is fixed before the run: criterion, quantifier, parameters, conditions, negative controls, alpha, looks."""
    return {
        "criterion": _without_why(criterion(claim)),
        "quantifier": claim.quantifier,
        "parameters": dict(claim.parameters),
        "conditions": {name: dict(own or {}) for name, own in claim.conditions.items()},
        "negative": {name: {"base": c.base, **c.parameters()} for name, c in claim.controls.negative.items()},
        "alpha": alpha,
        "looks": list(looks),
    }


def sha256(value: Any) -> str:
    """Hash of a plain value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _without_why(rule: Any) -> Any:
    if isinstance(rule, Mapping):
        return {key: _without_why(value) for key, value in rule.items() if key != "why"}
    return [_without_why(part) for part in rule] if isinstance(rule, list) else rule
