"""When an undecided negative control shows clearly less than a condition that holds."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from claims.statistics import judge
from claims.statistics.controls import behaves, clearly_smaller, exact_names

INF = math.inf
DIFF: dict[str, Any] = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.5}
OTHER = DIFF | {"b": "c"}
LEVEL: dict[str, Any] = {"kind": "level", "outcome": "x", "range": [1.0, INF]}
EXACT: dict[str, Any] = {"kind": "identity", "outcome": "x", "value": 1.0}
PAIR: dict[str, Any] = {"kind": "identity", "a": "p", "b": "q"}


def test_the_outcomes_of_identities() -> None:
    nested = {"all": [DIFF, {"any": [EXACT, PAIR]}]}
    assert exact_names(nested) == {"x", "p", "q"}
    assert exact_names(DIFF) == frozenset()


def judged(criterion: dict[str, Any], **means: float) -> Any:
    """Two looks of 8 scores each with sd 0.1 about the means."""
    noise = np.tile([-0.15, 0.15, -0.1, 0.1, -0.05, 0.05, -0.02, 0.02], 2)
    outcomes = {name: mean + noise for name, mean in means.items()} | {"b": np.zeros(16), "c": 0.5 * np.abs(noise)}
    return judge(criterion, outcomes, looks=(16, 128), alpha=0.01, close=0.01)


@pytest.mark.parametrize(("control", "smaller"), [(0.4, True), (0.8, True), (0.95, False), (1.5, False)])
def test_the_interval_must_end_before_the_estimate(control: float, smaller: bool) -> None:
    assert clearly_smaller(DIFF, judged(DIFF, a=control), judged(DIFF, a=1.0)) is smaller


@pytest.mark.parametrize(("control", "smaller"), [(1.6, True), (1.2, True), (1.05, False), (0.5, False)])
def test_where_small_supports_the_claim_the_interval_must_start_after_it(control: float, smaller: bool) -> None:
    below = LEVEL | {"range": [-INF, 1.5]}
    assert clearly_smaller(below, judged(below, x=control), judged(below, x=1.0)) is smaller


def test_touching_the_estimate_is_not_clearly_smaller() -> None:
    below = LEVEL | {"range": [-INF, 1.5]}
    for criterion, end in ((LEVEL, "high"), (below, "low")):
        holding = judged(criterion, x=1.0)
        control = judged(criterion, x=1.0)
        for value, smaller in ((1.0, False), (0.99 if end == "high" else 1.01, True)):
            touching = replace(control, leaves=(replace(control.leaves[0], **{end: value}),))
            exact = replace(holding, leaves=(replace(holding.leaves[0], estimate=1.0),))
            assert clearly_smaller(criterion, touching, exact) is smaller


def test_shares_and_ratios_have_a_direction_too() -> None:
    rate = {"kind": "rate", "event": "e", "above": 0.5}

    def share(wins: int) -> Any:
        events = np.array([1.0] * wins + [0.0] * (128 - wins))[np.random.default_rng(0).permutation(128)]
        return judge(rate, {"e": events}, looks=(128,), alpha=0.01, close=0.01)

    assert clearly_smaller(rate, share(20), share(120))
    assert not clearly_smaller(rate, share(118), share(120))
    ratio = {"kind": "ratio", "a": "a", "b": "one", "range": [0, 0.8]}
    found = [
        judge(ratio, {"a": v + 0.01 * np.arange(16), "one": np.ones(16)}, looks=(16,), alpha=0.01, close=0.01)
        for v in (0.9, 0.5)
    ]
    assert clearly_smaller(ratio, found[0], found[1])
    assert not clearly_smaller(ratio, found[1], found[0])


def test_two_sided_regions_have_no_smaller_side() -> None:
    inside = LEVEL | {"range": [0.5, 1.5]}
    for control in (0.1, 3.0):
        assert not clearly_smaller(inside, judged(inside, x=control), judged(inside, x=1.0))
    assert not clearly_smaller(EXACT, judged(EXACT, x=0.1), judged(EXACT, x=1.0))


def test_one_part_of_all_suffices_but_every_part_of_any_must_be_smaller() -> None:
    both, either = {"all": [DIFF, LEVEL]}, {"any": [DIFF, LEVEL]}
    for criterion, partly in ((both, True), (either, False)):
        holding = judged(criterion, a=1.0, x=2.0)
        assert clearly_smaller(criterion, judged(criterion, a=0.5, x=1.5), holding)
        assert clearly_smaller(criterion, judged(criterion, a=1.0, x=1.5), holding) is partly
        assert not clearly_smaller(criterion, judged(criterion, a=1.0, x=2.0), holding)


def test_every_inner_point_must_be_smaller() -> None:
    inner = {"kind": "interior", "outcome": "y", "over": "size", "better": "lower", "margin": 0.5}

    def bowl(*means: float) -> Any:
        y = np.array(means) + np.random.default_rng(0).normal(0, 0.01, (16, 4))
        return judge(inner, {"y": y}, looks=(16,), alpha=0.01, close=0.01)

    holding = bowl(2, 1, 0, 2)
    assert clearly_smaller(inner, bowl(2, 1.9, 1.9, 2), holding)
    assert not clearly_smaller(inner, bowl(2, 0.5, 1.9, 2), holding)


def test_without_a_common_part_nothing_is_smaller() -> None:
    assert not clearly_smaller(DIFF, judged(DIFF, a=0.5), judged(LEVEL, x=1.0))


HOLDS, FAILS, OPEN = 2.0, -1.0, 0.45
NEGATIVE = {
    HOLDS: (False, "the criterion holds where the mechanism is removed"),
    FAILS: (True, "the criterion fails where the mechanism is removed"),
}
POSITIVE = {
    HOLDS: (True, "the criterion holds where the effect is known to be there"),
    FAILS: (False, "the criterion fails where the effect is known to be there"),
    OPEN: (False, "the criterion is undecided where the effect is known to be there"),
}


@pytest.mark.parametrize("others", [(), (3.0,), (3.0, 0.5)])
def test_a_decided_control_stands_for_itself(others: tuple[float, ...]) -> None:
    holding = [judged(DIFF, a=mean) for mean in others]
    for role, expected in (("negative", NEGATIVE), ("positive", POSITIVE)):
        for mean, found in expected.items():
            assert behaves(DIFF, role, judged(DIFF, a=mean), 0.01, holding) == found


def test_an_undecided_negative_control_must_be_smaller_than_each_that_holds() -> None:
    control = judged(DIFF, a=OPEN)
    nowhere = "undecided, and the criterion holds nowhere that it could be compared with"
    assert behaves(DIFF, "negative", control, 0.01, []) == (True, nowhere)
    for means, passes in (((3.0,), True), ((0.5,), False), ((3.0, 0.5), False), ((3.0, 2.0), True)):
        found = behaves(DIFF, "negative", control, 0.01, [judged(DIFF, a=mean) for mean in means])
        assert found[0] is passes
        assert found[1].startswith("undecided, but clearly smaller" if passes else "control too weak")


def test_the_level_decides_what_is_undecided() -> None:
    control = judged(DIFF, a=OPEN)
    assert control.pf < 0.5
    assert behaves(DIFF, "negative", control, control.pf, []) == NEGATIVE[FAILS]
    assert behaves(DIFF, "negative", control, control.pf * (1 - 1e-9), [])[1].startswith("undecided")


def test_equal_arms_need_only_not_hold() -> None:
    for mean, word in ((HOLDS, "holds"), (FAILS, "fails"), (OPEN, "is undecided")):
        found = behaves(DIFF, "equal arms", judged(DIFF, a=mean), 0.01, [judged(DIFF, a=0.5)])
        assert found == (word != "holds", f"the criterion {word} where the arms are alike")


def test_a_broken_control_does_not_behave() -> None:
    broken = replace(judged(DIFF, a=OPEN), state="broken", reason="8 of 8 replicates failed")
    for role in ("negative", "positive", "equal arms"):
        assert behaves(DIFF, role, broken, 0.01, []) == (False, "8 of 8 replicates failed")
