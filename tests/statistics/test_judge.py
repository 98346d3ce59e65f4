"""One condition judged: looks, failures, states, reasons, degenerate outcomes, and what must not matter."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from claims.statistics import Judgement, complete, judge
from claims.statistics.course import Step, course, states
from claims.statistics.criteria import Leaf, tree
from claims.statistics.reasons import failing_word
from claims.statistics.tests import MeanSample, MedianSample, PropSample

Array = NDArray[np.float64]
INF, NAN = math.inf, math.nan
LOOKS = (8, 16, 32, 64, 128)
DIFF: dict[str, Any] = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.5}
LEVEL: dict[str, Any] = {"kind": "level", "outcome": "x", "range": [0.0, INF]}
WIDE = LEVEL | {"range": [-1.0, 1.0]}
MEDIAN = LEVEL | {"estimator": "median"}
WINS: dict[str, Any] = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
RATE: dict[str, Any] = {"kind": "rate", "event": "x", "above": 0.5}
SAME: dict[str, Any] = {"kind": "identity", "outcome": "x", "value": 1.0, "tol": 0.1}
TREND: dict[str, Any] = {"kind": "trend", "outcome": "y", "over": "size", "direction": "up", "margin": 1.0}
INNER: dict[str, Any] = {"kind": "interior", "outcome": "y", "over": "size", "better": "lower", "margin": 1.0}
BEST: dict[str, Any] = {"kind": "best", "a": "a", "rivals": ["b", "c"], "better": "higher", "margin": 0.0}


def judged(criterion: dict[str, Any], close: float = 0.01, looks: Any = LOOKS, **outcomes: Any) -> Judgement:
    population = outcomes.pop("population", None)
    return judge(criterion, outcomes, looks=looks, alpha=0.01, close=close, population=population)


def normal(n: int = 128, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(mean, sd, size=n)


def curve(*means: float, n: int = 128, sd: float = 0.2, seed: int = 0) -> Array:
    return np.array(means) + np.random.default_rng(seed).normal(0, sd, size=(n, len(means)))


# Looks -------------------------------------------------------------------------------------------------------------

SAMPLES = {"mean": MeanSample, "median": MedianSample, "prop": PropSample}


def by_hand(x: Array, cut: float, test: str, looks: tuple[int, ...]) -> tuple[float, float]:
    """Sequential p-values of one leaf with failed replicates, one look after the other."""
    planned = [look for look in looks if test != "median" or look >= 16]
    best = [1.0, 1.0]
    for look in planned:
        if look > len(x):
            break
        rows = x[:look]
        good = rows[np.isfinite(rows)]
        if (look - len(good)) / look > 0.05:
            continue
        sample = SAMPLES[test].of(good)
        best[0] = min(best[0], len(planned) * float(sample.above(np.array(cut))))
        best[1] = min(best[1], len(planned) * float(sample.below(np.array(cut))))
    return best[0], best[1]


@pytest.mark.parametrize("looks", [LOOKS, (8, 16, 32), (64,)])
@pytest.mark.parametrize("test", SAMPLES)
@pytest.mark.parametrize("seed", range(6))
def test_p_values_are_corrected_for_every_planned_look(test: str, seed: int, looks: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0.4, 1, size=100) if test != "prop" else (rng.random(100) < 0.7) * 1.0
    x[rng.random(100) < 0.03] = NAN
    criterion = {"mean": LEVEL, "median": MEDIAN, "prop": RATE}[test]
    cut = 0.5 if test == "prop" else 0.0
    for n in (8, 16, 31, 32, 64, 100):
        found = judged(criterion, looks=looks, x=x[:n])
        ph, pf = by_hand(x[:n], cut, test, looks)
        if found.state != "broken":
            assert (found.ph, found.pf) == pytest.approx((min(ph, 1), min(pf, 1)), rel=1e-9)


@pytest.mark.parametrize("criterion", [LEVEL, MEDIAN, WIDE])
def test_the_first_replicates_of_a_longer_record_give_what_was_seen_at_that_look(criterion: dict[str, Any]) -> None:
    x = normal(mean=0.3, seed=3)
    full = judged(criterion, close=1e-9, x=x)
    for look in full.looks:
        then = judged(criterion, close=1e-9, x=x[: look.n])
        assert then.looks[-1] == look
        assert then.looks == full.looks[: len(then.looks)]
    assert [look.n for look in full.looks] == [n for n in LOOKS if criterion is not MEDIAN or n >= 16]
    assert list(np.diff([look.ph for look in full.looks]) <= 0) == [True] * (len(full.looks) - 1)


def test_a_look_uses_its_own_replicates_where_some_failed() -> None:
    x = failing(normal(mean=0.3, seed=3), 2, 40)
    x[33] = 8.0
    full = judged(LEVEL, close=1e-9, x=x)
    for look in full.looks:
        assert judged(LEVEL, close=1e-9, x=x[: look.n]).looks[-1] == look
    assert [look.n for look in full.looks] == list(LOOKS)
    later = failing(np.ones(64), 1)
    later[32] = 2.0
    found = judged({"all": [SAME | {"n": 8}, LEVEL]}, x=later)
    assert [look.pf for look in found.looks] == [1.0, 1.0, 1.0, 0.0]


def test_exactly_what_was_planned_is_used() -> None:
    assert judged(SAME, x=np.ones(5)).n == 3
    mixed = {"all": [SAME, LEVEL]}
    assert judged(mixed, x=np.ones(5)).reason == "5 of 8 replicates before the first look"
    assert [look.n for look in judged(mixed, x=np.ones(20)).looks] == [8, 16]


def test_rows_beyond_the_last_look_are_not_used() -> None:
    x = normal(mean=0.3)
    assert judged(LEVEL, x=x[:31]) == judged(LEVEL, x=x[:16])
    assert judged(LEVEL, x=np.concatenate([x[:16], np.full(9, NAN)])) == judged(LEVEL, x=x[:16])


def test_before_the_first_look_nothing_is_known() -> None:
    found = judged(LEVEL, x=normal(5))
    assert (found.n, found.failed, found.state, found.ph, found.pf) == (5, 0, "open", 1.0, 1.0)
    assert math.isnan(found.estimate)
    assert (found.low, found.high, found.looks) == (-INF, INF, ())
    assert found.reason == "5 of 8 replicates before the first look"
    assert judged(MEDIAN, x=normal(8)).reason == "8 of 16 replicates before the first look"
    assert judged(LEVEL, x=[]).n == 0
    leaf = found.leaves[0]
    assert (leaf.name, leaf.kind, leaf.lower, leaf.upper, leaf.ph, leaf.pf) == ("x", "level", 0.0, INF, 1.0, 1.0)
    assert math.isnan(leaf.estimate)
    assert (leaf.low, leaf.high, found.hold_cp, found.fail_cp) == (-INF, INF, 1.0, 1.0)


def test_the_same_record_gives_the_same_judgement() -> None:
    x = normal(mean=0.3)
    assert judged(LEVEL, x=x) == judged(LEVEL, x=x.copy())


def test_interval_is_the_repeated_one_at_the_closing_level_over_the_looks() -> None:
    x = normal(64, mean=0.1)
    found = judged(LEVEL, close=0.0025, x=x)
    low, high = MeanSample.of(x).interval(0.0025 / 5)
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_median_shares_its_level_among_four_looks() -> None:
    x = normal(64, mean=0.1)
    low, _ = MedianSample.of(x).interval(0.01 / 4)
    assert judged(MEDIAN, x=x).low == float(low)


# States ------------------------------------------------------------------------------------------------------------


def test_open_decided_futile_and_cap() -> None:
    x = normal(mean=0.0, seed=5)
    assert judged(LEVEL, x=normal(8)).state == "open"
    assert judged(LEVEL, x=normal(8, mean=9)).state == "decided"
    assert judged(LEVEL, x=normal(8, mean=-9)).state == "decided"
    assert judged(LEVEL, x=x - x[:32].mean(), looks=(8, 16)).state == "cap"
    assert judged(LEVEL, x=(x - x[:32].mean())[:32]).state == "futile"
    assert judged(LEVEL, x=(x - x[:16].mean())[:16]).state == "open"
    assert judged(LEVEL, x=(x - x[:32].mean())[:32], looks=(8, 16, 32)).state == "cap"


def test_decided_means_at_the_closing_level_inclusive() -> None:
    x = normal(16, mean=0.8, seed=1)
    p = judged(LEVEL, x=x).ph
    assert 1e-6 < p < 0.5
    assert judged(LEVEL, close=p, x=x).state == "decided"
    assert judged(LEVEL, close=p * (1 - 1e-9), x=x).state == "open"
    assert judged(LEVEL, close=p, x=-x).pf == pytest.approx(p)
    found = judged(LEVEL, close=judged(LEVEL, x=-x).pf, x=-x)
    assert (found.state, found.reason) == ("decided", "below the region")


def power_by_hand(t: float, n: int, cap: int, level: float) -> float:
    return float(stats.norm.cdf((t * math.sqrt(cap / n) - stats.norm.isf(level)) / math.sqrt(1 - n / cap)))


def test_conditional_power_under_the_current_trend() -> None:
    x = normal(32, mean=0.2, seed=2)
    t = x.mean() / x.std(ddof=1) * math.sqrt(32)
    found = judged(LEVEL, x=x)
    assert found.hold_cp == pytest.approx(power_by_hand(t, 32, 128, 0.002))
    assert found.fail_cp == pytest.approx(power_by_hand(-t, 32, 128, 0.002))


def test_conditional_power_of_a_region_is_that_of_its_nearer_end() -> None:
    x = normal(32, mean=0.7, sd=1.0, seed=2)
    t = [(x.mean() - cut) / x.std(ddof=1) * math.sqrt(32) for cut in (-1.0, 1.0)]
    found = judged(WIDE, x=x)
    assert found.hold_cp == pytest.approx(
        min(power_by_hand(t[0], 32, 128, 0.002), power_by_hand(-t[1], 32, 128, 0.002))
    )
    assert found.fail_cp == pytest.approx(
        max(power_by_hand(-t[0], 32, 128, 0.002), power_by_hand(t[1], 32, 128, 0.002))
    )


def test_conditional_power_looks_ahead_from_the_planned_look() -> None:
    x = failing(normal(32, mean=0.2, seed=2), 4)
    good = x[np.isfinite(x)]
    t = good.mean() / good.std(ddof=1) * math.sqrt(31)
    assert judged(LEVEL, x=x).hold_cp == pytest.approx(power_by_hand(t, 32, 128, 0.002))


@pytest.mark.parametrize("criterion", [LEVEL, MEDIAN, RATE])
@pytest.mark.parametrize("n", [16, 32, 128])
def test_regions_open_below_mirror_those_open_above(criterion: dict[str, Any], n: int) -> None:
    x = normal(n, mean=0.2, seed=2)
    if criterion is RATE:
        one, two = judged(RATE, x=(x > 0) * 1.0), judged({"kind": "rate", "event": "x", "below": 0.5}, x=(x <= 0) * 1.0)
    else:
        one, two = judged(criterion, x=x), judged(criterion | {"range": [-INF, 0.0]}, x=-x)
    assert numbers(one) == pytest.approx(numbers(two), rel=1e-9)
    assert one.hold_cp + one.fail_cp > 0 or n == 128


def test_at_the_cap_conditional_power_is_whether_it_is_reached() -> None:
    found = judged(LEVEL, x=normal(mean=2.0))
    assert (found.hold_cp, found.fail_cp) == (1.0, 0.0)
    found = judged(LEVEL, x=normal(mean=-2.0))
    assert (found.hold_cp, found.fail_cp) == (0.0, 1.0)
    for mean, powers in ((0.0, (1.0, 0.0)), (1.0, (0.0, 0.0)), (2.0, (0.0, 1.0)), (-2.0, (0.0, 1.0))):
        x = normal()
        found = judged(WIDE, x=x - x.mean() + mean)
        assert (found.hold_cp, found.fail_cp) == powers


def test_futility_spares_what_may_still_fail() -> None:
    x = normal(32, seed=5)
    trend = judged(LEVEL, x=x - x.mean() - 0.25 * x.std(ddof=1))
    assert trend.hold_cp < 0.02 < trend.fail_cp
    assert trend.state == "open"


# Failed replicates -------------------------------------------------------------------------------------------------


def failing(x: Array, *rows: int) -> Array:
    x = x.copy()
    x[list(rows)] = NAN
    return x


def test_one_failure_blocks_8_and_16_but_not_32() -> None:
    x = failing(normal(mean=9.0), 3)
    for n, state in ((8, "open"), (16, "open"), (32, "decided")):
        found = judged(LEVEL, x=x[:n])
        assert (found.n, found.failed, found.state) == (n - 1, 1, state)
    assert judged(LEVEL, x=x[:16]).reason == "1 of 16 replicates failed: too many to decide at this look"
    assert judged(LEVEL, x=x[:16]).ph == 1.0


def test_exactly_five_percent_may_fail() -> None:
    assert judged(LEVEL, looks=(20, 40), x=failing(normal(20, mean=9.0), 1)).state == "decided"
    assert judged(LEVEL, looks=(19, 40), x=failing(normal(19, mean=9.0), 1)).state == "open"
    assert judged(LEVEL, looks=(20, 40), x=failing(normal(20, mean=9.0), 1, 2)).state == "open"
    assert judged(LEVEL, looks=(20, 40), x=failing(normal(20, mean=9.0), 1, 2, 3)).state == "broken"


def test_too_many_failures_for_the_cap_are_broken() -> None:
    assert judged(LEVEL, x=failing(normal(32), *range(6))).state == "open"
    found = judged(LEVEL, x=failing(normal(32), *range(7)))
    assert (found.state, found.ph, found.pf) == ("broken", 1.0, 1.0)
    assert found.reason == "7 of 32 replicates failed"
    assert judged(LEVEL, x=failing(normal(8), *range(8))).reason == "8 of 8 replicates failed"
    assert judged(LEVEL, looks=(8, 256), x=np.full(8, NAN)).state == "broken"
    assert judged(LEVEL, looks=(8, 256), x=np.full(7, NAN)).state == "open"


def test_what_was_decided_before_stays_decided() -> None:
    x = failing(normal(64, mean=9.0), *range(20, 40))
    assert judged(LEVEL, x=x[:16]).state == "decided"
    assert judged(LEVEL, x=x).state == "decided"


def test_a_replicate_is_dropped_whole() -> None:
    a, b = normal(32, mean=3), normal(32, seed=1)
    a_bad, b_bad = failing(a, 4), failing(b, 5)
    found = judged(DIFF, a=a_bad, b=b_bad)
    rest = np.delete(np.arange(32), [4, 5])
    assert (found.n, found.failed) == (30, 2)
    assert found.estimate == pytest.approx((a - b)[rest].mean())
    infinite = a.copy()
    infinite[4] = INF
    assert judged(DIFF, a=infinite, b=b).failed == 1


def test_a_ratio_needs_positive_outcomes() -> None:
    criterion = {"kind": "ratio", "a": "a", "b": "b", "range": [1.2, INF]}
    a = np.exp(normal(32, mean=1.0, sd=0.1))
    a[7] = 0.0
    assert judged(criterion, a=a, b=np.ones(32)).failed == 1
    assert judged({"any": [criterion, WINS]}, a=a, b=np.ones(32)).failed == 1


def test_a_missing_outcome_is_no_defeat() -> None:
    found = judged(WINS, a=failing(normal(32), 3), b=normal(32, seed=1))
    assert (found.n, found.failed) == (31, 1)
    assert judged(WINS, a=normal(32), b=failing(normal(32, seed=1), 3)).n == 31


def test_a_point_missing_from_a_curve_drops_its_replicate() -> None:
    y = curve(0, 1, 2, n=32)
    y[5, 1] = NAN
    found = judged(TREND, y=y)
    assert (found.n, found.failed, found.state) == (31, 1, "decided")


# Saturation --------------------------------------------------------------------------------------------------------


def near_one(n: int, share: float, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.9, 0.99, size=n)
    x[: round(n * share)] = 1.0
    return x


def test_both_arms_at_the_better_bound_decide_nothing_and_close_at_16() -> None:
    a, b = near_one(16, 0.6), near_one(16, 0.6, seed=1)
    for n, state in ((8, "open"), (16, "saturated")):
        found = judged(DIFF, a=a[:n], b=b[:n])
        assert (found.state, found.ph, found.pf) == (state, 1.0, 1.0)
    assert judged(DIFF, a=a, b=b).reason == "saturated: both arms stand at the same bound; redesign the condition"
    assert judged(DIFF | {"bounds": [-INF, INF]}, a=a, b=b).state == "decided"
    assert judged(DIFF | {"bounds": [0, 2]}, a=a, b=b).state == "decided"


@pytest.mark.parametrize(("share", "state"), [(0.5, "saturated"), (0.49, "decided")])
def test_half_of_the_replicates_saturate(share: float, state: str) -> None:
    a, b = (np.random.default_rng(i).permuted(near_one(100, 1.0)) for i in (0, 1))
    few = round(100 * share)
    a[few:], b[few:] = near_one(100, 0.0)[few:], near_one(100, 0.0, seed=1)[few:]
    b -= 0.01 * (b < 1)
    assert judged(DIFF, looks=(100, 200), a=a, b=b).state == state
    assert judged(DIFF | {"margin": 0.0}, looks=(100, 200), a=a, b=b).state == state
    assert judged(DIFF | {"margin": 0.99}, looks=(100, 200), a=1 - a, b=1 - b).state == state


def test_the_worse_bound_does_not_saturate() -> None:
    a, b = near_one(16, 0.6), near_one(16, 0.6, seed=1)
    assert judged(DIFF | {"better": "lower"}, a=a, b=b).state == "decided"
    assert judged(DIFF, a=1 - a, b=1 - b).state == "decided"
    assert judged(DIFF | {"better": "lower"}, a=1 - a, b=1 - b).state == "saturated"


def test_a_margin_beyond_the_room_left_saturates() -> None:
    a, b = 1 - near_one(16, 0.6), 1 - near_one(16, 0.6, seed=1)
    assert judged(DIFF | {"margin": 0.99}, a=a, b=b).state == "saturated"
    assert judged(DIFF | {"margin": 0.9}, a=a, b=b).state == "decided"
    assert judged(DIFF | {"margin": 0.99, "better": "lower"}, a=1 - a, b=1 - b).state == "saturated"
    half = np.r_[np.zeros(10), np.ones(6)]
    for room, state in ((0.8, "decided"), (0.8125, "decided"), (0.82, "saturated")):
        assert judged(DIFF | {"margin": room}, a=half, b=half / 2).state == state
    assert judged(DIFF | {"margin": 0.99}, a=a, b=np.full(16, 0.05)).state == "decided"
    assert judged(DIFF | {"margin": 0.99}, a=b + 0.05 * (b == 0), b=a).state == "decided"


def test_events_and_unbounded_outcomes_do_not_saturate_unasked() -> None:
    ones = np.ones(16)
    assert judged(DIFF, a=ones, b=ones).state == "saturated"
    assert judged(DIFF, a=1 - ones, b=1 - ones, looks=(16, 32)).state == "open"
    one_zero = np.r_[0.0, ones[1:]]
    assert judged(DIFF, a=ones, b=one_zero).state == "open"
    assert judged(DIFF | {"bounds": [0, 1]}, a=ones, b=one_zero).state == "saturated"
    a, b = near_one(16, 0.6), near_one(16, 0.6, seed=1)
    a[15] = 1.1
    assert judged(DIFF, a=a, b=b).state == "decided"


def test_one_saturated_rival_keeps_the_best_from_holding() -> None:
    a, b = near_one(16, 0.6), near_one(16, 0.6, seed=1)
    assert judged(BEST, a=a, b=b, c=a - 0.5 + normal(16, sd=0.01)).state == "saturated"
    either = {"any": [DIFF | {"margin": 0.0}, DIFF | {"b": "c", "margin": 0.1}]}
    assert judged(either, a=a, b=b, c=a - 0.5 + normal(16, sd=0.01)).state == "decided"
    assert judged(either, a=a, b=b, c=a - 0.1 + normal(16, sd=0.1)).state == "open"
    both = {"all": either["any"]}
    assert judged(both, a=a, b=b, c=a - 0.1 + normal(16, sd=0.1)).state == "saturated"


# Combinations ------------------------------------------------------------------------------------------------------


def test_all_takes_the_larger_ph_and_the_corrected_smaller_pf() -> None:
    x, y = normal(64, mean=0.3), normal(64, mean=0.1, seed=1)
    one, two = judged(LEVEL, x=x), judged(LEVEL, x=y)
    both = {"all": [LEVEL, LEVEL | {"outcome": "y"}]}
    found = judged(both, x=x, y=y)
    assert found.ph == max(one.ph, two.ph)
    assert found.pf == min(1.0, 2 * min(one.pf, two.pf))
    assert (found.hold_cp, found.fail_cp) == (min(one.hold_cp, two.hold_cp), max(one.fail_cp, two.fail_cp))
    assert found.estimate == y.mean()
    assert [leaf.estimate for leaf in found.leaves] == [x.mean(), y.mean()]


def test_all_and_any_of_what_fails() -> None:
    x, y = normal(16, mean=-0.8), normal(16, mean=-0.4, seed=1)
    one, two = judged(LEVEL, x=x).pf, judged(LEVEL, x=y).pf
    assert one < 0.5 < 1.0 >= two > one
    both = [LEVEL, LEVEL | {"outcome": "y"}]
    assert judged({"all": both}, x=x, y=y).pf == min(1.0, 2 * one)
    assert judged({"any": both}, x=x, y=y).pf == two


@pytest.mark.parametrize("criterion", [DIFF | {"margin": 0.1}, BEST, {"any": [DIFF, SAME | {"outcome": "c", "n": 8}]}])
def test_a_batch_is_judged_as_its_rows(criterion: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    batch = {
        name: np.minimum(rng.uniform(0, high, (6, 32)), 1.0) for name, high in (("a", 2.5), ("b", 2.5), ("c", 1.5))
    }
    batch["c"][:2] = 1.0
    node = tree(complete(criterion), {})
    looks = (8, 16, 32)
    steps = [Step(n, n, True) for n in looks]
    ph, pf, state = states(node, course(node, batch, steps, looks, 0.01), 0.01, 32)
    for i in range(6):
        one = {name: values[i] for name, values in batch.items()}
        for j, n in enumerate(looks):
            found = judged(criterion, looks=looks, **{name: values[:n] for name, values in one.items()})
            assert (found.ph, found.pf, found.state) == (ph[i, j], pf[i, j], state[i, j])
    assert len(set(state.ravel())) > 2


def test_any_is_the_mirror_of_all() -> None:
    x, y = normal(64, mean=0.3), normal(64, mean=0.1, seed=1)
    one, two = judged(LEVEL, x=x), judged(LEVEL, x=y)
    found = judged({"any": [LEVEL, LEVEL | {"outcome": "y"}]}, x=x, y=y)
    assert found.ph == min(1.0, 2 * min(one.ph, two.ph))
    assert found.pf == max(one.pf, two.pf)
    assert (found.hold_cp, found.fail_cp) == (max(one.hold_cp, two.hold_cp), min(one.fail_cp, two.fail_cp))
    assert found.estimate == x.mean()


def test_a_leaf_without_a_look_counts_as_unknown() -> None:
    x = normal(16, mean=9)
    mixed = {"all": [LEVEL, MEDIAN]}
    assert judged(LEVEL, x=x[:8]).state == "decided"
    assert judged(mixed, x=x[:8]).state == "open"
    assert judged(mixed, close=0.02, x=x[:8]).state == "open"
    found = judged(mixed, x=x)
    assert found.state == "decided"
    assert [leaf.ph for leaf in found.leaves] == [judged(LEVEL, x=x).ph, judged(MEDIAN, x=x).ph]


def test_identity_beside_a_test() -> None:
    x = np.ones(16)
    mixed = {"all": [SAME, LEVEL | {"outcome": "z"}]}
    found = judged(mixed, x=x, z=normal(16, mean=9))
    assert (found.state, found.leaves[0].ph, found.leaves[0].pf) == ("decided", 0.0, 1.0)
    found = judged(mixed | {"all": [SAME | {"n": 8}, mixed["all"][1]]}, x=np.r_[x[:-1], 2.0], z=normal(16, mean=9))
    assert (found.pf, found.reason) == (0.0, "violated (x = 1)")


@pytest.mark.parametrize("flip", [False, True])
def test_the_part_shown_is_the_one_on_which_the_answer_hangs(flip: bool) -> None:
    parts = [LEVEL, LEVEL | {"outcome": "y"}]
    x, y = normal(32, mean=-1.0), normal(32, mean=-4.0, seed=1)
    for word, estimate in (("all", y.mean()), ("any", x.mean())):
        found = judged({word: parts[::-1] if flip else parts}, x=x, y=y)
        assert {leaf.ph for leaf in found.leaves} == {1.0}
        assert (found.estimate, found.state) == (estimate, "decided")
        assert found.reason.endswith(f"({'y' if word == 'all' else 'x'})")
        nested = judged({"all": [{word: parts[::-1] if flip else parts}]}, x=x, y=y)
        assert nested.estimate == estimate
    x, y = normal(32, mean=1.0), normal(32, mean=4.0, seed=1)
    for word, estimate in (("all", x.mean()), ("any", y.mean())):
        assert judged({word: parts[::-1] if flip else parts}, x=x, y=y).estimate == estimate


@pytest.mark.parametrize("flip", [False, True])
def test_the_power_note_is_about_that_part(flip: bool) -> None:
    parts = [LEVEL, LEVEL | {"outcome": "y"}]
    x, y = normal(32), normal(32, seed=1)
    x, y = x - x.mean() - 0.3, y - y.mean() - 0.4
    found = judged({"all": parts[::-1] if flip else parts}, looks=(32, 128), x=x, y=y)
    assert (found.state, {leaf.ph for leaf in found.leaves}) == ("open", {1.0})
    assert found.needed_n == pytest.approx((stats.norm.ppf(0.005) * y.std(ddof=1) / 0.4) ** 2)


def test_one_constant_part_is_flagged() -> None:
    both = {"all": [LEVEL, LEVEL | {"outcome": "y"}]}
    assert judged(both, x=normal(32), y=np.ones(32)).no_variation


def test_trend_reports_the_total_and_interior_its_best_inner_point() -> None:
    y = curve(0, 1, 2, 3, n=32)
    assert judged(TREND, y=y).estimate == pytest.approx((y[:, 3] - y[:, 0]).mean())
    y = curve(3, 2, 0, 2.5, n=32)
    assert judged(INNER, y=y).estimate == pytest.approx((y[:, 3] - y[:, 2]).mean())


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
    assert found.reason == f"x is too close to the edge of the region; about {n:.0f} replicates would decide"
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
    assert found.reason == "x agrees in too few replicates; about 24 replicates would decide"
    assert judged(LEVEL, x=np.full(32, 3.0), looks=(8, 16, 32)).state == "decided"
    assert judged(LEVEL, x=np.full(16, 0.5), looks=(8, 16)).needed_n == found.needed_n
    some = judged(LEVEL, x=np.r_[np.full(13, 3.0), -1.0, 2.0, 2.5], looks=(8, 16))
    assert some.needed_n == INF
    assert some.reason == "x differs in a few replicates only; more may tell what is rare"
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


# Degenerate outcomes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [2.0, -2.0])
def test_constant_differences_are_decided_at_32_and_flagged(gap: float) -> None:
    for n, state in ((8, "open"), (16, "open"), (32, "decided")):
        found = judged(DIFF, a=np.full(n, 5.0 + gap), b=np.full(n, 5.0))
        assert (found.state, found.no_variation) == (state, True)
    assert (found.ph if gap > 0 else found.pf) == pytest.approx(5 * 0.8**32)
    assert (found.low, found.high) == (gap, gap)


def test_a_constant_difference_of_varying_arms_waits_as_a_constant_does() -> None:
    """Its floating-point noise is no variation: else 8 agreeing replicates would decide."""
    b = np.round(np.random.default_rng(0).uniform(0.3, 0.9, 128), 10)
    a = np.round(b + 0.1, 10)
    assert len(set((a - b).tolist())) > 3
    for n, state in ((8, "open"), (16, "open"), (32, "decided")):
        found = judged(DIFF | {"margin": 0.05}, a=a[:n], b=b[:n])
        assert (found.state, found.no_variation) == (state, True)
    found = judged(DIFF | {"margin": 0.1}, a=a, b=b)
    assert (found.state, found.ph, found.pf) == ("cap", 1.0, 1.0)


def test_a_gap_as_large_as_the_tie_is_a_tie() -> None:
    k = np.random.default_rng(0).integers(5, 95, 128)
    found = judged(WINS | {"tie": 0.01}, a=k / 100, b=(k - 1) / 100)
    assert (found.estimate, found.ph > 0.1, found.pf > 0.1) == (0.5, True, True)
    assert judged(WINS | {"tie": 0.01}, a=(k - 1) / 100, b=k / 100).estimate == 0.5
    assert judged(WINS | {"tie": 0.0099}, a=k / 100, b=(k - 1) / 100).estimate == 1.0


def test_a_constant_at_the_margin_is_never_decided() -> None:
    found = judged(DIFF, a=np.full(128, 0.5), b=np.zeros(128))
    assert (found.state, found.ph, found.pf) == ("cap", 1.0, 1.0)
    assert judged(DIFF, a=np.full(32, 0.5), b=np.zeros(32)).state == "futile"


def test_variation_is_not_flagged() -> None:
    assert not judged(DIFF, a=normal(32), b=np.zeros(32)).no_variation
    assert not judged(MEDIAN, x=np.ones(32)).no_variation


@pytest.mark.parametrize("criterion", [LEVEL, MEDIAN, RATE, SAME | {"n": 32}, {"all": [LEVEL, SAME]}])
def test_nothing_but_failures(criterion: dict[str, Any]) -> None:
    found = judged(criterion, x=np.full(32, NAN))
    assert (found.n, found.failed, found.state, found.ph, found.pf) == (0, 32, "broken", 1.0, 1.0)
    assert found.reason == "32 of 32 replicates failed"
    assert math.isnan(found.estimate)


def test_a_quarter_of_crashes_is_broken_at_the_cap_and_never_decided() -> None:
    x = normal(mean=9.0)
    x[::4] = NAN
    assert judged(LEVEL, x=x[:8]).state == "open"
    assert judged(LEVEL, x=x).state == "broken"
    assert judged(LEVEL, x=x).ph == 1.0


def test_one_replicate() -> None:
    for criterion in (LEVEL, SAME | {"n": 3}):
        found = judged(criterion, x=np.ones(1))
        assert (found.n, found.state) == (1, "open")
    assert judged(SAME | {"n": 1}, x=np.ones(1)).state == "decided"
    alone = judged(LEVEL, x=failing(np.ones(8), *range(1, 8)), looks=(8, 256))
    assert (alone.n, alone.state, alone.ph) == (1, "open", 1.0)
    few = failing(np.arange(8.0), *range(2, 8))
    pair = judged(DIFF, a=few, b=np.zeros(8), looks=(8, 256))
    assert pair.leaves[0].d_z == pytest.approx(0.5 / math.sqrt(0.5))
    alone = judged(DIFF, a=failing(np.ones(8), *range(1, 8)), b=np.zeros(8), looks=(8, 256))
    assert math.isnan(alone.leaves[0].d_z)


# Identity ----------------------------------------------------------------------------------------------------------


def test_identity_holds_when_all_agree_and_fails_at_the_first_violation() -> None:
    good = judged(SAME, x=[1.0, 1.09, 0.91])
    assert (good.ph, good.pf, good.state, good.reason) == (0.0, 1.0, "decided", "all 3 replicates agree")
    assert (good.hold_cp, good.fail_cp) == (1.0, 0.0)
    early = judged(SAME, x=[2.0])
    assert (early.ph, early.pf, early.state, early.hold_cp, early.fail_cp) == (1.0, 0.0, "decided", 0.0, 1.0)
    waiting = judged(SAME, x=[1.0, 1.0])
    assert (waiting.ph, waiting.pf, waiting.state) == (1.0, 1.0, "open")
    assert (waiting.hold_cp, waiting.fail_cp, waiting.reason) == (1.0, 1.0, "not decided at 2 of 3 replicates")


def test_identity_includes_its_tolerance() -> None:
    exact = {"kind": "identity", "a": "a", "b": "b", "tol": 0.5}
    assert judged(exact, a=np.full(3, 1.5), b=np.ones(3)).ph == 0.0
    assert judged(exact, a=np.full(3, 0.5), b=np.ones(3)).ph == 0.0
    assert judged(exact, a=np.full(3, np.nextafter(1.5, 2)), b=np.ones(3)).pf == 0.0
    assert judged(exact, a=np.array([1.5, 0.75, 1.0]), b=np.ones(3)).state == "decided"
    assert judged(exact, a=np.array([2.0, 1.5, 1.5]), b=np.ones(3)).pf == 0.0
    assert judged(exact, a=np.array([2.0, 1.25, 1.5]), b=np.ones(3)).state == "broken"


def test_identity_of_random_inputs_says_what_it_leaves_open() -> None:
    found = judged(SAME | {"n": 32}, x=np.ones(32))
    assert found.reason == "all 32 replicates agree: violation rate below 0.13 at level 0.01"
    assert (
        judged(SAME | {"n": 8}, x=np.ones(8)).reason
        == "all 8 replicates agree: violation rate below 0.44 at level 0.01"
    )
    assert judged(SAME | {"n": 7}, x=np.ones(7)).reason == "all 7 replicates agree"
    two = {"all": [SAME | {"n": 16}, SAME | {"n": 32}]}
    assert judged(two, x=np.ones(32)).reason.startswith("all 16 replicates agree: violation rate below 0.25")
    assert judged(SAME | {"n": 32}, x=np.r_[np.ones(31), 2.0]).pf == 0.0


def test_a_quantity_declared_deterministic_must_be() -> None:
    found = judged(SAME, x=[1.0, 2.0, 1.0])
    assert (found.state, found.ph, found.pf) == ("broken", 1.0, 1.0)
    assert found.reason == "declared deterministic, but its replicates differ; where inputs are random use n: 32"
    assert judged(SAME, x=[2.0, 2.05, 2.0]).state == "decided"
    assert judged(SAME | {"n": 8}, x=[1.0, 2.0] * 4).state == "decided"
    assert judged(SAME | {"n": 7}, x=[1.0, 2.0] * 4).state == "broken"


def test_identity_with_failures() -> None:
    assert judged(SAME, x=[1.0, NAN, 1.0]).state == "broken"
    found = judged(SAME | {"n": 32}, x=failing(np.ones(32), 1))
    assert (found.n, found.ph) == (31, 0.0)


# Resplits of one data set ------------------------------------------------------------------------------------------


def test_population_has_one_look_at_32_with_the_corrected_variance() -> None:
    x = normal(32, mean=0.8)
    assert judged(LEVEL, x=x[:31], population=(80, 20)).state == "open"
    found = judged(LEVEL, x=x, population=(80, 20))
    t = x.mean() / x.std(ddof=1) / math.sqrt(1 / 32 + 20 / 80)
    assert found.ph == pytest.approx(float(stats.t.sf(t, 31)))
    assert found.pf == pytest.approx(float(stats.t.cdf(t, 31)))
    assert found.state == "cap"
    half = stats.t.isf(0.01, 31) * x.std(ddof=1) * math.sqrt(1 / 32 + 0.25)
    assert found.low == pytest.approx(x.mean() - half)
    assert judged(LEVEL, x=normal(64, mean=0.8), population=(80, 20)).n == 32


# Bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "outcomes", "message"),
    [
        (DIFF, {"a": normal(8)}, r"outcome 'b' is needed by the criterion, got \['a'\]; return it from the trial"),
        (LEVEL, {"x": curve(0, 1, n=8)}, r"outcome 'x' must be one number per replicate, got shape \(8, 2\)"),
        (TREND, {"y": normal(8)}, r"outcome 'y' must be a list of numbers, one for each x per replicate, .*\(8,\)"),
        (DIFF, {"a": normal(8), "b": normal(9)}, "outcomes must have one row per replicate, got .'a': 8, 'b': 9."),
        (
            RATE,
            {"x": np.tile([0.0, 1.0, 0.3, 1.0], 2)},
            "outcome 'x' is an event and must be 0 or 1, got 0.3; use `level`",
        ),
        (DIFF | {"margin": -1}, {"a": normal(8), "b": normal(8)}, "criterion.margin must not be negative"),
        (TREND, {"y": curve(0, n=8)}, "must be a curve of at least 2 points, got 1"),
    ],
)
def test_wrong_outcomes_are_named(criterion: dict[str, Any], outcomes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judged(criterion, **outcomes)


def test_outcomes_not_needed_are_ignored() -> None:
    x = normal(32)
    assert judged(LEVEL, x=x, seconds=np.full(5, NAN)) == judged(LEVEL, x=x)


# What must not matter ----------------------------------------------------------------------------------------------

SEEDS = st.integers(0, 10**6)
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def numbers(found: Judgement) -> list[float]:
    return [found.ph, found.pf, found.hold_cp, found.fail_cp]


@PROPERTY
@given(seed=SEEDS, n=st.sampled_from([8, 16, 32, 64]))
def test_exchanged_arms_exchange_the_answers(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.6, size=(2, n))
    zero = DIFF | {"margin": 0.0}
    one, two = judged(zero, a=a, b=b), judged(zero, a=b, b=a)
    assert numbers(one) == pytest.approx([two.pf, two.ph, two.fail_cp, two.hold_cp], rel=1e-9)
    assert (one.estimate, one.low, one.high) == pytest.approx((-two.estimate, -two.high, -two.low))
    lower = judged(zero | {"better": "lower"}, a=b, b=a)
    assert numbers(one) == numbers(lower)


@pytest.mark.parametrize(
    ("criterion", "mirrored"),
    [
        (DIFF | {"margin": 0.0}, True),
        (WINS, True),
        ({"kind": "ratio", "a": "a", "b": "b", "range": [1.0, INF]}, True),
        ({"kind": "ratio", "a": "a", "b": "b", "range": [1.0, INF], "estimator": "median"}, True),
        (BEST | {"rivals": ["b"]}, True),
        ({"kind": "equiv", "a": "a", "b": "b", "margin": 0.5}, False),
        ({"kind": "equiv", "a": "a", "b": "b", "margin": 0.5, "scale": "ratio"}, False),
        ({"kind": "identity", "a": "a", "b": "b", "tol": 0.5, "n": 32}, False),
    ],
)
@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0])
def test_exchanged_arms_once_for_each_kind(criterion: dict[str, Any], mirrored: bool, effect: float) -> None:
    """Where no effect is the cut the two answers change places; where arms are compared without a side nothing does."""
    a, b = np.exp(normal(32, mean=effect, seed=1)), np.exp(normal(32, seed=2))
    one, two = judged(criterion, a=a, b=b), judged(criterion, a=b, b=a)
    expected = [two.pf, two.ph, two.fail_cp, two.hold_cp] if mirrored else numbers(two)
    assert numbers(one) == pytest.approx(expected, rel=1e-9)
    assert effect == 0 or not mirrored or one.ph < two.ph


@PROPERTY
@given(seed=SEEDS, scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_units_do_not_matter(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.4, 1, size=(2, 32)) + 2
    one = judged(DIFF | {"margin": 0.1}, a=a, b=b)
    two = judged(DIFF | {"margin": 0.1 * scale}, a=shift + scale * a, b=shift + scale * b)
    assert numbers(one) == pytest.approx(numbers(two), rel=1e-5, abs=1e-12)
    assert two.estimate == pytest.approx(scale * one.estimate, rel=1e-6, abs=1e-9)


@PROPERTY
@given(seed=SEEDS)
def test_order_within_a_look_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.5, 1, size=(2, 32))
    order = np.concatenate([rng.permutation(8), 8 + rng.permutation(8), 16 + rng.permutation(16)])
    for criterion in (DIFF, WINS):
        one, two = judged(criterion, a=a, b=b), judged(criterion, a=a[order], b=b[order])
        assert numbers(one) == pytest.approx(numbers(two), rel=1e-9)


@PROPERTY
@given(seed=SEEDS, n=st.sampled_from([8, 16, 32, 64, 128]))
def test_the_label_is_what_the_interval_says_at_the_look_that_decides(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.lognormal(0, 0.7, size=n) - rng.uniform(0, 2)
    for criterion in (LEVEL, WIDE):
        found = judged(criterion, looks=(n,), x=x)
        leaf = found.leaves[0]
        assert (found.ph <= 0.01) == (leaf.low >= leaf.lower and leaf.high <= leaf.upper)
        assert (found.pf <= 0.01) == (leaf.high <= leaf.lower or leaf.low >= leaf.upper)


@PROPERTY
@given(seed=SEEDS, close=st.sampled_from([0.01, 0.0025]))
def test_no_record_both_holds_and_fails(seed: int, close: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(128, 4)) + rng.normal(size=4)
    for criterion in (TREND, INNER):
        found = judged(criterion, close=close, y=y)
        assert max(found.ph, found.pf) > close


def test_judgements_are_plain_records() -> None:
    found = dataclasses.asdict(judged(TREND, y=curve(0, 1, 2, n=16)))
    assert {type(value) for value in found.values()} <= {int, float, str, bool, tuple}
    for part in (*found["leaves"], *found["looks"]):
        assert {type(value) for value in part.values()} <= {int, float, str}
