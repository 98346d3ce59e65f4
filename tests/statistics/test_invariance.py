"""What must not matter to a judgement: order, units, names, the side that is called a."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.statistics.cases import BEST, DIFF, INF, INNER, LEVEL, TREND, WIDE, WINS, curve, judged, normal, numbers

# What must not matter ----------------------------------------------------------------------------------------------

SEEDS = st.integers(0, 10**6)
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True, database=None)


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
