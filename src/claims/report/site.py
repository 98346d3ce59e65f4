"""The evidence as a static site: opens from a file, works without JavaScript, asks no other host."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from claims.environments import Environment
from claims.errors import ClaimsError
from claims.guide import Guide, Part
from claims.report import Changes, citing, edition, environments, export, read, tables, words, write
from claims.report.environments import Drifted
from claims.report.markdown import page_of
from claims.report.sketch import sketch
from claims.report.words import Record

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = ("style.css", "site.js")
FOLDERS = ("claim", "topic", "section", "evidence", "runs", "figures")
CHECKS = ("stability", "calibration", "benchmarks")
"""Pages of the reports that tell how far a verdict can be trusted, and what it costs."""
LINK = re.compile(r'<a href="([^":]+)">(.*?)</a>')
FOUND = {"refuted": 4, "conditional": 4}
"""Claims shown under "what we found", by verdict."""


def build(
    reports: Path,
    site: Path,
    guide: Guide | None = None,
    code: Callable[[str], str] = lambda trial: "",
    documents: Sequence[Path] = (),
    known: Mapping[str, Environment] = MappingProxyType({}),
) -> Changes:
    """Writes the site from a built report folder; files are touched only if their bytes change.

    Args:
        reports: Evidence, runs and what `claims.report.build` made of them.
        site: Folder of the site; pages of an earlier build that nothing backs any more are removed.
        guide: Its sections get a page each.
        code: Source text of a trial by its dotted path, such as `trial_source(root)` finds it.
        documents: Markdown files that become pages, named by their first line; so do the CHECKS in the report folder.
        known: The environments that `conf/environments` describes.

    Raises:
        ClaimsError: A figure is missing (build the report first), or the folder cannot be written.
    """
    records, runs = read(reports)
    records = sorted(records, key=words.order)
    try:
        files = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ASSETS}
        files |= {name: (reports / name).read_text(encoding="utf-8") for name in (*export.EXPORTS, "badge.svg")}
        checks = [file for name in CHECKS if (file := reports / f"{name}.md").is_file()]
        files |= {f"figures/{f.stem}.svg": f.read_text("utf-8") for f in _figures(reports, checks)}
        for e in records:
            names = (f"evidence/{_path(e)}.json", f"runs/{_path(e)}.json", f"figures/{_path(e)}.svg")
            files |= {n: (reports / n).read_text(encoding="utf-8") for n in names if (reports / n).is_file()}
        files |= Pages(records, runs, guide, edition(reports), files, code).all(
            environments.read(reports, records, known), documents, checks
        )
        files["search.js"] = _search(records)
        written = tuple(name for name, text in files.items() if write(site / name, text))
        old = [path for folder in FOLDERS for path in sorted((site / folder).rglob("*.*"))]
        gone = [path for path in old if path.relative_to(site).as_posix() not in files]
        for path in gone:
            path.unlink()
        return Changes(written, tuple(path.relative_to(site).as_posix() for path in gone))
    except (OSError, KeyError) as error:
        raise ClaimsError(f"{site}: cannot be built ({error}); run make report first, and free the path") from None


def trial_source(root: Path) -> Callable[[str], str]:
    """Looks up the source text of a trial in the project at `root`, without importing it; empty where it is gone."""

    @cache
    def functions(module: str) -> dict[str, str]:
        file = root / f"{module.replace('.', '/')}.py"
        lines = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
        found = [node for node in ast.parse("\n".join(lines)).body if isinstance(node, ast.FunctionDef)]
        return {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in found}

    return lambda trial: functions(trial.rpartition(".")[0]).get(trial.rpartition(".")[2], "")


def _path(e: Record) -> str:
    return f"{e['topic']}/{e['id']}"


def _figures(reports: Path, pages: Sequence[Path]) -> list[Path]:
    """Drawings of these pages."""
    return [file for page in pages if (file := reports / "figures" / f"{page.stem}.svg").is_file()]


def _led(link: re.Match[str], pages: Mapping[str, str]) -> str:
    """A link to another file of the project leads to its page; where the site has none, its text stays."""
    page = pages.get(Path(link[1]).name)
    return f'<a href="{page}">{link[2]}</a>' if page else link[2]


def _summary(code: str) -> str:
    """The first line of a trial's docstring, which says what it measures; empty where there is none."""
    found = re.search(r'"""(.+?)(?:"""|\n)', code)
    return found[1] if found else ""


