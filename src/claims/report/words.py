"""Every sentence of a report, rendered from the evidence: plain text, which Markdown and HTML escape as they need.

Evidence is what `claims.evidence.read` returns, a condition one of its `conditions` or `controls`, a leaf one part of
a condition's criterion. Nothing here decides anything.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claims.report.numbers import number
from claims.statistics import ErrorStatement

Record = Mapping[str, Any]

HOW_TO_READ = (
    "Each claim is tested under several conditions. In each of them a trial is repeated with fresh data and seeds "
    "until it is clear whether the effect is beyond the margin that was fixed beforehand (holds), is not (fails), or "
    "cannot be told (undecided). The claim's wording says in how many conditions it must hold. Every claim has a "
    "negative control, in which the mechanism is removed: there the criterion must fail, or the verdict is invalid. In "
    "the figures the shaded region is where the criterion holds; thick lines are the intervals that decide (wider than "
    "the usual 95 %), faint dots single replicates."
)
VERDICTS = {
    "refuted": "the criterion fails in too many conditions, and is shown to hold in none",
    "conditional": "it fails in too many conditions to stand as written, but holds in the ones named",
    "supported": "the criterion holds in as many conditions as the claim's wording demands",
    "inconclusive": "the planned replicates decide neither way",
    "invalid": "a control or the trial failed: nothing is said about the claim",
}
"""Verdicts in the order in which they are shown, with their meaning."""
KINDS = {
    "diff": "difference",
    "winrate": "win rate",
    "equiv": "equivalence",
    "interior": "inner optimum",
    "best": "best of several",
    "identity": "exact",
}
"""Kinds of criteria whose name is no word, in words."""
OPEN = {
    "open": "not decided yet",
    "saturated": "saturated: both arms at the same bound",
    "broken": "too many replicates failed",
    "futile": "stopped early: more replicates would hardly decide it",
    "cap": "not decided by the planned replicates",
}
"""Why a condition is open, by its state."""


# Names -------------------------------------------------------------------------------------------------


def count(n: int, noun: str) -> str:
    """`1 claim`, `2 claims`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def names(items: Iterable[str], limit: int = 12) -> str:
    """Names joined for a sentence; beyond `limit` the rest is counted."""
    items = list(items)
    if len(items) > limit:
        return f"{', '.join(items[:limit])} and {len(items) - limit} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def title(topic: str) -> str:
    """A topic's name as a heading."""
    return topic.replace("_", " ").capitalize()


def clean(text: str) -> str:
    """One line of visible characters: no control or bidirectional override signs, runs of white space as one blank.

    Text with right-to-left letters is isolated, so that it cannot reorder what stands around it.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    text = " ".join(text.split())
    return f"\u2068{text}\u2069" if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text) else text


def parameters(values: Mapping[str, Any]) -> str:
    """Parameters in one line: `alpha = 0.1, sizes = [10, 20]`, estimators as `StandardScaler > PCA(n_components=2)`."""
    return ", ".join(f"{key} = {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    """One parameter; of a class's name the last part, of a pipeline its steps."""
    if isinstance(value, str):
        return value.rpartition(".")[2] if re.fullmatch(r"[a-z]\w*(\.\w+)*\.[A-Z]\w*", value) else value
    if isinstance(value, Mapping) and "model" in value:
        steps = [_value(step) for step in value.get("steps", ())]
        given = ", ".join(f"{key}={_value(v)}" for key, v in value.items() if key not in ("model", "steps"))
        return " > ".join([*steps, _value(value["model"]) + (f"({given})" if given else "")])
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_value(v)}' for key, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(v) for v in value)}]"
    return json.dumps(value, ensure_ascii=False)


def shared(conditions: Sequence[Record]) -> dict[str, Any]:
    """Parameters that all conditions have in common; none where there is one condition only."""
    first, *rest = [c["parameters"] for c in conditions]
    return {k: v for k, v in first.items() if all(k in other and other[k] == v for other in rest)} if rest else {}


# One condition -----------------------------------------------------------------------------------------------------


def condition_name(condition: Record) -> str:
    """A condition's name; where its data are one real data set it speaks of these data only."""
    return f"{condition['name']}{' (on these data)' if condition['real'] == 'this_data' else ''}"


