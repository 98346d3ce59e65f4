"""What a criterion asks of a trial, what it reads in words, and the scores and regions that follow from it."""

import math
from typing import Any

import numpy as np
import pytest

from claims.statistics import (
    complete,
    curve_names,
    describe,
    fails_for_equal_arms,
    outcome_names,
    planned_looks,
    statistical,
)
from claims.statistics.course import leaf_looks
from claims.statistics.criteria import Group, Leaf, leaf_criteria, leaves, own_test, tree
from tests.statistics.declared import (
    ALL,
    BEST,
    DIFF,
    EQUIV,
    FALLS,
    INF,
    INNER,
    LEVEL,
    LOOKS,
    PAIR,
    RATE,
    RATIO,
    SAME,
    TREND,
    WINS,
)


@pytest.mark.parametrize(
    ("criterion", "names", "curves"),
    [
        (DIFF, {"random", "grid"}, {}),
        (LEVEL, {"slope"}, {}),
        (TREND, {"y"}, {"y": "size"}),
        (INNER, {"y"}, {"y": "degrees"}),
        (BEST, {"mcc", "f1", "auc"}, {}),
        (RATE, {"stuck"}, {}),
        (SAME, {"share"}, {}),
        (PAIR, {"x", "y"}, {}),
        ({"all": [DIFF, {"any": [TREND, RATE]}]}, {"random", "grid", "y", "stuck"}, {"y": "size"}),
    ],
)
def test_outcomes_and_curves_that_the_trial_must_return(criterion: Any, names: set[str], curves: Any) -> None:
    assert outcome_names(criterion) == names
    assert curve_names(criterion) == curves


def test_only_identity_is_not_statistical() -> None:
    assert [statistical(one) for one in ALL] == [one["kind"] != "identity" for one in ALL]
    assert not statistical({"all": [SAME, {"any": [PAIR]}]})
    assert statistical({"all": [SAME, DIFF]})


@pytest.mark.parametrize(
    ("criterion", "fails"),
    [
        *((one, one["kind"] in ("diff", "ratio", "winrate", "best")) for one in ALL),
        (DIFF | {"margin": 0.0}, True),
        (RATIO | {"range": [1.0, INF]}, True),
        (RATIO | {"range": [0.9, INF]}, False),
        (RATIO | {"range": [0.0, 1.0]}, True),
        (RATIO | {"range": [0.0, 1.1]}, False),
        (WINS | {"above": 0.49}, False),
        (EQUIV | {"scale": "ratio"}, False),
        ({"all": [DIFF, EQUIV]}, True),
        ({"any": [DIFF, EQUIV]}, False),
        ({"any": [DIFF, BEST]}, True),
        ({"all": [LEVEL, EQUIV, {"any": [DIFF, LEVEL]}]}, False),
    ],
)
def test_where_equal_arms_cannot_meet_the_criterion(criterion: Any, fails: bool) -> None:
    arms = {name for name in outcome_names(criterion) if name not in ("slope", "y", "stuck", "share")}
    assert fails_for_equal_arms(complete(criterion), arms) is fails
    assert not fails_for_equal_arms(complete(criterion), ())


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("new", "old", True),
        ("new_loss", "old_loss", True),
        ("new_loss", "old_gain", False),
        ("new_loss", "old", False),
        ("new_loss", "new", False),
        ("new_train_loss", "new_loss", False),
        ("new_big_loss", "old_loss", True),
        ("new_big", "new", True),
        ("other", "another", False),
        ("new", "other", False),
        ("newer", "older", False),
    ],
)
def test_only_the_same_measure_of_two_arms_becomes_equal(a: str, b: str, equal: bool) -> None:
    for arms in (("new", "old", "new_big"), ("new_big", "new", "old")):
        assert fails_for_equal_arms(complete(DIFF | {"a": a, "b": b}), arms) is equal
    several = BEST | {"a": a, "rivals": ["else", b]}
    assert fails_for_equal_arms(complete(several), ("new", "old", "new_big")) is equal


