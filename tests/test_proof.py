"""Claims of known truth through the whole pipeline: how often it errs, and that the count would show if it did."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import proof
from claims.statistics import conditions_needed


def excess(known, settings=proof.SETTINGS):
    return {row.truth: row.excess() for row in proof.rows(list(known), settings)}


def test_a_quarter_of_the_claims_err_within_their_bounds():
    known = proof.claims({truth: count // 4 for truth, count in proof.COUNTS.items()})
    assert excess(known) == dict.fromkeys(proof.COUNTS, "")


@pytest.mark.slow
def test_three_hundred_claims_err_within_their_bounds_as_the_report_says():
    told = proof.report(list(proof.claims()))
    assert told.startswith("## The whole pipeline\n\n300 generated claims")
    assert told.count(" | within |\n") == len(proof.COUNTS)
    assert told in (Path(__file__).parents[1] / "reports" / "calibration.md").read_text(encoding="utf-8")


def test_an_engine_that_errs_too_often_is_caught():
    """A level fifty times too generous, at the margin; and one at which nothing is ever decided."""
    loose, strict = (replace(proof.SETTINGS, alpha=alpha, looks=(8, 16)) for alpha in (0.5, 1e-9))
    told = excess(proof.claims({"margin": 40}), loose)["margin"]
    assert "supported above" in told
    assert "refuted or conditional above" in told
    assert "mislabelled above" in told
    assert excess(proof.claims({"true": 2}), strict) == {"true": "0 of 2 right"}


def test_the_truth_of_generated_claims_is_what_they_are_called():
    for truth, claim in proof.claims():
        places = [condition["beyond"] for condition in claim.conditions.values()]
        k = conditions_needed(claim.quantifier, len(places))
        hold, fail = places.count(1), places.count(-1)
        assert hold + fail + places.count(0) == len(places)
        assert {
            "true": hold >= k,
            "false": fail == len(places),
            "mixed": 0 < hold < k and fail > len(places) - k,
            "margin": hold < k and fail <= len(places) - k,
            "equal arms": places == [0] * len(places) and "lift" not in claim.parameters,
        }[truth], claim


def test_every_kind_noise_and_quantifier_takes_part():
    known = [claim for _, claim in proof.claims()]
    kinds = {claim.criterion["kind"] for claim in known}
    assert kinds == {"diff", "ratio", "winrate", "equiv", "level", "rate", "trend", "interior", "best"}
    assert {claim.quantifier for claim in known} == set(proof.QUANTIFIERS)
    assert {c["noise"] for claim in known for c in claim.conditions.values()} == set(proof.NOISES)
