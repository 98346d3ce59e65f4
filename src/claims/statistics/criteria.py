"""Criteria: what a claim file may say, and the scores and regions that follow from it.

A criterion is a plain mapping `{kind: ..., ...}`, or `{all: [...]}` / `{any: [...]}` of such. It becomes a tree of
*leaves*: one score per replicate, a region of support (lo, hi) for its mean, share or median, and the test to use.
Outcomes map names to arrays whose last axis is the replicate (curves: last but one, then the points of the curve).
"""

import difflib
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from claims.statistics.tests import GRAIN, Array

Criterion = Mapping[str, Any]
Outcomes = Mapping[str, Array]
Test = Literal["mean", "prop", "median", "exact"]

REQUIRED = object()
KINDS: dict[str, dict[str, Any]] = {
    "diff": {"a": REQUIRED, "b": REQUIRED, "better": REQUIRED, "margin": REQUIRED, "bounds": None},
    "ratio": {"a": REQUIRED, "b": REQUIRED, "range": REQUIRED, "estimator": "mean"},
    "winrate": {"a": REQUIRED, "b": REQUIRED, "above": REQUIRED, "tie": 0.0, "better": "higher"},
    "equiv": {"a": REQUIRED, "b": REQUIRED, "margin": REQUIRED, "scale": "difference"},
    "level": {"outcome": REQUIRED, "range": REQUIRED, "estimator": "mean"},
    "trend": {"outcome": REQUIRED, "over": REQUIRED, "direction": REQUIRED, "margin": REQUIRED, "tol": None},
    "interior": {"outcome": REQUIRED, "over": REQUIRED, "better": REQUIRED, "margin": REQUIRED},
    "best": {"a": REQUIRED, "rivals": REQUIRED, "better": REQUIRED, "margin": REQUIRED, "bounds": None},
    "rate": {"event": REQUIRED, "above": None, "below": None},
    "identity": {"outcome": None, "value": None, "a": None, "b": None, "tol": 0.0, "n": 3},
}
"""The closed list of kinds: each key with its default. None means absent; `why` and `clock` are allowed everywhere."""

WORDS = {
    "better": ("lower", "higher"),
    "direction": ("up", "down"),
    "estimator": ("mean", "median"),
    "scale": ("difference", "ratio"),
    "clock": ("cpu", "wall"),
}
NAMES = ("a", "b", "outcome", "over", "event")
SIZES = ("margin", "tol", "tie")
SHARES = ("above", "below")
FREE = ("why", "clock")


# Checking and completing -------------------------------------------------------------------------------------------


def complete(criterion: Criterion) -> dict[str, Any]:
    """The criterion with its defaults filled in, keys in a fixed order.

    `trend` gets tol = margin / 4. Where `bounds` is absent it stays so, and judging takes [0, 1] for outcomes that lie
    within; `bounds: [-.inf, .inf]` says that there are none.

    Raises:
        ValueError: A key is unknown or missing, or a value is out of its range; the message names the field, the rule,
            the value and what to write instead.
    """
    return _completed(criterion, "criterion")


def _completed(criterion: Criterion, where: str) -> dict[str, Any]:
    if not isinstance(criterion, Mapping):
        raise _error(where, "must be a mapping", criterion, "write {kind: ..., ...}")
    word = next((w for w in ("all", "any") if w in criterion), None)
    if word is not None:
        return _completed_group(criterion, word, where)
    kind = criterion.get("kind")
    if kind is None:
        raise _error(f"{where}.kind", "is required", "nothing", "write one of " + ", ".join(KINDS))
    if not isinstance(kind, str) or kind not in KINDS:
        raise _error(f"{where}.kind", "must be one of " + ", ".join(KINDS), kind, _nearest(kind, KINDS))
    allowed = KINDS[kind]
    for key in criterion:
        if key not in (*allowed, *FREE, "kind"):
            raise _error(f"{where}.{key}", f"is no key of {kind}", criterion[key], _nearest(key, (*allowed, *FREE)))
    filled: dict[str, Any] = {"kind": kind}
    for key, default in allowed.items():
        value = criterion.get(key, default)
        if value is REQUIRED:
            raise _error(f"{where}.{key}", f"is required by {kind}", "nothing", f"add `{key}:`")
        if value is not None:
            filled[key] = _checked(key, value, kind, f"{where}.{key}")
    filled |= {key: _checked(key, criterion[key], kind, f"{where}.{key}") for key in FREE if criterion.get(key)}
    if kind == "trend":
        filled.setdefault("tol", filled["margin"] / 4)
    _check_whole(filled, where)
    return filled


