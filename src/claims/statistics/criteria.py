"""Criteria: what they need and say, and the scores and regions that follow from them.

A criterion (see `claims.statistics.kinds`) becomes a tree of *leaves*: one score per replicate, a region of support
(lo, hi) for its mean, share or median, and the test to use.
Outcomes map names to arrays whose last axis is the replicate (curves: last but one, then the points of the curve).
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from claims.statistics.kinds import Criterion, complete, error, floor
from claims.statistics.tests import GRAIN, Array

Outcomes = Mapping[str, Array]
Test = Literal["mean", "prop", "median", "exact"]


# Reading -----------------------------------------------------------------------------------------------------------


def leaf_criteria(criterion: Criterion) -> Iterator[Criterion]:
    """The criteria of a nested one, from left to right."""
    parts = criterion.get("all", criterion.get("any"))
    if parts is None:
        yield criterion
    else:
        for part in parts:
            yield from leaf_criteria(part)


def own_test(criterion: Criterion) -> Test:
    """The test that a simple criterion, completed, uses."""
    kinds: dict[str, Test] = {"winrate": "prop", "rate": "prop", "identity": "exact"}
    estimator: Test = "median" if criterion.get("estimator") == "median" else "mean"
    return kinds.get(criterion["kind"], estimator)


def outcome_names(criterion: Criterion) -> frozenset[str]:
    """Names of the outcomes, scalars and curves, that the trial must return."""
    keys = ("a", "b", "outcome", "event")
    named = {one[key] for one in leaf_criteria(criterion) for key in keys if key in one}
    return frozenset(named.union(*(one.get("rivals", ()) for one in leaf_criteria(criterion))))


def curve_names(criterion: Criterion) -> dict[str, str]:
    """Outcomes that are curves (of `trend` and `interior`), each with the parameter that gives its x, in its order."""
    return {one["outcome"]: one["over"] for one in leaf_criteria(criterion) if "over" in one}


def statistical(criterion: Criterion) -> bool:
    """Whether anything is tested: False where the criterion is made of `identity` only, which has no alpha."""
    return any(one["kind"] != "identity" for one in leaf_criteria(criterion))


def describe(criterion: Criterion) -> str:
    """The criterion in words, without capital or full stop, such as "a is higher than b by more than 0.01"."""
    for word, joint in (("all", "and"), ("any", "or")):
        if word in criterion:
            texts = [describe(part) for part in criterion[word]]
            nested = [
                f"({text})" if "all" in part or "any" in part else text
                for text, part in zip(texts, criterion[word], strict=True)
            ]
            return f", {joint} ".join(nested)
    return _SENTENCES[criterion["kind"]](complete(criterion))


def _between(criterion: Criterion) -> str:
    low, high = criterion["range"]
    if math.isinf(high):
        return f"above {low:g}"
    return f"below {high:g}" if low == floor(criterion) else f"between {low:g} and {high:g}"


def _by_more(margin: float) -> str:
    return f" by more than {margin:g}" if margin > 0 else ""


_SENTENCES: dict[str, Callable[[Criterion], str]] = {
    "diff": lambda c: f"{c['a']} is {c['better']} than {c['b']}{_by_more(c['margin'])} on average",
    "ratio": lambda c: f"the {_typical(c)} ratio of {c['a']} to {c['b']} is {_between(c)}",
    "winrate": lambda c: (
        f"{c['a']} is {c['better']} than {c['b']}{_by_more(c['tie'])} in more than {c['above']:.4g} of the replicates"
    ),
    "equiv": lambda c: (
        f"{c['a']} and {c['b']} differ on average by less than "
        + (f"{c['margin']:g}" if c["scale"] == "difference" else f"a factor of {math.exp(c['margin']):.4g}")
    ),
    "level": lambda c: f"the {c['estimator']} of {c['outcome']} is {_between(c)}",
    "trend": lambda c: (
        f"{c['outcome']} goes {c['direction']}{_by_more(c['margin'])} from the first to the last {c['over']}, "
        f"with no step back of {c['tol']:g} or more"
    ),
    "interior": lambda c: (
        f"{c['outcome']} is {c['better']} at some inner {c['over']} than at both ends{_by_more(c['margin'])}"
    ),
    "best": lambda c: (
        f"{c['a']} is {c['better']} than each of {', '.join(c['rivals'])}{_by_more(c['margin'])} on average"
    ),
    "rate": lambda c: (
        f"the rate of {c['event']} is " + (f"above {c['above']:g}" if "above" in c else f"below {c['below']:g}")
    ),
    "identity": lambda c: (
        (f"{c['a']} equals {c['b']}" if "a" in c else f"{c['outcome']} equals {c['value']:g}")
        + (f" within {c['tol']:g}" if c["tol"] > 0 else "")
        + f" in every one of {c['n']} replicates"
    ),
}


def _typical(criterion: Criterion) -> str:
    return "geometric mean" if criterion["estimator"] == "mean" else "median"


# Leaves ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ceiling:
    """Where both arms can stand at the same bound, so that no difference can show. Ends are [low, high]."""

    a: str
    b: str
    ends: tuple[float, float]
    better: str
    margin: float
    assumed: bool


@dataclass(frozen=True)
class Leaf:
    """One score per replicate and the region (lo, hi) in which its mean, share or median supports the claim.

    `null` is the value of no effect (NaN where there is none). On scale "ratio" scores and regions are logarithms.
    `lo` and `hi` may be arrays where many margins are judged at once. `index` counts leaves from the left.
    """

    name: str
    kind: str
    test: Test
    lo: Any
    hi: Any
    score: Callable[[Outcomes], Array]
    scale: str = "difference"
    null: float = math.nan
    ceiling: Ceiling | None = None
    n: int = 0
    index: int = 0


@dataclass(frozen=True)
class Group:
    """Parts that must all hold ("all"), or of which one must ("any")."""

    op: str
    parts: tuple["Leaf | Group", ...]
    kind: str = ""


Tree = Leaf | Group


def tree(criterion: Criterion, points: Mapping[str, int]) -> Tree:
    """The leaves of a completed criterion, numbered from the left; `points` is the number of points of each curve."""
    return _numbered(_grown(criterion, points), itertools.count())


def leaves(node: Tree) -> tuple[Leaf, ...]:
    """Leaves from left to right."""
    return (node,) if isinstance(node, Leaf) else tuple(leaf for part in node.parts for leaf in leaves(part))


def fails_for_equal_arms(criterion: Criterion, arms: Collection[str]) -> bool:
    """Whether a completed criterion cannot hold where all arms are alike: no effect lies outside its region.

    An outcome belongs to an arm by its name, `arm` or `arm_measure`; only the same measure of two arms becomes equal.
    """
    for word, joined in (("all", any), ("any", all)):
        if word in criterion:
            return joined(fails_for_equal_arms(part, arms) for part in criterion[word])
    if "a" not in criterion:
        return False
    others = criterion.get("rivals", [criterion.get("b")])
    equal = [_measure(criterion["a"], arms) == _measure(other, arms) != "" for other in others]
    parts = zip(leaves(_grown(criterion, {})), equal, strict=True)
    return any(alike and (leaf.null <= leaf.lo or leaf.null >= leaf.hi) for leaf, alike in parts)


def _measure(outcome: str, arms: Collection[str]) -> str:
    """What an outcome measures, without its arm; empty where it belongs to none."""
    arm = max((arm for arm in arms if f"{outcome}_".startswith(f"{arm}_")), key=len, default=None)
    return "" if arm is None else f"{outcome}_".removeprefix(f"{arm}")


def _numbered(node: Tree, numbers: Iterator[int]) -> Tree:
    if isinstance(node, Leaf):
        return replace(node, index=next(numbers))
    return replace(node, parts=tuple(_numbered(part, numbers) for part in node.parts))


def _grown(criterion: Criterion, points: Mapping[str, int]) -> Tree:
    for op in ("all", "any"):
        if op in criterion:
            return Group(op, tuple(_grown(part, points) for part in criterion[op]))
    kind = criterion["kind"]
    if kind == "trend":
        return _trend(criterion, points[criterion["outcome"]])
    if kind == "interior":
        return _interior(criterion, points[criterion["outcome"]])
    if kind == "best":
        rivals = [_diff(criterion, criterion["a"], rival) for rival in criterion["rivals"]]
        return Group("all", tuple(rivals), kind)
    return _SIMPLE[kind](criterion)


def _diff(c: Criterion, a: str, b: str) -> Leaf:
    x, y = (a, b) if c["better"] == "higher" else (b, a)
    ends = tuple(c.get("bounds", (0.0, 1.0)))
    ceiling = Ceiling(a, b, ends, c["better"], c["margin"], assumed="bounds" not in c)
    score = _difference(x, y)
    return Leaf(f"{x} - {y}", c["kind"], "mean", c["margin"], math.inf, score, null=0.0, ceiling=ceiling)


def _ratio(c: Criterion) -> Leaf:
    with np.errstate(divide="ignore"):
        lo, hi = np.log(c["range"][0]), np.log(c["range"][1])
    return Leaf(f"{c['a']} / {c['b']}", "ratio", c["estimator"], lo, hi, _log_ratio(c["a"], c["b"]), "ratio", null=0.0)


def _winrate(c: Criterion) -> Leaf:
    x, y = (c["a"], c["b"]) if c["better"] == "higher" else (c["b"], c["a"])
    gap, tie = _difference(x, y), c["tie"]
    name = f"{c['a']} beats {c['b']}"
    return Leaf(name, "winrate", "prop", c["above"], math.inf, lambda o: _wins(gap(o), tie), "share", null=0.5)


def _equiv(c: Criterion) -> Leaf:
    if c["scale"] == "ratio":
        sign, score = "/", _log_ratio(c["a"], c["b"])
    else:
        sign, score = "-", _difference(c["a"], c["b"])
    name = f"{c['a']} {sign} {c['b']}"
    return Leaf(name, "equiv", "mean", -c["margin"], c["margin"], score, c["scale"], null=0.0)


def _level(c: Criterion) -> Leaf:
    name, (lo, hi) = c["outcome"], c["range"]
    return Leaf(name, "level", c["estimator"], lo, hi, lambda o: o[name], "value")


def _rate(c: Criterion) -> Leaf:
    name = c["event"]
    lo, hi = (c["above"], math.inf) if "above" in c else (-math.inf, c["below"])
    return Leaf(name, "rate", "prop", lo, hi, lambda o: o[name], "share")


def _identity(c: Criterion) -> Leaf:
    if "a" in c:
        name, score = f"{c['a']} = {c['b']}", _difference(c["a"], c["b"])
    else:
        name, score = f"{c['outcome']} = {c['value']:g}", lambda o: o[c["outcome"]] - c["value"]
    return Leaf(name, "identity", "exact", -math.inf, c["tol"], score, n=c["n"])


_SIMPLE: dict[str, Callable[[Criterion], Leaf]] = {
    "diff": lambda c: _diff(c, c["a"], c["b"]),
    "ratio": _ratio,
    "winrate": _winrate,
    "equiv": _equiv,
    "level": _level,
    "rate": _rate,
    "identity": _identity,
}


def _trend(c: Criterion, points: int) -> Group:
    if points < 2:
        raise error(
            f"criterion.{c['outcome']}", "must be a curve of at least 2 points", points, f"lengthen {c['over']}"
        )
    sign = 1.0 if c["direction"] == "up" else -1.0
    total = _rise(c, 0, points - 1, sign, c["margin"], "last - first")
    steps = [_rise(c, j - 1, j, sign, -c["tol"], f"step {j}") for j in range(1, points)]
    return Group("all", (total, *steps), "trend")


def _rise(c: Criterion, start: int, end: int, sign: float, lo: Any, part: str) -> Leaf:
    score = _contrast(c["outcome"], start, end, sign)
    words = part if sign > 0 else f"{part}, sign reversed"
    return Leaf(f"{c['outcome']}: {words}", c["kind"], "mean", lo, math.inf, score, null=0.0)


def _interior(c: Criterion, points: int) -> Group:
    if points < 3:
        raise error(
            f"criterion.{c['outcome']}", "must be a curve of at least 3 points", points, f"lengthen {c['over']}"
        )
    sign = 1.0 if c["better"] == "higher" else -1.0
    places = []
    for k in range(1, points - 1):
        arms = [_rise(c, end, k, sign, c["margin"], f"x{k + 1} against x{end + 1}") for end in (0, points - 1)]
        places.append(Group("all", tuple(replace(arm, name=arm.name.removesuffix(", sign reversed")) for arm in arms)))
    return Group("any", tuple(places), "interior")


def _difference(a: str, b: str) -> Callable[[Outcomes], Array]:
    return lambda o: o[a] - o[b]


def _contrast(name: str, start: int, end: int, sign: float) -> Callable[[Outcomes], Array]:
    return lambda o: sign * (o[name][..., end] - o[name][..., start])


def _log_ratio(a: str, b: str) -> Callable[[Outcomes], Array]:
    def score(o: Outcomes) -> Array:
        positive = (o[a] > 0) & (o[b] > 0)
        top, bottom = np.where(positive, o[a], 1.0), np.where(positive, o[b], 1.0)
        return np.where(positive, np.log(top / bottom), np.nan)

    return score


def _wins(gap: Array, tie: float) -> Array:
    edge = tie * (1 + GRAIN)  # a gap that equals the tie but for the rounding of a difference is a tie
    return np.where(gap > edge, 1.0, np.where(gap >= -edge, 0.5, 0.0))
