"""Evidence as Markdown pages that a code host shows: `README.md` and one page for each topic."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claims.guide import Guide
from claims.report import words
from claims.report.words import Record
from claims.statistics import Published, error_statement

MARK = "<!-- Generated from reports/evidence by `make report`; edit nothing here. -->"
URL = re.compile(r"https?://[\w./~%#?=&+:;,()-]*[\w/]")


def escaped(text: Any) -> str:
    """Any text as one line of Markdown that shows exactly that text: no HTML, table, formula or list starts in it."""
    tokens = [word if URL.fullmatch(word) else _escaped(word) for word in words.clean(str(text)).split(" ")]
    line = " ".join(tokens)
    return re.sub(r"^(\d*)([-+#.)=])(?=[-+#.)=]*( |$))", r"\1\\\2", line)


def _escaped(word: str) -> str:
    word = "\u200b".join(word[i : i + 40] for i in range(0, len(word), 40))  # long words may break
    word = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    word = re.sub(r"(https?|ftp):", r"\1&#58;", word).replace("www.", "www&#46;")
    return re.sub(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])", lambda match: "\\" + match[0], word)


def code(text: str) -> str:
    """Text as a code span that its own backticks and bars cannot end."""
    text = words.clean(text).replace("|", "\u2502")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Lines of a table whose cells are Markdown already; columns named in `right` are numbers."""
    line = ["---:" if i in set(right) else "---" for i in range(len(head))]
    return [f"| {' | '.join(cell or ' ' for cell in row)} |" for row in (head, line, *rows)] + [""]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """Lines that open on a click."""
    return [f"<details><summary>{title}</summary>", "", *lines, "</details>", ""]


# One claim ---------------------------------------------------------------------------------------------------------


def claim(evidence: Record, run: Record | None, guide: Guide | None, edition: Record) -> list[str]:
    """One claim of a topic page, all of it."""
    conditions, path = evidence["conditions"], f"{evidence['topic']}/{evidence['id']}"
    sentence = words.verdict_sentence(evidence, run)
    about = [
        ("Where the guide says it", words.place(evidence, section_names(guide))),
        ("Criterion", words.criterion(evidence)),
        ("Margin", words.margin(evidence)),
        ("Wording", words.rule(evidence)),
        ("Notes", evidence["notes"]),
    ]
    said = [words.separation(evidence), words.sensitivity(evidence), *map(words.power, conditions)]
    lines = [f"## {evidence['id']}", "", f"**{escaped(evidence['statement'])}**", "", verdict_line(evidence, run), ""]
    lines += [f"![{escaped(sentence)}](figures/{path}.svg)", ""]
    lines += [f"- {name}: {escaped(text)}" for name, text in about if text]
    lines += [f"- {escaped(text)}" for text in said if text]
    lines += ["", *condition_table(conditions), *control_table(evidence)]
    if any(c["failures"] for c in [*conditions, *evidence["controls"]]):
        lines += folded("Failed replicates", failure_list([*conditions, *evidence["controls"]]))
    lines += folded("Parts of the criterion and effect sizes", leaf_table([*conditions, *evidence["controls"]]))
    lines += folded("Run it again, cite it", provenance(evidence, run, edition))
    return lines


def verdict_line(evidence: Record, run: Record | None) -> str:
    """The verdict sentence with the verdict in bold."""
    head, _, rest = words.verdict_sentence(evidence, run).partition(":")
    return f"**{head}**: {escaped(rest)}"


def section_names(guide: Guide | None) -> dict[int, str]:
    """Short names of the guide's sections."""
    return {section.number: section.name for section in guide.sections} if guide else {}


def condition_table(conditions: Sequence[Record]) -> list[str]:
    """Every condition with its effect, what it had to be, and its label."""
    common = words.shared(conditions)
    rows = [
        (
            escaped(words.condition_name(c)),
            escaped(words.parameters({k: v for k, v in c["parameters"].items() if k not in common})),
            _replicates(c),
            *_effect(c),
            escaped(words.label(c)),
        )
        for c in conditions
    ]
    told = [f"In all conditions: {escaped(words.parameters(common))}.", ""] if common else []
    star = ["holds\\*: covered by the verdict as a whole, not shown on its own.", ""]
    head = ("condition", "parameters", "n", "effect [interval]", "holds if", "result")
    return [*told, *table(head, rows, right=(2,)), *(star if any(c["label"] == "holds*" for c in conditions) else [])]


