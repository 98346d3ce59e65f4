"""What each part of a criterion shows at each look, and how the parts combine.

The p-values of a leaf are Bonferroni-corrected for its planned looks and minimised over those made, which is valid at
each look whatever the dependence between them; `all` and `any` combine leaves (intersection-union and its mirror;
Berger 1982). Every array may carry leading axes, so that simulated conditions are judged by the same code as real ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from claims.statistics.criteria import Ceiling, Leaf, Outcomes, Tree, leaves
from claims.statistics.tests import Array, Bools, MeanSample, MedianSample, PropSample, Sample, by_look

MEDIAN_FROM = 16
"""First look of a sign test: 8 of 8 replicates cannot decide at the level of one look."""
POPULATION_LOOKS = (32,)
"""Resplits of one data set get one look: more of them would not narrow the interval."""
FUTILE_FROM, FUTILE_POWER = 32, 0.02
SATURATED_FROM, SATURATED_SHARE = 16, 0.5


class Step(NamedTuple):
    """A look reached: replicates planned, replicates used (not failed), and whether few enough failed to decide."""

    look: int
    used: int
    decides: bool


def leaf_looks(test: str, n: int, looks: Sequence[int], population: bool) -> tuple[int, ...]:
    """The planned looks of one leaf among those of a profile, increasing; empty where none serves.

    Medians start at 16; `identity` takes the first look with at least n replicates; resplits of one data set have 32
    only.
    """
    if population:
        return POPULATION_LOOKS
    if test == "exact":
        return tuple(sorted(look for look in looks if look >= n)[:1])
    return tuple(sorted(look for look in looks if test != "median" or look >= MEDIAN_FROM))


@dataclass(frozen=True)
class Course:
    """What each leaf showed at each look reached; arrays of shape (..., looks, leaves), p-values cumulative."""

    looks: tuple[int, ...]
    ph: Array
    pf: Array
    hold_cp: Array
    fail_cp: Array
    estimate: Array
    low: Array
    high: Array
    sd: Array
    few: Bools
    saturated: Bools


@dataclass(frozen=True)
class Block:
    """The leaves of one test with their samples by look, all that p-values at any cut need.

    `active` is false where a look decides nothing for a leaf: it is not planned, too many replicates failed, or both
    arms stand at a bound.
    """

    test: str
    index: tuple[int, ...]
    sample: Sample
    planned: tuple[int, ...]
    active: Bools

    def p_values(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """`ph` and `pf` of regions (lo, hi) by look, corrected for looks and cumulative; shape (..., looks, leaves)."""
        below_lo, above_lo = self._both(lo)
        below_hi, above_hi = self._both(hi)
        ph = np.maximum(np.where(np.isfinite(lo), above_lo, 0.0), np.where(np.isfinite(hi), below_hi, 0.0))
        pf = np.minimum(np.where(np.isfinite(lo), below_lo, 1.0), np.where(np.isfinite(hi), above_hi, 1.0))
        return self._sequential(ph), self._sequential(pf)

    def _both(self, cut: Array) -> tuple[Array, Array]:
        """`below` and `above` at the cut; where it is infinite the caller ignores them."""
        finite = np.isfinite(cut)
        if not finite.any():
            return cut, cut
        inside = np.where(finite, cut, 0.5)
        return self.sample.below(inside), self.sample.above(inside)

    def _sequential(self, p: Array) -> Array:
        counted = np.where(self.active, np.minimum(1.0, len(self.planned) * p), 1.0)
        return np.minimum.accumulate(counted, axis=-2)

    def conditional_power(self, lo: Array, hi: Array, level: float, looks: Sequence[int]) -> tuple[Array, Array]:
        """Chance to hold and to fail at the last look, were the truth what is seen now; shape (..., looks, leaves)."""
        share = (np.array(looks) / self.planned[-1])[:, None]
        z = -special.ndtri(level / len(self.planned))

        def power(cut: Array, side: float) -> Array:
            expected = side * self.sample.statistic(np.where(np.isfinite(cut), cut, 0.5)) / np.sqrt(share)
            ahead = np.where(share < 1, np.sqrt(1 - share), 1.0)
            return np.where(share < 1, special.ndtr((expected - z) / ahead), np.where(expected > z, 1.0, 0.0))

        hold = np.minimum(np.where(np.isfinite(lo), power(lo, 1), 1.0), np.where(np.isfinite(hi), power(hi, -1), 1.0))
        fail = np.maximum(np.where(np.isfinite(lo), power(lo, -1), 0.0), np.where(np.isfinite(hi), power(hi, 1), 0.0))
        return hold, fail

    def columns(self, parts: Sequence[Leaf], reached: Sequence[Step], level: float) -> dict[str, Any]:
        """Everything a `Course` says of these leaves, by name; shape (..., looks, leaves)."""
        lo, hi = (np.array([getattr(parts[i], end) for i in self.index], dtype=float) for end in ("lo", "hi"))
        ph, pf = self.p_values(lo, hi)
        hold_cp, fail_cp = self.conditional_power(lo, hi, level, [step.look for step in reached])
        low, high = self.sample.interval(level / len(self.planned))
        shown = {"estimate": self.sample.estimate, "low": low, "high": high, "sd": self.sample.unit_sd}
        columns: dict[str, Any] = {"ph": ph, "pf": pf, "hold_cp": hold_cp, "fail_cp": fail_cp, **shown}
        return columns | ({"few": self.sample.few} if isinstance(self.sample, MeanSample) else {})


def sample_of(test: str, x: Array, overlap: float) -> Sample:
    """The sample of a test from scores of shape (..., n)."""
    if test == "mean":
        return MeanSample.of(x, overlap)
    return PropSample.of(x) if test == "prop" else MedianSample.of(x)


def blocks(
    parts: Sequence[Leaf],
    outcomes: Outcomes,
    reached: Sequence[Step],
    looks: Sequence[int],
    population: tuple[float, float] | None,
    withheld: Bools,
) -> list[Block]:
    """One block for each test among the leaves (without `exact`).

    Args:
        parts: The leaves of the criterion.
        outcomes: Finite outcomes of the replicates used.
        reached: The looks reached.
        looks: Planned looks of the profile.
        population: (n_train, n_test) where replicates resplit one data set.
        withheld: Where a leaf is saturated; shape (..., looks, leaves).
    """
    overlap = 0.0 if population is None else population[1] / population[0]
    made = []
    for test in ("mean", "prop", "median"):
        own = [leaf for leaf in parts if leaf.test == test]
        if own and reached:
            x = np.stack([leaf.score(outcomes) for leaf in own], axis=-2)
            planned = leaf_looks(test, 0, looks, population is not None)
            sample = by_look([sample_of(test, x[..., : step.used], overlap) for step in reached])
            index = tuple(leaf.index for leaf in own)
            active = np.array([[step.decides and step.look in planned] for step in reached])
            made.append(Block(test, index, sample, planned, active & ~withheld[..., list(index)]))
    return made


def course(
    node: Tree,
    outcomes: Outcomes,
    reached: Sequence[Step],
    looks: Sequence[int],
    level: float,
    population: tuple[float, float] | None = None,
) -> Course:
    """Everything about the leaves of `node` at the looks reached (at least one); arguments as in `blocks`.

    `level` is where the condition closes, and that of the intervals, shared out over the planned looks. Outcomes may
    carry leading axes, for many conditions of equal n at once.
    """
    parts = leaves(node)
    shape = (*parts[0].score(outcomes).shape[:-1], len(reached), len(parts))
    table: dict[str, Any] = {name: np.full(shape, np.nan) for name in TABLE}
    table["few"] = np.zeros(shape, dtype=bool)
    table["saturated"] = full = saturated_leaves(parts, outcomes, reached, shape)
    for leaf in parts:
        if leaf.test == "exact":
            _enter(table, [leaf.index], exact_course(leaf, outcomes, reached))
    for block in blocks(parts, outcomes, reached, looks, population, full):
        _enter(table, block.index, block.columns(parts, reached, level))
    return Course(looks=tuple(step.look for step in reached), **table)


TABLE = ("ph", "pf", "hold_cp", "fail_cp", "estimate", "low", "high", "sd")


def _enter(table: dict[str, Any], index: Sequence[int], columns: dict[str, Any]) -> None:
    for name, values in columns.items():
        table[name][..., list(index)] = values


def _at_looks(value: Callable[[int], Any], reached: Sequence[Step]) -> Any:
    return np.stack([value(step.used) for step in reached], axis=-1)


def saturated_leaves(
    parts: Sequence[Leaf], outcomes: Outcomes, reached: Sequence[Step], shape: tuple[int, ...]
) -> Bools:
    """Where leaves are saturated; `shape` is (..., looks, leaves)."""
    full = np.zeros(shape, dtype=bool)
    for leaf in parts:
        if leaf.ceiling is not None:
            full[..., leaf.index] = _at_looks(partial(saturated, leaf.ceiling, outcomes), reached)
    return full


def saturated(ceiling: Ceiling, outcomes: Outcomes, used: int) -> Bools:
    """Whether both arms stand at the same bound too often for a difference to show; shape (...).

    That is so in half of the replicates, where the bound is the better end or the room from the mean of b to the better
    end is less than the margin. Bounds not declared are taken for [0, 1] where all outcomes lie within, unless each is
    0 or 1 and some stand at the worse end: events are no measure that runs into its bounds.
    """
    a, b = outcomes[ceiling.a][..., :used], outcomes[ceiling.b][..., :used]
    worse, better = ceiling.ends if ceiling.better == "higher" else ceiling.ends[::-1]

    def stand_at(end: float) -> Bools:
        return np.asarray(((a == end) & (b == end)).mean(axis=-1) >= SATURATED_SHARE)

    full = stand_at(better) | (stand_at(worse) & (np.abs(better - b.mean(axis=-1)) < ceiling.margin))
    if ceiling.assumed:
        pair = np.stack([a, b])
        inside = ((pair >= 0) & (pair <= 1)).all(axis=(0, -1))
        events = ((pair == 0) | (pair == 1)).all(axis=(0, -1)) & (pair != better).any(axis=(0, -1))
        full = full & inside & ~events
    return np.asarray(full)


def exact_course(leaf: Leaf, outcomes: Outcomes, reached: Sequence[Step]) -> dict[str, Array]:
    """`identity` at each look: fails at the first violation, holds once n replicates agree, else is open.

    Columns of a `Course`, each of shape (..., looks, 1).
    """
    off = np.abs(leaf.score(outcomes))
    worst = _at_looks(lambda used: off[..., :used].max(axis=-1), reached)[..., None]
    violated = worst > leaf.hi
    agreed = np.array([[step.decides and step.look >= leaf.n] for step in reached]) & ~violated
    return {
        "ph": np.where(agreed, 0.0, 1.0),
        "pf": np.where(violated, 0.0, 1.0),
        "hold_cp": np.where(violated, 0.0, 1.0),
        "fail_cp": np.where(agreed, 0.0, 1.0),
        "estimate": worst,
    }


Rule = Callable[[list[Any]], Any]


def largest(parts: list[Any]) -> Any:
    """Elementwise maximum."""
    return np.max(parts, axis=0)


def smallest(parts: list[Any]) -> Any:
    """Elementwise minimum."""
    return np.min(parts, axis=0)


def smallest_corrected(parts: list[Any]) -> Any:
    """Elementwise minimum times the number of parts, at most 1 (Bonferroni)."""
    return np.minimum(1.0, len(parts) * np.min(parts, axis=0))


def fold(node: Tree, values: Any, for_all: Rule, for_any: Rule) -> Any:
    """Values of the leaves (last axis) combined over the tree; shape without the last axis."""
    if isinstance(node, Leaf):
        return np.asarray(values[..., node.index])
    rule = for_all if node.op == "all" else for_any
    return rule([fold(part, values, for_all, for_any) for part in node.parts])


def tree_p_values(node: Tree, ph: Array, pf: Array) -> tuple[Array, Array]:
    """P-values of the whole criterion from those of its leaves (last axis)."""
    return fold(node, ph, largest, smallest_corrected), fold(node, pf, smallest_corrected, largest)


def states(node: Tree, seen: Course, close: float, cap: int) -> tuple[Array, Array, Any]:
    """`ph`, `pf` and state of the whole criterion at each look; shape (..., looks).

    A condition closes as soon as it is decided at `close`, at 16 replicates if saturated, from 32 on if neither answer
    has a conditional power of 2 %, and at the cap.
    """
    ph, pf = tree_p_values(node, seen.ph, seen.pf)
    hold_cp, fail_cp = powers(node, seen)
    look = np.array(seen.looks)
    full = fold(node, seen.saturated, largest, smallest) & (look >= SATURATED_FROM)
    futile = (hold_cp < FUTILE_POWER) & (fail_cp < FUTILE_POWER) & (look >= FUTILE_FROM) & (look < cap)
    decided = np.minimum(ph, pf) <= close
    state = np.select(
        [decided, full, futile, np.broadcast_to(look >= cap, ph.shape)],
        ["decided", "saturated", "futile", "cap"],
        "open",
    )
    return ph, pf, state


def powers(node: Tree, seen: Course) -> tuple[Array, Array]:
    """Conditional powers to hold and to fail; shape (..., looks)."""
    return fold(node, seen.hold_cp, smallest, largest), fold(node, seen.fail_cp, largest, smallest)
