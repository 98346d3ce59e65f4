"""The picture of the guide and the badge say what the evidence says."""

import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from claims.report import picture
from claims.report.drawing import VERDICTS
from tests.report.test_pages import EVERY, GUIDE


@pytest.fixture
def made():
    return [make() for make in EVERY]


def elements(svg):
    return list(ET.fromstring(svg).iter())


def coloured(svg):
    """How many elements have each verdict's colour, fill or stroke."""
    by_colour = {colour: verdict for verdict, colour in VERDICTS.items()}
    drawn = [element.get(name) for element in elements(svg) for name in ("fill", "stroke")]
    return Counter(by_colour[colour] for colour in drawn if colour in by_colour)


def test_the_guide_has_a_mark_for_each_verdict_in_each_of_its_sections(made):
    parts = GUIDE.coverage(made)
    wanted = Counter(record["verdict"]["label"] for part in parts for record in part.tested)
    empty = coloured(picture.of_guide(GUIDE.coverage([])))
    full = coloured(picture.of_guide(parts))
    assert set(wanted) == set(VERDICTS)
    for verdict, count in wanted.items():
        each = empty[verdict]  # the legend shows each once: a half disc has two elements
        assert full[verdict] == each * (1 + count), verdict


def test_every_section_is_named_once_in_order(made):
    texts = [e.text for e in elements(picture.of_guide(GUIDE.coverage(made))) if e.tag.endswith("text")]
    assert texts[: len(VERDICTS)] == list(VERDICTS)
    assert [text.split()[0] for text in texts[len(VERDICTS) :]] == [str(s.number) for s in GUIDE.sections]


def test_a_long_name_stays_clear_of_the_marks():
    few, many = (picture._short("12 " + "w" * 60, marks) for marks in (1, 6))
    assert few.endswith("…")
    assert len(many) < len(few) < 60


def test_the_badge_counts(made):
    texts = [e.text for e in elements(picture.badge(made)) if e.tag.endswith("text")]
    assert texts[0] == "claims"
    for verdict, count in Counter(record["verdict"]["label"] for record in made).items():
        assert f"{count} {verdict}" in texts[1]
