"""Markdown pages: snapshots, escaping, idempotence."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from claims import evidence, report
from claims.errors import ClaimsError
from claims.guide import Guide, Section
from claims.report import markdown, words
from tests.report import records
from tests.report.hostile import hostile

SNAPSHOTS = Path(__file__).parent / "snapshots"
GUIDE = Guide(
    "A guide",
    "0" * 64,
    8254,
    (
        Section(2, "L1 and L2 | penalties", "regularization", 44, 84),
        Section(24, "tuning", "tuning", 1104, 1169),
        Section(25, "leakage", "leakage", 1170, 1222),
        Section(61, "tuning methods", "tuning", 3960, 4125),
    ),
)
EVERY = [*records.VERDICTS, *records.KINDS]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def put(reports, *made):
    for e in made:
        evidence.write(e, reports / "evidence" / e["topic"] / f"{e['id']}.json")
        evidence.write(records.RUN, reports / "runs" / e["topic"] / f"{e['id']}.json")
    return reports


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Page(HTMLParser):
    """Tags and text of a rendered page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(MARKDOWN.render(text))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def compare(name, text):
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no snapshot {name}: look at the page, then write it with UPDATE_SNAPSHOTS=1"
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("made", EVERY, ids=lambda f: f.__name__)
def test_page_of_one_claim_is_as_committed(made, tmp_path):
    e = made()
    report.build(put(tmp_path, e), GUIDE)
    compare(f"{made.__name__}.md", (tmp_path / f"{e['topic']}.md").read_text(encoding="utf-8"))


def test_overview_is_as_committed(tmp_path):
    report.build(put(tmp_path, *(made() for made in EVERY)), GUIDE)
    compare("README.md", (tmp_path / "README.md").read_text(encoding="utf-8"))


def test_the_same_evidence_gives_the_same_bytes(tmp_path):
    made = [f() for f in EVERY]
    report.build(put(tmp_path / "one", *made), GUIDE)
    report.build(put(tmp_path / "two", *reversed(made)), GUIDE)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_second_build_writes_nothing_and_a_change_only_what_it_touches(tmp_path):
    reports = put(tmp_path, *(f() for f in EVERY))
    assert report.build(reports, GUIDE)
    before = {p: p.stat().st_mtime_ns for p in reports.rglob("*") if p.is_file()}
    assert not report.build(reports, GUIDE)
    assert before == {p: p.stat().st_mtime_ns for p in reports.rglob("*") if p.is_file()}
    put(reports, {**records.both(), "notes": "One more."})
    changed = report.build(reports, GUIDE)
    assert changed.written == ("regularization.md", "figures/regularization/l1-zeroes-weights.svg")
    assert changed.removed == ()


def test_pages_and_figures_that_no_evidence_backs_are_removed(tmp_path):
    reports = put(tmp_path, records.both(), records.refuted())
    (reports / "notes.md").write_text("written by hand")
    report.build(reports, GUIDE)
    for kind in ("evidence", "runs"):
        (reports / kind / "regularization" / "l1-zeroes-weights.json").unlink()
    gone = report.build(reports, GUIDE).removed
    assert gone == ("regularization.md", "figures/regularization/l1-zeroes-weights.svg")
    assert not (reports / "figures" / "regularization").exists()
    assert (reports / "notes.md").exists()
    assert "l1-zeroes" not in (reports / "README.md").read_text()


def test_no_evidence_gives_a_page_that_says_so(tmp_path):
    report.build(tmp_path, GUIDE)
    page = (tmp_path / "README.md").read_text()
    assert "0 claims of the guide on trial" in page
    assert "0 claims in 4 sections: 0 tested, 0 open" in page


def test_evidence_without_run_file_or_guide_is_shown(tmp_path):
    put(tmp_path, records.supported(), records.ratio())
    for path in (tmp_path / "runs").rglob("*.json"):
        path.unlink()
    report.build(tmp_path)
    page = (tmp_path / "tuning.md").read_text()
    assert "sections 24 and 61" in page
    assert "Cost" not in page


def test_a_folder_that_cannot_be_written_is_an_error_with_a_next_step(tmp_path):
    put(tmp_path, records.both())
    (tmp_path / "README.md").mkdir()
    with pytest.raises(ClaimsError, match=r"cannot be written .*run the command again"):
        report.build(tmp_path, GUIDE)


