"""Evidence as Markdown pages that a code host shows: `README.md` and one page for each topic."""

import re
from collections.abc import Iterable, Mapping, Sequence

from claims.guide import Guide
from claims.report import citing, tables, words
from claims.report.environments import PREFACE, Drifted
from claims.report.tables import Table
from claims.report.words import Record

RESERVED = ("benchmarks", "calibration", "environments", "stability")
MARK = "<!-- Generated from reports/evidence by `make report`; edit nothing here. -->"
MARKUP = re.compile(r"[&<>$:\\`*\[\]|~_]|www\.|[^ ]{80}")
URL = re.compile(r"https?://[\w./~%#?=&+:;,()-]*[\w/]")


def page_of(topic: str) -> str:
    """File name of a topic's page: not that of a report on the suite itself."""
    return f"{topic}{'-claims' if topic in RESERVED else ''}.md"


def escaped(text: str) -> str:
    """Any text as one line of Markdown that shows exactly that text: no HTML, table, formula or list starts in it."""
    line = words.clean(text)
    if MARKUP.search(line):
        line = " ".join(_escaped(w) if MARKUP.search(w) and not URL.fullmatch(w) else w for w in line.split(" "))
    return re.sub(r"^(\d*)([-+#.)=])(?=[-+#.)=]*( |$))", r"\1\\\2", line)


def _escaped(word: str) -> str:
    word = "\u200b".join(word[i : i + 80] for i in range(0, len(word), 80))  # long words may break
    word = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    word = re.sub(r"(https?|ftp):", r"\1&#58;", word).replace("www.", "www&#46;")
    return re.sub(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])", lambda match: "\\" + match[0], word)


def rows_of(table: Table) -> list[str]:
    """Lines of a table."""
    rows = [[escaped(cell) for cell in row] for row in table.rows]
    return laid_out(table.head, rows, table.right)


