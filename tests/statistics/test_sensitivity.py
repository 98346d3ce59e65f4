"""The range of margins with the same verdict, checked by judging again with margins just inside and just outside."""

import math
from typing import Any

import numpy as np
import pytest

from claims.statistics import complete, judge, sensitivity, verdict
from claims.statistics.verdict import knob

INF, NAN = math.inf, math.nan
LOOKS = (8, 16, 32, 64, 128)
DIFF: dict[str, Any] = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.3}
CRITERIA: dict[str, tuple[dict[str, Any], str, float]] = {
    "diff": (DIFF, "margin", 0.3),
    "best": ({"kind": "best", "a": "a", "rivals": ["b", "c"], "better": "higher", "margin": 0.3}, "margin", 0.3),
    "equiv": ({"kind": "equiv", "a": "b", "b": "c", "margin": 0.9}, "margin", 0.9),
    "trend": (
        {"kind": "trend", "outcome": "y", "over": "x", "direction": "up", "margin": 1.0, "tol": 0.5},
        "margin",
        1.0,
    ),
    "interior": ({"kind": "interior", "outcome": "u", "over": "x", "better": "lower", "margin": 0.5}, "margin", 0.5),
    "winrate": ({"kind": "winrate", "a": "a", "b": "b", "above": 0.5}, "above", 0.5),
    "rate above": ({"kind": "rate", "event": "e", "above": 0.3}, "above", 0.3),
    "rate below": ({"kind": "rate", "event": "e", "below": 0.9}, "below", 0.9),
    "ratio above": ({"kind": "ratio", "a": "p", "b": "q", "range": [1.2, INF]}, "low", 1.2),
    "ratio below": ({"kind": "ratio", "a": "q", "b": "p", "range": [0, 0.8], "estimator": "median"}, "high", 0.8),
    "level above": ({"kind": "level", "outcome": "a", "range": [0.2, INF]}, "low", 0.2),
    "level below": ({"kind": "level", "outcome": "b", "range": [-INF, 0.5]}, "high", 0.5),
}


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
        "u": effect * np.array([2.0, 1.0, 0.0, 2.0]) + g.normal(0, 0.5, (n, 4)),
    }


def turned(criterion: dict[str, Any], key: str, value: float) -> dict[str, Any]:
    if key in ("low", "high"):
        low, high = criterion["range"]
        return criterion | {"range": [value, high] if key == "low" else [low, value]}
    return criterion | {key: value}


def again(criterion: dict[str, Any], conditions: dict[str, Any], quantifier: str, looks: Any = LOOKS) -> str:
    close = 0.01 / len(conditions)
    found = [judge(criterion, o, looks=looks, alpha=0.01, close=close) for o in conditions.values()]
    return verdict(list(conditions), [j.ph for j in found], [j.pf for j in found], quantifier, 0.01).label


CLEAR, MIXED, NEAR = (1.0, 1.1, 0.9, 1.0), (1.0, 0.1, 1.2, -0.5), (0.25, 0.3, 0.35, 0.3)


@pytest.mark.parametrize(
    ("effects", "quantifier"),
    [(CLEAR, "always"), (MIXED, "typically"), (MIXED, "can"), (NEAR, "always"), (NEAR, "can")],
)
@pytest.mark.parametrize("name", CRITERIA)
def test_the_verdict_changes_just_outside_the_range(name: str, effects: tuple[float, ...], quantifier: str) -> None:
    criterion, key, value = CRITERIA[name]
    conditions = {f"c{i}": outcomes(i, effect=effect) for i, effect in enumerate(effects)}
    low, high = sensitivity(criterion, conditions, quantifier=quantifier, looks=LOOKS)
    assert low <= value <= high
    now = again(criterion, conditions, quantifier)
    least = -INF if name.startswith("level") else 0.0
    most = 1.0 if key in ("above", "below") else INF
    for end, limit in ((low, least), (high, most)):
        if end == limit:
            far = {-INF: -1e6, 0.0: 1e-9, 1.0: 1 - 1e-9, INF: 1e6}[limit]
            assert again(turned(criterion, key, far), conditions, quantifier) == now
        else:
            beyond = end + (0.01 * abs(end - value) + 1e-9) * (1 if end is high else -1)
            assert again(turned(criterion, key, end), conditions, quantifier) == now
            assert again(turned(criterion, key, beyond), conditions, quantifier) != now


def test_a_single_condition_ends_at_its_interval() -> None:
    o = outcomes(0, n=32, effect=2.0)
    found = judge(DIFF | {"margin": 0.0}, o, looks=(32,), alpha=0.01, close=0.01)
    low, high = sensitivity(DIFF | {"margin": 0.0}, {"one": o}, quantifier="always", looks=(32,))
    assert (low, high) == (0.0, pytest.approx(found.low, rel=2e-3))
    assert high <= found.low


