"""From the p-values of the conditions to the verdict of a claim; its sensitivity to the margin; errors of the suite."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claims.statistics.course import Block, blocks, course, saturated_leaves, tree_p_values
from claims.statistics.criteria import Criterion, Tree, complete, curve_names, floor, leaves, tree
from claims.statistics.judge import broken_reason, recorded
from claims.statistics.tests import Array

LABELS = ("inconclusive", "supported", "conditional", "refuted")


def label(ph: float, pf: float, level: float) -> str:
    """The label of one condition at a level: holds, fails, or undecided (also where both or neither is shown)."""
    if (ph <= level) == (pf <= level):
        return "undecided"
    return "holds" if ph <= level else "fails"


def conditions_needed(quantifier: str, count: int) -> int:
    """How many of `count` conditions must hold for always, never, typically, often and can.

    Raises:
        ValueError: The quantifier is unknown or there is no condition.
    """
    needed = {
        "always": count,
        "never": count,
        "typically": math.ceil(0.75 * count),
        "often": count // 2 + 1,
        "can": 1,
    }
    if quantifier not in needed:
        raise ValueError(f"quantifier must be one of {', '.join(needed)}, got {quantifier!r}; choose the guide's word")
    if count < 1:
        raise ValueError(f"conditions: at least one is needed, got {count}; name one")
    return needed[quantifier]


@dataclass(frozen=True)
class Verdict:
    """Verdict of one claim: supported, conditional, refuted or inconclusive, with k of `count` conditions needed.

    `holds` and `fails` name conditions that are shown on their own at alpha / count; `holds_star` those covered by a
    supported verdict but not individually; `open` the rest. `p_hold` and `p_fail` are p-values of the claim.
    """

    label: str
    k: int
    count: int
    p_hold: float
    p_fail: float
    holds: tuple[str, ...]
    holds_star: tuple[str, ...]
    fails: tuple[str, ...]
    open: tuple[str, ...]


def verdict(
    names: Sequence[str], ph: Sequence[float], pf: Sequence[float], quantifier: str, alpha: float = 0.01
) -> Verdict:
    """The verdict from the p-values of the conditions (partial conjunction; Benjamini and Heller 2008).

    Valid under any dependence between conditions. NaN counts as 1: what is unknown shows nothing.

    Raises:
        ValueError: The lists differ in length or are empty, or the quantifier is unknown.
    """
    count = len(names)
    if not len(ph) == len(pf) == count:
        raise ValueError(f"conditions: one ph and one pf each, got {count}, {len(ph)}, {len(pf)}; pass equal lists")
    k = conditions_needed(quantifier, count)
    hold, fail = (np.where(np.isnan(p), 1.0, p) for p in (np.asarray(ph, dtype=float), np.asarray(pf, dtype=float)))
    word = LABELS[int(verdict_codes(hold, fail, k, alpha))]
    shown = [label(h, f, alpha / count) for h, f in zip(hold, fail, strict=True)]
    if word == "supported":
        level = alpha / (count - k + 1)
        shown = ["holds*" if w == "undecided" and h <= level else w for w, h in zip(shown, hold, strict=True)]

    def named(one: str) -> tuple[str, ...]:
        return tuple(name for name, w in zip(names, shown, strict=True) if w == one)

    return Verdict(
        label=word,
        k=k,
        count=count,
        p_hold=float(min(1.0, (count - k + 1) * np.sort(hold)[k - 1])),
        p_fail=float(min(1.0, k * np.sort(fail)[count - k])),
        holds=named("holds"),
        holds_star=named("holds*"),
        fails=named("fails"),
        open=named("undecided"),
    )


def verdict_codes(ph: Array, pf: Array, k: int, alpha: float) -> Array:
    """Index into `LABELS` from p-values of shape (..., conditions); shape (...)."""
    count = ph.shape[-1]
    supported = (ph <= alpha / (count - k + 1)).sum(axis=-1) >= k
    failed = (pf <= alpha / k).sum(axis=-1) >= count - k + 1
    some = (ph <= alpha / count).any(axis=-1)
    return np.select([supported & failed, supported, failed & some, failed], [0, 1, 2, 3], 0)


# Sensitivity to the margin -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Knob:
    """The number of a criterion that says how large is large enough, within what it may lie, and how to turn it."""

    value: float
    least: float
    most: float
    turned: Callable[[Any], dict[str, Any]]


def knob(criterion: Criterion) -> Knob | None:
    """The margin of a completed criterion; None for `identity`, two-sided ranges and nested criteria."""
    c = dict(criterion)
    key = next((key for key in ("margin", "above", "below") if key in c), None)
    if key is not None:
        return Knob(c[key], 0.0, math.inf if key == "margin" else 1.0, lambda x: c | {key: x})
    low, high = c.get("range", (0.0, 1.0))
    if math.isinf(high):
        return Knob(low, floor(c), math.inf, lambda x: c | {"range": [x, high]})
    if "range" in c and low == floor(c):
        return Knob(high, floor(c), math.inf, lambda x: c | {"range": [low, x]})
    return None


def p_values_at(node: Tree, tests: Sequence[Block]) -> tuple[Array, Array]:
    """`ph` and `pf` at the last look for a tree whose regions hold one entry for each margin; shape (margins,).

    Without `tests` nothing is known: all are 1.
    """
    parts = leaves(node)
    width = max(np.size(end) for leaf in parts for end in (leaf.lo, leaf.hi))
    p = np.ones((2, width, len(parts)))
    for block in tests:
        lo, hi = (_cuts([getattr(parts[i], end) for i in block.index], width) for end in ("lo", "hi"))
        hold, fail = block.p_values(lo, hi)
        p[..., list(block.index)] = hold[:, -1], fail[:, -1]
    return tree_p_values(node, p[0], p[1])


def _cuts(ends: Sequence[Any], width: int) -> Array:
    """Ends of regions for `Block.p_values`; shape (margins, 1, leaves)."""
    return np.stack([np.broadcast_to(np.asarray(end, dtype=float), width) for end in ends], axis=1)[:, None]


def sensitivity(
    criterion: Criterion,
    outcomes: Mapping[str, Mapping[str, Any]],
    *,
    quantifier: str,
    looks: Sequence[int],
    alpha: float = 0.01,
    populations: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[float, float]:
    """Lowest and highest margin that give the same verdict on the same replicates.

    For `winrate` and `rate` the margin is `above` or `below`, for one-sided ranges their end. The declared margin lies
    within; the ends are found to 1/1000 of their distance from it, infinite where nothing changes. (NaN, NaN) where a
    criterion has no single margin. `tol` of a trend and looks stay as they are.

    Args:
        criterion: As in the claim file.
        outcomes: For each condition what `judge` gets.
        quantifier: Of the claim.
        looks: Planned looks.
        alpha: Level of the claim.
        populations: (n_train, n_test) for conditions judged as `population`.
    """
    criterion = complete(criterion)
    turn = knob(criterion)
    if turn is None:
        return math.nan, math.nan
    close = alpha / len(outcomes)
    kept = [retained(criterion, o, looks, close, (populations or {}).get(name)) for name, o in outcomes.items()]
    k = conditions_needed(quantifier, len(kept))
    points = {name: np.shape(next(iter(outcomes.values()))[name])[1] for name in curve_names(criterion)}

    def codes(margins: Array) -> Array:
        node = tree(turn.turned(margins), points)
        ph, pf = (np.stack(columns, axis=1) for columns in zip(*(p_values_at(node, one) for one in kept), strict=True))
        return verdict_codes(ph, pf, k, alpha)

    return farthest_same(codes, turn.value, turn.least), farthest_same(codes, turn.value, turn.most)


def retained(
    criterion: Criterion,
    outcomes: Mapping[str, Any],
    looks: Sequence[int],
    close: float,
    population: tuple[float, float] | None,
) -> list[Block]:
    """Samples of one condition for judging it at other margins; none where nothing is known or the trial is broken."""
    record = recorded(criterion, outcomes, looks, population)
    if not record.steps:
        return []
    if broken_reason(record):
        seen = course(record.node, record.data, record.steps, looks, close, population)
        if min(tree_p_values(record.node, seen.ph[-1], seen.pf[-1])) > close:
            return []
    shape = (len(record.steps), len(record.parts))
    withheld = saturated_leaves(record.parts, record.data, record.steps, shape)
    return blocks(record.parts, record.data, record.steps, looks, population, withheld)


STEPS = 2.0 ** np.arange(-40, 41)
"""Distances from the declared margin, in units of its size, at which a change of the verdict is looked for."""
ZOOM, ROUNDS = 33, 3
"""Points into which the bracket around the change is cut, and searches in all: its place is known to 1/1024."""


def farthest_same(codes: Callable[[Array], Array], start: float, end: float) -> float:
    """The margin farthest from `start` towards `end` with the verdict of `start`; verdicts change once on the way."""
    sign, span = np.sign(end - start), abs(end - start)
    offsets = np.concatenate([[0.0], max(abs(start), 1.0) * STEPS])
    offsets = np.append(offsets[offsets < span], span) if math.isfinite(span) else offsets
    for _ in range(ROUNDS):
        found = codes(start + sign * offsets)
        moved = found != found[0]
        if not moved.any():
            return end
        place = int(np.argmax(moved))
        offsets = np.linspace(offsets[place - 1], offsets[place], ZOOM)
    return float(start + sign * offsets[0])


# Errors of the whole suite -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A published verdict as far as the suite's error statement needs it."""

    claim: str
    label: str
    p_hold: float
    statistical: bool


