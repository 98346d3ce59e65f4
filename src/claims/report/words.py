"""Every sentence of a report, rendered from the evidence: plain text, which Markdown and HTML escape as they need.

`Evidence` is the mapping that `claims.evidence.read` returns (docs: the format of `reports/evidence`), a `condition` one
of its `conditions` or `controls`, a `leaf` one part of a condition's criterion. Nothing here decides anything.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

VERDICTS = ("refuted", "conditional", "supported", "inconclusive", "invalid")
MEANING = {
    "refuted": "the criterion fails in too many conditions, and holds for certain in none",
    "conditional": "it fails in too many conditions to stand as written, but holds in the ones named",
    "supported": "the criterion holds in as many conditions as the claim's wording demands",
    "inconclusive": "the replicates that were planned decide neither way",
    "invalid": "a control or the trial failed: nothing is said about the claim",
}
KINDS = {
    "diff": "difference",
    "ratio": "ratio",
    "winrate": "win rate",
    "equiv": "equivalence",
    "level": "level",
    "trend": "trend",
    "interior": "inner optimum",
    "best": "best of several",
    "rate": "rate",
    "identity": "exact",
}
STATES = {
    "open": "not needed for the verdict",
    "saturated": "both sides at the same bound of the scale: the condition cannot tell",
    "broken": "too many failed replicates",
    "futile": "stopped early: more replicates would hardly have decided it",
    "cap": "not decided by the planned replicates",
}


# Numbers ---------------------------------------------------------------------------------------------------------


def number(value: float, decimals: int | None = None) -> str:
    """A number as text: three significant digits, or as many decimals as given; never `-0`, never a bare `nan`."""
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    if decimals is None:
        decimals = 0 if value == round(value) else max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def _decimals(values: Sequence[float], bounds: Sequence[float]) -> int | None:
    """Decimals that give the interval two significant digits and show each number on its own side of each bound."""
    estimate, low, high = values
    finite = [v for v in values if math.isfinite(v)]
    bounds = [b for b in bounds if math.isfinite(b)]
    width = high - low if math.isfinite(high - low) else max(map(abs, finite), default=0)
    if not width or max(map(abs, finite)) >= 1e7:
        return None
    decimals = max(0, 1 - math.floor(math.log10(width / 2)))
    while decimals < 10 and any((round(v, decimals) > b) != (v > b) or (v != b) != (round(v, decimals) != b) for v in finite for b in bounds):
        decimals += 1
    return decimals


def effect(part: Record, bounds: Sequence[float] = ()) -> str:
    """Estimate and interval of a condition or leaf: `0.031 [0.020, 0.042]`."""
    values = [float(part[key]) for key in ("estimate", "low", "high")]
    if math.isnan(values[0]):
        return "not defined"
    decimals = _decimals(values, bounds)
    estimate, low, high = (number(v, decimals) for v in values)
    return estimate if math.isnan(values[1]) or math.isnan(values[2]) else f"{estimate} [{low}, {high}]"


def region(leaf: Record) -> str:
    """The support region of a leaf: what its effect must be for the criterion to hold."""
    lower, upper = float(leaf["lower"]), float(leaf["upper"])
    if leaf["kind"] == "identity":
        return f"at most {number(upper)}" if upper else "exactly 0"
    if leaf.get("scale") == "ratio" and lower == 0:
        lower = -math.inf
    if math.isinf(lower) or (leaf.get("scale") == "share" and lower <= 0):
        return "any value" if math.isinf(upper) else f"below {number(upper)}"
    if math.isinf(upper) or (leaf.get("scale") == "share" and upper >= 1):
        return f"above {number(lower)}"
    return f"{number(lower)} to {number(upper)}"


def count(n: int, noun: str) -> str:
    """`1 claim`, `2 claims`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def names(items: Iterable[str], limit: int = 12) -> str:
    """Names joined for a sentence; beyond `limit` the rest is counted."""
    items = list(items)
    if len(items) > limit:
        return f"{', '.join(items[:limit])} and {len(items) - limit} more"
    return " and ".join([", ".join(items[:-1])] * (len(items) > 2) + items[-1:]) if len(items) != 2 else " and ".join(items)


def clean(text: str) -> str:
    """One line of visible characters: no control and bidirectional override signs, runs of white space as one blank.

    Text with right-to-left letters is isolated, so that it cannot reorder what stands around it.
    """
    text = " ".join(str(text).split())
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return f"\u2068{text}\u2069" if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text) else text


# One condition -----------------------------------------------------------------------------------------------------