def laid_out(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of a table whose cells are Markdown already."""
    line = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(cell or ' ' for cell in row)} |" for row in (head, line, *rows)] + [""]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """Lines that open on a click."""
    return [f"<details><summary>{title}</summary>", "", *lines, "</details>", ""]


def verdict_line(evidence: Record, run: Record | None) -> str:
    """The verdict sentence with the verdict in bold."""
    head, _, rest = words.verdict_sentence(evidence, run).partition(":")
    return f"**{head}**: {escaped(rest)}"


def claim(evidence: Record, run: Record | None, guide: Guide | None, edition: Record) -> list[str]:
    """One claim of a topic page, all of it."""
    path, failed = f"{evidence['topic']}/{evidence['id']}", tables.failures(evidence)
    alt = escaped(words.verdict_sentence(evidence, run))
    files = [f"[evidence](evidence/{path}.json)", *([f"[run](runs/{path}.json)"] if run else [])]
    star = any(c["label"] == "holds*" for c in evidence["conditions"])
    again = [
        *("```console", f"make claim CLAIM={path}", "```", "", *_facts(tables.provenance(evidence, run))),
        *_facts([*tables.history(evidence), *tables.literature(evidence), *words.review(evidence)]),
        *(f"- Files: {', '.join(files)}", "", escaped(citing.citation(evidence, run, edition)), ""),
        *("```bibtex", citing.bibtex(evidence, run, edition).rstrip(), "```", ""),
    ]
    return [
        *(f"## {evidence['id']}", "", f"**{escaped(evidence['statement'])}**", "", verdict_line(evidence, run), ""),
        *(f"![{alt}](figures/{path}.svg)", "", *_facts(tables.about(evidence, guide))),
        *(*_facts(tables.notes(evidence)), ""),
        *([escaped(tables.common(evidence)), ""] if tables.common(evidence) else []),
        *rows_of(tables.conditions(evidence)),
        *(["holds\\*: covered by the verdict as a whole, not shown on its own.", ""] if star else []),
        *rows_of(tables.controls(evidence)),
        *(folded("Failed replicates", [*(f"- {escaped(line)}" for line in failed), ""]) if failed else []),
        *folded("Parts of the criterion and effect sizes", rows_of(tables.parts(evidence))),
        *folded("Run it again, cite it", again),
    ]


def _facts(facts: tables.Facts) -> list[str]:
    return [f"- {name}: {escaped(text)}" for name, text in facts]


def topic_page(
    topic: str, records: Sequence[Record], runs: Mapping[str, Record], guide: Guide | None, edition: Record
) -> str:
    """The page of one topic; timed claims stand in a section of their own at its end."""
    summary = f"{words.count(len(records), 'claim')}: {tables.counted(records)}. [All topics](README.md)"
    lines = [MARK, "", f"# {words.title(topic)}", "", summary, "", *claim_table(records, page="")]
    for timed in (False, True):
        group = sorted((e for e in records if e["timed"] == timed), key=words.order)
        if timed and group:
            lines += ["# Timed claims", "", "Measured on the machine that each verdict names; another may differ.", ""]
        for e in group:
            lines += claim(e, runs.get(e["id"]), guide, edition)
    return "\n".join(lines).rstrip() + "\n"


def claim_table(records: Sequence[Record], page: str) -> list[str]:
    """Claims with verdict, conditions and place; links lead to `page` (empty: the same)."""
    rows = [
        (
            f"[{escaped(e['statement'])}]({page}#{e['id']})",
            f"**{words.headline(e)}**",
            e["quantifier"],
            words.tally(e),
            ", ".join(str(n) for n in e["guide"]["sections"]),
        )
        for e in sorted(records, key=words.order)
    ]
    return laid_out(("claim", "verdict", "claimed", "conditions", "sections"), rows)


def overview(records: Sequence[Record], runs: Mapping[str, Mapping[str, Record]], guide: Guide | None) -> str:
    """`README.md`: counts, what was found, every claim, the guide's coverage, the errors to expect."""
    counts = tables.verdict_counts(records)
    rows = [(f"**{verdict}**", str(n), words.VERDICTS[verdict]) for verdict, n in counts.items()]
    lines = [MARK, "", "# What came out", "", f"{words.count(len(records), 'claim')} of the guide on trial.", ""]
    lines += [*laid_out(("verdict", "claims", "which means"), rows, right=(1,)), words.HOW_TO_READ, ""]
    for verdict in counts:
        group = [e for e in records if e["verdict"]["label"] == verdict != "supported"]
        lines += [f"## {verdict.capitalize()}", ""] if group else []
        for e in group:
            lines += [f"- [{escaped(e['statement'])}]({page_of(e['topic'])}#{e['id']})  "]
            lines += [f"  {verdict_line(e, runs.get(e['topic'], {}).get(e['id']))}"]
        lines += [""] if group else []
    lines += ["## All claims by topic", ""]
    for timed, kind in ((False, ""), (True, ", timed")):
        for topic in sorted({e["topic"] for e in records if e["timed"] == timed}):
            chosen = [e for e in records if e["topic"] == topic and e["timed"] == timed]
            lines += [f"### [{words.title(topic)}]({page_of(topic)}){kind}", "", *claim_table(chosen, page_of(topic))]
    lines += [*coverage(records, guide), "## Errors to expect", ""]
    lines += [line for text in tables.errors(records) for line in (escaped(text), "")]
    return "\n".join(lines).rstrip() + "\n"


def environments(drifted: Sequence[Drifted]) -> str:
    """`environments.md`: what moved under other library versions."""
    lines = [MARK, "", "# Other library versions", "", PREFACE, ""]
    for one in drifted:
        lines += [f"## {escaped(one.name)}", "", escaped(one.told), ""]
        for title, moved in (("Verdicts that differ", one.verdicts), ("Effects that moved", one.effects)):
            lines += [f"### {title}", "", *(rows_of(moved) if moved.rows else ["None.", ""])]
    return "\n".join(lines).rstrip() + "\n"


def coverage(records: Sequence[Record], guide: Guide | None) -> list[str]:
    """What became of each of the guide's sections."""
    if guide is None:
        return []
    parts = guide.coverage(records)
    rows = [
        (
            f"{part.section.number}",
            escaped(part.section.name),
            ", ".join(f"[{e['id']}]({page_of(e['topic'])}#{e['id']}) ({words.headline(e)})" for e in part.tested),
            f"{len(part.open)}",
            escaped(tables.reasons(part)),
        )
        for part in parts
    ]
    head = ("section", "about", "tested", "open", "not testable, because")
    told = f"{escaped(tables.picture(parts))} The guide is *{escaped(guide.title)}*; `claims coverage` lists the rest."
    return ["## The guide's sections", "", told, "", *laid_out(head, rows, right=(0, 3))]
