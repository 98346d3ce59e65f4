"""Sentences never contradict the record they are rendered from."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.report import citing, numbers, words
from claims.statistics import ErrorStatement
from tests.report import builders, records

LABELS = ("holds", "holds*", "fails", "undecided")
KEYS = {"holds": "holds", "holds*": "holds_star", "fails": "fails", "undecided": "open"}


def relabelled(labels, verdict, state="cap", timed=False):
    """A record whose conditions carry these labels under the names c0, c1, ..."""
    base = records.supported()
    conditions = [dict(base["conditions"][0], name=f"c{i}", label=label) for i, label in enumerate(labels)]
    for c in conditions:
        c["state"] = state if c["label"] == "undecided" else "decided"
        c["reason"] = {"fails": "too small", "undecided": "not decided at 8 of 128 replicates"}.get(c["label"], "")
    groups = {key: [c["name"] for c in conditions if c["label"] == label] for label, key in KEYS.items()}
    reason = "negative control x: too weak" if verdict == "invalid" else ""
    told = {**base["verdict"], **groups, "label": verdict, "count": len(labels), "k": 1, "reason": reason}
    return {**base, "conditions": conditions, "verdict": told, "timed": timed, "clock": "cpu" if timed else None}


def named(sentence, word):
    """Names of conditions after a word such as `holds in`, up to the next semicolon."""
    match = re.search(rf"(?:^|[ ;]){re.escape(word)} ([^;.]*)", sentence)
    return set(re.findall(r"\bc\d+\b", match[1])) if match else set()


@pytest.mark.parametrize("verdict", words.VERDICTS)
@pytest.mark.parametrize("state", ["open", "cap", "futile", "saturated", "broken"])
def test_the_verdict_sentence_names_every_condition_under_its_own_label(verdict, state):
    for labels in itertools.product(LABELS, repeat=3):
        e = relabelled(labels, verdict, state)
        sentence = words.verdict_sentence(e)
        assert sentence.lower().startswith(words.headline(e))
        assert words.headline(e).startswith(verdict)
        if verdict == "invalid":
            assert sentence == "Invalid: negative control x: too weak."
            assert words.tally(e) == "nothing is said about the claim"
            continue
        for word, key in (
            ("holds in", "holds"),
            ("holds* in", "holds_star"),
            ("fails in", "fails"),
            ("open in", "open"),
        ):
            assert named(sentence, word) == set(e["verdict"][key]), (word, sentence)
        assert ("with exceptions" in sentence) == (verdict == "supported" and "fails" in labels)
        assert ("not needed" in sentence) == (verdict == "supported" and state == "open" and "undecided" in labels)


def test_the_tally_counts_what_the_record_says():
    for labels in itertools.product(LABELS, repeat=3):
        e = relabelled(labels, "conditional")
        told = {word: int(n) for word, n in re.findall(r"(holds|fails|open) in (\d+)", words.tally(e))}
        assert told.get("holds", 0) == sum(label.startswith("holds") for label in labels)
        assert told.get("fails", 0) == labels.count("fails")
        assert told.get("open", 0) == labels.count("undecided")
        assert sum(told.values()) == 3


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("no_variation", [False, True])
def test_a_condition_is_told_by_its_own_label(label, no_variation):
    c = relabelled([label], "inconclusive")["conditions"][0] | {"no_variation": no_variation}
    told = words.label(c)
    assert told.split(":")[0] == label
    assert (": too small" in told) == (label == "fails")
    assert ("not decided" in told) == (label == "undecided")
    assert ("no variation" in told) == (no_variation and label != "undecided")


def test_what_holds_only_with_the_verdict_tells_that_nothing_varies():
    c = relabelled(["holds*"], "supported")["conditions"][0] | {"no_variation": True, "state": "open"}
    assert words.label(c) == "holds*: no variation between replicates"


@pytest.mark.parametrize(("label", "shown"), [("holds", "above"), ("fails", "near"), ("undecided", "near")])
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_regions_for_one_outcome_the_one_that_decides_is_shown(label, shown, turned):
    numbers = {"estimate": 0.3, "low": 0.2, "high": 0.4}
    leaves = [numbers | {"name": "near", "ph": 1.0, "pf": 1e-4}, numbers | {"name": "above", "ph": 1e-4, "pf": 1.0}]
    if turned and label != "undecided":
        leaves.reverse()
    assert words.deciding(numbers | {"label": label, "leaves": leaves})["name"] == shown


@pytest.mark.parametrize("role", ["negative", "positive"])
@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("rerun", [True, False])
@pytest.mark.parametrize("why", ["", "the criterion fails where the mechanism is removed"])
def test_a_control_behaves_exactly_where_it_passes(role, passes, rerun, why):
    told = words.control({"role": role, "passes": passes, "rerun": rerun, "why": why, "label": "fails"})
    assert told.startswith("behaves" if passes else "misbehaves")
    assert ("second run" in told) == rerun
    assert (why or "fails") in told


def test_real_data_speak_of_themselves_and_timed_claims_of_the_machine():
    assert "digits (on these data)" in words.verdict_sentence(records.supported())
    sentence = words.verdict_sentence(records.ratio(), records.RUN)
    assert sentence.endswith("Measured in CPU time on Example CPU at 2.4 GHz, Linux 6.1.")


def told(*ranges, label="supported"):
    return words.sensitivity({"sensitivity": list(ranges), "verdict": {"label": label}})


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (0.004, 0.018, "The verdict is the same for every margin from 0.004 up to 0.018."),
        (-math.inf, 0.018, "The verdict is the same for every margin up to 0.018."),
        (0.004, math.inf, "The verdict is the same for every margin from 0.004."),
        (-math.inf, math.inf, "The verdict is the same for every margin."),
        (0.0, 0.01, "The verdict is the same for every margin from 0 up to 0.01."),
        (0.00401, 0.01899, "The verdict is the same for every margin from 0.00401 up to 0.0189."),
        (0.0040101, 0.0100012, "The verdict is the same for every margin from 0.00402 up to 0.010001."),
        (0.009999, 115.99, "The verdict is the same for every margin from 0.009999 up to 115."),
        (-0.0018765, 1e-2, "The verdict is the same for every margin from -0.00187 up to 0.01."),
    ],
)
def test_sensitivity_of_one_margin_is_rounded_to_the_side_of_the_declared_one(low, high, sentence):
    assert told(builders.margin(records.DIFF, low, high)) == sentence


def test_sensitivity_of_several_margins_names_each():
    level = {"kind": "level", "outcome": "slope", "range": [0.9, 1.1]}
    best = {"kind": "equiv", "a": "new", "b": "old", "margin": 0.5}
    ranges = [
        builders.margin(level, -math.inf, 0.95, "lower"),
        builders.margin(level, 1.02, 3.0, "upper"),
        builders.margin(best, -math.inf, math.inf),
    ]
    assert told(*ranges) == (
        "The verdict is the same while one number moves and the others stay: "
        "the lower end for slope (level, declared 0.9) up to 0.95; "
        "the upper end for slope (level, declared 1.1) from 1.02 up to 3; "
        "the margin for new and old (equivalence, declared 0.5) anywhere."
    )


def test_without_a_margin_or_a_verdict_there_is_no_sensitivity():
    assert told() == ""
    assert told(builders.margin(records.DIFF), label="invalid") == ""


def test_what_separates_holding_from_failing_conditions_is_told_only_where_one_parameter_does():
    assert (
        words.separation(records.conditional()) == "Where it holds budget is at most 32, where it fails at least 256."
    )
    two = records.conditional()
    for c in two["conditions"]:
        c["parameters"]["n"] = -c["parameters"]["budget"]
    assert words.separation(two) == ""
    assert words.separation(records.supported()) == ""
    assert words.separation(records.refuted()) == ""


def test_power_is_told_for_undecided_conditions_only():
    noisy = records.conditional()["conditions"][4]
    assert words.power(records.conditional()["conditions"]).endswith(
        "noisy 413 (interval ±0.00561, margin 0.00427 away)."
    )
    assert words.power([{**noisy, "label": "holds"}]) == ""
    assert words.power([{**noisy, "needed_n": math.inf}]) == ""
    assert words.power([{**noisy, "needed_n": 100.0}]) == ""
    assert words.power([{**noisy, "leaves": []}]) == ""


def test_estimators_are_told_by_their_names_and_what_they_are_given():
    scale, reduce = "sklearn.preprocessing.StandardScaler", {"model": "sklearn.decomposition.PCA", "n_components": 2}
    arms = {"scaled": {"steps": [scale, reduce], "model": "xgboost.XGBClassifier", "grid": {"eta": [0.1, None]}}}
    assert (
        words.parameters({"arms": arms, "n": 30, "data": "wine", "file": "a.B", "kinds": [True, "x.y"]})
        == "arms = {scaled: StandardScaler > PCA(n_components=2) > XGBClassifier(grid={eta: [0.1, null]})}, n = 30, "
        "data = wine, file = B, kinds = [true, x.y]"
    )


def test_what_a_condition_needs_is_told_once():
    reason = "a - b lies too close to the edge of the region; about 101 replicates would decide, as likely as not"
    undecided = {**records.conditional()["conditions"][4], "reason": reason}
    assert words.label(undecided) == "undecided: a - b lies too close to the edge of the region"


@given(st.floats(-100, 100), st.floats(0.001, 100), st.floats(0.001, 100), st.sampled_from([0.0, 0.01, -0.2, 1.0, 1.2]))
def test_rounding_never_moves_a_number_across_the_margin(estimate, down, up, bound):
    ends = {"estimate": estimate, "low": estimate - down, "high": estimate + up}
    told = numbers.effect({**ends, "lower": bound, "upper": math.inf, "kind": "diff"})
    for value, text in zip(ends.values(), re.findall(r"-?[\d.]+", told), strict=True):
        assert (value > bound) == (float(text) > bound) or abs(value - bound) < 1e-9


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.0, "3"),
        (1234567.0, "1,234,567"),
        (0.03124, "0.0312"),
        (0.5, "0.5"),
        (2.5e-7, "2.5e-07"),
        (1e9, "1e+09"),
        (math.nan, "undefined"),
        (math.inf, "infinity"),
        (-math.inf, "-infinity"),
    ],
)
def test_numbers(value, told):
    assert numbers.number(value) == told


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ((0.03124, 0.0201, 0.0423), "0.031 [0.020, 0.042]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((-0.1, -0.1 - 1e-18, -0.1), "-0.1 [-0.1, -0.1]"),
        ((math.nan, -math.inf, math.inf), "not defined"),
        ((0.5, 0.25, math.inf), "0.50 [0.25, infinity]"),
    ],
)
def test_effects(part, told):
    ends = dict(zip(("estimate", "low", "high"), part, strict=True), lower=0.01, upper=math.inf)
    assert numbers.effect({**ends, "kind": "diff"}) == told


@pytest.mark.parametrize(("distance", "told"), [(0.0, "equal"), (0.0023, "off by 0.0023"), (1.0, "off by 1")])
def test_the_effect_of_an_identity_is_a_distance(distance, told):
    ends = {"estimate": distance, "low": math.nan, "high": math.nan, "lower": 0.0, "upper": 0.0}
    assert numbers.effect({**ends, "kind": "identity"}) == told


@pytest.mark.parametrize(
    ("lower", "upper", "kind", "scale", "told"),
    [
        (0.01, math.inf, "diff", "difference", "above 0.01"),
        (-0.02, 0.02, "equiv", "difference", "between -0.02 and 0.02"),
        (-math.inf, 0.05, "rate", "share", "below 0.05"),
        (1.2, math.inf, "ratio", "ratio", "above 1.2"),
        (0.0, 0.8, "ratio", "ratio", "below 0.8"),
        (-math.inf, 0.8, "ratio", "ratio", "below 0.8"),
        (0.0, 1e-12, "identity", "difference", "off by at most 1e-12"),
        (0.0, 0.0, "identity", "difference", "equal"),
        (-math.inf, math.inf, "level", "value", "any value"),
    ],
)
def test_regions(lower, upper, kind, scale, told):
    assert numbers.region({"lower": lower, "upper": upper, "kind": kind, "scale": scale}) == told


def test_error_statement():
    rich = words.errors(ErrorStatement(100, 60, 0.01, 1.0, 1 / 60, None))
    assert "With 100 claims tested this way" in rich[0]
    assert "about 1 would be wrong each way" in rich[0]
    assert "of the 60 supported, about 1.67 % would then be false" in rich[0]
    poor = words.errors(ErrorStatement(100, 5, 0.01, 1.0, 0.2, ("tuning/a", "tuning/b")))
    assert poor[-1].endswith("it selects tuning/a and tuning/b.")
    every = words.errors(ErrorStatement(100, 2, 0.01, 1.0, 0.5, ("tuning/a", "tuning/b")))
    assert every[-1].endswith("it selects all 2 of them.")
    assert "none" in words.errors(ErrorStatement(100, 0, 0.01, 1.0, math.nan, ()))[-1]
    assert "supported" not in words.errors(ErrorStatement(100, 0, 0.01, 1.0, math.nan, None))[0]
    assert "no error rate" in words.errors(ErrorStatement(0, 0, 0.01, 0.0, math.nan, None))[0]


@given(st.text())
def test_clean_text_is_one_line_without_control_or_override_signs(text):
    cleaned = words.clean(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066\u2067\ud800-\udfff]", cleaned)
    assert words.clean(cleaned) == cleaned
    cleaned.encode()


def test_bibtex_escapes_what_tex_would_read():
    e = {**records.supported(), "statement": r"50% of a_b & {c} cost $5 \x ~ ^ #."}
    entry = citing.bibtex(e, records.RUN, {"title": "T_1", "authors": "A & B"})
    assert r"50\% of a\_b \& \{c\} cost \$5 \textbackslash{}x \textasciitilde{} \textasciicircum{} \#" in entry
    assert entry.count("{") == entry.count("}")
    assert "year = {2026}" in entry


def test_citation_names_verdict_year_and_claim():
    edition = {"title": "Claims", "authors": "They", "version": "1.2"}
    told = citing.citation(records.refuted(), records.RUN, edition)
    assert told.startswith("They (2026): It makes no difference")
    assert told.endswith("Verdict: refuted. Claims, version 1.2, claim tuning/random-equals-grid.")
    assert citing.citation(records.refuted(), None, edition).startswith("They: It makes")
