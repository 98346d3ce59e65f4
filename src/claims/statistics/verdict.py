"""From the p-values of the conditions to the verdict of a claim; its sensitivity to the margin; errors of the suite."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from claims.statistics.course import Block, blocks, course, tree_p_values
from claims.statistics.criteria import Criterion, Tree, complete, floor, leaves, tree
from claims.statistics.judge import broken_reason, inconsistent, recorded
from claims.statistics.tests import Array, Bools

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
    single = [label(h, f, alpha / count) for h, f in zip(hold, fail, strict=True)]
    star = (hold <= alpha / (count - k + 1)) if word == "supported" else np.zeros(count, dtype=bool)
    shown = ["holds*" if s and one == "undecided" else one for one, s in zip(single, star, strict=True)]
    named = {w: tuple(n for n, s in zip(names, shown, strict=True) if s == w) for w in (*set(shown), "holds")}
    return Verdict(
        label=word,
        k=k,
        count=count,
        p_hold=float(min(1.0, (count - k + 1) * np.sort(hold)[k - 1])),
        p_fail=float(min(1.0, k * np.sort(fail)[count - k])),
        holds=named.get("holds", ()),
        holds_star=named.get("holds*", ()),
        fails=named.get("fails", ()),
        open=named.get("undecided", ()),
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
    if "range" not in c or not any(open_end := [end in (-math.inf, math.inf, floor(c)) for end in c["range"]]):
        return None
    low, high = c["range"]
    least = floor(c)
    if open_end[1]:
        return Knob(low, least, math.inf, lambda x: c | {"range": [x, high]})
    return Knob(high, least, math.inf, lambda x: c | {"range": [low, x]})


@dataclass(frozen=True)
class Retained:
    """One condition as needed to judge it at other margins: samples by look, or nothing where the trial is broken."""

    node: Tree
    tests: list[Block]
    withheld: Bools

    def p_values(self, node: Tree) -> tuple[Array, Array]:
        """`ph` and `pf` for a tree whose regions hold one entry for each margin; shape (margins,)."""
        parts = leaves(node)
        width = max(np.size(end) for leaf in parts for end in (leaf.lo, leaf.hi))
        ph, pf = np.ones((width, len(parts))), np.ones((width, len(parts)))
        for block in self.tests:
            index = list(block.index)
            lo, hi = (_cuts([getattr(parts[i], end) for i in index], width) for end in ("lo", "hi"))
            hold, fail = block.p_values(lo, hi, self.withheld[:, index])
            ph[:, index], pf[:, index] = hold[:, -1], fail[:, -1]
        return tree_p_values(node, ph, pf)


def _cuts(ends: Sequence[Any], width: int) -> Array:
    return np.stack([np.broadcast_to(np.asarray(end, dtype=float), width) for end in ends], axis=-1)[:, None, :]


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
    points = {name: np.shape(values)[-1] for name, values in next(iter(outcomes.values())).items()}

    def codes(margins: Array) -> Array:
        node = tree(turn.turned(margins), points)
        pairs = [one.p_values(node) for one in kept]
        return verdict_codes(
            np.stack([p[0] for p in pairs], axis=-1), np.stack([p[1] for p in pairs], axis=-1), k, alpha
        )

    return same_down_to(codes, turn.value, turn.least), same_down_to(codes, turn.value, turn.most)


def retained(
    criterion: Criterion,
    outcomes: Mapping[str, Any],
    looks: Sequence[int],
    close: float,
    population: tuple[float, float] | None,
) -> Retained:
    """Samples of one condition for judging it at other margins."""
    record = recorded(criterion, outcomes, looks, population)
    empty = Retained(record.node, [], np.ones((0, len(record.parts)), dtype=bool))
    if not record.steps:
        return empty
    seen = course(record.node, record.data, record.steps, looks, close, population)
    ph, pf = tree_p_values(record.node, seen.ph[-1], seen.pf[-1])
    if inconsistent(record) or (min(ph, pf) > close and broken_reason(record)):
        return empty
    tests = blocks(record.parts, record.data, record.steps, looks, population)
    return Retained(record.node, tests, seen.saturated)


def same_down_to(codes: Callable[[Array], Array], start: float, end: float) -> float:
    """The margin farthest from `start` towards `end` with the verdict of `start`; verdicts change once on the way."""
    sign = 1.0 if end > start else -1.0
    span = abs(end - start)
    offsets = np.concatenate([[0.0], max(abs(start), 1.0) * 2.0 ** np.arange(-40, 41)])
    offsets = np.append(offsets[offsets < span], span) if math.isfinite(span) else offsets
    found = codes(start + sign * offsets)
    same = int(np.argmax(np.append(found != found[0], True))) - 1
    if same == offsets.size - 1:
        return end
    low, high = offsets[same], offsets[same + 1]
    for _ in range(2):
        offsets = np.linspace(low, high, 33)
        moved = codes(start + sign * offsets) != found[0]
        place = int(np.argmax(moved)) if moved.any() else offsets.size - 1
        low, high = offsets[max(place - 1, 0)], offsets[place]
    return float(start + sign * low)


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
    if tested and len(supported) < alpha / rate * len(tested):
        p = np.array([1.0 if math.isnan(record.p_hold) else record.p_hold for record in tested])
        adjusted = stats.false_discovery_control(p)
        selected = tuple(record.claim for record, value in zip(tested, adjusted, strict=True) if value <= rate)
    share = wrong / len(supported) if supported else math.nan
    return ErrorStatement(len(tested), len(supported), alpha, wrong, share, selected)
