"""How a verdict is cited: in one line, and as BibTeX."""

import re

from claims.report import words
from claims.report.words import Record


def citation(evidence: Record, run: Record | None, edition: Record) -> str:
    """A one-line citation of the verdict."""
    who = f"{edition['authors']} ({_year(run, edition)})".removesuffix(" ()")
    told = f"{evidence['statement'].rstrip('.')}. Verdict: {words.headline(evidence)}."
    return f"{who}: {told} {_work(edition)}, claim {evidence['topic']}/{evidence['id']}."


def bibtex(evidence: Record, run: Record | None, edition: Record) -> str:
    """The same as a BibTeX entry; the hash of the declaration pins what was tested."""
    fields = {
        "author": f"{{{_tex(edition['authors'])}}}",
        "title": f"{{{_tex(evidence['statement'].rstrip('.'))}}}: {words.headline(evidence)}",
        "year": _year(run, edition),
        "howpublished": f"{_tex(_work(edition))}, claim {_tex(evidence['topic'])}/{evidence['id']}",
        "url": edition.get("url", ""),
        "note": f"Declaration {evidence['declaration_sha256'][:16]}",
    }
    body = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items() if value)
    return f"@misc{{claims-{evidence['topic']}-{evidence['id']},\n{body}}}\n"


def _year(run: Record | None, edition: Record) -> str:
    return str((run or {}).get("date") or edition.get("date") or "")[:4]


def _work(edition: Record) -> str:
    return f"{edition['title']}{', version ' if edition.get('version') else ''}{edition.get('version', '')}"


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^{}$&#%_]", lambda m: special.get(m[0], "\\" + m[0]), words.clean(text))
