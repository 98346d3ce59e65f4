"""The range of margins with the same verdict, checked by judging again with margins just inside and just outside."""

import math
from typing import Any

import numpy as np
import pytest

from claims.statistics import Judgement, Series, complete, judge, sensitivity, verdict
from claims.statistics.controls import behaves
from claims.statistics.margins import farthest_same, knobs, turned

INF, NAN = math.inf, math.nan
LOOKS = (8, 16, 32, 64, 128)
DIFF: dict[str, Any] = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.3}
BEST = {"kind": "best", "a": "a", "rivals": ["b", "c"], "better": "higher", "margin": 0.3}
EQUIV = {"kind": "equiv", "a": "b", "b": "c", "margin": 0.9}
TREND = {"kind": "trend", "outcome": "y", "over": "x", "direction": "up", "margin": 1.0, "tol": 0.5}
INNER = {"kind": "interior", "outcome": "u", "over": "x", "better": "lower", "margin": 0.5}
WINS = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
RATE = {"kind": "rate", "event": "e", "above": 0.3}
SELDOM = {"kind": "rate", "event": "e", "below": 0.9}
LEVEL: dict[str, Any] = {"kind": "level", "outcome": "a", "range": [0.2, 3.0]}
RATIO: dict[str, Any] = {"kind": "ratio", "a": "p", "b": "q", "range": [1.2, 4.0]}
SAME = {"kind": "identity", "outcome": "one", "value": 1.0, "tol": 0.5}
CRITERIA: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "diff": (DIFF, ["margin"]),
    "best": (BEST, ["margin"]),
    "equiv": (EQUIV, ["margin"]),
    "trend": (TREND, ["margin"]),
    "interior": (INNER, ["margin"]),
    "winrate": (WINS, ["above"]),
    "rate above": (RATE, ["above"]),
    "rate below": (SELDOM, ["below"]),
    "ratio above": (RATIO | {"range": [1.2, INF]}, ["range", 0]),
    "ratio below": (RATIO | {"a": "q", "b": "p", "range": [0, 0.8], "estimator": "median"}, ["range", 1]),
    "level above": (LEVEL | {"range": [0.2, INF]}, ["range", 0]),
    "level below": (LEVEL | {"outcome": "b", "range": [-INF, 0.5]}, ["range", 1]),
    "level, lower end": (LEVEL, ["range", 0]),
    "level, upper end": (LEVEL, ["range", 1]),
    "ratio, lower end": (RATIO, ["range", 0]),
    "ratio, upper end": (RATIO, ["range", 1]),
    "first of all": ({"all": [DIFF, EQUIV]}, ["all", 0, "margin"]),
    "second of all": ({"all": [DIFF, EQUIV]}, ["all", 1, "margin"]),
    "first of any": ({"any": [RATE | {"above": 0.7}, DIFF]}, ["any", 0, "above"]),
    "second of any": ({"any": [RATE | {"above": 0.7}, DIFF]}, ["any", 1, "margin"]),
    "beside an identity": ({"all": [SAME, DIFF]}, ["all", 1, "margin"]),
    "nested": ({"all": [{"any": [TREND, LEVEL]}, RATIO]}, ["all", 0, "any", 1, "range", 0]),
}
"""Criteria, each with the way to one of its margins."""
LIMITS = {"margin": (0.0, INF), "above": (0.0, 1.0), "below": (0.0, 1.0)}


def outcomes(seed: int, n: int = 128, effect: float = 1.0) -> dict[str, Any]:
    g = np.random.default_rng(seed)
    return {
        "a": g.normal(effect, 1, n),
        "b": g.normal(0, 1, n),
        "c": g.normal(0, 1, n),
        "e": (g.random(n) < 0.6) * 1.0,
        "p": np.exp(g.normal(0.5 * effect, 0.3, n)),
        "q": np.exp(g.normal(0, 0.3, n)),
        "y": effect * np.arange(4.0) + g.normal(0, 0.5, (n, 4)),
        "one": np.ones(n),
        "u": effect * np.array([2.0, 1.0, 0.0, 2.0]) + g.normal(0, 0.5, (n, 4)),
    }