@dataclass(frozen=True)
class ErrorStatement:
    """Errors to expect in a suite: `tested` claims with an alpha, `supported` among them.

    `wrong` = alpha * tested bounds the expected number of wrong verdicts in each direction; `false_discovery` = wrong /
    supported is the share of the supported that may be false (NaN without any). `selected` are the claims that the
    method of Benjamini and Hochberg selects, None where so many are supported that it would change nothing.
    """

    tested: int
    supported: int
    alpha: float
    wrong: float
    false_discovery: float
    selected: tuple[str, ...] | None


def error_statement(records: Iterable[Published], alpha: float = 0.01, rate: float = 0.05) -> ErrorStatement:
    """What the error rates of single claims add up to (Storey 2002; Benjamini and Hochberg 1995)."""
    tested = [record for record in records if record.statistical]
    supported = [record for record in tested if record.label == "supported"]
    wrong = alpha * len(tested)
    selected: tuple[str, ...] | None = None
    if tested and rate * len(supported) < alpha * len(tested):
        p = np.array([1.0 if math.isnan(record.p_hold) else record.p_hold for record in tested])
        ranked = np.sort(p)  # not from scipy.stats, whose import takes longer than most runs with nothing to compute
        small = ranked[ranked <= rate * np.arange(1, len(p) + 1) / len(p)]
        most = small.max(initial=-1)
        selected = tuple(record.claim for record, value in zip(tested, p, strict=True) if value <= most)
    share = wrong / len(supported) if supported else math.nan
    return ErrorStatement(len(tested), len(supported), alpha, wrong, share, selected)
