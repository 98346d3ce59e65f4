"""What is told and stored of a condition: reasons, power notes, standings, the numbers of each part."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from claims.statistics.criteria import Leaf
from claims.statistics.reasons import failing_word
from tests.statistics.cases import (
    BEST,
    DIFF,
    INF,
    INNER,
    LEVEL,
    NAN,
    RATE,
    SAME,
    TREND,
    WIDE,
    WINS,
    Array,
    curve,
    failing,
    judged,
    normal,
)

# Reasons -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "margin", "word"),
    [
        (-2.0, 0.5, "reversed"),
        (0.0, 1.5, "negligible"),
        (1.0, 2.0, "too small"),
        (-1.0, 0.9, "not shown better"),
        (-1.0, 0.0, "reversed"),
    ],
)
def test_why_a_difference_fails(mean: float, margin: float, word: str) -> None:
    x = normal(32, sd=1.0)
    x += mean - x.mean()
    zero = np.zeros(32)
    for better, a, b in (("higher", x, zero), ("lower", zero, x)):
        found = judged(DIFF | {"margin": margin, "better": better}, a=a, b=b)
        assert (found.state, found.reason) == ("decided", word)


@pytest.mark.parametrize(
    ("criterion", "x", "word"),
    [
        (WIDE, normal(32, mean=3), "above the region"),
        (WIDE, normal(32, mean=-3), "below the region"),
        (LEVEL, normal(32, mean=-3), "below the region"),
        (LEVEL | {"range": [-INF, 0.0]}, normal(32, mean=3), "above the region"),
        (RATE, np.zeros(32), "below the region"),
        ({"kind": "rate", "event": "x", "below": 0.5}, np.ones(32), "above the region"),
        (SAME, np.full(3, 2.0), "violated"),
    ],
)
def test_why_other_criteria_fail(criterion: dict[str, Any], x: Array, word: str) -> None:
    found = judged(criterion, x=x)
    assert (found.state, found.reason) == ("decided", word)


def test_why_ratios_and_shares_fail() -> None:
    one = np.ones(32)
    faster = {"kind": "ratio", "a": "a", "b": "b", "range": [1.2, INF]}
    for shift, word in ((-1.0, "reversed"), (0.0, "negligible"), (0.1, "too small")):
        assert judged(faster, a=np.exp(normal(32, mean=shift, sd=0.02)), b=one).reason == word
    smaller = faster | {"range": [0.0, 0.8]}
    for shift, word in ((1.0, "reversed"), (0.0, "negligible"), (-0.1, "too small")):
        assert judged(smaller, a=np.exp(normal(32, mean=shift, sd=0.02)), b=one).reason == word
    assert judged(faster | {"range": [0.9, INF]}, a=0.5 * one + 0.01 * normal(32), b=one).reason == "below the region"
    assert judged(smaller | {"range": [0.0, 1.1]}, a=2 * one + 0.01 * normal(32), b=one).reason == "above the region"
    assert judged(WINS, a=-one, b=one).reason == "reversed"
    assert judged(WINS | {"above": 0.8}, a=np.tile([0.0, 2.0], 64), b=np.ones(128)).reason == "negligible"


ABOVE, BELOW, INSIDE = (
    Leaf("x", "diff", "mean", lo, hi, lambda o: o["x"], null=0.0) for lo, hi in ((1.0, INF), (-INF, -1.0), (-1.0, 2.0))
)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-3.0, -1.1, "reversed"),
        (-3.0, -1.0, "not shown better"),
        (-0.9, 0.9, "negligible"),
        (-1.0, 0.9, "not shown better"),
        (-0.9, 1.0, "not shown better"),
        (0.0, 0.9, "negligible"),
        (0.1, 0.9, "too small"),
        (0.1, 1.0, "not shown better"),
        (-2.0, 0.5, "not shown better"),
    ],
)
def test_failing_words_at_their_boundaries(low: float, high: float, word: str) -> None:
    assert failing_word(ABOVE, low, high) == word
    assert failing_word(BELOW, -high, -low) == word
    shifted = dataclasses.replace(ABOVE, lo=1.5, null=0.5)
    assert failing_word(shifted, low + 0.5, high + 0.5) == word


@pytest.mark.parametrize(
    ("leaf", "low", "high", "word"),
    [
        (INSIDE, 2.0, 3.0, "above the region"),
        (INSIDE, 1.9, 3.0, "outside the region"),
        (INSIDE, -3.0, -1.0, "below the region"),
        (INSIDE, -3.0, -0.9, "outside the region"),
        (INSIDE, -3.0, 3.0, "outside the region"),
        (dataclasses.replace(ABOVE, lo=0.0), -1.0, -0.1, "reversed"),
        (dataclasses.replace(BELOW, hi=0.0), 0.1, 1.0, "reversed"),
        (dataclasses.replace(ABOVE, lo=-0.1), -1.0, -0.2, "below the region"),
        (dataclasses.replace(BELOW, hi=0.1), 0.2, 1.0, "above the region"),
        (dataclasses.replace(ABOVE, null=NAN), -1.0, 0.5, "below the region"),
        (dataclasses.replace(ABOVE, null=NAN), -1.0, 1.5, "below the region"),
        (dataclasses.replace(BELOW, null=NAN), -1.5, 1.5, "above the region"),
    ],
)
def test_words_for_where_an_interval_lies(leaf: Leaf, low: float, high: float, word: str) -> None:
    assert failing_word(leaf, low, high) == word


def test_the_failing_part_is_named() -> None:
    found = judged(TREND, y=curve(0, 1, 0, 2, n=32))
    assert found.reason == "below the region (y: step 2)"
    assert judged(TREND, y=curve(0, 0, 0, n=32)).reason == "negligible (y: last - first)"
    found = judged(TREND, y=curve(0, -1, -2, -3, n=32))
    assert found.reason.startswith(("reversed (y: last - first)", "below the region (y: step"))
    found = judged(INNER, y=curve(0, 2, 4, 6, n=32))
    assert found.reason == "reversed (y: x2 against x1)"
    found = judged(BEST, a=normal(64), b=normal(64, mean=-3, seed=1), c=normal(64, mean=3, seed=2))
    assert found.reason == "reversed (a - c)"


def test_why_nothing_was_decided() -> None:
    x = normal(seed=5)
    x -= x.mean() - 0.01
    assert judged(LEVEL, x=x[:8]).reason == "not decided at 8 of 128 replicates"
    assert judged(LEVEL, x=failing(x[:32] + 0.5, 1)).reason == "not decided at 32 of 128 replicates"
    found = judged(LEVEL, x=x)
    n = (stats.norm.ppf(0.002) * x.std(ddof=1) / x.mean()) ** 2
    assert found.needed_n == pytest.approx(n)
    assert (
        found.reason
        == f"x is too close to the edge of the region; about {n:.0f} replicates would decide, as likely as not"
    )
    x = x - x.mean()
    x = np.r_[x, -x][:64]
    exact = np.r_[x[:16], -x[:16]]
    found = judged(LEVEL, x=exact - exact.mean())
    assert found.reason.startswith("stopped early: x is too close to the edge of the region; ")
    assert judged(LEVEL, x=np.zeros(32)).reason.endswith("; no number of replicates may")
    assert math.isnan(judged(LEVEL, x=np.zeros(32)).needed_n)
    assert judged(LEVEL, x=np.tile([-1.0, 1.0], 64)).needed_n == INF


def test_needed_replicates_look_at_the_nearer_end_and_the_undecided_part() -> None:
    x = normal(32, mean=0.8)
    found = judged(WIDE, x=x)
    n = (stats.norm.ppf(0.002) * x.std(ddof=1) / (1 - x.mean())) ** 2
    assert found.needed_n == pytest.approx(n)
    ends = np.sort(x)[[round(31 * 0.16), round(31 * 0.84)]]
    n = (stats.norm.ppf(0.0025) * (ends[1] - ends[0]) / 2 / (1 - np.median(x))) ** 2
    assert judged(WIDE | {"estimator": "median"}, x=x).needed_n == pytest.approx(n)
    y = curve(0, 1, 0.76, 3, n=16, sd=0.3)
    step = y[:, 2] - y[:, 1]
    found = judged(TREND, y=y)
    assert found.state == "open"
    assert found.needed_n == pytest.approx((stats.norm.ppf(0.002) * step.std(ddof=1) / (step.mean() + 0.25)) ** 2)
    share = judged(RATE, x=np.tile([1.0, 1.0, 0.0], 11)[:32])
    assert share.needed_n == pytest.approx((stats.norm.ppf(0.002) * math.sqrt(22 * 10) / 32 / (22 / 32 - 0.5)) ** 2)


def test_agreeing_replicates_are_told_how_many_have_to_agree() -> None:
    found = judged(LEVEL, x=np.full(16, 3.0), looks=(8, 16))
    assert found.state == "cap"
    assert found.needed_n == pytest.approx(math.log(0.01 / 2) / math.log(0.8))
    assert found.reason == "x agrees in too few replicates; about 24 replicates would decide, as likely as not"
    assert judged(LEVEL, x=np.full(32, 3.0), looks=(8, 16, 32)).state == "decided"
    assert judged(LEVEL, x=np.full(16, 0.5), looks=(8, 16)).needed_n == found.needed_n
    some = judged(LEVEL, x=np.r_[np.full(13, 3.0), -1.0, 2.0, 2.5], looks=(8, 16))
    assert some.needed_n == INF
    assert some.reason == "x differs in a few replicates only; more may tell what is rare"
    near = judged(LEVEL, x=np.r_[np.full(13, 3.0), 2.0, 2.5, 2.8], looks=(8, 16))
    assert (near.needed_n, near.reason) == (INF, some.reason)
    assert judged(LEVEL, x=normal(16), looks=(8, 16)).reason.startswith("x is too close to the edge")


def test_standings_are_the_judgements_at_the_looks_so_far() -> None:
    x = normal(32, mean=0.3)
    found = judged(LEVEL, x=x)
    assert [one.look for one in found.standings] == [8, 16, 32]
    for one in found.standings:
        then = judged(LEVEL, x=x[: one.look])
        assert (one.ph, one.pf, one.state) == (then.ph, then.pf, then.state)
    # what broke an earlier look cannot be told from a later one
    last = judged(LEVEL, x=failing(x, 1)).standings
    assert [one.look for one in last] == [32]


@pytest.mark.parametrize("rows", [3, 0])
def test_before_the_first_look_one_open_standing_says_so(rows: int) -> None:
    found = judged(LEVEL, x=np.ones(rows))
    assert [dataclasses.astuple(one) for one in found.standings] == [(rows, 1.0, 1.0, "open")]
    assert found.reason == f"{rows} of 8 replicates before the first look"


def test_a_broken_condition_stands_at_all_its_rows() -> None:
    nothing = judged(LEVEL, x=np.full(8, NAN))
    assert [dataclasses.astuple(one) for one in nothing.standings] == [(8, 1.0, 1.0, "broken")]
    most = judged(LEVEL, x=failing(normal(16), *range(9)), looks=(8, 16))
    assert [dataclasses.astuple(one) for one in most.standings] == [(16, 1.0, 1.0, "broken")]


def test_decided_conditions_need_no_more() -> None:
    assert math.isnan(judged(LEVEL, x=normal(8, mean=9)).needed_n)
    assert judged(LEVEL, x=normal(8, mean=9)).reason == ""


# What is stored of each part ---------------------------------------------------------------------------------------


def test_a_difference_is_stored_with_its_evidence() -> None:
    a, b = normal(32, mean=1.0), normal(32, seed=1)
    b[0] = a[0]
    leaf = judged(DIFF, a=a, b=b).leaves[0]
    x = a - b
    assert (leaf.name, leaf.kind, leaf.scale) == ("a - b", "diff", "difference")
    assert (leaf.lower, leaf.upper) == (0.5, INF)
    assert leaf.estimate == pytest.approx(x.mean())
    assert leaf.d_z == pytest.approx(x.mean() / x.std(ddof=1))
    assert leaf.win_rate == pytest.approx(((x > 0).sum() + 0.5) / 32)
    assert leaf.median == pytest.approx(np.median(x))


def test_a_ratio_is_shown_as_a_ratio() -> None:
    x = normal(32, mean=0.5, sd=0.2)
    for estimator, centre in (("mean", x.mean()), ("median", np.median(x))):
        criterion = {"kind": "ratio", "a": "a", "b": "b", "range": [1.2, INF], "estimator": estimator}
        leaf = judged(criterion, a=np.exp(x), b=np.ones(32)).leaves[0]
        assert leaf.estimate == pytest.approx(math.exp(centre))
        assert 1 < leaf.low < leaf.estimate < leaf.high < 3
        assert (leaf.lower, leaf.upper, leaf.scale) == (pytest.approx(1.2), INF, "ratio")
        assert leaf.median == pytest.approx(math.exp(np.median(x)))
        assert leaf.d_z == pytest.approx(x.mean() / x.std(ddof=1))
    below = judged({"kind": "ratio", "a": "a", "b": "b", "range": [0, 0.8]}, a=np.exp(x), b=np.ones(32)).leaves[0]
    assert (below.lower, below.upper) == (-INF, pytest.approx(0.8))


def test_shares_levels_and_identities_leave_undefined_what_they_do_not_have() -> None:
    share = judged(WINS, a=normal(32, mean=1), b=normal(32, seed=1)).leaves[0]
    assert share.win_rate == share.estimate
    assert math.isnan(share.d_z)
    assert math.isnan(share.median)
    rate = judged(RATE, x=np.ones(32)).leaves[0]
    assert math.isnan(rate.win_rate)
    assert (rate.lower, rate.upper) == (0.5, INF)
    level = judged(LEVEL, x=normal(32)).leaves[0]
    assert math.isnan(level.d_z)
    assert math.isnan(level.win_rate)
    assert level.median == np.median(normal(32))
    same = judged(SAME, x=np.array([1.0, 1.05, 0.92])).leaves[0]
    assert (same.estimate, same.lower, same.upper) == (pytest.approx(0.08), 0.0, 0.1)
    for value in (same.low, same.high, same.d_z, same.win_rate, same.median):
        assert math.isnan(value)
    constant = judged(DIFF, a=np.ones(8), b=np.zeros(8)).leaves[0]
    assert (constant.estimate, constant.win_rate) == (1.0, 1.0)
    assert math.isnan(constant.d_z)
