"""Sketches: the effects of a claim at a glance."""

import math

import pytest

from claims.report import sketch
from tests.report import records
from tests.report.hostile import hostile
from tests.report.test_pages import EVERY


@pytest.mark.parametrize("made", [*EVERY, hostile], ids=lambda f: f.__name__)
def test_a_sketch_shows_intervals_on_their_side_of_the_margin(made):
    e = made()
    drawn = sketch.sketch(e)
    assert [row.name for row in drawn.rows] == [c["name"] for c in e["conditions"]][: sketch.ROWS]
    assert drawn.more == len(e["conditions"]) - len(drawn.rows)
    for row, c in zip(drawn.rows, e["conditions"], strict=False):
        assert row.label == c["label"]
        assert not row.at < 0
        assert not row.at > 100
        part = c["leaves"][0]
        if len(c["leaves"]) == 1 and math.isfinite(part["low"]):
            if part["low"] >= part["lower"] and part["high"] <= part["upper"]:
                assert drawn.left <= row.left <= row.at <= row.right <= drawn.right
            if part["high"] <= part["lower"] or part["low"] >= part["upper"]:
                assert row.right <= drawn.left or row.left >= drawn.right


def test_a_sketch_of_nothing_is_none():
    e = records.supported()
    assert sketch.sketch({**e, "conditions": [{**c, "leaves": []} for c in e["conditions"]]}) is None
