"""From a claim to its replicates: cells (conditions and controls), seeds, blocks, jobs and their keys."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from claims import statistics
from claims.fingerprint import call, trial_sha256, versions
from claims.job import Job
from claims.schema import Claim

Role = Literal["condition", "negative", "positive"]
STREAM = {"condition": 0, "negative": 1, "positive": 2}
RERUN = {"negative": 3, "positive": 4}
# The negative control with equal arms: `cells` adds it where a parameter defines them, other claims may write it.
AGAINST_ITSELF = "same-arm-twice"
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

    @property
    def duty(self) -> str:
        """What is asked of a control, see `claims.statistics.controls.behaves`."""
        return duty(self.role, self.name)


def duty(role: str, name: str) -> str:
    """The role of a cell, but "equal arms" for the control of that name, whoever wrote it."""
    return "equal arms" if (role, name) == ("negative", AGAINST_ITSELF) else role


def cells(claim: Claim) -> list[Cell]:
    """All that is run for a claim: the cells written in its file, and one arm against itself where that can be done.

    Where a parameter `arms` defines the arms and equal ones cannot meet the criterion, the first condition with its
    first arm in the place of all is a negative control, unless the file has such a control already.
    """
    found = written(claim)
    base = found[0]
    arms = base.parameters.get("arms")
    if not isinstance(arms, Mapping) or len(arms) < 2 or not statistics.fails_for_equal_arms(criterion(claim), arms):
        return found
    if any(cell.name == AGAINST_ITSELF or _against_itself(cell) for cell in found):
        return found
    parameters = {**base.parameters, "arms": dict.fromkeys(arms, next(iter(arms.values())))}
    return [*found, Cell(AGAINST_ITSELF, "negative", parameters, STREAM["negative"], base.real, base.name)]


def _against_itself(cell: Cell) -> bool:
    arms = cell.parameters.get("arms")
    first, *others = arms.values() if isinstance(arms, Mapping) and arms else (None, cell)
    return cell.role == "negative" and all(other == first for other in others)


def written(claim: Claim) -> list[Cell]:
    """The claim's conditions, then its negative and positive controls, with their parameters merged."""
    conditions = {}
    for name, own in claim.conditions.items():
        merged = {**claim.parameters, **(own or {})}
        real = merged.pop("real", None)
        conditions[name] = Cell(name, "condition", merged, STREAM["condition"], real)
    found = list(conditions.values())
    roles: tuple[tuple[Role, Any], ...] = (("negative", claim.controls.negative), ("positive", claim.controls.positive))
    for role, controls in roles:
        for name, control in controls.items():
            merged = {**conditions[control.base].parameters, **control.parameters()}
            real = merged.pop("real", conditions[control.base].real)
            found.append(Cell(name, role, merged, STREAM[role], real, control.base))
    return found


def seeds(base_seed: int, claim: Claim, stream: int, first: int, last: int) -> tuple[int, ...]:
    """uint32 seeds of replicates `first` to `last` - 1 of one stream; a revision draws fresh ones."""
    return tuple(_seed(base_seed, _identity(claim.id), len(claim.revisions), stream, r) for r in range(first, last))


@lru_cache
def _identity(id: str) -> int:
    return int(hashlib.sha256(id.encode()).hexdigest()[:16], 16)


@lru_cache(maxsize=1024)  # the conditions of a claim share their seeds
def _seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def blocks(last: int, first: int = 0) -> list[tuple[int, int]]:
    """Replicates `first` to `last` - 1 cut at the looks 8, 16, 32, ...: the same blocks whatever the profile."""
    edges = [first, *(edge for edge in BOUNDARIES if first < edge < last), last]
    return list(itertools.pairwise(edges))


def batched(trial: str) -> bool:
    """Whether the trial takes a block of `seeds` at once."""
    return call(trial).first == "seeds"


def criterion(claim: Claim) -> dict[str, Any]:
    """The claim's criterion with its defaults filled in."""
    return statistics.complete(claim.criterion)


class CellJobs:
    """The jobs of one cell, made as far as they are asked for; what they share is found out once."""

    def __init__(self, claim: Claim, cell: Cell, base_seed: int) -> None:
        """Plans nothing yet; `cell` is one of `cells(claim)`, or the rerun of a control."""
        rule = criterion(claim)
        sizes = ("n_train", "n_test") if cell.real == "population" else ()
        self._claim, self._cell, self._base_seed = claim, cell, base_seed
        self._names = tuple(sorted({*statistics.outcome_names(rule), *sizes}))
        self._curves = {outcome: len(cell.parameters[over]) for outcome, over in statistics.curve_names(rule).items()}
        self._batched = batched(claim.trial)
        parts = [claim.trial, cell.parameters, trial_sha256(claim.trial), versions(claim.trial), claim.threads]
        self._identity = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
        self._spans: list[tuple[int, tuple[int, ...]]] = []
        self._keys: list[str] = []
        self._last = 0

    def keys(self, last: int) -> Sequence[str]:
        """The keys of the jobs of the first `last` replicates, in seed order; `last` never goes back."""
        if last > self._last:
            spans = blocks(last, self._last) if self._batched else [(r, r + 1) for r in range(self._last, last)]
            new = seeds(self._base_seed, self._claim, self._cell.stream, self._last, last)
            for first, end in spans:
                own = new[first - self._last : end - self._last]
                whole = self._identity.copy()
                whole.update(f"{list(own)}".encode())
                self._spans.append((first, own))
                self._keys.append(whole.hexdigest()[:32])
            self._last = last
        return self._keys

    def job(self, place: int) -> Job:
        """The job whose key stands at a place of `keys`."""
        claim, cell, (first, own) = self._claim, self._cell, self._spans[place]
        common = (claim.path, cell.name, cell.stream, claim.trial, dict(cell.parameters), first, own)
        return Job(*common, self._batched, self._names, self._curves, claim.threads, self._keys[place])


def jobs(claim: Claim, cell: Cell, base_seed: int, last: int) -> list[Job]:
    """The jobs that give a cell its first `last` replicates, in seed order."""
    made = CellJobs(claim, cell, base_seed)
    return [made.job(place) for place in range(len(made.keys(last)))]


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
