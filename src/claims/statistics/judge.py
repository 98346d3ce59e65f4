"""From the outcomes of one condition to its p-values, interval, state and reason.

Everything is a function of the replicates so far: judging the first n rows of a longer record gives what was seen at
that look.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claims.statistics.course import MEDIAN_FROM, Course, Step, course, leaf_looks, powers, states, tree_p_values
from claims.statistics.criteria import (
    Group,
    Leaf,
    Outcomes,
    Tree,
    curve_names,
    leaf_criteria,
    leaves,
    outcome_names,
    own_test,
    statistical,
    tree,
)
from claims.statistics.kinds import Criterion, complete
from claims.statistics.reasons import (
    DETERMINISTIC_BELOW,
    failing_reason,
    holding_reason,
    needed_replicates,
    undecided_reason,
)
from claims.statistics.tests import Array, Bools

FAILED_SHARE = 0.05
"""Above this share of failed replicates a look decides nothing."""


@dataclass(frozen=True)
class LeafResult:
    """One part of the criterion at the last look; the scale "ratio" is shown exponentiated.

    `estimate`, `low` and `high` are in the unit of the score, positive in the direction of the claim where it has one;
    (`lower`, `upper`) is the region of support. `ph` and `pf` are sequential: small where the part holds, or fails.
    `d_z` is mean / sd, `win_rate` the share of positive scores (ties half), `median` the median score; NaN where
    undefined.
    """

    name: str
    kind: str
    estimate: float
    low: float
    high: float
    lower: float
    upper: float
    ph: float
    pf: float
    d_z: float
    win_rate: float
    median: float
    scale: str


@dataclass(frozen=True)
class Look:
    """What was seen of the deciding part after n planned replicates; p-values cumulative."""

    n: int
    estimate: float
    low: float
    high: float
    ph: float
    pf: float


@dataclass(frozen=True)
class Standing:
    """P-values and state of the whole criterion after `look` planned replicates."""

    look: int
    ph: float
    pf: float
    state: str


@dataclass(frozen=True)
class Judgement:
    """One condition or control.

    `n` counts the replicates used, `failed` those dropped. `estimate`, `low`, `high` belong to the deciding part; `ph`
    and `pf` to the whole criterion. `state` is open, decided, saturated, broken, futile or cap. `no_variation` marks a
    mean test in which too few replicates differed. `hold_cp` and `fail_cp` are conditional powers under the current
    trend; `needed_n` is about how many replicates would decide (NaN where that is no question). `standings` are what
    judging at the looks so far gives, in their order; the last one only where a replicate failed or disagreed.
    """

    n: int
    failed: int
    estimate: float
    low: float
    high: float
    leaves: tuple[LeafResult, ...]
    looks: tuple[Look, ...]
    ph: float
    pf: float
    state: str
    no_variation: bool
    reason: str
    hold_cp: float
    fail_cp: float
    needed_n: float
    standings: tuple[Standing, ...]


def planned_looks(criterion: Criterion, looks: Sequence[int], *, population: bool = False) -> tuple[int, ...]:
    """The looks of a profile, increasing, restricted to what the criterion allows; for mixed criteria their union.

    `identity` alone has one look at n; beside a tested criterion it is judged at the first look of n or more. Planning
    from planned looks changes nothing.

    Raises:
        ValueError: No look is left, or a criterion other than a mean is to be judged on resplits of one data set.
    """
    simple = list(leaf_criteria(complete(criterion)))
    if not population and not statistical(criterion):
        return (max(one["n"] for one in simple),)
    union: set[int] = set()
    for one in simple:
        test = own_test(one)
        if population and test != "mean":
            raise ValueError(f"real: population allows tests of means only, got {one['kind']} ({test}); say this_data")
        own = leaf_looks(test, one.get("n", 0), looks, population)
        if not own:
            need = f"looks: {one['kind']} ({test}) needs one from {one.get('n', MEDIAN_FROM)} on"
            raise ValueError(f"{need}, got {tuple(looks)}; raise max_replicates or take a larger profile")
        union |= set(own)
    return tuple(sorted(union))


def judge(
    criterion: Criterion,
    outcomes: Mapping[str, Any],
    *,
    looks: Sequence[int],
    alpha: float,
    close: float,
    population: tuple[float, float] | None = None,
) -> Judgement:
    """What the replicates so far say about one condition.

    Args:
        criterion: As in the claim file.
        outcomes: By name, shape (n,), or (n, points) for curves; row i is replicate i in the order of seeds, all NaN
            where the replicate failed. A replicate with any needed value that is not finite is dropped whole. Rows
            beyond the last look reached are not used.
        looks: Planned looks of the profile, increasing; those beyond n lie in the future.
        alpha: Level of the claim, for the violation rate that an `identity` leaves open.
        close: Level at which `ph` or `pf` closes the condition (alpha / conditions), and of the interval on each side.
        population: (n_train, n_test) where replicates resplit one data set: one look at 32, tests of means only, with
            the variance of Nadeau and Bengio (2003).

    Raises:
        ValueError: The criterion is wrong, an outcome is missing or has another shape, or the test is not allowed.
    """
    criterion = complete(criterion)
    record = recorded(criterion, outcomes, looks, population)
    if not record.steps:
        return nothing_seen(record)
    seen = course(record.node, record.data, record.steps, looks, close, population)
    ph, pf, state = states(record.node, seen, close, record.planned[-1])
    broken = broken_reason(record, decided=state[-1] == "decided")
    if broken:
        return _judgement(record, seen, [Standing(record.rows, 1.0, 1.0, "broken")], broken, math.nan)
    standings = list(map(Standing, seen.looks, ph.tolist(), pf.tolist(), state.tolist()))
    final, needed = standings[-1], math.nan
    if final.state == "decided":
        told = (
            failing_reason(record.node, record.parts, seen)
            if final.pf <= close
            else holding_reason(record.parts, alpha)
        )
    else:
        main = record.parts[deciding(record.node, seen.ph[-1], seen.pf[-1])]
        own = leaf_looks(main.test, main.n, looks, population is not None)
        needed = needed_replicates(main, seen, close / max(len(own), 1))
        few = bool(seen.few[-1, main.index])
        told = undecided_reason(final.state, main, record.steps[-1], record.planned[-1], record.failed, needed, few)
    # What broke a look before this one is known only where nothing could have.
    return _judgement(record, seen, standings if not record.failed else standings[-1:], told, needed)


# The record --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """The usable replicates of one condition: `data` without the `failed` ones among the first `rows`."""

    node: Tree
    parts: tuple[Leaf, ...]
    planned: tuple[int, ...]
    data: Outcomes
    rows: int
    failed: int
    steps: tuple[Step, ...]


def recorded(
    criterion: Criterion, outcomes: Mapping[str, Any], looks: Sequence[int], population: tuple[float, float] | None
) -> Record:
    """The replicates up to the last look reached; arguments and errors as in `judge`."""
    planned = planned_looks(criterion, looks, population=population is not None)
    data = _arrays(criterion, outcomes)
    node = tree(criterion, {name: data[name].shape[1] for name in curve_names(criterion)})
    parts = leaves(node)
    ok = usable(parts, data)
    marks = [look for look in planned if look <= ok.size]
    if ok.size < planned[-1] and all(leaf.test == "exact" for leaf in parts):
        marks = [ok.size] if ok.size else []
    rows = marks[-1] if marks else ok.size
    steps = [Step(n, int(ok[:n].sum()), bool((~ok[:n]).mean() <= FAILED_SHARE)) for n in marks]
    kept = {name: values[:rows][ok[:rows]] for name, values in data.items()}
    _check_shares(parts, kept)
    used = tuple(step for step in steps if step.used > 0)
    return Record(node, parts, planned, kept, rows, rows - int(ok[:rows].sum()), used)


def _arrays(criterion: Criterion, outcomes: Mapping[str, Any]) -> dict[str, Array]:
    curves = curve_names(criterion)
    data: dict[str, Array] = {}
    for name in sorted(outcome_names(criterion)):
        if name not in outcomes:
            raise ValueError(
                f"outcome {name!r} is needed by the criterion, got {sorted(outcomes)}; return it from the trial"
            )
        data[name] = np.asarray(outcomes[name], dtype=float)
        if data[name].ndim != 1 + (name in curves):
            shape = "a list of numbers, one for each x" if name in curves else "one number"
            raise ValueError(
                f"outcome {name!r} must be {shape} per replicate, got shape {data[name].shape}; mend the trial"
            )
    if len({values.shape[0] for values in data.values()}) > 1:
        sizes = {name: values.shape[0] for name, values in data.items()}
        raise ValueError(f"outcomes must have one row per replicate, got {sizes}; fill failed replicates with NaN")
    return data


def usable(parts: Sequence[Leaf], data: Outcomes) -> Bools:
    """Replicates in which every needed outcome and every score is finite (a ratio needs positive outcomes)."""
    scores = [leaf.score(data) for leaf in parts]
    curves = [values.all(axis=tuple(range(1, values.ndim))) for values in map(np.isfinite, data.values())]
    return np.asarray(np.isfinite(scores).all(axis=0) & np.all(curves, axis=0))


def _check_shares(parts: Sequence[Leaf], kept: Outcomes) -> None:
    for leaf in parts:
        if leaf.kind == "rate" and not np.isin(leaf.score(kept), (0.0, 1.0)).all():
            odd = next(v for v in leaf.score(kept) if v not in (0.0, 1.0))
            raise ValueError(
                f"outcome {leaf.name!r} is an event and must be 0 or 1, got {odd:g}; use `level` for shares"
            )


# State and reason --------------------------------------------------------------------------------------------------


def inconsistent(record: Record) -> bool:
    """Whether an `identity` declared deterministic is violated by replicates that do not agree with each other."""
    for leaf in record.parts:
        if leaf.test == "exact" and leaf.n < DETERMINISTIC_BELOW:
            off = leaf.score(record.data)
            if off.size and np.abs(off).max() > leaf.hi and np.ptp(off) > leaf.hi:
                return True
    return False


def broken_reason(record: Record, *, decided: bool = False) -> str:
    """Why the trial cannot be judged, empty where it can.

    A declaration as deterministic that is false spoils everything; failures, too many to decide at the cap or nothing
    else, do not undo what was decided before.
    """
    if inconsistent(record):
        return "declared deterministic, but its replicates differ; where inputs are random use n: 32"
    nothing = record.failed == record.rows >= record.planned[0]
    if not decided and (nothing or record.failed > FAILED_SHARE * record.planned[-1]):
        return f"{record.failed} of {record.rows} replicates failed"
    return ""


def nothing_seen(record: Record) -> Judgement:
    """The judgement before the first look, or where every replicate failed."""
    broken = broken_reason(record)
    count = record.rows - record.failed
    reason = broken or f"{count} of {record.planned[0]} replicates before the first look"
    results = tuple(
        LeafResult(
            leaf.name, leaf.kind, math.nan, -math.inf, math.inf, *region(leaf), 1.0, 1.0, *(math.nan,) * 3, leaf.scale
        )
        for leaf in record.parts
    )
    state = "broken" if broken else "open"
    return Judgement(
        n=count, failed=record.failed, estimate=math.nan, low=-math.inf, high=math.inf, leaves=results, looks=(),
        ph=1.0, pf=1.0, state=state, no_variation=False, reason=reason, hold_cp=1.0, fail_cp=1.0, needed_n=math.nan,
        standings=(Standing(record.rows, 1.0, 1.0, state),),
    )  # fmt: skip


def deciding(node: Tree, ph: Array, pf: Array) -> int:
    """Index of the leaf on which the answer hangs: of ALL the one farthest from holding, of ANY the nearest to it."""
    if isinstance(node, Leaf):
        return node.index
    sign = 1 if node.op == "all" else -1
    pairs = [tree_p_values(part, ph, pf) for part in node.parts]
    ranks = [(sign * float(hold), -sign * float(fail)) for hold, fail in pairs]
    return deciding(node.parts[ranks.index(max(ranks))], ph, pf)


def speaking(node: Tree, ph: Array, pf: Array) -> int:
    """Index of the leaf whose effect is shown: the deciding one, but the total of a trend."""
    return leaves(node)[0].index if isinstance(node, Group) and node.kind == "trend" else deciding(node, ph, pf)


def _judgement(record: Record, seen: Course, standings: Sequence[Standing], reason: str, needed: float) -> Judgement:
    results = tuple(leaf_result(leaf, seen, record.data) for leaf in record.parts)
    main = record.parts[speaking(record.node, seen.ph[-1], seen.pf[-1])]
    hold_cp, fail_cp = (float(power[-1]) for power in powers(record.node, seen))
    first = results[main.index]
    return Judgement(
        n=record.rows - record.failed,
        failed=record.failed,
        estimate=first.estimate,
        low=first.low,
        high=first.high,
        leaves=results,
        looks=tuple(look_of(main, seen, j) for j in range(len(seen.looks))),
        ph=standings[-1].ph,
        pf=standings[-1].pf,
        state=standings[-1].state,
        no_variation=bool(seen.few[-1].any()),
        reason=reason,
        hold_cp=hold_cp,
        fail_cp=fail_cp,
        needed_n=needed,
        standings=tuple(standings),
    )


def look_of(leaf: Leaf, seen: Course, j: int) -> Look:
    """One look of one leaf on its natural scale."""
    estimate, low, high = (natural(leaf, values[j, leaf.index]) for values in (seen.estimate, seen.low, seen.high))
    return Look(seen.looks[j], estimate, low, high, float(seen.ph[j, leaf.index]), float(seen.pf[j, leaf.index]))


def leaf_result(leaf: Leaf, seen: Course, data: Outcomes) -> LeafResult:
    """One leaf at the last look on its natural scale."""
    look = look_of(leaf, seen, -1)
    d_z = win_rate = median = math.nan
    x = leaf.score(data)
    if leaf.scale in ("difference", "ratio") and leaf.test != "exact":
        spread = float(x.std(ddof=1)) if x.size > 1 else 0.0
        d_z = float(x.mean()) / spread if spread > 0 else math.nan
        win_rate = float(np.mean((x > 0) + 0.5 * (x == 0)))
    if leaf.kind == "winrate":
        win_rate = look.estimate
    if leaf.test in ("mean", "median"):
        median = natural(leaf, np.median(x))
    ends = (look.estimate, look.low, look.high, *region(leaf))
    return LeafResult(leaf.name, leaf.kind, *ends, look.ph, look.pf, d_z, win_rate, median, leaf.scale)


def natural(leaf: Leaf, value: Any) -> float:
    """A score on the scale that people read: ratios instead of their logarithms."""
    return float(np.exp(value)) if leaf.scale == "ratio" else float(value)


def region(leaf: Leaf) -> tuple[float, float]:
    """Region of support on the natural scale; an end without a cut is infinite on any scale."""
    if leaf.test == "exact":
        return 0.0, float(leaf.hi)
    lower, upper = (natural(leaf, end) if math.isfinite(end) else float(end) for end in (leaf.lo, leaf.hi))
    return lower, upper
