"""The ledger against the guide's sections, the claim files and the pages: nothing of the guide falls between."""

import re
import time
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from claims import evidence, guide, report, schema
from claims.errors import ClaimsError
from claims.report import markdown, site

ROOT = Path(__file__).resolve().parents[1]
GUIDE = guide.load(ROOT / "conf")
LEDGER = GUIDE.ledger
FILES = schema.files(ROOT / "conf")
RECORDS = list(evidence.read_all(ROOT / "reports").values())
SORTS = {"comparative", "trend", "exact", "numeric", "code", "resource", "existence"}


def test_every_entry_says_what_where_and_how_it_could_fail():
    topics = {section.topic for section in GUIDE.sections}
    for entry in LEDGER.values():
        assert list(GUIDE.faults(entry.place)) == [], entry.id
        assert schema.NAME.fullmatch(entry.id), entry.id
        assert entry.topic in topics, entry.id
        assert entry.claim.endswith((".", "?")), entry.id
        if entry.wave:
            assert entry.wave in (1, 2, 3), entry.id
            assert entry.sort in SORTS, entry.id
            assert entry.quantifier in ("always", "typically", "often", "can", "never"), entry.id
            assert entry.test, entry.id
            assert entry.control, entry.id
            assert not entry.reason, entry.id
        else:
            assert entry.sort == "untestable", entry.id
            assert entry.reason, entry.id


def test_every_line_of_every_section_lies_in_an_entry():
    covered = {line for e in LEDGER.values() for first, last in e.place.ranges() for line in range(first, last + 1)}
    for section in GUIDE.sections:
        assert set(range(section.first, section.last + 1)) <= covered, section
    ends = [(section.first, section.last) for section in GUIDE.sections]
    assert all(after == last + 1 for (_, last), (after, _) in pairwise(ends))
    assert ends[-1][1] == GUIDE.lines


@pytest.mark.parametrize("path", FILES)
def test_a_claim_file_tests_its_entry(path):
    assert list(GUIDE.strangers(schema.load(FILES[path]))) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "l1-zeroes-weights"}, "nearest: regularization/l1-zeroes-weights-l2-does-not"),
        ({"id": "untestable-section-02"}, "the ledger takes this for untestable (No falsifiable content"),
        ({"topic": "linear"}, "the ledger has this claim under 'regularization'"),
        ({"guide": schema.Place(sections=[3], lines=["85-90"])}, "guide.sections: must share one with the ledger's"),
        ({"guide": schema.Place(sections=[2], lines=["44"])}, "guide.lines: must share one with the ledger's 50-53"),
    ],
)
def test_a_claim_file_that_tests_something_else_is_told(change, told):
    claim = schema.load(FILES["regularization/l1-zeroes-weights-l2-does-not"]).model_copy(update=change)
    (line,) = GUIDE.strangers(claim)
    assert told in line


def test_coverage_adds_up():
    """Each entry of a section is tested, open or not testable; each claim counts once in all."""
    parts = GUIDE.coverage(RECORDS)
    tested = {record["id"] for record in RECORDS}
    assert [part.section.number for part in parts] == list(range(1, 96))
    for part in parts:
        here = {entry.id for entry in LEDGER.values() if part.section.number in entry.sections}
        shown = [r["id"] for r in part.tested] + [e.id for e in (*part.open, *part.untestable)]
        assert here <= set(shown)
        assert len(shown) == len(set(shown))
        assert not tested & {entry.id for entry in part.open}
    whole = sum(entry.wave > 0 for entry in LEDGER.values())
    told = f"{whole:,} claims in 95 sections: {len(tested):,} tested, {whole - len(tested):,} open."
    assert report.tables.picture(parts).startswith(told)


def test_pages_show_what_became_of_every_entry(tmp_path):
    table = markdown.overview(*report.read(ROOT / "reports"), GUIDE).partition("## The guide's sections")[2]
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", table, re.M)] == list(range(1, 96))
    assert all(f"]({markdown.page_of(r['topic'])}#{r['id']})" in table for r in RECORDS)
    site.build(ROOT / "reports", tmp_path, GUIDE)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    for part in GUIDE.coverage(RECORDS):
        text = unescape((tmp_path / "section" / f"{part.section.number}.html").read_text(encoding="utf-8"))
        assert all(entry.claim in text and entry.path in text for entry in part.open)
        assert all(entry.claim in text and entry.reason in text for entry in part.untestable)
        assert all(f"claim/{r['topic']}/{r['id']}.html" in text for r in part.tested)
        assert f'href="section/{part.section.number}.html"' in index


def test_the_ledger_loads_fast():
    fastest = min(_seconds_to_load() for _ in range(3))
    assert fastest < 0.3, f"{fastest:.2f} CPU seconds"


def _seconds_to_load():
    started = time.process_time()
    assert len(guide.load(ROOT / "conf").ledger) == len(LEDGER)
    return time.process_time() - started


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {claim: x}", "a: a field is missing or unknown ('sections'); mend it"),
        ("a: {claim: x, sections: [2], lines: 50, sort: exact, wave: 1, why: y}", "argument 'why'); mend it"),
        ("a: 3", "a: a field is missing or unknown"),
    ],
)
def test_an_entry_that_cannot_be_read_is_told(project, text, told):
    folder = project.root / "conf" / "guide" / "ledger"
    folder.mkdir()
    (folder / "toy.yaml").write_text(text)
    with pytest.raises(ClaimsError, match=re.escape(told)):
        _ = guide.load(project.root / "conf").ledger
    (folder / "toy.yaml").unlink()
    project.entry("toy/a")
    project.entry("zoo/a")
    with pytest.raises(ClaimsError, match="the id 'a' is taken by toy/a"):
        _ = guide.load(project.root / "conf").ledger
