"""Figures: the same bytes, the record's own numbers, nothing that a browser would run."""

import math
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from claims.report import drawing, figures, numbers, words
from tests.report import builders, records
from tests.report.hostile import hostile

EVERY = [*records.VERDICTS, *records.KINDS, hostile]
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [" ".join("".join(node.itertext()).split()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("made", EVERY, ids=lambda f: f.__name__)
def test_a_figure_tells_verdict_conditions_and_labels_of_its_record(made):
    e = made()
    svg = figures.svg(e, "a-stamp")
    told = texts(svg)
    assert words.headline(e) in told
    assert words.tally(e) in told
    joined = " ".join(told)
    for c in e["conditions"]:
        assert c["name"].split("-x")[0] in joined
        assert any(text.startswith(f"{c['label']}, n = {c['n']}") for text in told)
    assert "<dc:identifier>a-stamp</dc:identifier>" in svg
    assert "<dc:date>" not in svg
    assert len(svg) < 300_000
    assert {node.tag for node in ElementTree.fromstring(svg).iter()}.isdisjoint(
        {f"{SVG}script", f"{SVG}image", f"{SVG}a"}
    )


@pytest.mark.parametrize("made", records.VERDICTS, ids=lambda f: f.__name__)
def test_effects_stand_in_the_figure_as_in_the_table(made):
    e = made()
    told = texts(figures.svg(e))
    for c in [*e["conditions"], *e["controls"]]:
        assert numbers.effect(words.deciding(c)) in told


@pytest.mark.parametrize(("label", "must"), [("holds", "positive"), ("fails", "negative")])
@pytest.mark.parametrize("passes", [True, False])
def test_a_control_is_told_by_whether_it_behaves(label, must, passes):
    e = records.supported()
    role = must if passes else {"positive": "negative", "negative": "positive"}[must]
    e["controls"] = [dict(e["controls"][0], label=label, role=role, passes=passes)]
    told = texts(figures.svg(e))
    assert any(text.startswith(f"{label}, as it must" if passes else f"misbehaves: {label}") for text in told)
    assert any(text.startswith(f"{role} control (must {'hold' if role == 'positive' else 'fail'})") for text in told)


def test_the_same_bytes_again_and_in_another_process():
    here = {f.__name__: figures.svg(f()) for f in records.KINDS}
    assert here == {f.__name__: figures.svg(f()) for f in records.KINDS}
    program = (
        "from tests.report import records as r; from claims.report.figures import svg; print(svg(r.trend()), end='')"
    )
    root = Path(__file__).parents[2]
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{root}/src:{root}", "PYTHONHASHSEED": "7"},
    )
    assert there.stdout == here["trend"]


def test_a_stamp_changes_with_the_evidence_only():
    assert figures.stamp(b"a") == figures.stamp(b"a") != figures.stamp(b"b")


@pytest.mark.parametrize("made", records.KINDS, ids=lambda f: f.__name__)
def test_conditions_without_any_usable_replicate_are_drawn(made):
    e = made()
    nothing = {"estimate": math.nan, "low": -math.inf, "high": math.inf}
    for c in e["conditions"][:1]:
        c.update(**nothing, n=0, failed=8, label="undecided", state="broken")
        c["leaves"] = [{**leaf, **nothing} for leaf in c["leaves"]]
        c["outcomes"] = {name: np.full(np.shape(values), math.nan).tolist() for name, values in c["outcomes"].items()}
    e["controls"][0]["outcomes"] = {}
    assert any(text.startswith("undecided, n = 0, 8 failed") for text in texts(figures.svg(e)))
    for c in e["conditions"]:
        c.update(outcomes={}, leaves=[])
    figures.svg(e)


def test_infinite_ends_and_distant_values_stay_inside_the_frame():
    e = records.supported()
    e["conditions"][0]["leaves"][0].update(high=math.inf)
    e["conditions"][1]["outcomes"]["random"][0] = 1e9
    assert "0.0390 [0.0279, infinity]" in " ".join(texts(figures.svg(e))) or "infinity" in " ".join(
        texts(figures.svg(e))
    )


def test_many_replicates_become_a_strip():
    few, many = records.supported(), records.supported()
    many["conditions"][0] = builders.condition("two", records.DIFF, records.arms(0, 128, 0.04), {"dimensions": 2})
    assert len(figures.svg(many)) < len(figures.svg(few)) + 4000


def test_a_figure_of_all_that_a_claim_may_hold_leaves_room_on_its_page():
    rng = np.random.default_rng(0)
    curve = {"kind": "interior", "outcome": "y", "over": "x", "better": "lower", "margin": 0.1}
    criterion = {"all": [curve, {**curve, "outcome": "z"}]}
    drawn = [
        builders.condition(f"c{i}", criterion, {k: rng.normal(size=(64, 12)) for k in "yz"}, {"x": list(range(12))})
        for i in range(12)
    ]
    controls = [drawn.pop() | builders.control("c0", role) for role in ("negative", "positive")]
    assert len(figures.svg(builders.evidence("id", "Curves.", criterion, drawn, controls, "conditional"))) < 200_000


def test_a_curve_is_coloured_by_its_own_part_of_the_criterion():
    rising, flat = ({"kind": "trend", "outcome": k, "over": "x", "direction": "up", "margin": 0.5} for k in "yz")
    outcomes = {"y": np.arange(4.0) + np.zeros((8, 1)), "z": np.zeros((8, 4))}
    noise = np.random.default_rng(0).normal(0, 0.01, (8, 4))
    made = [
        builders.condition(
            name, {"all": [rising, flat]}, {k: v + noise for k, v in outcomes.items()}, {"x": [1, 2, 3, 4]}
        )
        for name in ("half", "control")
    ]
    made[1] |= builders.control("half", "negative")
    e = builders.evidence("id", "Both rise.", {"all": [rising, flat]}, made[:1], made[1:], "refuted")
    assert e["conditions"][0]["label"] == "fails"
    first, _, second, _ = figures.svg(e).split('<g id="axes_')[1:]
    assert f"stroke: {drawing.COLOURS['holds']}; stroke-width: 1.8" in first
    assert f"stroke: {drawing.COLOURS['fails']}; stroke-width: 1.8" in second