def series(conditions: dict[str, Any], looks: Any = LOOKS) -> dict[str, Series]:
    return {name: Series(values, looks) for name, values in conditions.items()}


def span(
    criterion: dict[str, Any],
    conditions: dict[str, Any],
    quantifier: str,
    looks: Any = LOOKS,
    controls: Any = (),
    alpha: float = 0.01,
) -> tuple[float, float]:
    """The range of the only margin."""
    (found,) = sensitivity(criterion, series(conditions, looks), controls, quantifier=quantifier, alpha=alpha)
    return found.low, found.high


def again(criterion: dict[str, Any], conditions: dict[str, Any], quantifier: str, looks: Any = LOOKS) -> str:
    close = 0.01 / len(conditions)
    found = [judge(criterion, o, looks=looks, alpha=0.01, close=close) for o in conditions.values()]
    return verdict(list(conditions), [j.ph for j in found], [j.pf for j in found], quantifier, 0.01).label


def limits(criterion: dict[str, Any], path: list[Any]) -> tuple[float, float]:
    """The least and the largest number that may stand there: an end of a range stops at the other end."""
    if path[-1] in LIMITS:
        return LIMITS[path[-1]]
    part = at(criterion, path[:-2])
    low, high = part["range"]
    least = 0.0 if part["kind"] == "ratio" else -INF
    return (least, high) if path[-1] == 0 else (low, INF)


def at(criterion: Any, path: list[Any]) -> Any:
    return at(criterion[path[0]], path[1:]) if path else criterion


CLEAR, MIXED, NEAR = (1.0, 1.1, 0.9, 1.0), (1.0, 0.1, 1.2, -0.5), (0.25, 0.3, 0.35, 0.3)


@pytest.mark.parametrize(
    ("effects", "quantifier"),
    [(CLEAR, "always"), (MIXED, "typically"), (MIXED, "can"), (NEAR, "always"), (NEAR, "can")],
)
@pytest.mark.parametrize("name", CRITERIA)
def test_the_verdict_changes_just_outside_the_range(name: str, effects: tuple[float, ...], quantifier: str) -> None:
    criterion, path = CRITERIA[name]
    value = at(criterion, path)
    conditions = {f"c{i}": outcomes(i, effect=effect) for i, effect in enumerate(effects)}
    places = [list(knob.path) for knob in knobs(complete(criterion))]
    found = sensitivity(criterion, series(conditions), quantifier=quantifier)[places.index(path)]
    assert found.low <= found.declared == value <= found.high
    now = again(criterion, conditions, quantifier)
    for end, limit in zip((found.low, found.high), limits(criterion, path), strict=True):
        if end == limit:
            far = end + 1e-9 * (value - end) if math.isfinite(end) else math.copysign(1e6, end)
            assert again(turned(criterion, path, far), conditions, quantifier) == now
        else:
            beyond = end + (0.01 * abs(end - value) + 1e-9) * (1 if end is found.high else -1)
            assert again(turned(criterion, path, end), conditions, quantifier) == now
            assert again(turned(criterion, path, beyond), conditions, quantifier) != now


def test_each_margin_is_named_from_left_to_right() -> None:
    below, above = RATIO | {"range": [0, 4.0]}, RATIO | {"range": [2.0, INF]}
    whole = {"all": [{"any": [BEST, SAME, LEVEL]}, below, {"any": [RATE, TREND]}, SELDOM, above]}
    found = sensitivity(whole, series({"one": outcomes(0)}), quantifier="always")
    assert [(one.kind, one.outcomes, one.end, one.declared) for one in found] == [
        ("best", ("a", "b", "c"), "margin", 0.3),
        ("level", ("a",), "lower", 0.2),
        ("level", ("a",), "upper", 3.0),
        ("ratio", ("p", "q"), "margin", 4.0),
        ("rate", ("e",), "margin", 0.3),
        ("trend", ("y",), "margin", 1.0),
        ("rate", ("e",), "margin", 0.9),
        ("ratio", ("p", "q"), "margin", 2.0),
    ]
    assert [knob.path for knob in knobs(complete(whole))][1] == ("all", 0, "any", 2, "range", 0)
    assert sensitivity(SAME, series({"one": outcomes(0)}), quantifier="always") == ()