def _completed_group(criterion: Criterion, word: str, where: str) -> dict[str, Any]:
    extra = [key for key in criterion if key not in (word, "why")]
    if extra:
        raise _error(f"{where}.{extra[0]}", f"cannot stand beside `{word}`", criterion[extra[0]], "nest it instead")
    parts = criterion[word]
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise _error(f"{where}.{word}", "must be a list of criteria", parts, f"write {word}: [{{kind: ...}}, ...]")
    group: dict[str, Any] = {word: [_completed(part, f"{where}.{word}[{i}]") for i, part in enumerate(parts)]}
    return group | ({"why": criterion["why"]} if criterion.get("why") else {})


def _checked(key: str, value: Any, kind: str, where: str) -> Any:
    """The value in its plain form: floats for numbers, lists for ranges."""
    if key in NAMES:
        return _name(value, where)
    if key in WORDS:
        if value not in WORDS[key]:
            raise _error(where, "must be " + " or ".join(WORDS[key]), value, _nearest(value, WORDS[key]))
        return value
    if key == "rivals":
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise _error(where, "must be a list of outcomes", value, "name at least one rival")
        return [_name(rival, f"{where}[{i}]") for i, rival in enumerate(value)]
    if key in ("range", "bounds"):
        return _range(value, where, least=floor({"kind": kind}), open_ended=key == "bounds")
    if key == "n":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _error(where, "must be a whole number of at least 1", value, "3 if deterministic, 32 if random")
        return value
    if key == "why":
        return str(value)
    number = _number(value, where)
    if not math.isfinite(number):
        raise _error(where, "must be finite", value, "give a number in the outcome's unit")
    if key in SIZES and number < 0:
        raise _error(where, "must not be negative", value, "state the direction by `better`, `direction` or a and b")
    if key in SHARES and not 0 < number < 1:
        raise _error(where, "must lie strictly between 0 and 1", value, "give a share such as 0.5")
    return number


def _check_whole(filled: Mapping[str, Any], where: str) -> None:
    """Rules that tie keys of one criterion together."""
    kind = filled["kind"]
    if kind == "rate" and ("above" in filled) == ("below" in filled):
        raise _error(where, "rate needs exactly one of above and below", dict(filled), "say `above: 0.05`, for example")
    if kind == "identity":
        single, pair = {"outcome", "value"} & set(filled), {"a", "b"} & set(filled)
        if (len(single), len(pair)) not in ((2, 0), (0, 2)):
            raise _error(where, "identity needs outcome and value, or a and b", dict(filled), "give one such pair")
    if kind == "equiv" and filled["margin"] == 0:
        raise _error(
            f"{where}.margin", "must be positive for equiv", 0.0, "nothing random is equal; use identity if exact"
        )
    arms = [filled[key] for key in ("a", "b") if key in filled] + list(filled.get("rivals", ()))
    if len(set(arms)) < len(arms):
        raise _error(where, "arms must differ", arms, "name each outcome once")


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _error(where, "must be a name", value, "name an outcome or parameter of the trial")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _error(where, "must be a number", value, "YAML needs a dot in 1.0e-6, and .inf for infinity")
    if math.isnan(value):
        raise _error(where, "must not be NaN", value, "give a number")
    return float(value)


def _range(value: Any, where: str, *, least: float, open_ended: bool) -> list[float]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise _error(where, "must be [low, high]", value, "write [0.9, 1.1], or .inf for an open end")
    low, high = (_number(end, where) for end in value)
    if not low < high:
        raise _error(where, "must have low < high", value, "exchange or widen the ends")
    if low < least:
        raise _error(where, f"must start at {least:g} or above", value, f"write {least:g}")
    if not open_ended and low == least and math.isinf(high):
        raise _error(where, "must exclude something", value, "make one end finite")
    return [low, high]


def _nearest(word: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.0)
    return f"did you mean `{close[0]}`?"


def _error(field: str, rule: str, value: Any, step: str) -> ValueError:
    return ValueError(f"{field} {rule}, got {value!r}; {step}")


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


def floor(criterion: Criterion) -> float:
    """Where an open range starts: ratios at 0, other values at minus infinity."""
    return 0.0 if criterion["kind"] == "ratio" else -math.inf


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
        raise _error(
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
        raise _error(
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