def condition_name(condition: Record) -> str:
    """A condition's name, with what it speaks of where its data are real."""
    return condition["name"] + {"this_data": " (on these data)"}.get(condition.get("real") or "", "")


def label(condition: Record) -> str:
    """A condition's label with its reason: `fails: too small`."""
    reason = why(condition)
    return f"{condition['label']}: {reason}" if reason else str(condition["label"])


def why(condition: Record) -> str:
    """Why a condition fails or is undecided; empty where it holds."""
    if condition["label"] in ("holds", "holds*"):
        return "no variation between replicates" if condition.get("no_variation") else ""
    return condition.get("reason") or (STATES.get(condition["state"], "") if condition["label"] == "undecided" else "")


def power(condition: Record) -> str:
    """For an undecided condition the replicates that would decide it, else nothing."""
    needed = float(condition.get("needed_n", math.nan))
    if condition["label"] != "undecided" or math.isnan(needed) or needed <= condition["n"]:
        return ""
    if math.isinf(needed):
        return f"{condition['name']}: the effect lies on the margin; no number of replicates would decide it"
    return f"{condition['name']}: decided by about {number(float(math.ceil(needed)))} replicates, if effect and spread stay as they are"


def parameters(values: Mapping[str, Any]) -> str:
    """Parameters in one line: `alpha = 0.1, sizes = [10, 20]`."""
    plain = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for k, v in values.items()}
    return ", ".join(f"{key} = {value}" for key, value in plain.items())


def shared(conditions: Sequence[Record]) -> dict[str, Any]:
    """Parameters that all conditions have in common."""
    first, *rest = [c["parameters"] for c in conditions]
    return {k: v for k, v in first.items() if all(k in other and other[k] == v for other in rest)} if rest else {}


# The verdict ---------------------------------------------------------------------------------------------------------


def headline(evidence: Record) -> str:
    """The verdict in one or three words."""
    verdict = evidence["verdict"]
    return "supported with exceptions" if verdict["label"] == "supported" and verdict["fails"] else str(verdict["label"])


def rule(evidence: Record) -> str:
    """What the quantifier demands of the conditions."""
    k, total = evidence["verdict"]["k"], evidence["verdict"]["count"]
    demand = "the one condition" if total == 1 else f"all {total} conditions" if k == total else f"at least {k} of {total} conditions"
    return f"{evidence['quantifier']}: it must hold in {demand}"


def verdict_sentence(evidence: Record, run: Record | None = None) -> str:
    """The verdict with the conditions that it rests on, as one sentence; a timed one names the machine."""
    verdict, head = evidence["verdict"], headline(evidence)
    by_name = {c["name"]: c for c in evidence["conditions"]}
    shown = {name: condition_name(c) for name, c in by_name.items()}
    reason = f" ({clean(verdict['reason'])})" if verdict["label"] not in ("invalid",) and verdict.get("reason") else ""
    if verdict["label"] == "invalid":
        return f"Invalid: {clean(verdict.get('reason') or 'a control or the trial failed')}."
    parts = []
    holding, star = list(verdict["holds"]), list(verdict["holds_star"])
    everything = len(holding) + len(star) == verdict["count"] > 1
    if everything:
        parts.append(f"holds in all {verdict['count']} conditions" + (f", in {names(shown[n] for n in star)} at the level of the whole verdict only" if star else ""))
    elif holding:
        parts.append(f"holds in {names(shown[n] for n in holding)}")
    if star and not everything:
        parts.append(f"holds at the level of the whole verdict in {names(shown[n] for n in star)}")
    if verdict["fails"]:
        parts.append(f"fails in {names(shown[n] for n in verdict['fails'])}")
    if verdict["open"]:
        parts.append("open in " + _open(verdict["open"], by_name, shown))
    machine = ""
    if evidence["timed"]:
        clock = {"cpu": "CPU time", "wall": "wall-clock time"}.get(evidence["clock"] or "", "time or memory")
        machine = f" Measured in {clock}" + (f" on {run['processor']}, {run['system']}" if run else "") + "."
    return f"{head.capitalize()}: {'; '.join(parts)}{reason}.{machine}"


def _open(open_names: Sequence[str], by_name: Mapping[str, Record], shown: Mapping[str, str]) -> str:
    groups: dict[str, list[str]] = {}
    for name in open_names:
        groups.setdefault(clean(why(by_name[name])), []).append(shown[name])
    return ", ".join(names(group) + (f" ({reason})" if reason else "") for reason, group in groups.items())


