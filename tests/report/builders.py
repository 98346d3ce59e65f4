"""Evidence from hand-made outcomes, in the format of `reports/evidence`: a condition, a control, a whole record.

Intervals are plain mean +- 3.2 standard errors: what counts here is that every field stands where a report reads it,
not how the engine decides.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from claims.statistics.criteria import Group, Leaf, Tree, describe, leaves, tree
from claims.statistics.kinds import complete
from claims.statistics.verdict import conditions_needed

Outcomes = dict[str, np.ndarray]


def condition(
    name: str, criterion: Mapping[str, Any], outcomes: Outcomes, parameters: Mapping[str, Any], **fields: Any
) -> dict[str, Any]:
    """One condition with leaves, label and looks computed from the outcomes."""
    points = {key: values.shape[1] for key, values in outcomes.items() if values.ndim == 2}
    node = tree(complete(criterion), points)
    ok = np.logical_and.reduce([np.isfinite(v.reshape(len(v), -1)).all(axis=1) for v in outcomes.values()])
    kept = {key: values[ok] for key, values in outcomes.items()}
    results = [_leaf(leaf, leaf.score(kept)) for leaf in leaves(node)]
    label = _label(node, results)
    deciding = results[0] if criterion.get("kind") == "trend" else max(results, key=lambda r: r["ph"])
    n, failed = int(ok.sum()), int((~ok).sum())
    looks = [{"n": n, **{key: deciding[key] for key in ("estimate", "low", "high", "ph", "pf")}}]
    made = {
        "name": name,
        "parameters": dict(parameters),
        "real": None,
        "label": label,
        "reason": {"fails": "not shown better", "undecided": "effect too close to the margin"}.get(label, ""),
        "n": n,
        "failed": failed,
        "state": {"undecided": "cap"}.get(label, "decided"),
        "no_variation": False,
        **{key: deciding[key] for key in ("estimate", "low", "high", "ph", "pf")},
        "needed_n": 412.3 if label == "undecided" else math.nan,
        "leaves": results,
        "looks": looks,
        "outcomes": {key: values.tolist() for key, values in outcomes.items()},
        "failures": [{"replicate": int(i), "error": "LinAlgError: singular matrix"} for i in np.flatnonzero(~ok)],
    }
    return made | fields


def _leaf(leaf: Leaf, x: np.ndarray) -> dict[str, Any]:
    n = len(x)
    spread = 3.2 * float(x.std(ddof=1)) / math.sqrt(n)
    estimate, lo, hi = float(x.mean()), float(leaf.lo), float(leaf.hi)
    low, high = estimate - spread, estimate + spread
    if leaf.test == "exact":
        estimate, low, high, lo = float(np.abs(x).max()), math.nan, math.nan, 0.0
    if leaf.scale == "share":
        low, high = max(0.0, low), min(1.0, high)
    inside = lo < low and high < hi if leaf.test != "exact" else estimate <= hi
    outside = high < lo or low > hi if leaf.test != "exact" else not inside
    result = {
        "name": leaf.name,
        "kind": leaf.kind,
        "estimate": estimate,
        "low": low,
        "high": high,
        "lower": lo,
        "upper": hi,
    }
    if leaf.scale == "ratio":
        result |= {key: math.exp(result[key]) for key in ("estimate", "low", "high", "lower", "upper")}
    result |= {"ph": 0.0004 if inside else 0.7, "pf": 0.0004 if outside else 0.7}
    return result | {"d_z": 1.0, "win_rate": float((x > 0).mean()), "median": float(np.median(x)), "scale": leaf.scale}


def _label(node: Tree, results: Sequence[Mapping[str, Any]]) -> str:
    def fold(one: Tree, key: str, rules: Mapping[str, Callable[..., Any]]) -> float:
        if isinstance(one, Leaf):
            return float(results[one.index][key])
        assert isinstance(one, Group)
        return float(rules[one.op](fold(part, key, rules) for part in one.parts))

    if fold(node, "ph", {"all": max, "any": min}) < 0.01:
        return "holds"
    return "fails" if fold(node, "pf", {"all": min, "any": max}) < 0.01 else "undecided"


def control(base: str, role: str, why: str = "", rerun: bool = False, **fields: Any) -> dict[str, Any]:
    """What turns a condition into a control; `passes` follows from role and label unless it is given."""
    return {"role": role, "base": base, "why": why, "rerun": rerun, **fields}


def evidence(
    id: str,
    statement: str,
    criterion: Mapping[str, Any],
    conditions: list[dict[str, Any]],
    controls: list[dict[str, Any]],
    verdict: str,
    **fields: Any,
) -> dict[str, Any]:
    """A whole record; groups of the verdict follow from the labels."""
    criterion = complete(criterion)
    for one in controls:
        one.setdefault("passes", one["label"] == {"negative": "fails", "positive": "holds"}[one["role"]])
    quantifier = fields.pop("quantifier", "typically")
    total = len(conditions)
    k = conditions_needed(quantifier, total)
    groups = {
        group: [c["name"] for c in conditions if c["label"] == label]
        for group, label in (("holds", "holds"), ("holds_star", "holds*"), ("fails", "fails"), ("open", "undecided"))
    }
    kinds = [part["kind"] for part in criterion.get("all", criterion.get("any", []))]
    made = {
        "format": 1,
        "engine": "1",
        "id": id,
        "topic": "tuning",
        "statement": statement,
        "guide": {"sections": [24, 61], "lines": ["1120-1122", "3999"]},
        "quantifier": quantifier,
        "kind": criterion.get("kind") or f"{'all' if 'all' in criterion else 'any'}({', '.join(kinds)})",
        "criterion_text": describe(criterion),
        "declaration": {
            "criterion": criterion,
            "quantifier": quantifier,
            "parameters": {},
            "conditions": {c["name"]: c["parameters"] for c in conditions},
            "controls": {c["name"]: c["parameters"] for c in controls if c["role"] == "negative"},
            "alpha": 0.01,
            "looks": [8, 16, 32, 64, 128],
        },
        "declaration_sha256": "5f" * 32,
        "trial": f"experiments.tuning.{id.replace('-', '_')}",
        "trial_sha256": "a1" * 32,
        "versions": {"numpy": "2.4.1", "scikit-learn": "1.9.0", "python": "3.11"},
        "base_seed": 0,
        "revisions": [],
        "notes": "",
        "references": [],
        "timed": False,
        "clock": None,
        "alpha": 0.01,
        "looks": [8, 16, 32, 64, 128],
        "verdict": {"label": verdict, "reason": "", "k": k, "count": total, "p_hold": 0.0016, "p_fail": 1.0, **groups},
        "sensitivity": [],
        "conditions": conditions,
        "controls": controls,
        "previous": [],
    }
    return made | fields


def margin(
    criterion: Mapping[str, Any], low: float = 0.0, high: float = math.inf, end: str = "margin"
) -> dict[str, Any]:
    """How far one margin of a simple criterion may move."""
    declared = criterion["range"][end == "upper"] if "range" in criterion else criterion["margin"]
    outcomes = [criterion[key] for key in ("a", "b", "outcome") if key in criterion]
    return {"kind": criterion["kind"], "outcomes": outcomes, "end": end, "declared": declared, "low": low, "high": high}
