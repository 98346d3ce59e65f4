"""The evidence as a static site: opens from a file, works without JavaScript, asks no other host."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from claims import evidence
from claims.errors import ClaimsError
from claims.guide import Guide
from claims.report import Changes, edition, read, tables, words, write
from claims.report.tables import Table
from claims.report.words import Record

TEMPLATES = Path(__file__).parent / "templates"
FOLDERS = ("claim", "topic", "section", "evidence", "runs", "figures")
FOUND = 6
"""Claims shown under "what we found"."""


def build(
    reports: Path,
    site: Path,
    guide: Guide | None = None,
    code: Callable[[str], str] = lambda trial: "",
    methods: Path | None = None,
) -> Changes:
    """Writes the site from a built report folder; files are touched only if their bytes change.

    Args:
        reports: Evidence, runs and what `claims.report.build` made of them.
        site: Folder of the site; pages of an earlier build that nothing backs any more are removed.
        guide: Its sections get a page each.
        code: Source text of a trial by its dotted path; empty where there is none.
        methods: A Markdown file on how verdicts are made.

    Raises:
        ClaimsError: A figure is missing (build the report first), or the folder cannot be written.
    """
    records, runs = read(reports)
    records = sorted(records, key=words.order)
    try:
        files = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "site.js")}
        for name in ("evidence.csv", "references.bib", "junit.xml"):
            files[name] = (reports / name).read_text(encoding="utf-8")
        for e in records:
            for name in (f"evidence/{_path(e)}.json", f"runs/{_path(e)}.json", f"figures/{_path(e)}.svg"):
                if (reports / name).is_file():
                    files[name] = (reports / name).read_text(encoding="utf-8")
        files |= _pages(records, runs, guide, edition(reports), files, code, methods, _environments(reports, records))
        files["search.js"] = _search(records)
        files["badge.svg"] = badge(records)
        written = tuple(name for name, text in files.items() if write(site / name, text))
        old = [path for folder in FOLDERS for path in sorted((site / folder).rglob("*.*"))]
        gone = [path for path in old if path.relative_to(site).as_posix() not in files]
        for path in gone:
            path.unlink()
        return Changes(written, tuple(path.relative_to(site).as_posix() for path in gone))
    except (OSError, KeyError) as error:
        raise ClaimsError(f"{site}: cannot be built ({error}); run make report first, and free the path") from None


def _path(e: Record) -> str:
    return f"{e['topic']}/{e['id']}"


def _pages(
    records: Sequence[Record],
    runs: Mapping[str, Mapping[str, Record]],
    guide: Guide | None,
    about: Record,
    files: Mapping[str, str],
    code: Callable[[str], str],
    methods: Path | None,
    environments: Mapping[str, Table],
) -> dict[str, str]:
    """Every HTML page by its path in the site."""
    run_of = {_path(e): runs.get(e["topic"], {}).get(e["id"]) for e in records}
    sentences = {_path(e): words.verdict_sentence(e, run_of[_path(e)]) for e in records}
    topics = sorted({e["topic"] for e in records})
    sections = guide.sections if guide else ()
    by_section = {s.number: [e for e in records if s.number in e["guide"]["sections"]] for s in sections}
    names = dict.fromkeys(sorted({n for e in records for n in e["guide"]["sections"]}), "") | tables.section_names(
        guide
    )
    nav = [*([("How verdicts are made", "methods.html")] if methods else []), ("Verdicts over time", "history.html")]
    shared = {"edition": about, "guide": guide, "nav": nav, "sentences": sentences, "names": names}
    environment = _templates()

    def page(template: str, path: str, **values: Any) -> tuple[str, str]:
        root = "../" * path.count("/")
        return path, environment.get_template(template).render(shared | values | {"root": root})

    filters = [
        ("verdict", "Verdict", [(v, v) for v in tables.verdict_counts(records)]),
        ("topic", "Topic", [(t, words.title(t)) for t in topics]),
        ("section", "Section", [(n, f"{n} {name}") for n, name in names.items()]),
        ("claimed", "Claimed", [(q, q) for q in sorted({e["quantifier"] for e in records})]),
        (
            "criterion",
            "Criterion",
            [(k, words.KINDS.get(k, k)) for k in sorted({k for e in records for k in kinds(e["kind"])})],
        ),
    ]
    striking = [e for e in records if e["verdict"]["label"] in ("refuted", "conditional")]
    made = [
        page(
            "index.html", "index.html", records=records, counts=tables.verdict_counts(records), filters=filters,
            found=sorted(striking, key=_strikingness)[:FOUND], by_section=by_section, verdicts=words.VERDICTS,
            how_to_read=words.HOW_TO_READ, errors=tables.errors(records),
        ),
        page("history.html", "history.html", revised=[e for e in records if e["previous"]], environments=environments),
    ]  # fmt: skip
    for e in records:
        path, run = _path(e), run_of[_path(e)]
        made.append(
            page(
                "claim.html", f"claim/{path}.html", e=e, run=run, sentence=sentences[path], code=code(e["trial"]),
                figure=_inline(files[f"figures/{path}.svg"], sentences[path]), about=tables.about(e, guide),
                common=tables.common(e), conditions=tables.conditions(e), controls=tables.controls(e),
                parts=tables.parts(e), failures=tables.failures(e), provenance=tables.provenance(e, run),
                starred=bool(e["verdict"]["holds_star"]), citation=words.citation(e, run, about),
                bibtex=words.bibtex(e, run, about),
            )
        )  # fmt: skip
    groups = [(f"topic/{t}.html", words.title(t), "", [e for e in records if e["topic"] == t]) for t in topics]
    in_order = [
        (f"section/{n}.html", f"{n}. {name}", n, [e for e in records if n in e["guide"]["sections"]])
        for n, name in names.items()
    ]
    for block in (groups, in_order):
        for i, (path, heading, number, group) in enumerate(block):
            around = [
                (block[j][1], block[j][0].partition("/")[2]) if 0 <= j < len(block) else None for j in (i - 1, i + 1)
            ]
            lead = _lead(guide, number, group)
            group = sorted(group, key=_first_line) if number else group
            counts = tables.verdict_counts(group)
            made.append(
                page(
                    "group.html",
                    path,
                    heading=heading,
                    lead=lead,
                    group=group,
                    counts=counts,
                    before=around[0],
                    after=around[1],
                )
            )
    if methods:
        text = Markup(
            MarkdownIt("commonmark", {"html": False}).enable("table").render(methods.read_text(encoding="utf-8"))
        )
        made.append(page("text.html", "methods.html", heading="How verdicts are made", text=text))
    return dict(made)


def _lead(guide: Guide | None, number: Any, group: Sequence[Record]) -> str:
    section = next((s for s in guide.sections if s.number == number), None) if guide else None
    lines = f" of the guide, lines {section.first}-{section.last}" if section else ""
    return f"{words.count(len(group), 'claim')} on trial" + (
        f" from section {number}{lines}, in its order." if number else "."
    )


def _first_line(e: Record) -> tuple[int, str]:
    return int(str(e["guide"]["lines"][0]).partition("-")[0]), e["id"]


def _strikingness(e: Record) -> tuple[bool, float, str]:
    """Refuted before conditional, then by the share of conditions that fail."""
    verdict = e["verdict"]
    return verdict["label"] != "refuted", -len(verdict["fails"]) / verdict["count"], _path(e)


def kinds(kind: str) -> list[str]:
    """The simple kinds in `all(diff, ratio)`."""
    return sorted(set(re.findall(r"[a-z]+", kind)) - {"all", "any"})


def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "clean": lambda text: words.clean(str(text)),
        "headline": words.headline,
        "tally": words.tally,
        "topic": words.title,
        "place": words.place,
        "previous": words.previous,
        "count": words.count,
        "kinds": kinds,
        "kind": lambda kind: words.KINDS.get(kind, kind),
        "rule": words.rule,
        "told": lambda group: ", ".join(f"{n} {v}" for v, n in tables.verdict_counts(group).items()),
    }
    return environment


def _inline(svg: str, sentence: str) -> Markup:
    """A figure as part of a page: without prolog and metadata, named for screen readers."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], count=1, flags=re.S)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(words.clean(sentence))}"', 1))  # noqa: S704 - our own drawing, its text escaped by matplotlib


