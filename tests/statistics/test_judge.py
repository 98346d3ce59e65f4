"""One condition judged: saturation, combined criteria, degenerate outcomes, identities, bad input."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from claims.statistics import complete
from claims.statistics.course import Step, course, states
from claims.statistics.criteria import tree
from tests.statistics.cases import (
    BEST,
    DIFF,
    INF,
    INNER,
    LEVEL,
    MEDIAN,
    NAN,
    RATE,
    SAME,
    TREND,
    WINS,
    Array,
    curve,
    failing,
    judged,
    normal,
)

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
