"""Evidence -> Markdown pages, figures and files for machines, without compute and byte for byte the same each time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from claims import evidence
from claims.environments import Environment
from claims.errors import ClaimsError
from claims.evidence import write_text as write
from claims.guide import Guide
from claims.processes import mapped
from claims.report import environments, export, figures, markdown, picture


@dataclass(frozen=True)
class Changes:
    """What a build did to the report folder; paths relative to it."""

    written: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.written or self.removed)


def build(
    reports: Path, guide: Guide | None = None, known: Mapping[str, Environment] = MappingProxyType({})
) -> Changes:
    """Writes the pages, figures and tables that follow from `reports/evidence` and `reports/runs`.

    A file is written only if its bytes change, a figure drawn only if its evidence did; pages and figures that no
    evidence backs are removed. `known` are the environments that `conf/environments` describes.

    Raises:
        ClaimsError: A file of the evidence cannot be read, or the folder cannot be written.
    """
    records, runs = read(reports)
    named = edition(reports)
    try:
        stale = list(_stale(reports, [f"{e['topic']}/{e['id']}" for e in records]))
        with mapped(_drawn, [path for path, _ in stale], [stamp for _, stamp in stale]) as drawn:
            drifted = environments.read(reports, records, known)
            pages = dict(_pages(records, runs, guide, named, drifted))
            written = [name for name, text in pages.items() if write(reports / name, text)]
            names = [f"figures/{path.parent.name}/{path.stem}.svg" for path, _ in stale]
            written += [name for name, text in zip(names, drawn, strict=True) if write(reports / name, text)]
        return Changes(tuple(written), tuple(_remove_unbacked(reports, {*pages}, records)))
    except OSError as error:
        raise ClaimsError(
            f"{reports}: cannot be written ({error}); free the path or its disk, and run make report again"
        ) from None


def _pages(
    records: list[evidence.Evidence],
    runs: Mapping[str, Any],
    guide: Guide | None,
    named: dict[str, str],
    drifted: list[environments.Drifted],
) -> Iterator[tuple[str, str]]:
    yield "README.md", markdown.overview(records, runs, guide)
    yield "evidence.csv", export.evidence_csv(records)
    yield "references.bib", export.references_bib(records, runs, named)
    yield "junit.xml", export.junit_xml(records, runs)
    yield "evidence.schema.json", (Path(__file__).parent / "templates" / "evidence.schema.json").read_text("utf-8")
    for topic in sorted({e["topic"] for e in records}):
        group = [e for e in records if e["topic"] == topic]
        yield markdown.page_of(topic), markdown.topic_page(topic, group, runs.get(topic, {}), guide, named)
    if drifted:
        yield "environments.md", markdown.environments(drifted)
    yield "badge.svg", picture.badge(records)
    if guide:
        yield "guide.svg", picture.of_guide(guide.coverage(records))
    yield "ro-crate-metadata.json", export.ro_crate(records, named)


def read(reports: Path) -> tuple[list[evidence.Evidence], dict[str, dict[str, Any]]]:
    """All evidence by topic and id, and the run files by topic, then id."""
    runs: dict[str, dict[str, Any]] = {}
    for path in sorted((reports / "runs").glob("*/*.json")):
        runs.setdefault(path.parent.name, {})[path.stem] = evidence.read(path)
    return list(evidence.read_all(reports).values()), runs


def _stale(reports: Path, claims: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Evidence whose figure does not carry its stamp, with that stamp."""
    for claim in claims:
        path, file = reports / "evidence" / f"{claim}.json", reports / "figures" / f"{claim}.svg"
        stamp = figures.stamp(path.read_bytes())
        if not file.is_file() or f"<dc:identifier>{stamp}<" not in file.read_text(encoding="utf-8", errors="replace"):
            yield path, stamp


def _drawn(path: Path, stamp: str) -> str:
    return figures.svg(evidence.read(path), stamp)


def _remove_unbacked(reports: Path, pages: set[str], records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Removes generated pages and figures without evidence; yields their names."""
    kept = {f"figures/{e['topic']}/{e['id']}.svg" for e in records} | pages
    generated = [p for p in sorted(reports.glob("*.md")) if p.read_text(encoding="utf-8").startswith(markdown.MARK)]
    for path in [*generated, *sorted((reports / "figures").glob("*/*.svg"))]:
        name = path.relative_to(reports).as_posix()
        if name not in kept:
            path.unlink()
            if path.suffix == ".svg" and not any(path.parent.iterdir()):
                path.parent.rmdir()
            yield name


def edition(reports: Path) -> dict[str, str]:
    """Title, authors, version, date and address of the project, from the nearest CITATION.cff above the reports."""
    found = {"title": "Claims on trial", "authors": "The claims contributors"}
    file = next((p / "CITATION.cff" for p in reports.resolve().parents if (p / "CITATION.cff").is_file()), None)
    if file is None:
        return found
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    people = [
        a.get("name") or f"{a.get('given-names', '')} {a.get('family-names', '')}".strip()
        for a in content.get("authors", [])
    ]
    fields = {"title": "title", "version": "version", "date-released": "date", "repository-code": "url", "url": "url"}
    found |= {name: str(content[key]) for key, name in fields.items() if content.get(key)}
    return found | ({"authors": " and ".join(people)} if people else {})


__all__ = ["Changes", "build", "edition", "read", "write"]