def test_simple_criteria_are_read_from_left_to_right() -> None:
    assert list(leaf_criteria({"all": [DIFF, {"any": [TREND, RATE]}, SAME]})) == [DIFF, TREND, RATE, SAME]


@pytest.mark.parametrize(
    ("criterion", "looks"),
    [
        (DIFF, LOOKS),
        (WINS, LOOKS),
        (RATIO, (16, 32, 64, 128)),
        (LEVEL | {"estimator": "median"}, (16, 32, 64, 128)),
        (SAME, (3,)),
        (PAIR, (32,)),
        ({"all": [SAME, PAIR]}, (32,)),
        ({"all": [RATIO, PAIR]}, (16, 32, 64, 128)),
        ({"all": [DIFF, SAME, RATIO]}, LOOKS),
    ],
)
def test_planned_looks(criterion: dict[str, Any], looks: tuple[int, ...]) -> None:
    assert planned_looks(criterion, LOOKS) == looks
    assert planned_looks(criterion, looks) == looks
    assert planned_looks(criterion, LOOKS[::-1]) == looks


def test_looks_of_one_leaf() -> None:
    assert leaf_looks("exact", 32, LOOKS, population=False) == (32,)
    assert leaf_looks("exact", 33, LOOKS, population=False) == (64,)
    assert leaf_looks("exact", 129, LOOKS, population=False) == ()
    assert leaf_looks("median", 0, (8, 16), population=False) == (16,)
    assert leaf_looks("prop", 0, (16, 8), population=False) == (8, 16)
    assert leaf_looks("mean", 0, LOOKS, population=True) == (32,)


def test_resplits_have_one_look_and_means_only() -> None:
    assert planned_looks(DIFF, LOOKS, population=True) == (32,)
    assert planned_looks(TREND, (8, 16), population=True) == (32,)
    for one in (RATIO, WINS, RATE, SAME):
        with pytest.raises(ValueError, match="tests of means only, got " + one["kind"]):
            planned_looks(one, LOOKS, population=True)


def test_a_profile_without_a_look_for_the_test_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio \(median\) needs one from 16 on, got \(8,\); raise max_replicates"):
        planned_looks(RATIO, (8,))
    with pytest.raises(ValueError, match=r"identity \(exact\) needs one from 32 on, got \(8, 16\)"):
        planned_looks({"all": [DIFF, PAIR]}, (8, 16))


@pytest.mark.parametrize(
    ("criterion", "text"),
    [
        (DIFF, "random is higher than grid by more than 0.01 on average"),
        (DIFF | {"margin": 0.0, "better": "lower"}, "random is lower than grid on average"),
        (RATIO, "the median ratio of slow to fast is above 1.2"),
        (RATIO | {"estimator": "mean", "range": [0, 0.8]}, "the geometric mean ratio of slow to fast is below 0.8"),
        (WINS, "bayesian is higher than random in more than 0.5 of the replicates"),
        (WINS | {"tie": 0.1}, "bayesian is higher than random by more than 0.1 in more than 0.5 of the replicates"),
        (EQUIV, "gru and lstm differ on average by less than 0.02"),
        (EQUIV | {"scale": "ratio", "margin": 0.5}, "gru and lstm differ on average by less than a factor of 1.649"),
        (LEVEL, "the mean of slope is between 0.9 and 1.1"),
        (LEVEL | {"range": [-INF, 0.5]}, "the mean of slope is below 0.5"),
        (LEVEL | {"range": [0.0, 0.5]}, "the mean of slope is between 0 and 0.5"),
        (
            TREND,
            "y goes up by more than 0.5 from the first to the last size, with no step back of 0.125 or more",
        ),
        (INNER, "y is lower at some inner degrees than at both ends by more than 0.05"),
        (BEST, "mcc is higher than each of f1, auc by more than 0.05 on average"),
        (RATE, "the rate of stuck is above 0.05"),
        (FALLS, "the rate of stuck is below 0.05"),
        (SAME, "share equals 0.75 within 1e-12 in every one of 3 replicates"),
        (PAIR, "x equals y in every one of 32 replicates"),
        ({"all": [RATE, FALLS]}, "the rate of stuck is above 0.05, and the rate of stuck is below 0.05"),
        (
            {"any": [{"all": [LEVEL, RATE]}, RATE]},
            "(the mean of slope is between 0.9 and 1.1, and the rate of stuck is above 0.05), "
            "or the rate of stuck is above 0.05",
        ),
        (
            {"all": [{"any": [LEVEL, RATE]}, RATE]},
            "(the mean of slope is between 0.9 and 1.1, or the rate of stuck is above 0.05), "
            "and the rate of stuck is above 0.05",
        ),
    ],
)
def test_a_criterion_in_words(criterion: dict[str, Any], text: str) -> None:
    assert describe(criterion) == text


