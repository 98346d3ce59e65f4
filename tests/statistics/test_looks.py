"""What judging at a look says: planned looks, states, failed replicates."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from claims.statistics.tests import MeanSample, MedianSample, PropSample
from tests.statistics.cases import (
    DIFF,
    INF,
    LEVEL,
    LOOKS,
    MEDIAN,
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
    numbers,
)

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
