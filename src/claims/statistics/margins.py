"""How far each margin of a criterion could be moved before the same replicates gave another verdict."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from claims.statistics.controls import behaves
from claims.statistics.course import Block, blocks, saturated_leaves, tree_p_values
from claims.statistics.criteria import curve_names, leaves, tree
from claims.statistics.judge import Judgement, judge, recorded
from claims.statistics.kinds import Criterion, complete, floor
from claims.statistics.tests import Array
from claims.statistics.verdict import verdict


@dataclass(frozen=True)
class Knob:
    """A number of a criterion that says how large is large enough, where it stands, and within what it may lie.

    `end` is "margin", or "lower" and "upper" for the ends of a two-sided range; `path` leads to it by keys and places.
    """

    kind: str
    outcomes: tuple[str, ...]
    end: str
    path: tuple[str | int, ...]
    declared: float
    least: float
    most: float


def knobs(criterion: Criterion, path: tuple[str | int, ...] = ()) -> Iterator[Knob]:
    """The margins of a completed criterion that stands at `path`, from left to right; `identity` has none."""
    for word in ("all", "any"):
        for i, part in enumerate(criterion.get(word, ())):
            yield from knobs(part, (*path, word, i))
    if "kind" not in criterion:
        return
    named = [criterion[key] for key in ("a", "b", "outcome", "event") if key in criterion]
    common = criterion["kind"], (*named, *criterion.get("rivals", ()))
    for key, most in (("margin", math.inf), ("above", 1.0), ("below", 1.0)):
        if key in criterion:
            yield Knob(*common, "margin", (*path, key), criterion[key], 0.0, most)
    least = floor(criterion)
    low, high = criterion.get("range", (least, math.inf))
    both = low > least and high < math.inf
    if low > least:
        yield Knob(*common, "lower" if both else "margin", (*path, "range", 0), low, least, high)
    if high < math.inf:
        yield Knob(*common, "upper" if both else "margin", (*path, "range", 1), high, low, math.inf)


def turned(criterion: Any, path: Sequence[str | int], number: Any) -> Any:
    """The criterion with another number, or an array of them, at `path`."""
    if not path:
        return number
    key, *rest = path
    if isinstance(criterion, Mapping):
        return {**criterion, key: turned(criterion[key], rest, number)}
    return [turned(part, rest, number) if i == key else part for i, part in enumerate(criterion)]


@dataclass(frozen=True)
class Series:
    """The replicates of a condition or control: `outcomes`, `looks` and `population` as `judge` gets them.

    `duty` is what is asked of a control, see `controls.behaves`.
    """

    outcomes: Mapping[str, Any]
    looks: Sequence[int]
    population: tuple[float, float] | None = None
    duty: str = ""


@dataclass(frozen=True)
class Kept:
    """A condition or control as it was judged, and the samples with which its p-values are found at other margins.

    `p` are `ph` and `pf` of the leaves at the last look, shape (2, leaves); `points` are those of its curves.
    """

    judgement: Judgement
    duty: str
    points: Mapping[str, int]
    p: Array
    tests: Sequence[Block]

    @classmethod
    def of(cls, criterion: Criterion, one: Series, alpha: float, close: float) -> "Kept":
        """Without samples, and with nothing shown, where nothing is known or the trial is broken."""
        found = judge(
            criterion, one.outcomes, looks=one.looks, alpha=alpha, close=close, population=one.population
        )  # fmt: skip
        points = {name: np.shape(one.outcomes[name])[1] for name in curve_names(criterion)}
        p = np.array([[leaf.ph for leaf in found.leaves], [leaf.pf for leaf in found.leaves]])
        record = recorded(criterion, one.outcomes, one.looks, one.population)
        if found.state == "broken" or not record.steps:
            return cls(found, one.duty, points, np.ones_like(p), ())
        withheld = saturated_leaves(record.parts, record.data, record.steps, (len(record.steps), len(record.parts)))
        tests = blocks(record.parts, record.data, record.steps, one.looks, one.population, withheld)
        return cls(found, one.duty, points, p, tests)

    def p_values(self, criterion: Criterion, width: int) -> Array:
        """`ph` and `pf` of a criterion in which one margin is an array of `width` numbers; shape (2, width)."""
        node = tree(criterion, self.points)
        parts = leaves(node)
        p = np.repeat(self.p[:, None], width, axis=1)
        for block in self.tests:
            lo, hi = (_cuts([getattr(parts[i], end) for i in block.index], width) for end in ("lo", "hi"))
            hold, fail = block.p_values(lo, hi)
            p[..., list(block.index)] = hold[:, -1], fail[:, -1]
        return np.stack(tree_p_values(node, *p))


def _cuts(ends: Sequence[Any], width: int) -> Array:
    """Ends of regions for `Block.p_values`; shape (margins, 1, leaves)."""
    return np.stack([np.broadcast_to(np.asarray(end, dtype=float), width) for end in ends], axis=1)[:, None]


@dataclass(frozen=True)
class MarginRange:
    """Lowest and highest value of one margin, the others as declared, that give the same verdict."""

    kind: str
    outcomes: tuple[str, ...]
    end: str
    declared: float
    low: float
    high: float


def sensitivity(
    criterion: Criterion,
    conditions: Mapping[str, Series],
    controls: Sequence[Series] = (),
    *,
    quantifier: str,
    alpha: float = 0.01,
) -> tuple[MarginRange, ...]:
    """For each margin of the criterion the range in which the same replicates give the same verdict.

    For `winrate` and `rate` the margin is `above` or `below`, for a range each end that it has. A control that would
    not behave any more makes the verdict another one, too. The declared value lies within; the ends are found to 1/1000
    of their distance from it, infinite where nothing changes. `tol` of a trend or an identity and the looks stay.

    Args:
        criterion: As in the claim file.
        conditions: By name.
        controls: Each with its duty.
        quantifier: Of the claim.
        alpha: Level of the claim.
    """
    criterion = complete(criterion)
    close = alpha / len(conditions)
    tried = {name: Kept.of(criterion, one, alpha, close) for name, one in conditions.items()}
    checks = [Kept.of(criterion, one, alpha, alpha) for one in controls]

    def found(knob: Knob) -> MarginRange:
        def verdicts(margins: Array) -> Callable[[int], str]:
            return verdicts_at(turned(criterion, knob.path, margins), margins.size, tried, checks, quantifier, alpha)

        ends = (farthest_same(verdicts, knob.declared, end) for end in (knob.least, knob.most))
        return MarginRange(knob.kind, knob.outcomes, knob.end, knob.declared, *ends)

    return tuple(map(found, knobs(criterion)))


def verdicts_at(
    criterion: Criterion,
    width: int,
    tried: Mapping[str, Kept],
    checks: Sequence[Kept],
    quantifier: str,
    alpha: float,
) -> Callable[[int], str]:
    """The verdict by place in the array of `width` margins that the criterion holds."""
    p, p_checks = (
        np.reshape([one.p_values(criterion, width) for one in some], (len(some), 2, width))
        for some in (tried.values(), checks)
    )

    def at(i: int) -> str:
        v = verdict(list(tried), p[:, 0, i].tolist(), p[:, 1, i].tolist(), quantifier, alpha)
        holding = [tried[name].judgement for name in (*v.holds, *v.holds_star)]
        for one, (ph, pf) in zip(checks, p_checks[..., i].tolist(), strict=True):
            if not behaves(criterion, one.duty, replace(one.judgement, ph=ph, pf=pf), alpha, holding)[0]:
                return "invalid"
        return v.label

    return at


STEPS = 2.0 ** np.arange(-40, 41)
"""Distances from the declared margin, in units of its size, between which a change of the verdict is looked for."""
ZOOM, ROUNDS = 33, 3
"""Points into which the bracket around the change is cut, and searches in all: its place is known to 1/1024."""


def farthest_same(said: Callable[[Array], Callable[[int], str]], start: float, end: float) -> float:
    """The margin farthest from `start` towards `end` with the verdict of `start`; verdicts change once on the way."""
    sign, span = np.sign(end - start), abs(end - start)
    offsets = np.concatenate([[0.0], max(abs(start), 1.0) * STEPS])
    offsets = np.append(offsets[offsets < span], span) if math.isfinite(span) else offsets
    for _ in range(ROUNDS):
        at = said(start + sign * offsets)
        now = at(0)
        place = bisect_left(range(len(offsets)), True, key=lambda i: at(i) != now)
        if place == len(offsets):
            return end
        offsets = np.linspace(offsets[place - 1], offsets[place], ZOOM)
    return float(start + sign * offsets[0])