def deciding(condition: Record) -> Record | None:
    """The leaf whose numbers the condition shows; None where nothing was judged.

    Where several share the numbers (one outcome, two regions), the one that leans the way the condition was decided.
    """
    keys = ("estimate", "low", "high")
    shown = [str(float(condition[key])) for key in keys]
    same = [leaf for leaf in condition["leaves"] if [str(float(leaf[key])) for key in keys] == shown]
    if len(same) > 1 and condition["label"] != "undecided":
        this, other = ("pf", "ph") if condition["label"] == "fails" else ("ph", "pf")
        same = [*(leaf for leaf in same if leaf[this] < leaf[other]), *same]
    return next(iter([*same, *condition["leaves"]]), None)


def label(condition: Record) -> str:
    """A condition's label with its reason: `fails: too small`."""
    return ": ".join(part for part in (condition["label"], why(condition)) if part)


def why(condition: Record) -> str:
    """The reason that goes with a condition's label.

    For `holds*` the engine's reason speaks of the condition on its own; where a condition is undecided, what follows
    its first clause is told by `power`.
    """
    reason = condition["reason"].partition("; about" if condition["label"] == "undecided" else "\0")[0]
    parts = [reason if condition["label"] != "holds*" else ""]
    if condition["no_variation"] and condition["label"] != "undecided":
        some = "a part has " if len(condition["leaves"]) > 1 else ""
        parts.append(f"{some}no variation between replicates")
    return "; ".join(part for part in parts if part)


def power(conditions: Iterable[Record]) -> str:
    """How far the undecided conditions are from a decision, and with how many replicates it is as likely as not."""
    told = []
    for c in conditions:
        part = deciding(c) if c["label"] == "undecided" else None
        if part and c["n"] < c["needed_n"] < math.inf and math.isfinite(part["high"] - part["low"]):
            away = min(abs(part["estimate"] - part[end]) for end in ("lower", "upper") if math.isfinite(part[end]))
            half = number((part["high"] - part["low"]) / 2)
            told.append(f"{c['name']} {math.ceil(c['needed_n']):,} (interval ±{half}, margin {number(away)} away)")
    even = "Replicates with an even chance of a decision, if effects are what they seem"
    return f"{even}: {'; '.join(told)}." if told else ""


# The verdict -------------------------------------------------------------------------------------------------------


def order(evidence: Record) -> tuple[int, str, str]:
    """Sorts claims by verdict, refuted first, then by topic and id."""
    return list(VERDICTS).index(evidence["verdict"]["label"]), evidence["topic"], evidence["id"]


def headline(evidence: Record) -> str:
    """The verdict in one to three words."""
    verdict = evidence["verdict"]
    exceptions = verdict["label"] == "supported" and verdict["fails"]
    return f"{verdict['label']}{' with exceptions' if exceptions else ''}"


def tally(evidence: Record) -> str:
    """In how many conditions it holds, fails and is open."""
    v = evidence["verdict"]
    if v["label"] == "invalid":
        return "nothing is said about the claim"
    counts = {"holds": len(v["holds"]) + len(v["holds_star"]), "fails": len(v["fails"]), "open": len(v["open"])}
    (word, first), *rest = [(word, n) for word, n in counts.items() if n]
    return ", ".join([f"{word} in {first} of {count(v['count'], 'condition')}", *(f"{w} in {n}" for w, n in rest)])