class Pages:
    """The HTML pages; each is a pair of its path in the site and its text."""

    def __init__(
        self,
        records: Sequence[Record],
        runs: Mapping[str, Mapping[str, Record]],
        guide: Guide | None,
        about: Record,
        files: Mapping[str, str],
        code: Callable[[str], str],
    ) -> None:
        """Collects what several pages need; `records` come in the order in which claims are listed."""
        self.records, self.guide, self.about, self.files, self.code = records, guide, about, files, code
        self.runs = {_path(e): runs.get(e["topic"], {}).get(e["id"]) for e in records}
        self.sentences = {path: words.verdict_sentence(e, self.runs[path]) for e in records for path in [_path(e)]}
        numbers = sorted({n for e in records for n in e["guide"]["sections"]})
        self.names = dict(sorted((dict.fromkeys(numbers, "") | tables.section_names(guide)).items()))
        parts = guide.coverage(records) if guide else []
        self.parts = {part.section.number: part for part in parts}
        self.by_section = {n: [e for e in records if n in e["guide"]["sections"]] for n in self.names}
        self.by_section |= {n: list(part.tested) for n, part in self.parts.items()}
        self.templates = _templates()

    def all(self, drifted: Sequence[Drifted], documents: Sequence[Path], checks: Sequence[Path]) -> dict[str, str]:
        """Every page."""
        texts = {f"{file.stem}.html": file.read_text(encoding="utf-8") for file in (*documents, *checks)}
        headings = {page: text.partition("\n")[0].removeprefix("# ") for page, text in texts.items()}
        self.nav = [(headings[page], page) for page in list(texts)[: len(documents)]]
        self.checks = [("Verdicts over time", "history.html")]
        self.checks += [("Other library versions", "environments.html")] * bool(drifted)
        self.checks += [(headings[page], page) for page in list(texts)[len(documents) :]]
        revised = [e for e in self.records if e["previous"]]
        moved = [e for e in revised if {one["verdict"]["label"] for one in e["previous"]} != {e["verdict"]["label"]}]
        revised = [*moved, *(e for e in revised if e not in moved)]
        made = [self.index(), self.page("history.html", revised=revised, moved=moved)]
        made += [self.page("environments.html", preface=environments.PREFACE, drifted=drifted)] * bool(drifted)
        made += [self.claim(e) for e in self.records]
        topics = sorted({e["topic"] for e in self.records})
        made += self.groups([(f"topic/{t}.html", words.title(t), self.of_topic(t), "", None) for t in topics])
        made += self.groups(
            [
                (f"section/{n}.html", f"{n}. {name}", self.in_order(n), self.lines(n), self.parts.get(n))
                for n, name in self.names.items()
            ]
        )
        markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        pages = {f"{Path(page).stem}.md": page for _, page in (*self.nav, *self.checks)}
        pages |= {f"{page_of(e['topic'])}#{e['id']}": f"claim/{_path(e)}.html" for e in self.records}
        for page, text in texts.items():
            shown = Markup(LINK.sub(lambda link: _led(link, pages), markdown.render(text)))  # noqa: S704 - no HTML passes
            made.append(self.page("text.html", page, heading=headings[page], text=shown))
        return dict(made)

    def page(self, template: str, path: str = "", **values: Any) -> tuple[str, str]:
        """One page; `path` is that of the template if not given."""
        path = path or template
        shared = {
            "edition": self.about,
            "exports": export.EXPORTS,
            "guide": self.guide,
            "nav": self.nav,
            "checks": self.checks,
            "names": self.names,
            "sentences": self.sentences,
        }
        return path, self.templates.get_template(template).render(shared | values | {"root": "../" * path.count("/")})

    def index(self) -> tuple[str, str]:
        """Counts, what was found, the guide at a glance, all claims."""
        counts = tables.verdict_counts(self.records)
        simple = sorted({kind for e in self.records for kind in kinds(e["kind"])})
        filters = [
            ("verdict", "Verdict", [(v, v) for v in counts]),
            ("topic", "Topic", [(t, words.title(t)) for t in sorted({e["topic"] for e in self.records})]),
            ("section", "Section", [(n, f"{n} {name}") for n, name in self.names.items()]),
            ("claimed", "Claimed", [(q, q) for q in sorted({e["quantifier"] for e in self.records})]),
            ("criterion", "Criterion", [(kind, words.KINDS.get(kind, kind)) for kind in simple]),
        ]
        striking = {verdict: [e for e in self.records if e["verdict"]["label"] == verdict] for verdict in FOUND}
        return self.page(
            "index.html",
            records=self.records,
            counts=counts,
            filters=filters,
            found=[e for verdict, n in FOUND.items() for e in sorted(striking[verdict], key=_strikingness)[:n]],
            parts=self.parts.values(),
            picture=tables.picture(list(self.parts.values())),
            verdicts=words.VERDICTS,
            how_to_read=words.HOW_TO_READ,
            errors=tables.errors(self.records),
        )

    def claim(self, e: Record) -> tuple[str, str]:
        """Everything about one claim."""
        path, run = _path(e), self.runs[_path(e)]
        return self.page(
            "claim.html",
            f"claim/{path}.html",
            e=e,
            run=run,
            tables=tables,
            words=words,
            citing=citing,
            sentence=self.sentences[path],
            figure=_inline(self.files[f"figures/{path}.svg"], self.sentences[path]),
            code=(code := self.code(e["trial"])),
            measured=_summary(code),
        )

    def groups(self, made: Sequence[tuple[str, str, Sequence[Record], str, Part | None]]) -> list[tuple[str, str]]:
        """Pages of topics or sections (path, heading, claims, place, part), linked to the one before and after."""
        links = [(heading, path.partition("/")[2]) for path, heading, *_ in made]
        around = list(pairwise(pairwise([None, *links, None])))
        return [
            self.page(
                "group.html",
                path,
                heading=heading,
                lead=f"{words.count(len(group), 'claim')} on trial{place}.",
                group=group,
                part=part,
                counts=tables.verdict_counts(group),
                before=before,
                after=after,
            )
            for (path, heading, group, place, part), ((before, _), (_, after)) in zip(made, around, strict=True)
        ]

    def of_topic(self, topic: str) -> list[Record]:
        """Claims of a topic, by verdict."""
        return [e for e in self.records if e["topic"] == topic]

    def in_order(self, number: int) -> list[Record]:
        """Claims of a section, in the order of the guide."""
        return sorted(
            self.by_section[number], key=lambda e: (int(str(e["guide"]["lines"][0]).partition("-")[0]), e["id"])
        )

    def lines(self, number: int) -> str:
        """Where a section stands in the guide."""
        spans = [f", lines {s.first}-{s.last}" for s in self.guide.sections if s.number == number] if self.guide else []
        return f" from section {number}{''.join(spans)}, in the order of the guide"


