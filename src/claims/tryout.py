"""Two replicates of every condition and control: does a trial keep the rules, what will it cost, what would it see?

The seeds are of a stream of their own, so that nothing here is evidence.
"""

import math
import pickle
import random
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from claims import plan, statistics, worker
from claims.errors import ClaimsError
from claims.fingerprint import call, load_trial
from claims.job import Job, Result
from claims.runner import Settings, looks_of, outcome_arrays
from claims.schema import Claim
from claims.statistics.criteria import leaf_criteria, leaves, tree

STREAM, SEEDS = 5, 2
ALIKE, STEPS = 1e-4, 20
"""Relative difference that a batched trial's neighbours may make over so many steps of training (`n_steps`): they
change the order of rounding, and training magnifies that without end."""
TYPICAL = 32
"""Replicates that an ordinary condition takes."""


@dataclass(frozen=True)
class Tried:
    """A cell's two replicates: the results, and CPU seconds of a call with one seed and of each further seed in it."""

    cell: plan.Cell
    results: Sequence[Result]
    first: float
    further: float


def report(claim: Claim, settings: Settings) -> str:
    """What the claim's trial will cost and would see, in a sentence.

    Raises:
        ClaimsError: The trial breaks a rule; one line per fault of the first condition or control that shows one.
    """
    load_trial(claim.trial)  # what an import does to the global random state is not the trial's doing
    with _kept_states():
        tried = [_tried(claim, cell, settings.base_seed) for cell in plan.cells(claim)]
    looks = _looks(claim, settings)
    typical = min(max(TYPICAL, looks[0]), looks[-1])
    cost, most = (f"{float(f'{sum(_seconds(one, n) for one in tried):.1g}'):g}" for n in (typical, looks[-1]))
    told = f"about {cost} CPU seconds with {typical} replicates of each of {len(tried)} conditions and controls"
    told += f", at most {most} with {looks[-1]}" if looks[-1] > typical else ""
    return f"{claim.path}: {told}; {_power(claim, tried, looks, settings.alpha)}"


def _looks(claim: Claim, settings: Settings) -> tuple[int, ...]:
    return statistics.planned_looks(claim.criterion, looks_of(claim, settings))


def _seconds(one: Tried, replicates: int) -> float:
    calls = len(plan.blocks(replicates)) if one.results[0].count > 1 else replicates
    return calls * one.first + (replicates - calls) * one.further


# The rules ---------------------------------------------------------------------------------------------------------


def _tried(claim: Claim, cell: plan.Cell, base_seed: int) -> Tried:
    """Runs a cell twice with the same seeds, a batched one also seed by seed."""
    jobs = plan.jobs(claim, replace(cell, stream=STREAM), base_seed, SEEDS)
    _seed_global_states(0)
    before = _global_states()
    results = _run(jobs)
    told, after = list(_bad(jobs, results)), _global_states()
    _seed_global_states(1)
    again = _run(jobs)
    if not claim.timed and any(str(a.outcomes) != str(b.outcomes) for a, b in zip(results, again, strict=True)):
        told.append("the same seed gave other outcomes; draw everything from the seed, nothing from a global generator")
    # Drawing from a global generator without effect is not the trial's to avoid: scikit-learn's SVR always does.
    if any(after[name] == state != before.get(name, state) for name, state in _global_states().items()):
        told.append("seeds a global generator; give every generator, splitter and estimator a seed of its own")
    told += _neighbours(jobs[0]) if jobs[0].batched and not told else []
    if told:
        raise ClaimsError("\n".join(f"{claim.path}: {cell.name}: {fault}" for fault in told))
    cost = min(sum(r.cpu for r in some) for some in (results, again))
    if not jobs[0].batched:
        return Tried(cell, results, cost / len(jobs), 0.0)
    single = _run([replace(jobs[0], seeds=jobs[0].seeds[:1])])[0].cpu
    return Tried(cell, results, single, max(0.0, cost - single))


def _run(jobs: Sequence[Job]) -> list[Result]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a worker process
        return worker.run(jobs)