def verdict_sentence(evidence: Record, run: Record | None = None) -> str:
    """The verdict with the conditions that it rests on, as one sentence; a timed one names the machine."""
    verdict = evidence["verdict"]
    if verdict["label"] == "invalid":
        return f"Invalid: {verdict['reason']}."
    conditions = {c["name"]: c for c in evidence["conditions"]}
    groups = {key: [condition_name(conditions[n]) for n in verdict[key]] for key in ("holds", "holds_star", "fails")}
    open_ones: dict[str, list[str]] = {}
    for name in verdict["open"]:
        needless = verdict["label"] == "supported" and conditions[name]["state"] == "open"
        reason = "not needed for the verdict" if needless else OPEN.get(conditions[name]["state"], "")
        open_ones.setdefault(reason, []).append(condition_name(conditions[name]))
    parts = [f"holds in {names(groups['holds'])}"] if groups["holds"] else []
    alone = " (covered by the verdict, not shown alone)"
    parts += [f"holds* in {names(groups['holds_star'])}{alone}"] if groups["holds_star"] else []
    parts += [f"fails in {names(groups['fails'])}"] if groups["fails"] else []
    told = [names(group) + (f" ({reason})" if reason else "") for reason, group in open_ones.items()]
    parts += [f"open in {', '.join(told)}"] if told else []
    clock = {"cpu": " in CPU time", "wall": " in wall-clock time"}.get(evidence["clock"], "")
    machine = f" on {run['processor']}, {run['system']}" if run else ""
    timed = f" Measured{clock}{machine}." if evidence["timed"] else ""
    return f"{headline(evidence).capitalize()}: {'; '.join(parts)}.{timed}"


def separation(evidence: Record) -> str:
    """The one numeric parameter that parts holding from failing conditions, as a description; else nothing."""
    groups = {
        word: [c["parameters"] for c in evidence["conditions"] if c["label"].rstrip("*") == word]
        for word in ("holds", "fails")
    }
    if not all(groups.values()) or sum(map(len, groups.values())) < 3:
        return ""
    found = []
    for key in groups["holds"][0]:
        good, bad = ([p.get(key) for p in group] for group in groups.values())
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in [*good, *bad]):
            continue
        if max(good) < min(bad):
            found.append(f"{key} is at most {number(max(good))}, where it fails at least {number(min(bad))}")
        elif min(good) > max(bad):
            found.append(f"{key} is at least {number(min(good))}, where it fails at most {number(max(bad))}")
    return f"Where it holds {found[0]}." if len(found) == 1 else ""


def sensitivity(evidence: Record) -> str:
    """For which margins the verdict would have been the same; nothing where there is no margin or no verdict."""
    found = evidence["sensitivity"]
    if not found or evidence["verdict"]["label"] == "invalid":
        return ""
    if len(found) == 1:
        return f"The verdict is the same for every margin {_between(found[0])}.".replace(" anywhere", "")
    ends = {"margin": "margin", "lower": "lower end", "upper": "upper end"}
    told = [
        f"the {ends[one['end']]} for {names(one['outcomes'])} ({KINDS.get(one['kind'], one['kind'])}, "
        f"declared {number(one['declared'])}) {_between(one)}"
        for one in found
    ]
    return f"The verdict is the same while one number moves and the others stay: {'; '.join(told)}."


def _between(one: Record) -> str:
    """The range of a margin: `from 1 up to 2`, without an end that is infinite."""
    ends = (("from", one["low"]), ("up to", one["high"]))
    told = [f"{word} {_towards(one['declared'], end)}" for word, end in ends if math.isfinite(end)]
    return " ".join(told) or "anywhere"


def _towards(declared: float, end: float) -> str:
    """An end rounded to the side of the declared margin, which it never reaches: what is told lies in the range."""
    if end in (0, declared):
        return number(end)
    digits = first = 2 - math.floor(math.log10(abs(end)))
    rounds = math.ceil if end < declared else math.floor
    while (told := rounds(end * 10.0**digits) / 10.0**digits) == declared:
        digits += 1
    return number(told, digits if digits > first else None)


def criterion(evidence: Record) -> str:
    """The declared criterion as a sentence."""
    return f"It holds where {evidence['criterion_text']}."


def margin(evidence: Record) -> str:
    """Why the margin is what it is, and why every condition must hold where that is claimed."""
    always = [f"always, because {evidence['why_always']}"] if evidence.get("why_always") else []
    return "; ".join([*filter(None, evidence.get("margin_reasons", [])), *always])


def rule(evidence: Record) -> str:
    """What the quantifier demands of the conditions."""
    k, total = evidence["verdict"]["k"], evidence["verdict"]["count"]
    if k < total:
        return f"{evidence['quantifier']}, so it must hold in at least {k} of {total} conditions"
    every = f"all {total} conditions" if total > 1 else "the one condition"
    return f"{evidence['quantifier']}, so it must hold in {every}"


