"""A record on its own: does it say what its stored outcomes give, and are they as well-behaved as its tests assume?"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from claims import plan, statistics
from claims.evidence import Evidence, condition_label, sensitivity, series, validity
from claims.schema import plain
from claims.statistics.controls import behaves
from claims.statistics.criteria import leaves, tree
from claims.statistics.tests import MeanSample

# Skewness of differences that is told, from so many replicates on.
SKEWED, SKEWED_FROM = 1.5, 16


def judged_again(evidence: Evidence) -> Iterator[str]:
    """Differences between what a record says and what its own stored outcomes give: none for an honest record."""
    rule, alpha = statistics.complete(evidence["declaration"]["criterion"]), evidence["alpha"]
    conditions, controls = evidence["conditions"], evidence["controls"]
    found = [_judgement(rule, record, evidence["looks"], alpha, alpha / len(conditions)) for record in conditions]
    verdict = statistics.verdict(
        [c["name"] for c in conditions], [j.ph for j in found], [j.pf for j in found], evidence["quantifier"], alpha
    )
    for record, judgement in zip(conditions, found, strict=True):
        label = condition_label(record["name"], verdict)
        yield from _differences(record["name"], record, {**dataclasses.asdict(judgement), "label": label})
    names = {*verdict.holds, *verdict.holds_star}
    holding = [judgement for record, judgement in zip(conditions, found, strict=True) if record["name"] in names]
    for record in controls:
        judgement = _judgement(rule, record, record["planned"], alpha, alpha)
        passes, why = behaves(rule, plan.duty(record["role"], record["name"]), judgement, alpha, holding)
        label = statistics.label(judgement.ph, judgement.pf, alpha)
        again = {**dataclasses.asdict(judgement), "label": label, "passes": passes, "why": why}
        yield from _differences(record["name"], record, again)
    again = {**dataclasses.asdict(verdict), **validity(verdict, conditions, controls)}
    yield from _differences("verdict", evidence["verdict"], again)
    yield from _differences("claim", evidence, {"sensitivity": sensitivity(evidence)})
    if plan.sha256(plain(evidence["declaration"])) != evidence["declaration_sha256"]:
        yield "declaration_sha256: does not match the declaration in the file"


def _judgement(
    rule: Mapping[str, Any], record: Mapping[str, Any], looks: Sequence[int], alpha: float, close: float
) -> statistics.Judgement:
    """A condition or control judged from its stored outcomes."""
    one = series(record, looks)
    return statistics.judge(rule, one.outcomes, looks=one.looks, alpha=alpha, close=close, population=one.population)


def _differences(name: str, record: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    for key, value in plain(again).items():
        if key in record and not _same(value, plain(record[key])):
            yield f"{name}.{key}: the stored outcomes give {value}, the file says {record[key]}"


def _same(a: Any, b: Any) -> bool:
    """Equal, numbers to nine digits: scipy's last digits differ between processors."""
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def skewed(evidence: Evidence) -> Iterator[str]:
    """Conditions whose differences are so skewed that an error at the margin is likelier than alpha."""
    rule = statistics.complete(evidence["declaration"]["criterion"])
    for condition in evidence["conditions"]:
        outcomes = series(condition, ()).outcomes
        points = {name: outcomes[name].shape[1] for name in statistics.curve_names(rule)}
        for leaf in leaves(tree(rule, points)):
            x = leaf.score(outcomes)
            x = x[np.isfinite(x)]
            skew = float(MeanSample.of(x).skew) if leaf.kind in ("diff", "best") and x.size >= SKEWED_FROM else 0.0
            if abs(skew) > SKEWED:
                yield f"{condition['name']}: {leaf.name} has a skewness of {skew:.1f}"
