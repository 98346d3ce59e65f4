"""The verdict as a table: every pattern of labels, boundaries, NaN, names and claim p-values."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from claims.statistics import (
    Published,
    Verdict,
    conditions_needed,
    error_statement,
    label,
    verdict,
)
from claims.statistics.verdict import LABELS, verdict_codes

ALPHA = 0.01
NAN = math.nan


@pytest.mark.parametrize(
    ("ph", "pf", "expected"),
    [
        (0.01, 1.0, "holds"),
        (np.nextafter(0.01, 1), 1.0, "undecided"),
        (1.0, 0.01, "fails"),
        (1.0, np.nextafter(0.01, 1), "undecided"),
        (0.0, 1.0, "holds"),
        (1.0, 0.0, "fails"),
        (1.0, 1.0, "undecided"),
        (0.01, 0.01, "undecided"),
        (NAN, NAN, "undecided"),
        (0.001, NAN, "holds"),
        (NAN, 0.001, "fails"),
    ],
)
def test_label_at_its_boundaries(ph: float, pf: float, expected: str) -> None:
    assert label(ph, pf, 0.01) == expected


@pytest.mark.parametrize(
    ("quantifier", "needed"),
    [
        ("always", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("never", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("typically", [1, 2, 3, 3, 4, 5, 6, 6]),
        ("often", [1, 2, 2, 3, 3, 4, 4, 5]),
        ("can", [1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_conditions_needed_for_one_to_eight(quantifier: str, needed: list[int]) -> None:
    assert [conditions_needed(quantifier, count) for count in range(1, 9)] == needed


def test_conditions_needed_refuses_unknown_words_and_no_condition() -> None:
    with pytest.raises(ValueError, match=r"quantifier must be one of always, .*'mostly'"):
        conditions_needed("mostly", 4)
    with pytest.raises(ValueError, match="at least one is needed, got 0"):
        conditions_needed("can", 0)


def rule(labels: tuple[str, ...], k: int) -> str:
    """The table of STATISTICS section 2 in terms of labels that are clear at every level."""
    holds, fails, count = labels.count("holds"), labels.count("fails"), len(labels)
    if holds >= k:
        return "supported"
    if fails > count - k:
        return "conditional" if holds else "refuted"
    return "inconclusive"


CLEAR = {"holds": (1e-9, 1.0), "fails": (1.0, 1e-9), "undecided": (0.3, 0.3)}


@pytest.mark.parametrize("quantifier", ["always", "never", "typically", "often", "can"])
def test_every_pattern_of_clear_labels_up_to_five_conditions(quantifier: str) -> None:
    for count in range(1, 6):
        for labels in itertools.product(CLEAR, repeat=count):
            names = [f"c{i}" for i in range(count)]
            ph, pf = zip(*(CLEAR[one] for one in labels), strict=True)
            found = verdict(names, ph, pf, quantifier, ALPHA)
            assert found.label == rule(labels, conditions_needed(quantifier, count)), (quantifier, labels)
            for word, named in (("holds", found.holds), ("fails", found.fails), ("undecided", found.open)):
                assert named == tuple(n for n, one in zip(names, labels, strict=True) if one == word)


def test_every_pattern_for_every_k() -> None:
    for count in range(1, 6):
        patterns = list(itertools.product(CLEAR, repeat=count))
        ph = np.array([[CLEAR[one][0] for one in labels] for labels in patterns])
        pf = np.array([[CLEAR[one][1] for one in labels] for labels in patterns])
        for k in range(1, count + 1):
            words = [LABELS[code] for code in verdict_codes(ph, pf, k, ALPHA)]
            assert words == [rule(labels, k) for labels in patterns]


LEVELS = [0.0, 0.002, 0.0025, 1 / 300, 0.005, 0.01, 0.02, 1.0]


def levelled(ph: tuple[float, ...], pf: tuple[float, ...], k: int) -> str:
    """The rule by its levels, one condition after the other, NaN counted as no evidence."""
    count, holding, failing, named = len(ph), 0, 0, False
    for hold, fail in zip(ph, pf, strict=True):
        holding += not math.isnan(hold) and hold <= ALPHA / (count - k + 1)
        failing += not math.isnan(fail) and fail <= ALPHA / k
        named |= not math.isnan(hold) and hold <= ALPHA / count
    if (holding >= k) == (failing >= count - k + 1):
        return "inconclusive"
    return "supported" if holding >= k else "conditional" if named else "refuted"


@pytest.mark.parametrize("quantifier", ["always", "typically", "often", "can"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_p_values_at_and_beside_every_level(quantifier: str, count: int) -> None:
    near = sorted({np.nextafter(level, side) for level in LEVELS for side in (0, 1)} | set(LEVELS))
    rng = np.random.default_rng(7)
    k = conditions_needed(quantifier, count)
    for _ in range(400):
        ph = tuple(float(v) for v in rng.choice([*near, NAN], size=count))
        pf = tuple(float(v) for v in rng.choice([*near, NAN], size=count))
        found = verdict([str(i) for i in range(count)], ph, pf, quantifier, ALPHA)
        assert found.label == levelled(ph, pf, k), (ph, pf)


@pytest.mark.parametrize(
    ("ph", "pf", "quantifier", "expected"),
    [
        # typically of 4: k = 3, hold level .01 / 2, fail level .01 / 3, names at .01 / 4
        ([0.005, 0.005, 0.005, 1], [1, 1, 1, 1], "typically", "supported"),
        ([0.005, 0.005, np.nextafter(0.005, 1), 1], [1, 1, 1, 1], "typically", "inconclusive"),
        ([1, 1, 1, 1], [1 / 300, 1 / 300, 1, 1], "typically", "refuted"),
        ([1, 1, 1, 1], [1 / 300, np.nextafter(1 / 300, 1), 1, 1], "typically", "inconclusive"),
        ([1, 1, 1, 0.0025], [0.001, 0.001, 1, 1], "typically", "conditional"),
        ([1, 1, 1, np.nextafter(0.0025, 1)], [0.001, 0.001, 1, 1], "typically", "refuted"),
        # always of 4: k = 4, hold level .01 each, one failure at .01 / 4
        ([0.01, 0.01, 0.01, 0.01], [1, 1, 1, 1], "always", "supported"),
        ([0.01, 0.01, 0.01, np.nextafter(0.01, 1)], [1, 1, 1, 1], "always", "inconclusive"),
        ([1, 1, 1, 1], [0.0025, 1, 1, 1], "always", "refuted"),
        ([1, 1, 1, 1], [np.nextafter(0.0025, 1), 1, 1, 1], "always", "inconclusive"),
        # can of 4: k = 1, one holds at .01 / 4, all fail at .01
        ([0.0025, 1, 1, 1], [1, 1, 1, 1], "can", "supported"),
        ([np.nextafter(0.0025, 1), 1, 1, 1], [1, 1, 1, 1], "can", "inconclusive"),
        ([1, 1, 1, 1], [0.01, 0.01, 0.01, 0.01], "can", "refuted"),
        ([1, 1, 1, 1], [0.01, 0.01, 0.01, np.nextafter(0.01, 1)], "can", "inconclusive"),
        # both rules met is a defect, never a verdict
        ([0, 0, 0, 1], [1, 1, 0, 0], "typically", "inconclusive"),
        ([0.01], [0.01], "always", "inconclusive"),
        # unknown is no evidence
        ([NAN, 0, 0, 0], [NAN, 1, 1, 1], "typically", "supported"),
        ([NAN, 0, 0, 0], [NAN, 1, 1, 1], "always", "inconclusive"),
        ([NAN] * 4, [NAN] * 4, "can", "inconclusive"),
    ],
)
def test_verdict_at_the_boundaries(ph: list[float], pf: list[float], quantifier: str, expected: str) -> None:
    assert verdict("abcd"[: len(ph)], ph, pf, quantifier, ALPHA).label == expected


def test_a_condition_covered_by_the_verdict_only_is_starred() -> None:
    found = verdict(["a", "b", "c", "d"], [0.001, 0.0025, 0.005, 0.9], [1, 1, 1, 0.001], "typically", ALPHA)
    assert found == Verdict("supported", 3, 4, 0.01, 1.0, ("a", "b"), ("c",), ("d",), ())
    found = verdict(["a", "b", "c", "d"], [0.001, 0.0025, 0.001, 0.02], [1, 1, 1, 1], "typically", ALPHA)
    assert (found.holds, found.holds_star, found.open) == (("a", "b", "c"), (), ("d",))


def test_without_support_nothing_is_starred() -> None:
    found = verdict(["a", "b", "c", "d"], [0.001, 0.004, 1, 1], [1, 1, 0.001, 0.003], "typically", ALPHA)
    assert (found.label, found.holds, found.holds_star) == ("conditional", ("a",), ())
    assert (found.fails, found.open) == (("c",), ("b", "d"))


def test_claim_p_values_are_those_of_the_partial_conjunction() -> None:
    # typically of 4: (4 - 3 + 1) times the third smallest ph, and 3 times the second smallest pf
    found = verdict("abcd", [0.04, 0.01, 0.02, 0.03], [0.5, 0.1, 0.2, 0.05], "typically", ALPHA)
    assert found.p_hold == pytest.approx(2 * 0.03)
    assert found.p_fail == pytest.approx(3 * 0.1)
    assert verdict("abcd", [0.9] * 4, [NAN] * 4, "typically", ALPHA).p_hold == 1.0


@pytest.mark.parametrize("quantifier", ["always", "typically", "often", "can"])
def test_claim_p_values_agree_with_the_verdict_at_every_level(quantifier: str) -> None:
    rng = np.random.default_rng(11)
    for _ in range(300):
        ph, pf = rng.random((2, 5)) ** 4
        for alpha in (0.01, 0.1, 0.5):
            found = verdict("abcde", ph, np.ones(5), quantifier, alpha)
            assert (found.label == "supported") == (found.p_hold <= alpha)
            found = verdict("abcde", np.ones(5), pf, quantifier, alpha)
            assert (found.label == "refuted") == (found.p_fail <= alpha)


def test_verdict_refuses_lists_of_different_length() -> None:
    with pytest.raises(ValueError, match="one ph and one pf each, got 2, 1, 2"):
        verdict(["a", "b"], [0.1], [0.1, 0.2], "can")
    with pytest.raises(ValueError, match="one ph and one pf each, got 2, 2, 1"):
        verdict(["a", "b"], [0.1, 0.2], [0.1], "can")


def test_the_level_is_one_percent_unless_told() -> None:
    assert verdict(["a"], [0.01], [1], "always").label == "supported"
    assert verdict(["a"], [np.nextafter(0.01, 1)], [1], "always").label == "inconclusive"
    assert error_statement(published(["supported"], [0.01])).alpha == 0.01


def test_conditions_in_another_order_give_the_same_verdict() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        ph, pf, order = rng.random(5) ** 6, rng.random(5) ** 6, rng.permutation(5)
        names = np.array(list("abcde"))
        one, two = verdict(names, ph, pf, "often"), verdict(names[order], ph[order], pf[order], "often")
        assert (one.label, one.p_hold, one.p_fail) == (two.label, two.p_hold, two.p_fail)
        assert set(one.holds) == set(two.holds)


# Errors of the suite -----------------------------------------------------------------------------------------------


def published(labels: list[str], p: list[float]) -> list[Published]:
    return [Published(f"claim-{i}", one, value, True) for i, (one, value) in enumerate(zip(labels, p, strict=True))]


def test_error_statement_counts_tested_claims_only() -> None:
    records = [*published(["supported"] * 3 + ["refuted"] * 7, [0.001] * 3 + [1.0] * 7)]
    found = error_statement([*records, Published("exact", "supported", 0.0, False)], alpha=0.01)
    assert (found.tested, found.supported, found.alpha, found.selected) == (10, 3, 0.01, None)
    assert found.wrong == pytest.approx(0.1)
    assert found.false_discovery == pytest.approx(0.1 / 3)


def test_error_statement_selects_where_fewer_than_a_fifth_are_supported() -> None:
    # Benjamini-Hochberg at 5 %: .0049 and .0099 pass their steps .005 and .01, .0151 misses .015
    p = [0.0049, 0.0099, 0.0151] + [0.9] * 7
    found = error_statement(published(["supported"] + ["inconclusive"] * 9, p))
    assert found.selected == ("claim-0", "claim-1")
    assert error_statement(published(["supported"] * 2 + ["inconclusive"] * 8, p)).selected is None
    assert error_statement(published(["inconclusive"], [0.05])).selected == ("claim-0",)
    assert error_statement(published(["inconclusive"], [np.nextafter(0.05, 1)])).selected == ()


def test_an_invalid_claim_is_never_selected() -> None:
    found = error_statement(published(["invalid", "supported"] + ["inconclusive"] * 8, [0.0001, 0.0001] + [0.9] * 8))
    assert (found.tested, found.supported, found.selected) == (10, 1, ("claim-1",))


def test_error_statement_selects_as_scipy_does() -> None:
    rng = np.random.default_rng(5)
    for count in rng.integers(1, 40, 200):
        p = rng.random(count) ** 4
        expected = np.flatnonzero(stats.false_discovery_control(p) <= 0.05)
        found = error_statement(published(["inconclusive"] * count, p.tolist()))
        assert found.selected == tuple(f"claim-{i}" for i in expected)


def test_error_statement_without_support_or_claims_is_undefined_not_zero() -> None:
    found = error_statement(published(["inconclusive"] * 2, [NAN, 1.0]))
    assert math.isnan(found.false_discovery)
    assert found.selected == ()
    empty = error_statement([])
    assert (empty.tested, empty.wrong, empty.selected) == (0, 0.0, None)
    assert math.isnan(empty.false_discovery)
