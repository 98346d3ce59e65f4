"""What stands on the page of a claim: tables and lists of plain text, which Markdown and HTML lay out alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from claims.guide import Guide, Part
from claims.report import numbers, words
from claims.report.words import Record
from claims.statistics import Published, error_statement


@dataclass(frozen=True)
class Table:
    """Cells as plain text; columns in `right` hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


Facts = list[tuple[str, str]]
"""Name and text of each fact; facts without a text are left out."""


def section_names(guide: Guide | None) -> dict[int, str]:
    """Short names of the guide's sections."""
    return {section.number: section.name for section in guide.sections} if guide else {}


def about(evidence: Record, guide: Guide | None) -> Facts:
    """What was claimed and tested, and what would change the verdict."""
    return _told(
        ("Where the guide says it", words.place(evidence, section_names(guide))),
        ("Criterion", words.criterion(evidence)),
        ("Margin", words.margin(evidence)),
        ("Wording", words.rule(evidence)),
        ("What sets them apart", words.separation(evidence)),
        ("Sensitivity", words.sensitivity(evidence)),
        ("Still open", words.power(evidence["conditions"])),
    )


def notes(evidence: Record) -> Facts:
    """What its author says about the finding."""
    return _told(("Notes", evidence["notes"]))


def literature(evidence: Record) -> Facts:
    """What others found."""
    return [("Literature", reference) for reference in evidence["references"]]


def history(evidence: Record) -> Facts:
    """Revisions of the claim, and verdicts before them."""
    revised = [(f"Revision {i}", words.revision(one)) for i, one in enumerate(evidence["revisions"], 1)]
    return [*revised, *(("Earlier verdict", words.previous(one)) for one in evidence["previous"])]


def provenance(evidence: Record, run: Record | None) -> Facts:
    """Code, environment, cost."""
    return _told(
        ("Trial", f"{evidence['trial']} (code {evidence['trial_sha256'][:16]})"),
        ("Declaration", f"{evidence['declaration_sha256'][:16]}; seeds from base seed {evidence['base_seed']}"),
        ("Level", words.p_values(evidence)),
        ("Libraries", words.libraries(evidence)),
        ("Cost", words.cost(run) if run else ""),
    )


def _told(*facts: tuple[str, str]) -> Facts:
    return [(name, text) for name, text in facts if text]


def common(evidence: Record) -> str:
    """Parameters that all conditions share, as a sentence; else nothing."""
    values = words.shared(evidence["conditions"])
    return f"In all conditions: {words.parameters(values)}." if values else ""


def conditions(evidence: Record) -> Table:
    """Every condition with its effect, what it had to be, and its label."""
    known = words.shared(evidence["conditions"])
    rows = [
        (
            words.condition_name(c),
            words.parameters({key: value for key, value in c["parameters"].items() if key not in known}),
            *_measured(c),
            words.label(c),
        )
        for c in evidence["conditions"]
    ]
    return Table(("condition", "parameters", "n", "effect [interval]", "holds if", "result"), tuple(rows), (2,))


def controls(evidence: Record) -> Table:
    """The controls, and whether they behaved."""
    bases = {c["name"]: c["parameters"] for c in evidence["conditions"]}
    rows = []
    for c in evidence["controls"]:
        base = bases.get(c["base"], {})
        changed = {key: value for key, value in c["parameters"].items() if key not in base or base[key] != value}
        told = f"as {c['base']}" + (f", but {words.parameters(changed)}" if changed else "")
        rows.append((f"{c['role']}: {c['name']}", told, *_measured(c), words.control(c)))
    return Table(("control", "parameters", "n", "effect [interval]", "holds if", "result"), tuple(rows), (2,))


def _measured(condition: Record) -> tuple[str, str, str]:
    """Replicates, effect and region of the part that decides."""
    n, part = f"{condition['n']}", words.deciding(condition)
    n += f" ({condition['failed']} failed)" if condition["failed"] else ""
    if part is None:
        return n, "not defined", ""
    name = f" ({part['name']})" if len(condition["leaves"]) > 1 else ""
    return n, numbers.effect(part) + name, numbers.region(part)


def parts(evidence: Record) -> Table:
    """Every part of the criterion in every condition, with descriptive effect sizes."""
    rows = [
        (
            *(c["name"], part["name"], numbers.effect(part), numbers.region(part)),
            *(numbers.optional(part[key]) for key in ("d_z", "win_rate", "median")),
        )
        for c in (*evidence["conditions"], *evidence["controls"])
        for part in c["leaves"]
    ]
    head = ("condition", "part", "estimate [interval]", "holds if", "mean / sd", "win rate", "median")
    return Table(head, tuple(rows), (4, 5, 6))


def failures(evidence: Record) -> list[str]:
    """Failed replicates with their errors, at most ten a condition."""
    lines = []
    for c in (*evidence["conditions"], *evidence["controls"]):
        lines += [f"{c['name']}, replicate {f['replicate']}: {f['error']}" for f in c["failures"][:10]]
        lines += [f"{c['name']}: {len(c['failures']) - 10} more"] if len(c["failures"]) > 10 else []
    return lines


def verdict_counts(records: Sequence[Record]) -> dict[str, int]:
    """Claims by verdict, in the order of `words.VERDICTS`, those that occur."""
    labels = [e["verdict"]["label"] for e in records]
    return {verdict: labels.count(verdict) for verdict in words.VERDICTS if verdict in labels}


def counted(records: Sequence[Record]) -> str:
    """`1 refuted, 2 supported`."""
    return ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(records).items())


def picture(parts: Sequence[Part]) -> str:
    """How much of the guide is on trial, as a sentence."""
    tested = {record["id"] for part in parts for record in part.tested}
    waiting, untestable = ({e.id for part in parts for e in getattr(part, kind)} for kind in ("open", "untestable"))
    total = words.count(len(tested | waiting), "claim")
    told = f"{total} in {words.count(len(parts), 'section')}: {len(tested):,} tested, {len(waiting):,} open."
    return f"{told} {words.count(len(untestable), 'passage')} cannot be tested."


def reasons(part: Part) -> str:
    """Why passages of a section cannot be tested."""
    return " ".join(dict.fromkeys(entry.reason for entry in part.untestable))


def errors(records: Sequence[Record]) -> list[str]:
    """How many of these verdicts may be wrong, a paragraph each."""
    published = [
        Published(f"{e['topic']}/{e['id']}", e["verdict"]["label"], e["verdict"]["p_hold"], words.tested(e))
        for e in records
    ]
    return words.errors(error_statement(published, max((e["alpha"] for e in records), default=0.01)))