@pytest.mark.parametrize(
    "criterion",
    [
        {"kind": "level", "outcome": "a", "range": [0.2, 3.0]},
        {"kind": "ratio", "a": "p", "b": "q", "range": [0.5, 3.0]},
        {"kind": "identity", "outcome": "a", "value": 0.5},
        {"all": [DIFF, DIFF | {"margin": 0.0}]},
    ],
)
def test_criteria_without_a_single_margin_have_no_range(criterion: dict[str, Any]) -> None:
    low, high = sensitivity(criterion, {"one": outcomes(0)}, quantifier="always", looks=LOOKS)
    assert math.isnan(low)
    assert math.isnan(high)
    assert knob(complete(criterion)) is None


def test_conditions_without_evidence_count_as_open() -> None:
    empty = {name: values[:0] for name, values in outcomes(0).items()}
    assert sensitivity(DIFF, {"one": empty}, quantifier="always", looks=LOOKS) == (0.0, INF)
    conditions = {"one": outcomes(0), "two": {k: np.full_like(v, NAN) for k, v in outcomes(1).items()}}
    low, high = sensitivity(DIFF, conditions, quantifier="can", looks=LOOKS)
    assert low == 0.0
    assert again(DIFF | {"margin": high}, conditions, "can") == "supported"
    broken = outcomes(0)
    broken["a"][::3] = NAN
    assert sensitivity(DIFF, {"one": broken}, quantifier="always", looks=LOOKS) == (0.0, INF)


def test_what_was_decided_before_it_broke_still_counts() -> None:
    late = outcomes(0, effect=4.0)
    late["a"][40:] = NAN
    low, high = sensitivity(DIFF, {"one": late}, quantifier="always", looks=LOOKS)
    assert low == 0.0
    assert 0.3 < high < INF


def test_a_condition_broken_after_it_failed_counts_as_failed() -> None:
    late = outcomes(0, effect=-4.0)
    late["a"][40:] = NAN
    low, high = sensitivity(DIFF, {"one": late}, quantifier="always", looks=LOOKS)
    assert (low, high) == (0.0, INF)
    holds = {"one": late, "two": outcomes(1, effect=3.0)}
    low, high = sensitivity(DIFF, holds, quantifier="always", looks=LOOKS)
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
        _, high = sensitivity(criterion, {"one": late}, quantifier="always", looks=LOOKS, alpha=level)
        assert (high < INF) is held
    criterion = DIFF | {"a": "b", "b": "a", "margin": 0.5}
    late = {name: values[:16] for name, values in late.items()}
    p = judge(criterion, late, looks=LOOKS, alpha=0.01, close=0.01).pf
    late = {name: np.concatenate([values, np.full((32, *values.shape[1:]), NAN)]) for name, values in late.items()}
    pair = {"one": late, "two": outcomes(1, effect=4.0)}
    for level, failed in ((2 * p, True), (1.5 * p, False)):
        low, _ = sensitivity(criterion, pair, quantifier="can", looks=LOOKS, alpha=level)
        assert (low > 0) is failed


def test_resplits_are_judged_by_their_own_variance() -> None:
    o = {name: values[:32] for name, values in outcomes(0, effect=6.0).items()}
    found = judge(DIFF, o, looks=LOOKS, alpha=0.01, close=0.01, population=(80, 20))
    sizes = {"one": (80.0, 20.0)}
    _, high = sensitivity(DIFF, {"one": o}, quantifier="always", looks=LOOKS, populations=sizes)
    assert high == pytest.approx(found.low, rel=2e-3)
    _, wide = sensitivity(DIFF, {"one": o}, quantifier="always", looks=LOOKS)
    assert wide > high


def test_saturated_looks_stay_withheld_at_other_margins() -> None:
    full = {"a": np.r_[np.ones(12), np.full(4, 0.99)], "b": np.r_[np.ones(12), np.linspace(0.1, 0.2, 4)]}
    assert sensitivity(DIFF, {"one": full}, quantifier="always", looks=LOOKS) == (0.0, INF)


def test_margins_far_from_one_are_found_to_the_same_relative_precision() -> None:
    for unit in (1e-6, 1.0, 1e6):
        o = {name: unit * values for name, values in outcomes(0).items()}
        _, high = sensitivity(DIFF | {"margin": 0.0}, {"one": o}, quantifier="always", looks=LOOKS)
        if unit == 1e-6:
            first = high / unit
        assert high / unit == pytest.approx(first, rel=2e-3)
