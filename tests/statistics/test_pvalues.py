"""P-values and intervals against other programs and against formulas written out."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from claims.statistics.tests import (
    MeanSample,
    MedianSample,
    PropSample,
    hall,
    hall_inverse,
    nearly_constant,
    sign_count,
)

Array = NDArray[np.float64]
RNG = np.random.default_rng(20240229)
GAUSSIAN = RNG.normal(0.3, 1.2, size=24)
SYMMETRIC = np.concatenate([0.4 + GAUSSIAN, 0.4 - GAUSSIAN])
SKEWED = RNG.lognormal(0, 0.8, size=20)
CUTS = (-0.5, 0.0, 0.4, 1.1)


# Mean --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
def test_mean_of_symmetric_scores_is_student(cut: float) -> None:
    sample = MeanSample.of(SYMMETRIC)
    # scipy.stats.ttest_1samp(SYMMETRIC, cut, alternative="greater") and "less"
    assert sample.above(np.array(cut)) == pytest.approx(
        stats.ttest_1samp(SYMMETRIC, cut, alternative="greater").pvalue, rel=1e-9
    )
    assert sample.below(np.array(cut)) == pytest.approx(
        stats.ttest_1samp(SYMMETRIC, cut, alternative="less").pvalue, rel=1e-9
    )


def test_equivalence_of_symmetric_scores_is_two_one_sided_tests() -> None:
    # statsmodels: ttost_paired(SYMMETRIC, 0, -1, 1)
    p, (low, _, _), (high, _, _) = ttost_paired(SYMMETRIC, np.zeros_like(SYMMETRIC), -1, 1)
    sample = MeanSample.of(SYMMETRIC)
    above, below = float(sample.above(np.array(-1.0))), float(sample.below(np.array(1.0)))
    assert max(above, below) == pytest.approx(p, rel=1e-9)
    assert float(sample.statistic(np.array(-1.0))) == pytest.approx(low)
    assert float(sample.statistic(np.array(1.0))) == pytest.approx(high)


def hall_by_hand(x: Array, cut: float, side: int) -> float:
    """Hall's statistic for the scores times `side`, with the t statistic where it is the smaller."""
    x, cut, n = side * x, side * cut, len(x)
    w = (x.mean() - cut) / x.std(ddof=1)
    g = min(stats.skew(x, bias=False), 0)
    transformed = math.sqrt(n) * (w + g * w**2 / 3 + g**2 * w**3 / 27 + g / (6 * n))
    return float(stats.t.sf(min(math.sqrt(n) * w, transformed), n - 1))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("x", [SKEWED, -SKEWED, SKEWED[:9], GAUSSIAN], ids=["right", "left", "short", "Gaussian"])
def test_mean_is_hall_where_that_widens(x: Array, cut: float) -> None:
    sample = MeanSample.of(x)
    assert float(sample.above(np.array(cut))) == pytest.approx(hall_by_hand(x, cut, 1), rel=1e-9)
    assert float(sample.below(np.array(cut))) == pytest.approx(hall_by_hand(x, cut, -1), rel=1e-9)
    student = stats.ttest_1samp(x, cut, alternative="greater").pvalue
    assert float(sample.above(np.array(cut))) >= student * (1 - 1e-12)


@pytest.mark.parametrize("level", [0.002, 0.05])
@pytest.mark.parametrize(
    "x", [SKEWED, -SKEWED, SKEWED[:9], GAUSSIAN, SYMMETRIC], ids=["right", "left", "short", "G", "sym"]
)
def test_interval_of_a_mean_is_where_hall_by_hand_gives_the_level(x: Array, level: float) -> None:
    low, high = (float(end) for end in MeanSample.of(x).interval(level))
    assert low < x.mean() < high
    assert hall_by_hand(x, low, 1) == pytest.approx(level, rel=1e-6)
    assert hall_by_hand(x, high, -1) == pytest.approx(level, rel=1e-6)


