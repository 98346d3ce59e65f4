"""P-values and intervals against each other, and intervals by their coverage on both sides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from claims.statistics.tests import MeanSample, MedianSample, PropSample, by_look

Array = NDArray[np.float64]
KINDS = {"mean": MeanSample, "share": PropSample, "median": MedianSample}


def scores(test: str, seed: int, n: int) -> Array:
    rng = np.random.default_rng(seed)
    if test == "share":
        return rng.choice([0.0, 0.5, 1.0], size=n)
    x = rng.lognormal(0, rng.uniform(0.1, 1.2), size=n) * rng.choice([-1.0, 1.0])
    return np.round(x, 1) if seed % 3 == 0 else x


@pytest.mark.parametrize("test", KINDS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 80), level=st.sampled_from([0.002, 0.01, 0.05]))
def test_the_interval_is_what_the_two_tests_do_not_reject(test: str, seed: int, n: int, level: float) -> None:
    sample = KINDS[test].of(scores(test, seed, n))
    low, high = (float(end) for end in sample.interval(level))
    assert low <= float(sample.estimate) <= high
    step = 1e-6
    if math.isfinite(low) and (test != "share" or low > 0):
        assert float(sample.above(np.array(low - step))) <= level * (1 + 1e-6)
        assert float(sample.above(np.array(low + step))) > level
    if math.isfinite(high) and (test != "share" or high < 1):
        assert float(sample.below(np.array(high + step))) <= level * (1 + 1e-6)
        assert float(sample.below(np.array(high - step))) > level


@pytest.mark.parametrize("test", KINDS)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 40))
def test_mirrored_scores_exchange_the_two_tests(test: str, seed: int, n: int) -> None:
    x = scores(test, seed, n)
    mirror = 1 - x if test == "share" else -x
    one, two = KINDS[test].of(x), KINDS[test].of(mirror)
    for cut in (0.25, 0.5, 0.8):
        other = np.array(1 - cut if test == "share" else -cut)
        assert float(one.above(np.array(cut))) == pytest.approx(float(two.below(other)), rel=1e-9)
        assert float(one.statistic(np.array(cut))) == pytest.approx(-float(two.statistic(other)), rel=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 40), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_shift_and_scale_move_scores_and_cuts_alike(seed: int, n: int, scale: float, shift: float) -> None:
    x = np.random.default_rng(seed).lognormal(0, 0.7, size=n)
    for kind in (MeanSample, MedianSample):
        p = float(kind.of(x).above(np.array(0.8)))
        assert float(kind.of(shift + scale * x).above(np.array(shift + scale * 0.8))) == pytest.approx(p, rel=1e-5)
        low, high = (float(end) for end in kind.of(x).interval(0.05))
        moved = [float(end) for end in kind.of(shift + scale * x).interval(0.05)]
        assert moved == pytest.approx([shift + scale * low, shift + scale * high], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("test", KINDS)
def test_replicates_in_another_order_give_the_same(test: str) -> None:
    x = scores(test, 5, 30)
    one, two = KINDS[test].of(x), KINDS[test].of(np.random.default_rng(0).permutation(x))
    for cut in (0.2, 0.7):
        assert float(one.above(np.array(cut))) == pytest.approx(float(two.above(np.array(cut))), rel=1e-12)


@pytest.mark.parametrize("test", KINDS)
def test_p_values_rise_with_the_cut(test: str) -> None:
    sample = KINDS[test].of(scores(test, 8, 25))
    cuts = np.linspace(0.01, 0.99, 99) if test == "share" else np.linspace(-8, 8, 99)
    above, below = sample.above(cuts), sample.below(cuts)
    assert (np.diff(above) >= -1e-12).all()
    assert (np.diff(below) <= 1e-12).all()
    assert (above + below >= 1 - 1e-9).all()


@pytest.mark.parametrize("test", KINDS)
def test_a_batch_is_judged_as_its_rows(test: str) -> None:
    x = np.stack([scores(test, seed, 20) for seed in range(12)]).reshape(3, 4, 20)
    batch = KINDS[test].of(x)
    for i in range(3):
        for j in range(4):
            one = KINDS[test].of(x[i, j])
            assert batch.above(np.array(0.4))[i, j] == pytest.approx(float(one.above(np.array(0.4))), rel=1e-12)
            assert [end[i, j] for end in batch.interval(0.05)] == pytest.approx([float(e) for e in one.interval(0.05)])


@pytest.mark.parametrize("test", KINDS)
def test_samples_joined_by_look_answer_as_each_alone(test: str) -> None:
    x = scores(test, 4, 40).reshape(2, 20)
    single = [KINDS[test].of(x[:, :n]) for n in (7, 16, 20)]
    joined = by_look(single)
    cut = np.array([0.3, 0.6])
    assert joined.above(cut).shape == (3, 2)
    for row, one in enumerate(single):
        np.testing.assert_allclose(joined.above(cut)[row], one.above(cut), rtol=1e-12)
        np.testing.assert_allclose(joined.below(cut)[row], one.below(cut), rtol=1e-12)
        np.testing.assert_allclose(joined.statistic(cut)[row], one.statistic(cut), rtol=1e-12)
        np.testing.assert_allclose(joined.estimate[row], one.estimate)
        np.testing.assert_allclose(joined.unit_sd[row], one.unit_sd)
        for side in (0, 1):
            np.testing.assert_allclose(joined.interval(0.05)[side][row], one.interval(0.05)[side])


REPEATS = 4000
DRAWS = {
    "Gaussian mean": (MeanSample, lambda g, n: g.normal(1, 2, size=(REPEATS, n)), 1.0, (0.030, 0.052)),
    "uniform mean": (MeanSample, lambda g, n: g.random((REPEATS, n)), 0.5, (0.030, 0.060)),
    "share": (PropSample, lambda g, n: (g.random((REPEATS, n)) < 0.3) * 1.0, 0.3, (0.010, 0.050)),
    "median": (MedianSample, lambda g, n: g.exponential(size=(REPEATS, n)), math.log(2), (0.010, 0.050)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("n", [16, 64])
def test_each_end_of_the_interval_misses_at_most_its_level_and_not_never(name: str, n: int) -> None:
    kind, draw, truth, (least, most) = DRAWS[name]
    low, high = kind.of(draw(np.random.default_rng(99), n)).interval(0.05)
    error = 3 * math.sqrt(0.05 * 0.95 / REPEATS)
    for missed in (float((low > truth).mean()), float((high < truth).mean())):
        assert least - error <= missed <= most + error, (missed, least, most)