def control(record: Record) -> str:
    """Whether a control behaved, and how that was found."""
    again = "; second run, with fresh seeds" if record["rerun"] else ""
    return f"{'behaves' if record['passes'] else 'misbehaves'}: {record['why'] or record['label']}{again}"


def tested(evidence: Record) -> bool:
    """Whether the claim has an error rate: False where its criterion is made of exact identities only."""
    return not re.fullmatch(r"(all|any|identity|[(), ])+", evidence["kind"])


def p_values(evidence: Record) -> str:
    """P-values of the claim; an exact criterion has none."""
    if not tested(evidence):
        return "Exact criterion: no p-value"
    hold, fail = (number(evidence["verdict"][key]) for key in ("p_hold", "p_fail"))
    return f"P-values: {hold} against 'does not hold', {fail} against 'holds', level {number(evidence['alpha'])} each"


# Surroundings ------------------------------------------------------------------------------------------------------


def place(evidence: Record, section_names: Mapping[int, str]) -> str:
    """Where the guide says it."""
    numbers, lines = evidence["guide"]["sections"], [str(line) for line in evidence["guide"]["lines"]]
    sections = [f"{n} ({section_names[n]})" if n in section_names else str(n) for n in numbers]
    several = len(lines) > 1 or "-" in lines[0]
    return f"section{'s' * (len(sections) > 1)} {names(sections)}, line{'s' * several} {names(lines, 40)}"


def cost(run: Record) -> str:
    """What the evidence took, where and when."""
    spent = f"{count(run['replicates'], 'replicate')}, {number(float(run['cpu_seconds']))} s of CPU time"
    where = f"{run['processor']}, {run['system']}, Python {run['python']}"
    return f"{spent}, {where}, {run['date']}, commit {run['commit'][:12]}"


def libraries(evidence: Record) -> str:
    """Versions that the outcomes depend on."""
    return ", ".join(f"{name} {version}" for name, version in evidence["versions"].items())


REVIEW = {
    "sentence": "Second reader: does it test this sentence?",
    "fairness": "Second reader: was each arm given a fair chance?",
    "falsifiable": "Second reader: could it have come out the other way?",
    "sceptic": "Second reader: would a sceptical expert accept margin and conditions?",
    "changed": "Changed after the second reading",
}


def review(evidence: Record) -> list[tuple[str, str]]:
    """Questions to and answers of the reader who did not write the claim; none before there was one."""
    answers = evidence.get("review") or {}
    return [(question, answers[key]) for key, question in REVIEW.items() if key in answers]


def revision(record: Record) -> str:
    """What changed in a claim, and why."""
    return f"{record['what'].rstrip('.')}. Why: {record['why'].rstrip('.')}."


def previous(record: Record) -> str:
    """An earlier verdict under an earlier declaration."""
    return f"Before revision {record['revision'] + 1}: {record['verdict']['label']}"


def errors(statement: ErrorStatement) -> list[str]:
    """How many verdicts of a suite may be wrong, a paragraph each."""
    s = statement
    if not s.tested:
        return ["No claim with a statistical criterion has been tested yet, so there is no error rate to state."]
    share = f"; of the {s.supported} supported, about {number(100 * s.false_discovery)} % would then be false"
    texts = [
        f"Each verdict was designed for at most a {number(100 * s.alpha)} % chance of being wrong in each direction at "
        "the declared margin, for well-behaved outcomes. Skewed ones err more often there: a single condition in up to "
        "6 % of simulations, and outcomes that are rare and far from the rest without limit. "
        f"With {count(s.tested, 'claim')} tested this way, were all of them at their margins and well-behaved, about "
        f"{number(s.wrong)} would be wrong each way{share if s.supported else ''}.",
        "Exact criteria have no error rate and are not counted. Where replicates do not vary, a verdict assumes that "
        "contrary outcomes, if any, occur in at least a fifth of replicates; such conditions say: no variation.",
    ]
    if s.selected is not None:
        chosen = names(s.selected, 50) if s.selected else "none"
        chosen = f"all {s.supported} of them" if len(s.selected) == s.supported > 0 else chosen
        texts.append(
            "As fewer than a fifth of the tested claims are supported, the method of Benjamini and Hochberg is given "
            f"beside the fixed level: at a false discovery rate of 5 % it selects {chosen}."
        )
    return texts