def test_a_score_equal_to_the_mean_is_no_sign_of_constancy() -> None:
    x = np.arange(9.0)
    assert not MeanSample.of(x - 4).few
    # scipy.stats.ttest_1samp(np.arange(9.0), 1.0, alternative="greater")
    assert float(MeanSample.of(x).above(np.array(1.0))) == pytest.approx(
        stats.ttest_1samp(x, 1.0, alternative="greater").pvalue, rel=1e-9
    )


def test_moments_are_those_of_scipy() -> None:
    sample = MeanSample.of(SKEWED)
    assert float(sample.mean) == pytest.approx(SKEWED.mean())
    assert float(sample.sd) == pytest.approx(SKEWED.std(ddof=1))
    assert float(sample.skew) == pytest.approx(float(stats.skew(SKEWED, bias=False)))
    assert (float(sample.low), float(sample.high)) == (SKEWED.min(), SKEWED.max())
    assert (float(sample.estimate), float(sample.unit_sd)) == (float(sample.mean), float(sample.sd))


def test_hall_inverse_undoes_hall() -> None:
    n, w = np.array(16.0), np.linspace(-1.5, 1.5, 61)
    for skew in (-2.0, -0.4, 0.4, 2.0):
        z = hall(w, np.sqrt(n) * w, np.array(skew), n)
        assert (np.diff(z) >= 0).all()
        np.testing.assert_allclose(
            hall_inverse(z, np.nan, np.array(skew), n), w, atol=1e-4
        )  # flat where 1 + G w / 3 = 0
    assert hall_inverse(np.array(1.0), np.array(0.7), np.array(0.0), n) == 0.7


def test_extreme_distances_neither_overflow_nor_lose_their_order() -> None:
    x = 1e3 + SKEWED * 1e-6
    with np.errstate(all="raise", under="ignore"):
        sample = MeanSample.of(x)
        assert float(sample.above(np.array(0.0))) < 1e-12
        assert float(sample.below(np.array(0.0))) == pytest.approx(1.0)
        assert float(sample.distance(np.array(-1e300))) == 50.0
        assert float(MeanSample.of(SKEWED * 1e200).above(np.array(0.0))) == pytest.approx(
            float(MeanSample.of(SKEWED).above(np.array(0.0)))
        )


# Information guard -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0.0] * 8, True),
        ([0.0] * 4 + [1, 2, 3, 4], True),
        ([0.0] * 3 + [1, 2, 3, 4, 5], False),
        ([0.0, 1, 2, 3], True),
        ([0.0, 1, 2, 3, 4], True),
        ([0.0, 1, 2, 3, 4, 5], False),
        ([0.0] * 60 + [1, 2, 3, 4], True),
        ([0.0] * 60 + [1, 1, 2, 3, 4], False),
        ([1.0] * 5 + [2.0] * 5, False),
    ],
)
def test_five_replicates_must_differ_from_the_most_frequent(x: list[float], expected: bool) -> None:
    assert bool(nearly_constant(np.array(x))) is expected
    assert bool(nearly_constant(np.array(x[::-1]))) is expected
    assert nearly_constant(np.array([x, x])).tolist() == [expected, expected]


def test_the_rounding_of_differences_is_no_variation() -> None:
    k = np.random.default_rng(0).integers(5, 95, 40)
    x = k / 100 - (k - 1) / 100
    assert len(set(x.tolist())) > 3
    for scores in (x, -x, 1e6 * x):
        sample = MeanSample.of(scores)
        assert bool(sample.few)
        assert float(sample.above(np.array(scores.mean()))) == float(sample.below(np.array(scores.mean()))) == 1.0
        assert float(sample.above(np.array(scores.min() - 1e-9 * abs(scores[0])))) == pytest.approx(0.8**40)
        assert float(sample.below(np.array(scores.max() + 1e-9 * abs(scores[0])))) == pytest.approx(0.8**40)
    assert bool(nearly_constant(np.r_[x[:36], 0.0, 0.1, 0.2, 0.3]))
    assert not bool(nearly_constant(np.r_[x[:35], 0.0, 0.1, 0.2, 0.3, 0.4]))
    assert not bool(nearly_constant(1 + 1e-9 * np.arange(40.0)))
    assert nearly_constant(np.stack([x, 1e-14 * np.arange(40.0)])).tolist() == [True, False]