def separation(evidence: Record) -> str:
    """The one numeric parameter that parts holding from failing conditions, as a description; else nothing."""
    by_label: dict[str, list[Record]] = {"holds": [], "fails": []}
    for condition in evidence["conditions"]:
        by_label.setdefault(condition["label"].rstrip("*"), []).append(condition["parameters"])
    holds, fails = by_label["holds"], by_label["fails"]
    if not holds or not fails or len(holds) + len(fails) < 3:
        return ""
    found = []
    for key in holds[0]:
        values = [[p.get(key) for p in group] for group in (holds, fails)]
        if all(isinstance(v, int | float) and not isinstance(v, bool) for group in values for v in group):
            good, bad = values
            if max(good) < min(bad):
                found.append(f"Where it holds {key} is at most {number(max(good))}, where it fails at least {number(min(bad))}.")
            elif min(good) > max(bad):
                found.append(f"Where it holds {key} is at least {number(min(good))}, where it fails at most {number(max(bad))}.")
    return found[0] if len(found) == 1 else ""


def sensitivity(evidence: Record) -> str:
    """For which margins the verdict would have been the same; nothing where the criterion has no single margin."""
    bounds = evidence.get("sensitivity")
    if not bounds or math.isnan(bounds["low"]) or math.isnan(bounds["high"]):
        return ""
    low, high = bounds["low"], bounds["high"]
    if math.isinf(low) and math.isinf(high):
        return "The verdict is the same for every margin."
    if math.isinf(high):
        return f"The verdict is the same for every margin from {number(low)} upwards."
    if math.isinf(low):
        return f"The verdict is the same for every margin up to {number(high)}."
    return f"The verdict is the same for margins from {number(low)} to {number(high)}."


def control(record: Record) -> str:
    """Whether a control behaved, and what that means."""
    again = " (second run, with fresh seeds)" if record.get("rerun") else ""
    must = "fail" if record["role"] == "negative" else "hold"
    found = {"holds*": "holds"}.get(record["label"], record["label"])
    if not record["passes"]:
        return f"misbehaves: it must {must}, and the result is: {found}{again}"
    if found == f"{must}s":
        return f"behaves: it {found}, as it must{again}"
    if record["role"] == "negative":
        return f"behaves: undecided, but its interval lies below the smallest effect that holds{again}"
    return f"not demanded here, as a condition holds: {found}{again}"


# Surroundings ----------------------------------------------------------------------------------------------------------


def place(evidence: Record, section_names: Mapping[int, str]) -> str:
    """Where the guide says it."""
    guide = evidence["guide"]
    sections = [f"{n} ({section_names[n]})" if n in section_names else str(n) for n in guide["sections"]]
    lines = [str(line) for line in guide["lines"]]
    plural = len(lines) > 1 or "-" in lines[0] if lines else False
    return f"section{'s' * (len(sections) > 1)} {names(sections)}" + (f", line{'s' * plural} {names(lines, 40)}" if lines else "")


def cost(run: Record) -> str:
    """What the evidence took, where and when."""
    spent = f"{count(run['replicates'], 'replicate')}, {number(float(run['cpu_seconds']))} s of CPU time"
    return f"{spent}, on {run['processor']}, {run['system']}, Python {run['python']}, {run['date']}, commit {run['commit'][:12]}"


def citation(evidence: Record, run: Record | None, edition: Record) -> str:
    """A one-line citation of the verdict."""
    year = f" ({_year(run, edition)})" if _year(run, edition) else ""
    return f"{edition['authors']}{year}: {evidence['statement'].rstrip('.')}. Verdict: {headline(evidence)}. {edition['title']}{_version(edition)}, claim {evidence['topic']}/{evidence['id']}."


def bibtex(evidence: Record, run: Record | None, edition: Record) -> str:
    """The same as a BibTeX entry; the evidence's declaration hash pins what was tested."""
    fields = {
        "author": f"{{{_tex(edition['authors'])}}}",
        "title": f"{{{_tex(evidence['statement'].rstrip('.'))}}}: {headline(evidence)}",
        "year": _year(run, edition),
        "howpublished": f"{_tex(edition['title'] + _version(edition))}, claim {_tex(evidence['topic'])}/{evidence['id']}",
        "url": edition.get("url", ""),
        "note": f"Declaration {evidence['declaration_sha256'][:16]}",
    }
    body = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items() if value)
    return f"@misc{{claims-{evidence['topic']}-{evidence['id']},\n{body}}}\n"


def _year(run: Record | None, edition: Record) -> str:
    return str((run or {}).get("date") or edition.get("date") or "")[:4]


def _version(edition: Record) -> str:
    return f", version {edition['version']}" if edition.get("version") else ""


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^{}$&#%_]", lambda m: special.get(m[0], "\\" + m[0]), clean(text))
