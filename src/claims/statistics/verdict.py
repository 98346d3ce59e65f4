"""From the p-values of the conditions to the verdict of a claim, and errors of the whole suite."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

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
    method of Benjamini and Hochberg selects, None where so many are supported that it would change nothing; an invalid
    one counts among the tested and is never selected.
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
        unknown = [record.label == "invalid" or math.isnan(record.p_hold) for record in tested]
        p = np.where(unknown, 1.0, [record.p_hold for record in tested])
        ranked = np.sort(p)  # not from scipy.stats, whose import takes longer than most runs with nothing to compute
        small = ranked[ranked <= rate * np.arange(1, len(p) + 1) / len(p)]
        most = small.max(initial=-1)
        selected = tuple(record.claim for record, value in zip(tested, p, strict=True) if value <= most)
    share = wrong / len(supported) if supported else math.nan
    return ErrorStatement(len(tested), len(supported), alpha, wrong, share, selected)
