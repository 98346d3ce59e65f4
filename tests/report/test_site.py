"""The site: complete, self-contained, the same bytes, and usable in a browser (skipped where there is none)."""

import copy
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import axe_core_python
import pytest

from claims import evidence, report
from claims.environments import Environment
from claims.errors import ClaimsError
from claims.report import site, words
from tests.report import records
from tests.report.browser import browse
from tests.report.hostile import hostile
from tests.report.test_pages import EVERY, GUIDE, contents, put


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    report.build(put(folder / "reports", *(made() for made in EVERY), {**hostile(), "topic": "hostile"}), GUIDE)
    methods = folder / "methods.md"
    links, table = "[a](../docs/methods.md) [b](../reports/b.md)", "| a | b |\n| - | - |\n| 1 | 2 |\n"
    methods.write_text(f"# How\n\n{links}\n\n<script>alert(1)</script>\n\n{table}")
    made = site.build(
        folder / "reports", folder / "site", GUIDE, code=lambda trial: f"def {trial}(): '<b>'", documents=[methods]
    )
    assert made.written
    return folder


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_every_link_leads_to_a_file_of_the_site_and_nothing_is_asked_of_another_host(built):
    root = built / "site"
    pages = sorted(root.rglob("*.html"))
    assert len(pages) == 2 + 1 + len(EVERY) + 1 + 3 + 4
    for page in pages:
        tags = Tags(page.read_text(encoding="utf-8")).tags
        assert not [attrs for tag, attrs in tags if tag in ("script", "link", "img") and "http" in str(attrs)]
        ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
        assert len(ids) == len(set(ids)), page
        for _, attrs in tags:
            for target in (attrs.get("href"), attrs.get("src")):
                if target and not target.startswith("#"):
                    assert (page.parent / target.partition("#")[0]).resolve().is_file(), (page, target)
            assert not [name for name in attrs if name.startswith("on")], page


def test_pages_say_what_the_record_says(built):
    for made in EVERY:
        e = made()
        text = (built / "site" / "claim" / e["topic"] / f"{e['id']}.html").read_text(encoding="utf-8")
        shown = re.sub(r"\s+", " ", "".join(Tags(text).text))
        assert words.verdict_sentence(e, records.RUN).partition(": ")[2] in shown
        for c in [*e["conditions"], *e["controls"]]:
            assert c["name"] in shown
        assert "make claim CLAIM=" in shown
        assert "@misc{" in shown
        assert f"def {e['trial']}(): '<b>'" in shown
        assert len(text) < 300_000


def test_hostile_text_is_text(built):
    page = built / "site" / "claim" / "hostile" / "hostile.html"
    tags = Tags(page.read_text(encoding="utf-8"))
    assert not [attrs for tag, attrs in tags.tags if tag == "script" or "onerror" in attrs]
    assert "<script>alert('x')</script> | a|b `code`" in "".join(tags.text)
    assert page.stat().st_size < 300_000
    methods = (built / "site" / "methods.html").read_text(encoding="utf-8")
    assert "<script" not in methods
    assert '<a href="methods.html">a</a> b' in methods


def test_the_same_bytes_and_nothing_written_twice(built, tmp_path):
    made = site.build(built / "reports", tmp_path / "site", GUIDE)
    assert made.written
    before = contents(tmp_path / "site")
    assert not site.build(built / "reports", tmp_path / "site", GUIDE)
    assert before == contents(tmp_path / "site")


def test_pages_of_claims_that_are_gone_are_removed_and_other_files_left_alone(tmp_path):
    reports = put(tmp_path / "reports", records.both(), records.refuted())
    report.build(reports, GUIDE)
    site.build(reports, tmp_path / "site", GUIDE)
    (tmp_path / "site" / "CNAME").write_text("claims.example")
    (reports / "evidence" / "regularization" / "l1-zeroes-weights.json").unlink()
    report.build(reports, GUIDE)
    gone = site.build(reports, tmp_path / "site", GUIDE).removed
    assert "claim/regularization/l1-zeroes-weights.html" in gone
    assert "topic/regularization.html" in gone
    assert (tmp_path / "site" / "CNAME").exists()


def test_a_report_that_was_not_built_is_an_error_with_a_next_step(tmp_path):
    put(tmp_path / "reports", records.both())
    with pytest.raises(ClaimsError, match="run make report first"):
        site.build(tmp_path / "reports", tmp_path / "site", GUIDE)


def test_the_code_of_a_trial_is_read_not_run(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tuning.py").write_text(
        "raise SystemExit\n\n\ndef other(): ...\n\n\ndef trial(seed):\n    return {}\n"
    )
    code = site.trial_source(tmp_path)
    assert code("experiments.tuning.trial") == "def trial(seed):\n    return {}"
    assert code("experiments.tuning.gone") == code("experiments.gone.trial") == ""