def test_every_statement_and_verdict_stands_on_its_page(tmp_path):
    made = [f() for f in EVERY]
    report.build(put(tmp_path, *made), GUIDE)
    overview = Page((tmp_path / "README.md").read_text()).text
    for e in made:
        page = Page((tmp_path / f"{e['topic']}.md").read_text())
        assert words.verdict_sentence(e, records.RUN) in page.text
        assert e["statement"] in page.text
        assert e["statement"] in overview
        for c in [*e["conditions"], *e["controls"]]:
            assert c["name"] in page.text
        if e["verdict"]["label"] != "supported":
            assert words.verdict_sentence(e, records.RUN) in overview
    assert overview.index("Refuted") < overview.index("Conditional") < overview.index("All claims by topic")


@given(st.text())
def test_escaped_text_shows_as_it_is(text):
    shown = Page(f"x {markdown.escaped(text)}")
    assert [tag for tag, _ in shown.tags] == ["p"]
    assert unbroken(shown.text) == unbroken("x " + words.clean(text))


@given(st.text(alphabet=st.sampled_from("|`*_[]()<>&\\$~#-+=.1! ax\n:/hwtp")))
def test_escaped_text_starts_no_markdown(text):
    for before, after in (("", ""), ("- ", ""), ("**", "**"), ("![", "](x.svg)")):
        line = f"{before}{markdown.escaped('x' + text)}{after}"
        tags = {tag for tag, _ in Page(line).tags}
        assert tags <= {"p", "ul", "li", "strong", "img"}, line
    start = Page(markdown.escaped(text))
    assert {tag for tag, _ in start.tags} <= {"p"}
    assert unbroken(start.text) == unbroken(words.clean(text))


@given(st.lists(st.text(alphabet=st.sampled_from("|`*_[]()<>&\\$~#- ax\n")), min_size=1, max_size=4))
def test_no_cell_breaks_its_table(cells):
    page = Page("\n".join(markdown.laid_out(["h"] * len(cells), [[markdown.escaped(cell) for cell in cells]])))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("td") == tags.count("th") == len(cells)
    assert set(tags) <= {"table", "thead", "tbody", "tr", "th", "td"}


def unbroken(text):
    return re.sub(r"\s+", " ", text.replace("\u200b", "")).strip()


def test_hostile_content_is_shown_and_does_nothing(tmp_path):
    e = hostile()
    report.build(put(tmp_path, e), GUIDE)
    for name in ("README.md", "tuning.md"):
        page = Page((tmp_path / name).read_text(encoding="utf-8"))
        allowed = {
            "h1",
            "h2",
            "h3",
            "p",
            "br",
            "a",
            "img",
            "ul",
            "li",
            "strong",
            "em",
            "code",
            "pre",
            "details",
            "summary",
        }
        assert {tag for tag, _ in page.tags} <= allowed | {"table", "thead", "tbody", "tr", "th", "td"}
        assert {name for _, attrs in page.tags for name in attrs} <= {"href", "src", "alt", "style", "class"}
        assert {attrs["style"] for _, attrs in page.tags if "style" in attrs} <= {"text-align:right"}
        links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
        assert not any(link.startswith(("javascript", "http")) for link in links)
        assert "<script>alert('x')</script> | a|b `code` **bold**" in page.text
        assert "\u202e" not in page.text
    rows = re.findall(r"^\| condition-\d+-.*$", (tmp_path / "tuning.md").read_text(encoding="utf-8"), re.M)
    cells = {len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows}
    assert len(rows) == 120
    assert cells == {6, 7}


def test_a_topic_does_not_take_the_name_of_a_report_on_the_suite(tmp_path):
    folder = put(tmp_path, {**records.supported(), "topic": "calibration"})
    (folder / "calibration.md").write_text("Measured error rates.\n")
    report.build(folder, GUIDE)
    assert (folder / "calibration.md").read_text() == "Measured error rates.\n"
    assert "(calibration-claims.md#" in (folder / "README.md").read_text()
    assert (folder / "calibration-claims.md").is_file()
