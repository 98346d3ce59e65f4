"""What a criterion may say, and what is filled in where it says nothing."""

import math
from typing import Any

import pytest

from claims.statistics import complete
from claims.statistics.kinds import KINDS
from tests.statistics.declared import (
    ALL,
    BEST,
    DIFF,
    EQUIV,
    INF,
    INNER,
    LEVEL,
    PAIR,
    RATE,
    RATIO,
    SAME,
    TREND,
    WINS,
)


def test_every_kind_is_tried_here() -> None:
    assert {one["kind"] for one in ALL} == set(KINDS)


@pytest.mark.parametrize(
    ("criterion", "added"),
    [
        (DIFF, {}),
        ({k: v for k, v in RATIO.items() if k != "estimator"}, {"estimator": "mean"}),
        (WINS, {"tie": 0.0, "better": "higher"}),
        (EQUIV, {"scale": "difference"}),
        (LEVEL, {"estimator": "mean"}),
        (TREND, {"tol": 0.125}),
        (TREND | {"tol": 0.3}, {}),
        (INNER, {}),
        (BEST, {}),
        (RATE, {}),
        (SAME, {"n": 3}),
        (PAIR, {"tol": 0.0}),
        (DIFF | {"margin": 1, "why": "a reader would notice"}, {}),
        (RATIO | {"clock": "cpu"}, {}),
        (DIFF | {"bounds": [0, 1]}, {}),
        (DIFF | {"bounds": [-INF, INF]}, {}),
        (LEVEL | {"range": [-INF, 3]}, {"estimator": "mean"}),
        (RATIO | {"range": [0, 0.8]}, {}),
    ],
)
def test_defaults_are_filled_in_once(criterion: dict[str, Any], added: dict[str, Any]) -> None:
    filled = complete(criterion)
    assert filled == criterion | added
    assert complete(filled) == filled
    assert next(iter(filled)) == "kind"


def test_absent_and_null_are_the_same() -> None:
    assert complete(DIFF | {"bounds": None, "why": None}) == complete(DIFF)
    assert isinstance(complete(DIFF | {"margin": 1})["margin"], float)


def test_nested_criteria_are_completed_in_place() -> None:
    nested = {"all": [DIFF, {"any": [TREND, SAME], "why": "either will do"}], "why": "both"}
    filled = complete(nested)
    assert filled["all"][1]["any"][0]["tol"] == 0.125
    assert (filled["why"], filled["all"][1]["why"]) == ("both", "either will do")
    assert complete({"any": [DIFF]}) == {"any": [DIFF]}


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("diff", "criterion must be a mapping, got 'diff'; write {kind: ..., ...}"),
        ({"a": "x"}, "criterion.kind is required, got 'nothing'; write one of diff, ratio"),
        ({"kind": "dif"}, "criterion.kind must be one of diff, ratio, .*, got 'dif'; did you mean `diff`?"),
        ({"kind": ["diff"]}, "criterion.kind must be one of"),
        (DIFF | {"margn": 1.0}, "criterion.margn is no key of diff, got 1.0; did you mean `margin`?"),
        (WINS | {"margin": 1.0}, "criterion.margin is no key of winrate, got 1.0; did you mean"),
        ({k: v for k, v in DIFF.items() if k != "margin"}, "criterion.margin is required by diff, .*; add `margin:`"),
        (DIFF | {"margin": -0.1}, "criterion.margin must not be negative, got -0.1; state the direction by `better`"),
        (DIFF | {"margin": INF}, "criterion.margin must be finite, got inf"),
        (DIFF | {"margin": math.nan}, "criterion.margin must not be NaN"),
        (DIFF | {"margin": "1e-6"}, "criterion.margin must be a number, got '1e-6'; YAML needs a dot"),
        (DIFF | {"margin": True}, "criterion.margin must be a number, got True"),
        (DIFF | {"a": 3}, "criterion.a must be a name, got 3"),
        (DIFF | {"a": ""}, "criterion.a must be a name, got ''"),
        (DIFF | {"b": "random"}, "criterion arms must differ, got .'random', 'random'."),
        (DIFF | {"better": "larger"}, "criterion.better must be lower or higher, got 'larger'; did you mean `"),
        (DIFF | {"bounds": [1, 0]}, "criterion.bounds must have low < high"),
        (RATIO | {"range": [1.2, 1.2]}, "criterion.range must have low < high"),
        (RATIO | {"range": [-1, 2]}, "criterion.range must start at 0 or above"),
        (RATIO | {"range": [0, INF]}, "criterion.range must exclude something"),
        (LEVEL | {"range": [-INF, INF]}, "criterion.range must exclude something"),
        (LEVEL | {"range": [1]}, "criterion.range must be .low, high., got .1."),
        (LEVEL | {"range": "ab"}, "criterion.range must be .low, high., got 'ab'"),
        (LEVEL | {"range": 3}, "criterion.range must be .low, high., got 3"),
        (LEVEL | {"range": [0, "1"]}, "criterion.range must be a number, got '1'"),
        (LEVEL | {"estimator": "mode"}, "criterion.estimator must be mean or median"),
        (RATIO | {"clock": "gpu"}, "criterion.clock must be cpu or wall"),
        (WINS | {"above": 1.0}, "criterion.above must lie strictly between 0 and 1, got 1.0"),
        (WINS | {"above": 0.0}, "criterion.above must lie strictly between 0 and 1"),
        (WINS | {"tie": -1.0}, "criterion.tie must not be negative"),
        (EQUIV | {"margin": 0.0}, "criterion.margin must be positive for equiv"),
        (TREND | {"tol": -0.1}, "criterion.tol must not be negative"),
        (BEST | {"rivals": []}, "criterion.rivals must be a list of outcomes"),
        (BEST | {"rivals": "f1"}, "criterion.rivals must be a list of outcomes, got 'f1'"),
        (BEST | {"rivals": ["f1", 2]}, r"criterion.rivals\[1\] must be a name, got 2"),
        (BEST | {"rivals": ["mcc"]}, "criterion arms must differ"),
        (RATE | {"below": 0.5}, "criterion rate needs exactly one of above and below"),
        ({"kind": "rate", "event": "x"}, "criterion rate needs exactly one of above and below"),
        (SAME | {"a": "x"}, "criterion identity needs outcome and value, or a and b"),
        ({"kind": "identity", "a": "x"}, "criterion identity needs outcome and value, or a and b"),
        (SAME | {"n": 0}, "criterion.n must be a whole number of at least 1, got 0"),
        (SAME | {"n": 3.0}, "criterion.n must be a whole number of at least 1, got 3.0"),
        (SAME | {"n": True}, "criterion.n must be a whole number"),
        ({"all": []}, "criterion.all must be a list of criteria, got .."),
        ({"any": "diff"}, "criterion.any must be a list of criteria, got 'diff'"),
        ({"any": 3}, "criterion.any must be a list of criteria, got 3"),
        ({"all": [DIFF], "margin": 1}, "criterion.margin cannot stand beside `all`"),
        ({"all": [DIFF, DIFF | {"margin": -1}]}, r"criterion.all\[1\].margin must not be negative"),
    ],
)
def test_a_wrong_criterion_is_named_with_the_rule_the_value_and_what_to_do(criterion: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}.*; " if "; " not in message else f"^{message}"):
        complete(criterion)