def control_table(evidence: Record) -> list[str]:
    """The controls, and whether they behaved."""
    bases = {c["name"]: c["parameters"] for c in evidence["conditions"]}
    rows = []
    for c in evidence["controls"]:
        base = bases.get(c["base"], {})
        changed = {key: value for key, value in c["parameters"].items() if base.get(key, base) != value}
        told = f"as {c['base']}, but {words.parameters(changed)}" if changed else f"as {c['base']}"
        rows.append(
            (
                f"{c['role']}: {escaped(c['name'])}",
                escaped(told),
                _replicates(c),
                *_effect(c),
                escaped(words.control(c)),
            )
        )
    return table(("control", "parameters", "n", "effect [interval]", "holds if", "result"), rows, right=(2,))


def _replicates(condition: Record) -> str:
    return f"{condition['n']}" + (f" ({condition['failed']} failed)" if condition["failed"] else "")


def _effect(condition: Record) -> tuple[str, str]:
    part = words.deciding(condition)
    if part is None:
        return "not defined", " "
    name = f" ({part['name']})" if len(condition["leaves"]) > 1 else ""
    return escaped(words.effect(part) + name), escaped(words.region(part))


def leaf_table(conditions: Iterable[Record]) -> list[str]:
    """Every part of every condition, with descriptive effect sizes."""
    rows = [
        (
            escaped(c["name"]),
            escaped(part["name"]),
            escaped(words.effect(part)),
            escaped(words.region(part)),
            *(words.optional(part[key]) for key in ("d_z", "win_rate", "median")),
        )
        for c in conditions
        for part in c["leaves"]
    ]
    head = ("condition", "part", "estimate [interval]", "holds if", "mean / sd", "win rate", "median")
    return table(head, rows, right=(4, 5, 6))


def failure_list(conditions: Iterable[Record]) -> list[str]:
    """Failed replicates with their errors, at most ten a condition."""
    lines = []
    for c in conditions:
        shown = [
            f"- {escaped(c['name'])}, replicate {f['replicate']}: {escaped(f['error'])}" for f in c["failures"][:10]
        ]
        more = len(c["failures"]) - len(shown)
        lines += shown + ([f"- {escaped(c['name'])}: {more} more"] if more > 0 else [])
    return [*lines, ""]


def provenance(evidence: Record, run: Record | None, edition: Record) -> list[str]:
    """Command, code, environment, cost, revisions, literature, citation."""
    path = f"{evidence['topic']}/{evidence['id']}"
    lines = ["```console", f"make claim CLAIM={path}", "```", ""]
    lines += [f"- Trial: {code(evidence['trial'])} (code {evidence['trial_sha256'][:16]})"]
    lines += [f"- Declaration: {evidence['declaration_sha256'][:16]}; seeds from base seed {evidence['base_seed']}"]
    lines += [f"- {escaped(words.p_values(evidence))}", f"- Libraries: {escaped(words.libraries(evidence))}"]
    lines += [f"- Cost: {escaped(words.cost(run))}"] if run else []
    files = [f"[evidence](evidence/{path}.json)"] + ([f"[run](runs/{path}.json)"] if run else [])
    lines += [f"- Files: {', '.join(files)}"]
    lines += [
        f"- Revision {i}: {escaped(r['what'])} Why: {escaped(r['why'])}" for i, r in enumerate(evidence["revisions"], 1)
    ]
    lines += [f"- {escaped(words.previous(one))}" for one in evidence["previous"]]
    lines += [f"- Literature: {escaped(reference)}" for reference in evidence["references"]]
    lines += [
        "",
        escaped(words.citation(evidence, run, edition)),
        "",
        "```bibtex",
        words.bibtex(evidence, run, edition).rstrip(),
        "```",
        "",
    ]
    return lines


# Pages -------------------------------------------------------------------------------------------------------------