# Leaves ------------------------------------------------------------------------------------------------------------

A = np.array([1.0, 2.0, 4.0, 0.0])
B = np.array([1.0, 4.0, 1.0, 2.0])
Y = np.array([[1.0, 2.0, 4.0, 7.0], [0.0, 5.0, 1.0, 3.0]])


def simple(criterion: dict[str, Any], points: int = 0) -> Leaf:
    node = tree(complete(criterion), {"y": points})
    assert isinstance(node, Leaf)
    return node


@pytest.mark.parametrize(
    ("criterion", "name", "test", "scale", "region", "null", "scores"),
    [
        (DIFF, "random - grid", "mean", "difference", (0.01, INF), 0.0, A - B),
        (DIFF | {"better": "lower"}, "grid - random", "mean", "difference", (0.01, INF), 0.0, B - A),
        (WINS, "bayesian beats random", "prop", "share", (0.5, INF), 0.5, [0.5, 0, 1, 0]),
        (WINS | {"better": "lower"}, "bayesian beats random", "prop", "share", (0.5, INF), 0.5, [0.5, 1, 0, 1]),
        (WINS | {"tie": 2.0}, "bayesian beats random", "prop", "share", (0.5, INF), 0.5, [0.5, 0.5, 1, 0.5]),
        (EQUIV, "gru - lstm", "mean", "difference", (-0.02, 0.02), 0.0, A - B),
        (LEVEL, "slope", "mean", "value", (0.9, 1.1), math.nan, A),
        (LEVEL | {"estimator": "median"}, "slope", "median", "value", (0.9, 1.1), math.nan, A),
        (RATE, "stuck", "prop", "share", (0.05, INF), math.nan, A),
        (FALLS, "stuck", "prop", "share", (-INF, 0.05), math.nan, A),
        (SAME, "share = 0.75", "exact", "difference", (-INF, 1e-12), math.nan, A - 0.75),
        (PAIR, "x = y", "exact", "difference", (-INF, 0.0), math.nan, A - B),
    ],
)
def test_scores_and_regions(
    criterion: dict[str, Any],
    name: str,
    test: str,
    scale: str,
    region: tuple[float, float],
    null: float,
    scores: Any,
) -> None:
    leaf = simple(criterion)
    assert (leaf.name, leaf.kind, leaf.test, leaf.scale) == (name, criterion["kind"], test, scale)
    assert own_test(complete(criterion)) == test
    assert (leaf.lo, leaf.hi) == region
    assert leaf.null == null or (math.isnan(leaf.null) and math.isnan(null))
    first = {"random", "bayesian", "gru", "slope", "stuck", "share", "x"}
    outcomes = {key: A if key in first else B for key in outcome_names(criterion)}
    if criterion["kind"] == "winrate":
        outcomes = {"bayesian": A, "random": B}
    np.testing.assert_allclose(leaf.score(outcomes), scores)


@pytest.mark.parametrize("criterion", [RATIO, EQUIV | {"scale": "ratio", "a": "slow", "b": "fast"}])
def test_ratios_are_logarithms_and_need_positive_outcomes(criterion: dict[str, Any]) -> None:
    leaf = simple(criterion)
    edges = (math.log(1.2), INF) if criterion["kind"] == "ratio" else (-0.02, 0.02)
    assert (leaf.name, leaf.scale, leaf.null) == ("slow / fast", "ratio", 0.0)
    assert (leaf.lo, leaf.hi) == pytest.approx(edges)
    got = leaf.score({"slow": np.array([2.0, 0.0, 1.0, -1.0, 3.0]), "fast": np.array([1.0, 1.0, 0.0, -1.0, 3.0])})
    np.testing.assert_allclose(got, [math.log(2), math.nan, math.nan, math.nan, 0.0])