def test_guard_counts_agreeing_replicates_only() -> None:
    x = np.array([2.0] * 28 + [1, 1.5, 3, 4])
    sample = MeanSample.of(x)
    assert float(sample.above(np.array(0.9))) == pytest.approx(0.8**32)
    assert float(sample.above(np.array(1.0))) == 1.0
    assert float(sample.below(np.array(4.1))) == pytest.approx(0.8**32)
    assert float(sample.below(np.array(4.0))) == 1.0
    assert [float(end) for end in sample.interval(0.8**32)] == [1.0, 4.0]
    assert [float(end) for end in sample.interval(np.nextafter(0.8**32, 0))] == [-math.inf, math.inf]


def test_zero_variance_is_decisive_at_32_and_not_before() -> None:
    level = 0.01 / 5
    for n, decisive in ((8, False), (16, False), (32, True)):
        sample = MeanSample.of(np.full(n, 2.0))
        assert (float(sample.above(np.array(1.9))) <= level) is decisive
        low, high = sample.interval(level)
        assert (float(low), float(high)) == ((2.0, 2.0) if decisive else (-math.inf, math.inf))


def test_zero_variance_points_where_it_lies() -> None:
    sample = MeanSample.of(np.full(8, 2.0))
    assert [float(sample.statistic(np.array(cut))) for cut in (1.0, 2.0, 3.0)] == [math.inf, 0.0, -math.inf]


def test_one_replicate_decides_nothing_and_has_no_interval() -> None:
    sample = MeanSample.of(np.array([3.0]))
    assert float(sample.above(np.array(0.0))) == 0.8
    assert [float(end) for end in sample.interval(0.01)] == [-math.inf, math.inf]


# Resplits of one data set ------------------------------------------------------------------------------------------


def test_overlap_widens_by_nadeau_and_bengio() -> None:
    # T = m / (s sqrt(1/n + n_test/n_train)), Student with n - 1 degrees of freedom, no correction for skewness
    sample = MeanSample.of(SKEWED, overlap=0.25)
    n = len(SKEWED)
    t = SKEWED.mean() / SKEWED.std(ddof=1) / math.sqrt(1 / n + 0.25)
    assert float(sample.above(np.array(0.0))) == pytest.approx(float(stats.t.sf(t, n - 1)))
    assert float(sample.below(np.array(0.0))) == pytest.approx(float(stats.t.cdf(t, n - 1)))
    low, high = (float(end) for end in sample.interval(0.01))
    half = stats.t.ppf(0.99, n - 1) * SKEWED.std(ddof=1) * math.sqrt(1 / n + 0.25)
    assert (low, high) == pytest.approx((SKEWED.mean() - half, SKEWED.mean() + half))


def test_agreeing_resplits_decide_nothing() -> None:
    sample = MeanSample.of(np.full(32, 2.0), overlap=0.25)
    assert float(sample.above(np.array(0.0))) == 1.0
    assert float(sample.interval(0.01)[0]) == -math.inf


# Share -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "n"), [(0, 8), (3, 8), (8, 8), (60, 64), (1, 128)])
@pytest.mark.parametrize("cut", [0.05, 0.5, 0.9])
def test_share_is_the_exact_binomial_test(wins: int, n: int, cut: float) -> None:
    sample = PropSample.of(np.array([1.0] * wins + [0.0] * (n - wins)))
    # scipy.stats.binomtest(wins, n, cut, alternative="greater") and "less"
    assert float(sample.above(np.array(cut))) == pytest.approx(
        stats.binomtest(wins, n, cut, alternative="greater").pvalue
    )
    assert float(sample.below(np.array(cut))) == pytest.approx(stats.binomtest(wins, n, cut, alternative="less").pvalue)
    # statsmodels: proportion_confint(wins, n, 0.02, method="beta")
    low, high = (float(end) for end in sample.interval(0.01))
    assert (low, high) == pytest.approx(proportion_confint(wins, n, 0.02, method="beta"), abs=1e-9)
    assert float(sample.estimate) == wins / n
    assert float(sample.unit_sd) == pytest.approx(math.sqrt(wins / n * (1 - wins / n)))
    assert float(sample.statistic(np.array(cut))) == pytest.approx((wins / n - cut) / math.sqrt(cut * (1 - cut) / n))