def test_another_number_is_put_in_its_place_only() -> None:
    whole = {"all": [DIFF, {"any": [LEVEL, RATE]}], "why": "both"}
    assert turned(whole, ("all", 1, "any", 0, "range", 1), 7.0) == {
        "all": [DIFF, {"any": [LEVEL | {"range": [0.2, 7.0]}, RATE]}],
        "why": "both",
    }
    assert whole["all"][1] == {"any": [LEVEL, RATE]}


def test_a_single_condition_ends_at_its_interval() -> None:
    o = outcomes(0, n=32, effect=2.0)
    found = judge(DIFF | {"margin": 0.0}, o, looks=(32,), alpha=0.01, close=0.01)
    low, high = span(DIFF | {"margin": 0.0}, {"one": o}, "always", looks=(32,))
    assert (low, high) == (0.0, pytest.approx(found.low, rel=2e-3))
    assert high <= found.low


def test_both_ends_of_a_range_end_at_the_interval() -> None:
    o = outcomes(0, n=32, effect=2.0)
    found = judge(LEVEL, o, looks=(32,), alpha=0.01, close=0.01)
    lower, upper = sensitivity(LEVEL, series({"one": o}, looks=(32,)), quantifier="always")
    assert (lower.low, upper.high) == (-INF, INF)
    assert lower.high == pytest.approx(found.low, rel=2e-3)
    assert upper.low == pytest.approx(found.high, rel=2e-3)
    assert lower.high <= found.low <= found.high <= upper.low


def test_a_search_ends_at_the_last_place_with_the_same_verdict() -> None:
    for change in (1e-9, 0.3, 1.0, 77.7):
        found = farthest_same(lambda x, change=change: lambda i: str(x[i] > change), 0.0, INF)
        assert found <= change <= found * (1 + 2 / 1024)
    assert farthest_same(lambda x: lambda i: "same", 0.0, INF) == INF
    assert farthest_same(lambda x: lambda i: str(x[i] >= 1), 0.5, 1.0) == pytest.approx(1.0, rel=1e-3)
    assert farthest_same(lambda x: lambda i: str(x[i] > 1), 0.5, 1.0) == 1.0


def test_conditions_without_evidence_count_as_open() -> None:
    empty = {name: values[:0] for name, values in outcomes(0).items()}
    assert span(DIFF, {"one": empty}, "always") == (0.0, INF)
    conditions = {"one": outcomes(0), "two": {k: np.full_like(v, NAN) for k, v in outcomes(1).items()}}
    low, high = span(DIFF, conditions, "can")
    assert low == 0.0
    assert again(DIFF | {"margin": high}, conditions, "can") == "supported"
    broken = outcomes(0)
    broken["a"][::3] = NAN
    assert span(DIFF, {"one": broken}, "always") == (0.0, INF)


def test_what_was_decided_before_it_broke_still_counts() -> None:
    late = outcomes(0, effect=4.0)
    late["a"][40:] = NAN
    low, high = span(DIFF, {"one": late}, "always")
    assert low == 0.0
    assert 0.3 < high < INF


def test_a_condition_broken_after_it_failed_counts_as_failed() -> None:
    late = outcomes(0, effect=-4.0)
    late["a"][40:] = NAN
    low, high = span(DIFF, {"one": late}, "always")
    assert (low, high) == (0.0, INF)
    holds = {"one": late, "two": outcomes(1, effect=3.0)}
    low, high = span(DIFF, holds, "always")
    assert again(DIFF, holds, "always") == "conditional"
    assert again(DIFF | {"margin": high}, holds, "always") == "conditional"
    assert again(DIFF | {"margin": 1.01 * high}, holds, "always") != "conditional"