def test_open_ends_of_a_ratio() -> None:
    leaf = simple(RATIO | {"range": [0, 0.8]})
    assert (leaf.lo, leaf.hi) == (-INF, pytest.approx(math.log(0.8)))


def test_best_is_a_difference_to_each_rival() -> None:
    node = tree(complete(BEST), {})
    assert isinstance(node, Group)
    assert (node.op, [leaf.name for leaf in leaves(node)]) == ("all", ["mcc - f1", "mcc - auc"])
    assert [leaf.lo for leaf in leaves(node)] == [0.05, 0.05]
    assert [leaf.name for leaf in leaves(tree(complete(BEST | {"better": "lower"}), {}))] == ["f1 - mcc", "auc - mcc"]


@pytest.mark.parametrize(("direction", "sign"), [("up", 1), ("down", -1)])
def test_trend_is_the_total_and_every_step(direction: str, sign: int) -> None:
    node = tree(complete(TREND | {"direction": direction}), {"y": 4})
    assert isinstance(node, Group)
    parts = leaves(node)
    turned = "" if sign > 0 else ", sign reversed"
    assert (node.op, node.kind, [leaf.index for leaf in parts]) == ("all", "trend", [0, 1, 2, 3])
    assert [leaf.name for leaf in parts] == [
        f"y: {part}{turned}" for part in ("last - first", "step 1", "step 2", "step 3")
    ]
    assert [(leaf.lo, leaf.hi) for leaf in parts] == [(0.5, INF), *[(-0.125, INF)] * 3]
    for leaf, expected in zip(parts, ([6, 3], [1, 5], [2, -4], [3, 2]), strict=True):
        np.testing.assert_allclose(leaf.score({"y": Y}), sign * np.array(expected))


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_interior_compares_each_inner_point_with_both_ends(better: str, sign: int) -> None:
    node = tree(complete(INNER | {"better": better}), {"y": 4})
    assert isinstance(node, Group)
    assert (node.op, node.kind, [part.op for part in node.parts if isinstance(part, Group)]) == (
        "any",
        "interior",
        ["all", "all"],
    )
    parts = leaves(node)
    assert [leaf.name for leaf in parts] == [f"y: x{k} against x{end}" for k in (2, 3) for end in (1, 4)]
    assert [(leaf.lo, leaf.hi, leaf.kind) for leaf in parts] == [(0.05, INF, "interior")] * 4
    for leaf, expected in zip(parts, ([1, 5], [-5, 2], [3, 1], [-3, -2]), strict=True):
        np.testing.assert_allclose(leaf.score({"y": Y}), sign * np.array(expected))


def test_leaves_are_numbered_through_a_nested_criterion() -> None:
    node = tree(complete({"all": [TREND, {"any": [DIFF, RATE]}, SAME]}), {"y": 3})
    assert [leaf.index for leaf in leaves(node)] == [0, 1, 2, 3, 4, 5]
    assert [leaf.kind for leaf in leaves(node)] == ["trend", "trend", "trend", "diff", "rate", "identity"]


@pytest.mark.parametrize(("criterion", "points", "least"), [(TREND, 1, 2), (INNER, 2, 3)])
def test_curves_must_be_long_enough(criterion: dict[str, Any], points: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"criterion.y must be a curve of at least {least} points, got {points}"):
        tree(complete(criterion), {"y": points})
    assert leaves(tree(complete(criterion), {"y": least}))


def test_a_margin_may_be_an_array() -> None:
    margins = np.array([0.1, 0.2])
    for criterion in (DIFF, EQUIV, TREND, INNER, BEST):
        parts = leaves(tree(complete(criterion) | {"margin": margins}, {"y": 4}))
        np.testing.assert_allclose(parts[0].lo, -margins if criterion is EQUIV else margins)