def test_half_wins_lie_between_whole_ones() -> None:
    p = [float(PropSample(np.array(16.0), np.array(wins)).above(np.array(0.5))) for wins in (10.0, 10.5, 11.0)]
    assert p[0] > p[1] > p[2]


# Median ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0.2, 0.5, 1.0, 2.0, 5.0])
def test_median_is_the_exact_sign_test(cut: float) -> None:
    sample = MedianSample.of(SKEWED)
    # scipy.stats.quantile_test(SKEWED, q=cut, p=0.5, alternative="greater") and "less"
    assert float(sample.above(np.array(cut))) == pytest.approx(
        stats.quantile_test(SKEWED, q=cut, p=0.5, alternative="greater").pvalue
    )
    assert float(sample.below(np.array(cut))) == pytest.approx(
        stats.quantile_test(SKEWED, q=cut, p=0.5, alternative="less").pvalue
    )


def test_ties_with_the_cut_count_against_either_answer() -> None:
    x = np.array([1.0] * 6 + [2.0] * 10)
    sample = MedianSample.of(x)
    # scipy.stats.binomtest(10, 16, alternative="greater"); binomtest(0, 16, ...) is 1
    assert float(sample.above(np.array(1.0))) == pytest.approx(stats.binomtest(10, 16, alternative="greater").pvalue)
    assert float(sample.below(np.array(1.0))) == 1.0
    assert float(sample.statistic(np.array(1.0))) == pytest.approx(10 / 4)
    assert float(sample.statistic(np.array(3.0))) == pytest.approx(-16 / 4)


def test_median_interval_is_that_of_the_order_statistics() -> None:
    # P(Bin(16, .5) >= 13) = .0106 and P(>= 14) = .0021, so that .01 takes the third from each end
    x = RNG.permutation(np.arange(16.0))
    assert [float(end) for end in MedianSample.of(x).interval(0.01)] == [2.0, 13.0]
    assert [float(end) for end in MedianSample.of(x).interval(0.0106364)] == [3.0, 12.0]
    assert [float(end) for end in MedianSample.of(x[:6]).interval(0.01)] == [-math.inf, math.inf]
    # P(Bin(9, .5) = 9) = .00195: all nine are needed
    assert [float(end) for end in MedianSample.of(np.arange(9.0)).interval(0.002)] == [0.0, 8.0]
    exact = float(MedianSample.of(np.arange(9.0)).above(np.array(-1.0)))
    assert [float(end) for end in MedianSample.of(np.arange(9.0)).interval(exact)] == [0.0, 8.0]


@pytest.mark.parametrize("n", [1, 5, 8, 16, 33, 128])
@pytest.mark.parametrize("level", [0.05, 0.0025, 0.0005])
def test_sign_count_is_the_binomial_quantile(n: int, level: float) -> None:
    need = int(sign_count(np.array(float(n)), level))
    assert stats.binom.sf(need - 1, n, 0.5) <= level
    assert stats.binom.sf(need - 2, n, 0.5) > level
    assert need <= n + 1


def test_median_estimate_and_spread() -> None:
    assert float(MedianSample.of(np.array([3.0, 1, 2])).estimate) == 2.0
    assert float(MedianSample.of(np.array([4.0, 1, 2, 8])).estimate) == 3.0
    x = RNG.normal(size=4001)
    assert float(MedianSample.of(x).unit_sd) == pytest.approx(1.0, abs=0.06)
    assert float(MedianSample.of(np.arange(101.0)).unit_sd) == (84 - 16) / 2