def test_broken_conditions_count_only_if_decided_at_the_level_of_one_condition() -> None:
    late = outcomes(0, n=16)
    criterion = DIFF | {"margin": 0.0}
    late["a"][:] = late["b"] + np.random.default_rng(1).normal(0.8, 1, 16)
    p = judge(criterion, late, looks=LOOKS, alpha=0.01, close=0.01).ph
    assert 1e-6 < p < 0.1
    late = {name: np.concatenate([values, np.full((32, *values.shape[1:]), NAN)]) for name, values in late.items()}
    for level, held in ((p, True), (p * (1 - 1e-9), False)):
        _, high = span(criterion, {"one": late}, "always", alpha=level)
        assert (high < INF) is held
    criterion = DIFF | {"a": "b", "b": "a", "margin": 0.5}
    late = {name: values[:16] for name, values in late.items()}
    p = judge(criterion, late, looks=LOOKS, alpha=0.01, close=0.01).pf
    late = {name: np.concatenate([values, np.full((32, *values.shape[1:]), NAN)]) for name, values in late.items()}
    pair = {"one": late, "two": outcomes(1, effect=4.0)}
    for level, failed in ((2 * p, True), (1.5 * p, False)):
        low, _ = span(criterion, pair, "can", alpha=level)
        assert (low > 0) is failed


def test_resplits_are_judged_by_their_own_variance() -> None:
    o = {name: values[:32] for name, values in outcomes(0, effect=6.0).items()}
    found = judge(DIFF, o, looks=LOOKS, alpha=0.01, close=0.01, population=(80, 20))
    (one,) = sensitivity(DIFF, {"one": Series(o, LOOKS, (80.0, 20.0))}, quantifier="always")
    high = one.high
    assert high == pytest.approx(found.low, rel=2e-3)
    _, wide = span(DIFF, {"one": o}, "always")
    assert wide > high


def test_saturated_looks_stay_withheld_at_other_margins() -> None:
    full = {"a": np.r_[np.ones(12), np.full(4, 0.99)], "b": np.r_[np.ones(12), np.linspace(0.1, 0.2, 4)]}
    assert span(DIFF, {"one": full}, "always") == (0.0, INF)


def test_margins_far_from_one_are_found_to_the_same_relative_precision() -> None:
    for unit in (1e-6, 1.0, 1e6):
        o = {name: unit * values for name, values in outcomes(0).items()}
        _, high = span(DIFF | {"margin": 0.0}, {"one": o}, "always")
        if unit == 1e-6:
            first = high / unit
        assert high / unit == pytest.approx(first, rel=2e-3)


# Controls ----------------------------------------------------------------------------------------------------------


def behaving(criterion: dict[str, Any], conditions: dict[str, Any], controls: list[Series], quantifier: str) -> bool:
    """Whether every control behaves, judged from the start."""
    found = [judge(criterion, o, looks=LOOKS, alpha=0.01, close=0.01 / len(conditions)) for o in conditions.values()]
    v = verdict(list(conditions), [j.ph for j in found], [j.pf for j in found], quantifier, 0.01)
    named = {*v.holds, *v.holds_star}
    holding = [j for name, j in zip(conditions, found, strict=True) if name in named]

    def judged(one: Series) -> Judgement:
        return judge(criterion, one.outcomes, looks=one.looks, alpha=0.01, close=0.01, population=one.population)

    return all(behaves(criterion, one.duty, judged(one), 0.01, holding)[0] for one in controls)


CONTROLS = {
    "removed": [("negative", 0.0)],
    "weaker": [("negative", 0.25)],
    "equal arms": [("equal arms", 0.0)],
    "sure": [("positive", 2.0)],
    "all": [("negative", 0.0), ("negative", -0.3), ("equal arms", 0.0), ("positive", 3.0)],
}