def test_verdicts_over_time_come_from_revisions_and_those_of_other_libraries_have_a_page(tmp_path):
    reports = put(tmp_path / "reports", records.exceptions(), records.refuted())
    other = {**records.refuted(), "versions": {"scikit-learn": "2.0"}}
    other["verdict"] = {**other["verdict"], "label": "supported", "fails": []}
    evidence.write(other, reports / "environments" / "next" / "evidence" / "tuning" / "random-equals-grid.json")
    known = {"next": Environment("next", {"scikit-learn": "2.0"}, {"tuning/random-equals-grid": "other defaults"})}
    report.build(reports, GUIDE, known)
    site.build(reports, tmp_path / "site", GUIDE, known=known)
    shown = "".join(Tags((tmp_path / "site" / "history.html").read_text()).text)
    assert "Before revision 1: inconclusive. What changed: margin 0.005 became 0.01" in shown
    shown = "".join(Tags((tmp_path / "site" / "environments.html").read_text()).text)
    assert "With scikit-learn 2.0." in shown
    assert re.search(r"tuning/random-equals-grid\s*refuted\s*supported\s*other defaults", shown)
    assert "environments.html" in (tmp_path / "site" / "index.html").read_text()
    assert (
        "tuning/random-equals-grid | refuted | supported | other defaults" in (reports / "environments.md").read_text()
    )


def test_what_the_reports_say_of_trust_is_a_page_whose_claims_lead_to_theirs(tmp_path):
    reports = put(tmp_path / "reports", records.refuted())
    report.build(reports, GUIDE)
    one, gone = "tuning.md#random-equals-grid", "tuning.md#gone"
    (reports / "stability.md").write_text(f"# Other seeds\n\n| a | b |\n|---|---|\n| [one]({one}) | [gone]({gone}) |\n")
    (reports / "benchmarks.md").write_text("# Cost\n\n![all](figures/benchmarks.svg)\n")
    (reports / "figures" / "benchmarks.svg").write_text("<svg/>")
    site.build(reports, tmp_path / "site", GUIDE)
    page = (tmp_path / "site" / "stability.html").read_text()
    assert '<a href="claim/tuning/random-equals-grid.html">one</a>' in page
    assert "gone</a>" not in page
    assert "gone" in page
    assert '<a href="benchmarks.html">Cost</a>' in page
    assert "calibration.html" not in page
    assert (tmp_path / "site" / "figures" / "benchmarks.svg").read_text() == "<svg/>"


def test_a_change_of_one_claim_writes_only_the_pages_that_show_it(tmp_path):
    reports = put(tmp_path / "reports", *(made() for made in EVERY))
    report.build(reports, GUIDE)
    site.build(reports, tmp_path / "site", GUIDE)
    put(reports, {**records.both(), "notes": "One more."})
    report.build(reports, GUIDE)
    one = "regularization/l1-zeroes-weights"
    changed = {f"evidence/{one}.json", f"figures/{one}.svg", f"claim/{one}.html", "search.js"}
    assert set(site.build(reports, tmp_path / "site", GUIDE).written) == changed


@pytest.mark.slow
def test_a_thousand_claims_fit_into_a_megabyte_and_build_in_time(tmp_path):
    made = [f() for f in EVERY]
    for i in range(1000):
        e = copy.copy(made[i % len(made)])
        e.update(
            id=f"{e['id']}-{i}",
            topic=f"topic_{i % 37}",
            guide={"sections": [s.number for s in GUIDE.sections][: 1 + i % 3], "lines": ["50"]},
        )
        put(tmp_path / "reports", e)
    started = time.perf_counter()
    report.build(tmp_path / "reports", GUIDE)
    site.build(tmp_path / "reports", tmp_path / "site", GUIDE)
    cold, started = time.perf_counter() - started, time.perf_counter()
    assert not report.build(tmp_path / "reports", GUIDE)
    assert not site.build(tmp_path / "reports", tmp_path / "site", GUIDE)
    warm = time.perf_counter() - started
    assert (tmp_path / "site" / "index.html").stat().st_size < 1_000_000
    assert cold < 90, f"{cold:.0f} s cold, {warm:.1f} s warm"
    assert warm < 10, f"{cold:.0f} s cold, {warm:.1f} s warm"


# In a browser ------------------------------------------------------------------------------------------------------