def _search(records: Iterable[Record]) -> str:
    """Words of each claim beyond its row, as a script, since a page opened from a file may not fetch."""
    found = {}
    for e in records:
        names = [c["name"] for c in (*e["conditions"], *e["controls"])]
        found[_path(e)] = words.clean(" ".join([e["notes"], e["criterion_text"], e["trial"], *e["references"], *names]))
    return f"window.CLAIMS = {json.dumps(found, indent=0, sort_keys=True)};\n"


def badge(records: Sequence[Record]) -> str:
    """The counts as a small picture."""
    told = ", ".join(f"{n} {verdict}" for verdict, n in tables.verdict_counts(records).items()) or "none yet"
    left, right = 56, 14 + round(6.3 * len(told))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="claims: {told}">'
        f'<rect width="{left + right}" height="20" rx="3" fill="#0b5fa5"/><rect width="{left}" height="20" rx="3" fill="#24292f"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="8" y="14">claims</text><text x="{left + 7}" y="14">{told}</text></g></svg>\n'
    )


def _environments(reports: Path, records: Sequence[Record]) -> dict[str, Table]:
    """Verdicts that differ under other library versions, by the name of the environment."""
    found = {}
    known = {_path(e): e for e in records}
    for folder in sorted((reports / "environments").glob("*/")):
        other = evidence.read_all(folder)
        rows = tuple(
            (path, words.headline(known[path]), words.headline(e), words.libraries(e))
            for path, e in other.items()
            if path in known and e["verdict"]["label"] != known[path]["verdict"]["label"]
        )
        found[folder.name] = Table(("claim", "here", "there", "libraries there"), rows)
    return found
