"""What each part of a criterion shows at each look, and how the parts combine.

The p-values of a leaf are Bonferroni-corrected for its planned looks and minimised over those made, which is valid at
each look whatever the dependence between them; `all` and `any` combine leaves (intersection-union and its mirror, Berger
1982). Every array may carry leading axes, so that simulated conditions are judged by the same code as real ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """The planned looks of one leaf: n for `identity`, from 16 for medians, 32 alone where one data set is resplit."""
    if test == "exact":
        return (n,)
    if population:
        return POPULATION_LOOKS
    return tuple(look for look in looks if test != "median" or look >= MEDIAN_FROM)


# P-values by look --------------------------------------------------------------------------------------------------


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
    """The leaves of one test with their samples by look, all that p-values at any cut need."""

    test: str
    index: tuple[int, ...]
    sample: Sample
    planned: tuple[int, ...]
    active: Bools

    def p_values(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """Per look and leaf, corrected for looks but not minimised over them; shape (..., looks, leaves)."""
        below_lo, above_lo = self._at(lo)
        below_hi, above_hi = self._at(hi)
        ph = np.maximum(np.where(np.isfinite(lo), above_lo, 0.0), np.where(np.isfinite(hi), below_hi, 0.0))
        pf = np.minimum(np.where(np.isfinite(lo), below_lo, 1.0), np.where(np.isfinite(hi), above_hi, 1.0))
        k = len(self.planned)
        return (
            np.where(self.active, np.minimum(1.0, k * ph), 1.0),
            np.where(self.active, np.minimum(1.0, k * pf), 1.0),
        )

    def _at(self, cut: Array) -> tuple[Array, Array]:
        """`below` and `above` at the cut; where it is infinite the caller ignores them."""
        finite = np.isfinite(cut)
        if not finite.any():
            return np.ones(1), np.ones(1)
        inside = np.where(finite, cut, 0.5)
        return self.sample.below(inside), self.sample.above(inside)

    def conditional_power(self, lo: Array, hi: Array, level: float, looks: Sequence[int]) -> tuple[Array, Array]:
        """Chance to hold and to fail at the last look, were the truth what is seen now; shape (..., looks, leaves)."""
        share = np.minimum(np.array(looks) / self.planned[-1], 1.0)[:, None]
        z = -special.ndtri(level / len(self.planned))

        def power(statistic: Array) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                chance = special.ndtr((statistic / np.sqrt(share) - z) / np.sqrt(1 - share))
            return np.where(share < 1, chance, (statistic > z) * 1.0)

        inside_lo, inside_hi = (np.where(np.isfinite(cut), cut, 0.5) for cut in (lo, hi))
        over, under = self.sample.statistic(inside_lo), self.sample.statistic(inside_hi)
        hold = np.minimum(np.where(np.isfinite(lo), power(over), 1.0), np.where(np.isfinite(hi), power(-under), 1.0))
        fail = np.maximum(np.where(np.isfinite(lo), power(-over), 0.0), np.where(np.isfinite(hi), power(under), 0.0))
        return hold, fail


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
) -> list[Block]:
    """One block for each test among the leaves (without `exact`).

    Args:
        parts: The leaves of the criterion.
        outcomes: Finite outcomes of the replicates used.
        reached: The looks reached.
        looks: Planned looks of the profile.
        population: (n_train, n_test) where replicates resplit one data set.
    """
    overlap = 0.0 if population is None else population[1] / population[0]
    made = []
    for test in ("mean", "prop", "median"):
        own = [leaf for leaf in parts if leaf.test == test]
        if own and reached:
            x = np.stack([leaf.score(outcomes) for leaf in own], axis=-2)
            planned = leaf_looks(test, 0, looks, population is not None)
            sample = by_look([sample_of(test, x[..., : step.used], overlap) for step in reached])
            active = np.array([[step.decides and step.look in planned] for step in reached])
            made.append(Block(test, tuple(leaf.index for leaf in own), sample, planned, active))
    return made


def course(
    node: Tree,
    outcomes: Outcomes,
    reached: Sequence[Step],
    looks: Sequence[int],
    level: float,
    population: tuple[float, float] | None = None,
    interval_level: float | None = None,
) -> Course:
    """Everything about the leaves of `node` at the looks reached (at least one); arguments as in `blocks`.

    `level` is where the condition closes; intervals are those of `interval_level` (default `level`), both shared out
    over the planned looks. Outcomes may carry leading axes, for many conditions of equal n at once.
    """
    parts = leaves(node)
    batch = next(iter(parts)).score(outcomes).shape[:-1]
    shape = (*batch, len(reached), len(parts))
    made = {
        name: np.full(shape, np.nan) for name in ("ph", "pf", "hold_cp", "fail_cp", "estimate", "low", "high", "sd")
    }
    few = np.zeros(shape, dtype=bool)
    full = np.zeros(shape, dtype=bool)
    for leaf in parts:
        if leaf.ceiling is not None:
            full[..., leaf.index] = _at_looks(lambda used, c=leaf.ceiling: saturated(c, outcomes, used), reached)
        if leaf.test == "exact":
            for name, values in exact_course(leaf, outcomes, reached).items():
                made[name][..., leaf.index] = values
    for block in blocks(parts, outcomes, reached, looks, population):
        own = [parts[i] for i in block.index]
        lo, hi = np.array([leaf.lo for leaf in own], dtype=float), np.array([leaf.hi for leaf in own], dtype=float)
        index = list(block.index)
        ph, pf = block.p_values(lo, hi)
        made["ph"][..., index] = np.where(full[..., index], 1.0, ph)
        made["pf"][..., index] = np.where(full[..., index], 1.0, pf)
        made["hold_cp"][..., index], made["fail_cp"][..., index] = block.conditional_power(
            lo, hi, level, [step.look for step in reached]
        )
        share = np.asarray((interval_level or level) / len(block.planned))
        made["low"][..., index], made["high"][..., index] = block.sample.interval(share)
        made["estimate"][..., index], made["sd"][..., index] = block.sample.estimate, block.sample.unit_sd
        if isinstance(block.sample, MeanSample):
            few[..., index] = block.sample.few
    for name in ("ph", "pf"):
        tested = [leaf.index for leaf in parts if leaf.test != "exact"]
        made[name][..., tested] = np.minimum.accumulate(made[name][..., tested], axis=-2)
    return Course(looks=tuple(step.look for step in reached), few=few, saturated=full, **made)


def _at_looks(value: Callable[[int], Array], reached: Sequence[Step]) -> Array:
    return np.stack([value(step.used) for step in reached], axis=-1)


def saturated(ceiling: Ceiling, outcomes: Outcomes, used: int) -> Bools:
    """Whether both arms stand at the same bound too often for a difference to show; shape (...).

    That is so in half of the replicates, where the bound is the better end or the room left above (below) the mean of b
    is less than the margin. Bounds not declared are taken for [0, 1] where all outcomes lie within and not all are 0 or
    1: events are no measure that runs into its end.
    """
    a, b = outcomes[ceiling.a][..., :used], outcomes[ceiling.b][..., :used]
    low, high = ceiling.ends
    better = high if ceiling.better == "higher" else low
    both = np.stack([((a == end) & (b == end)).mean(axis=-1) for end in (low, high)])
    at_better = ((a == better) & (b == better)).mean(axis=-1) >= SATURATED_SHARE
    no_room = (both.max(axis=0) >= SATURATED_SHARE) & (np.abs(better - b.mean(axis=-1)) < ceiling.margin)
    full = at_better | no_room
    if ceiling.assumed:
        pair = np.stack([a, b])
        inside = ((pair >= 0) & (pair <= 1)).all(axis=(0, -1))
        events = ((pair == 0) | (pair == 1)).all(axis=(0, -1))
        full = full & inside & ~events
    return np.asarray(full)


def exact_course(leaf: Leaf, outcomes: Outcomes, reached: Sequence[Step]) -> dict[str, Array]:
    """`identity` at each look: fails at the first violation, holds once n replicates agree, else is open."""
    off = np.abs(leaf.score(outcomes))
    worst = _at_looks(lambda used: off[..., :used].max(axis=-1), reached)
    violated = worst > leaf.hi
    agreed = np.array([step.decides and step.look >= leaf.n for step in reached]) & ~violated
    return {
        "ph": np.where(agreed, 0.0, 1.0),
        "pf": np.where(violated, 0.0, 1.0),
        "hold_cp": np.where(violated, 0.0, 1.0),
        "fail_cp": np.where(agreed, 0.0, 1.0),
        "estimate": worst,
    }


Rule = Callable[[list[Array]], Array]


def largest(parts: list[Array]) -> Array:
    """Elementwise maximum."""
    return np.max(parts, axis=0)


def smallest(parts: list[Array]) -> Array:
    """Elementwise minimum."""
    return np.min(parts, axis=0)


def smallest_corrected(parts: list[Array]) -> Array:
    """Elementwise minimum times the number of parts, at most 1 (Bonferroni)."""
    return np.minimum(1.0, len(parts) * np.min(parts, axis=0))


def fold(node: Tree, values: Array, for_all: Rule, for_any: Rule) -> Array:
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