def _strikingness(e: Record) -> tuple[bool, int, str]:
    """Claims that chance could have decided first, then those that fail in most conditions."""
    return not words.tested(e), -len(e["verdict"]["fails"]), _path(e)


def kinds(kind: str) -> list[str]:
    """The simple kinds in `all(diff, ratio)`."""
    return sorted(set(re.findall(r"[a-z]+", kind)) - {"all", "any"})


def _templates() -> Templates:
    made = Templates(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= {
        name: getattr(words, name)
        for name in ("headline", "tally", "title", "place", "previous", "revision", "count", "rule")
    }
    made.filters |= {
        "clean": lambda text: words.clean(str(text)),
        "coded": lambda text: Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words.clean(text))))),  # noqa: S704 - escaped
        "sketch": sketch,
        "topic": words.title,
        "kinds": kinds,
        "kind": lambda kind: words.KINDS.get(kind, kind),
        "told": tables.counted,
    }
    return made


def _inline(svg: str, sentence: str) -> Markup:
    """A figure as part of a page: without prolog and metadata, named for screen readers."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], count=1, flags=re.S)
    named = svg.replace("<svg", f'<svg role="img" aria-label="{escape(words.clean(sentence))}"', 1)
    return Markup(named)  # noqa: S704 - our own drawing, whose text matplotlib escaped


def _search(records: Sequence[Record]) -> str:
    """Words of each claim beyond its row, as a script, since a page opened from a file may not fetch."""
    found = {}
    for e in records:
        names = [c["name"] for c in (*e["conditions"], *e["controls"])]
        found[_path(e)] = words.clean(" ".join([e["notes"], e["criterion_text"], e["trial"], *e["references"], *names]))
    return f"window.CLAIMS = {json.dumps(found, indent=0, sort_keys=True)};\n"