def topic_page(
    topic: str, records: Sequence[Record], runs: Mapping[str, Record], guide: Guide | None, edition: Record
) -> str:
    """The page of one topic; timed claims stand in a section of their own at its end."""
    counts = Counter(e["verdict"]["label"] for e in records)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in words.VERDICTS if counts[verdict])
    lines = [
        MARK,
        "",
        f"# {words.title(topic)}",
        "",
        f"{words.count(len(records), 'claim')}: {told}. [All topics](README.md)",
        "",
    ]
    lines += claim_table(records, page="")
    for timed in (False, True):
        group = sorted((e for e in records if e["timed"] == timed), key=words.order)
        if timed and group:
            lines += [
                "# Timed claims",
                "",
                "Measured on the machine that each verdict names; another machine may differ.",
                "",
            ]
        for e in group:
            lines += claim(e, runs.get(e["id"]), guide, edition)
    return "\n".join(lines).rstrip() + "\n"


def claim_table(records: Sequence[Record], page: str) -> list[str]:
    """Claims with verdict, conditions and place; links lead to `page` (empty: the same)."""
    rows = [
        (
            f"[{escaped(e['statement'])}]({page}#{e['id']})",
            f"**{words.headline(e)}**",
            escaped(e["quantifier"]),
            escaped(words.tally(e)),
            ", ".join(str(n) for n in e["guide"]["sections"]),
        )
        for e in sorted(records, key=words.order)
    ]
    return table(("claim", "verdict", "claimed", "conditions", "sections"), rows)


def overview(records: Sequence[Record], runs: Mapping[str, Mapping[str, Record]], guide: Guide | None) -> str:
    """`README.md`: counts, what was found, every claim, the guide's coverage, the errors to expect."""
    counts = Counter(e["verdict"]["label"] for e in records)
    lines = [MARK, "", "# What came out", "", f"{words.count(len(records), 'claim')} of the guide on trial.", ""]
    lines += table(
        ("verdict", "claims", "which means"),
        [(f"**{v}**", str(counts[v]), words.VERDICTS[v]) for v in words.VERDICTS if counts[v]],
        right=(1,),
    )
    lines += [words.HOW_TO_READ, ""]
    for verdict in words.VERDICTS:
        group = [e for e in records if e["verdict"]["label"] == verdict]
        if verdict == "supported" or not group:
            continue
        lines += [f"## {verdict.capitalize()}", ""]
        for e in group:
            sentence = verdict_line(e, runs.get(e["topic"], {}).get(e["id"]))
            lines += [f"- [{escaped(e['statement'])}]({e['topic']}.md#{e['id']})  ", f"  {sentence}"]
        lines += [""]
    lines += ["## All claims by topic", ""]
    for timed, kind in ((False, ""), (True, ", timed")):
        for topic in sorted({e["topic"] for e in records if e["timed"] == timed}):
            group = [e for e in records if e["topic"] == topic and e["timed"] == timed]
            lines += [f"### [{words.title(topic)}]({topic}.md){kind}", "", *claim_table(group, f"{topic}.md")]
    lines += [*coverage(records, guide), *errors(records)]
    return "\n".join(lines).rstrip() + "\n"


def coverage(records: Sequence[Record], guide: Guide | None) -> list[str]:
    """Which of the guide's sections have a claim on trial."""
    if guide is None:
        return []
    by_section = {s.number: [e for e in records if s.number in e["guide"]["sections"]] for s in guide.sections}
    tested = [s for s in guide.sections if by_section[s.number]]
    lines = [
        "## The guide's sections",
        "",
        f"{len(tested)} of {len(guide.sections)} sections of *{escaped(guide.title)}* have a claim on trial.",
        "",
    ]
    rows = [
        (
            str(s.number),
            escaped(s.name),
            ", ".join(f"[{e['id']}]({e['topic']}.md#{e['id']}) ({words.headline(e)})" for e in by_section[s.number]),
        )
        for s in tested
    ]
    missing = [f"{s.number} {s.name}" for s in guide.sections if not by_section[s.number]]
    lines += table(("section", "about", "claims"), rows, right=(0,))
    return lines + ([f"None yet: {escaped('; '.join(missing))}.", ""] if missing else [])


def errors(records: Sequence[Record]) -> list[str]:
    """How many of these verdicts may be wrong."""
    published = [
        Published(f"{e['topic']}/{e['id']}", e["verdict"]["label"], e["verdict"]["p_hold"], words.tested(e))
        for e in records
    ]
    alpha = max((e["alpha"] for e in records), default=0.01)
    return [
        "## Errors to expect",
        "",
        *(line for text in words.errors(error_statement(published, alpha)) for line in (escaped(text), "")),
    ]