def _global_states() -> dict[str, bytes]:
    """The states of the generators that belong to nobody."""
    torch = sys.modules.get("torch")
    found = {"random": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002 - it is what is looked at
    return {name: pickle.dumps(state) for name, state in found.items()} | (
        {"torch": torch.get_rng_state().numpy().tobytes()} if torch else {}
    )


def _seed_global_states(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the same
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@contextmanager
def _kept_states() -> Iterator[None]:
    kept, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - the same
    torch = sys.modules.get("torch")
    torchs = torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        random.setstate(kept)
        np.random.set_state(numpys)  # noqa: NPY002 - the same
        if torch:
            torch.set_rng_state(torchs)


def _bad(jobs: Sequence[Job], results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.status != "ok":
            yield f"{result.error.removeprefix('BadOutcomeError: ')}; mend it"
            return
        for name in jobs[0].outcomes:
            if not np.isfinite(result.outcomes[name]).all():
                yield f"{name}: must be finite, got {result.outcomes[name]}; mend it"
                return


def _neighbours(job: Job) -> Iterator[str]:
    if "n_steps" in call(job.trial).takes:
        job = replace(job, parameters={**job.parameters, "n_steps": STEPS})
    whole, *alone = _run([job, *(replace(job, seeds=(seed,)) for seed in job.seeds)])
    for name in job.outcomes if all(r.status == "ok" for r in (whole, *alone)) else ():
        apart = [result.outcomes[name][0] for result in alone]
        if not np.allclose(whole.outcomes[name], apart, rtol=ALIKE, atol=1e-12):
            yield f"{name}: other for {SEEDS} seeds at once than one at a time; draw for each seed on its own"


# Power -------------------------------------------------------------------------------------------------------------


def _power(claim: Claim, tried: Iterable[Tried], looks: Sequence[int], alpha: float) -> str:
    """The effect beyond the margin that all replicates would show in four of five runs, for each part of the criterion.

    The normal approximation at the level of one look of one condition; the spread is that of the replicates at hand.
    """
    conditions = [one for one in tried if one.cell.role == "condition"]
    reach = stats.norm.isf(alpha / len(conditions) / len(looks)) + stats.norm.ppf(0.8)
    seen = [_seen(part, conditions, reach / math.sqrt(looks[-1])) for part in leaf_criteria(plan.criterion(claim))]
    told = [text for text in seen if text]
    if not told:
        return "its criterion is exact: one violation decides"
    spread = f"as far as {SEEDS} replicates of {len(conditions)} conditions tell"
    return f"with {looks[-1]} replicates it would see {' and '.join(told)} beyond the margin ({spread})"


def out_of_reach(claim: Claim, settings: Settings) -> Iterator[str]:
    """Shares too near 0 or 1 to be shown by agreeing replicates at the level of the verdict; exact binomial."""
    looks, count = looks_of(claim, settings), len(claim.conditions)
    level = settings.alpha / (count - statistics.conditions_needed(claim.quantifier, count) + 1)
    largest = (level / len(looks)) ** (1 / looks[-1])
    for part in leaf_criteria(plan.criterion(claim)):
        key, value = next(((key, part[key]) for key in ("above", "below") if key in part), ("", 0.0))
        if key and (value if key == "above" else 1 - value) > largest:
            most = math.floor(largest * 1e4) / 1e4 if key == "above" else math.ceil((1 - largest) * 1e4) / 1e4
            yield (
                f"{claim.path}: criterion.{key}: must be at {'most' if key == 'above' else 'least'} {most:g}, which "
                f"{looks[-1]} agreeing replicates can show (exact binomial, {len(looks)} looks, level {level:.2g} "
                f"of a condition), got {value:g}; write a share in reach"
                + (", or raise max_replicates" if claim.max_replicates else "")
            )


def _seen(part: Mapping[str, Any], conditions: Sequence[Tried], reach: float) -> str:
    if part["kind"] == "identity":
        return ""
    outcomes = [outcome_arrays(one.results, frozenset()) for one in conditions]
    points = {name: outcomes[0][name].shape[1] for name in statistics.curve_names(part)}
    found = leaves(tree(part, points))
    if found[0].test == "prop":
        return f"a share of {reach / 2:.2g}"  # where the spread of a share is largest
    with np.errstate(invalid="ignore"):
        spread = max(math.sqrt(np.nanmean([np.var(leaf.score(one), ddof=1) for one in outcomes])) for leaf in found)
    amount = reach * spread * (math.sqrt(math.pi / 2) if found[0].test == "median" else 1.0)
    if found[0].scale == "ratio":
        return f"a factor of {1 + float(f'{math.expm1(amount):.2g}'):g} ({found[0].name})"
    return f"an effect of {amount:.2g} ({found[0].name})"