def test_filters_search_sort_and_back_button(built):
    told = browse(
        built,
        "index.html",
        """
        const seen = {all: rows().length, hidden: document.querySelector(".filters").hidden};
        await set("verdict", "refuted");
        seen.refuted = rows().map((row) => row.dataset.id);
        seen.hash = location.hash;
        await set("verdict", "");
        await set("criterion", "level");
        seen.level = rows().map((row) => row.dataset.id);
        history.back(); await pause(); history.back(); await pause();
        seen.back = [location.hash, rows().length, document.querySelector("[name=verdict]").value];
        await set("verdict", "");
        await set("q", "rounded down GRID");
        seen.search = rows().map((row) => row.dataset.id);
        seen.output = document.querySelector("output").textContent;
        document.querySelector("form").reset(); await pause();
        seen.reset = rows().length;
        const sections = document.querySelector("th[data-sort=sections] button");
        sections.click(); await pause();
        seen.first = rows()[0].dataset.id;
        sections.click(); await pause();
        seen.down = [sections.parentElement.getAttribute("aria-sort"), rows().at(-1).dataset.id];
        return seen;
        """,
    )
    total = len(EVERY) + 1
    assert told["all"] == told["reset"] == total
    assert told["hidden"] is False
    assert told["refuted"] == ["tuning/random-equals-grid"]
    assert told["hash"] == "#verdict=refuted"
    assert told["level"] == ["regularization/l1-zeroes-weights"]
    assert told["back"] == ["#verdict=refuted", 1, "refuted"]
    assert told["search"] == ["tuning/random-beats-grid"]
    assert told["output"] == f"1 of {total} claims"
    assert told["first"] == "regularization/l1-zeroes-weights"
    assert told["down"] == ["descending", "regularization/l1-zeroes-weights"]


def test_a_view_sent_as_an_address_opens_as_it_was(built):
    address = "index.html#topic=tuning&claimed=always&sort=-claim"
    script = "return [rows().map((row) => row.dataset.id), document.querySelector('[name=topic]').value];"
    assert browse(built, address, script) == [
        ["tuning/random-beats-grid-everywhere", "tuning/gru-has-three-quarters"],
        "tuning",
    ]


PAGES = (
    "index.html",
    "claim/tuning/random-beats-grid.html",
    "claim/hostile/hostile.html",
    "section/24.html",
    "history.html",
)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_scrolls_sideways_on_a_phone(built, page):
    script = """
      const frame = document.createElement("iframe");
      frame.style.width = "360px";
      frame.src = location.href.replace("tried-", "");
      document.body.append(frame);
      await new Promise((done) => frame.addEventListener("load", done));
      const root = frame.contentDocument.documentElement;
      return [root.scrollWidth, root.clientWidth, frame.contentDocument.querySelectorAll("figure svg path").length];
    """
    scroll, client, drawn = browse(built, page, script)
    assert scroll <= client
    assert (drawn > 20) == page.startswith("claim")


@pytest.mark.parametrize(("scheme", "dark"), [("0", True), ("1", False)])
def test_light_and_dark(built, scheme, dark):
    script = """const style = (name) => getComputedStyle(document.querySelector(name));
      return [style("body").backgroundColor, style("figure svg").filter];"""
    page, drawing = browse(
        built, "claim/tuning/random-beats-grid.html", script, f"--blink-settings=preferredColorScheme={scheme}"
    )
    assert page == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert ("invert" in drawing) == dark


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["0", "1"])
def test_axe_finds_nothing_serious(built, page, scheme):
    axe = Path(axe_core_python.__file__).with_name("axe.min.js")
    script = """
      const source = document.createElement("script");
      source.src = "AXE";
      document.head.append(source);
      await new Promise((done) => source.addEventListener("load", done));
      const found = await axe.run(document, {resultTypes: ["violations"]});
      const told = found.violations.map((v) => [v.impact, v.id, v.nodes.map((node) => node.html.slice(0, 200))]);
      return [told, found.passes.length];
    """.replace("AXE", axe.as_uri())
    violations, passes = browse(built, page, script, f"--blink-settings=preferredColorScheme={scheme}")
    assert passes > 10
    assert [v for v in violations if v[0] in ("serious", "critical")] == []


def test_without_script_the_whole_table_is_there(built):
    text = (built / "site" / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<tr data-id=", text)) == len(EVERY) + 1
    assert re.search(r'<form class="filters"[^>]* hidden>', text)
    assert "<tr hidden" not in text


@pytest.mark.parametrize("page", ["index.html", "claim/tuning/random-beats-grid.html"])
def test_the_keyboard_reaches_all_that_acts_and_sees_where_it_is(built, page):
    script = """
      const acts = "a[href], button, input, select, summary";
      const all = [...document.querySelectorAll(acts)].filter((one) => one.checkVisibility());
      const kept = all.filter((one) => one.tabIndex === 0);
      const blind = [];
      for (const one of kept) {
        one.focus({focusVisible: true});
        const style = getComputedStyle(one);
        if (document.activeElement !== one || style.outlineStyle === "none" || style.outlineWidth === "0px")
          blind.push(one.outerHTML.slice(0, 120));
      }
      const first = kept[0];
      first.focus();
      const box = first.getBoundingClientRect();
      const mouse = [...document.querySelectorAll("[onclick], [data-sort]")]
        .filter((one) => !one.matches(acts) && !one.querySelector(acts));
      return {all: all.length, kept: kept.length, blind, mouse: mouse.length, skip: [first.className, box.left >= 0],
        target: document.querySelector(first.getAttribute("href")) !== null};
    """
    told = browse(built, page, script)
    assert told["all"] == told["kept"] > 10
    assert told["blind"] == []
    assert told["mouse"] == 0
    assert told["skip"] == ["skip", True]
    assert told["target"]