@pytest.mark.parametrize("name", ["diff", "best", "trend", "interior", "level above", "ratio below", "first of all"])
@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_that_would_not_behave_ends_the_range(kind: str, name: str) -> None:
    criterion, path = CRITERIA[name]
    conditions = {f"c{i}": outcomes(i, effect=1.5 * effect) for i, effect in enumerate(CLEAR)}
    controls = [
        Series(outcomes(50 + i, n=looks[-1], effect=effect), looks, duty=duty)
        for i, (duty, effect) in enumerate(CONTROLS[kind])
        for looks in [LOOKS if duty == "positive" else LOOKS[:3]]
    ]
    found = sensitivity(criterion, series(conditions), controls, quantifier="always")[0]
    alone = sensitivity(criterion, series(conditions), quantifier="always")[0]
    now = again(criterion, conditions, "always"), behaving(criterion, conditions, controls, "always")
    assert now == ("supported", True)
    assert alone.low <= found.low <= found.declared <= found.high <= alone.high
    for end, limit in zip((found.low, found.high), limits(criterion, path), strict=True):
        if end != limit:
            beyond = end + (0.01 * abs(end - found.declared) + 1e-9) * (1 if end is found.high else -1)
            for number, same in ((end, True), (beyond, False)):
                changed = turned(criterion, path, number)
                then = again(changed, conditions, "always"), behaving(changed, conditions, controls, "always")
                assert (then == now) is same


def test_controls_shorten_the_range_on_their_own_side() -> None:
    conditions = {"one": outcomes(0, effect=4.0)}
    free = span(DIFF, conditions, "always")
    removed = Series(outcomes(1, n=32, effect=0.25), (8, 16, 32), duty="negative")
    sure = Series(outcomes(2, n=32, effect=2.0), (8, 16, 32), duty="positive")
    held = judge(DIFF, sure.outcomes, looks=sure.looks, alpha=0.01, close=0.01)
    assert free[0] == 0.0
    assert span(DIFF, conditions, "always", controls=[removed]) == free
    low, high = span(DIFF, conditions, "always", controls=[sure])
    assert low == 0.0
    assert high == pytest.approx(held.low, rel=2e-3)
    assert high < free[1]
    same = Series(outcomes(3, n=32, effect=1.0), (8, 16, 32), duty="equal arms")
    strict = DIFF | {"margin": 1.5}
    found = judge(strict, same.outcomes, looks=same.looks, alpha=0.01, close=0.01)
    low, high = span(strict, conditions, "always", controls=[same])
    assert low == pytest.approx(found.low, rel=2e-2)
    assert low > 0
    assert high == pytest.approx(free[1], rel=2e-3)


def test_an_undecided_control_is_held_against_what_would_hold_at_that_margin() -> None:
    """Where the margin is so low that a faint effect holds, a control that may be as large is too weak."""
    faint = {name: 0.05 * values for name, values in outcomes(1, effect=10.0).items()}
    conditions = {"strong": outcomes(0, effect=4.0), "faint": faint}
    control = Series({name: 0.4 * v for name, v in outcomes(2, n=32).items()}, (8, 16, 32), duty="negative")
    wide = judge(DIFF, control.outcomes, looks=control.looks, alpha=0.01, close=0.01)
    found = judge(DIFF | {"margin": 0.45}, faint, looks=LOOKS, alpha=0.01, close=0.005)
    assert wide.low < found.low < found.estimate < wide.high < 0.8
    low, _ = span(DIFF | {"margin": 0.8}, conditions, "can", controls=[control])
    assert low == pytest.approx(found.low, abs=0.01)


def test_broken_controls_and_conditions_leave_nothing_to_change() -> None:
    """A broken control misbehaves at any margin; one that has not begun is undecided at any."""
    conditions = {"one": outcomes(0, effect=4.0)}
    broken = {name: np.full_like(values, NAN) for name, values in outcomes(1).items()}
    empty = {name: values[:0] for name, values in outcomes(1).items()}
    for values, duty in ((broken, "negative"), (empty, "positive")):
        controls = [Series(values, (8, 16, 32), duty=duty)]
        assert span(DIFF, conditions, "always", controls=controls) == (0.0, INF)
    controls = [Series(empty, (8, 16, 32), duty="equal arms")]
    assert span(DIFF, conditions, "always", controls=controls) == span(DIFF, conditions, "always")


def test_a_curve_of_a_control_may_have_points_of_its_own() -> None:
    short = outcomes(1, n=32, effect=0.0)
    short["y"] = short["y"][:, :3]
    controls = [Series(short, (8, 16, 32), duty="negative")]
    conditions = {"one": outcomes(0)}
    assert span(TREND, conditions, "always", controls=controls)[1] == span(TREND, conditions, "always")[1]
