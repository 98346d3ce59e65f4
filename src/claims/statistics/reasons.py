"""Why a condition fails or stays undecided, in the words of the reports."""

import math
from collections.abc import Sequence

from scipy import special

from claims.statistics.course import Course, Step, tree_p_values
from claims.statistics.criteria import Leaf, Tree
from claims.statistics.tests import AGREEING, Array

DETERMINISTIC_BELOW = 8
"""An `identity` with a smaller n is declared deterministic: where it is violated, its replicates must agree."""


def failing_reason(node: Tree, parts: Sequence[Leaf], seen: Course) -> str:
    """The word for the part that fails most clearly, with its name where there are several."""
    leaf = parts[culprit(node, seen.pf[-1])]
    word = failing_word(leaf, float(seen.low[-1, leaf.index]), float(seen.high[-1, leaf.index]))
    return word if len(parts) == 1 else f"{word} ({leaf.name})"


def culprit(node: Tree, pf: Array) -> int:
    """Index of the leaf that makes the criterion fail: the clearest of ALL, the least clear of ANY."""
    if isinstance(node, Leaf):
        return node.index
    values = [float(tree_p_values(part, pf, pf)[1]) for part in node.parts]
    worst = values.index(min(values) if node.op == "all" else max(values))
    return culprit(node.parts[worst], pf)


def failing_word(leaf: Leaf, low: float, high: float) -> str:
    """How a leaf misses its region, given its interval on the scale of the score.

    With a null value and one margin: "reversed" (beyond the margin on the other side), "too small" (there, but within
    the margin), "negligible" (within the margin on both sides), else "not shown better". Otherwise where it lies.
    """
    if leaf.test == "exact":
        return "violated"
    if math.isinf(leaf.hi) and leaf.lo >= leaf.null:
        return _graded(low - leaf.null, high - leaf.null, leaf.lo - leaf.null)
    if math.isinf(leaf.lo) and leaf.hi <= leaf.null:
        return _graded(leaf.null - high, leaf.null - low, leaf.null - leaf.hi)
    if math.isinf(leaf.hi) or high <= leaf.lo:
        return "below the region"
    return "above the region" if math.isinf(leaf.lo) or low >= leaf.hi else "outside the region"


def _graded(low: float, high: float, margin: float) -> str:
    if high < -margin:
        return "reversed"
    if low > 0 and high < margin:
        return "too small"
    return "negligible" if low > -margin and high < margin else "not shown better"


def holding_reason(parts: Sequence[Leaf], alpha: float) -> str:
    """What an `identity` that holds leaves open; empty for other criteria."""
    exact = [leaf.n for leaf in parts if leaf.test == "exact"]
    if len(exact) < len(parts):
        return ""
    n = min(exact)
    if n < DETERMINISTIC_BELOW:
        return f"all {n} replicates agree"
    return f"all {n} replicates agree: violation rate below {1 - alpha ** (1 / n):.2g} at level {alpha:g}"


def undecided_reason(state: str, leaf: Leaf, step: Step, cap: int, failed: int, needed: float, few: bool) -> str:
    """Why neither answer was reached at a look, with the power note once no more is to come.

    `few` says that nearly all replicates agree, so that their number counts and not their distance from the edge.
    """
    if state == "saturated":
        return "saturated: both arms stand at the same bound; redesign the condition"
    if not step.decides:
        return f"{failed} of {step.look} replicates failed: too many to decide at this look"
    if state == "open":
        return f"not decided at {step.look} of {cap} replicates"
    enough = (
        f"about {needed:.0f} replicates would decide, as likely as not"
        if math.isfinite(needed)
        else "no number of replicates may"
    )
    told = "is too close to the edge of the region"
    if few and math.isfinite(needed):
        told = "agrees in too few replicates"
    elif few and math.isinf(needed):
        told, enough = "differs in a few replicates only", "more may tell what is rare"
    return f"{'stopped early: ' if state == 'futile' else ''}{leaf.name} {told}; {enough}"


def needed_replicates(leaf: Leaf, seen: Course, level: float) -> float:
    """About how many replicates would decide the leaf if the truth were what was seen, (q s / distance)^2.

    Where all agree, as many as have to. NaN where nothing varies at the cut and for `identity`, infinite where the
    estimate lies at the cut or a few differ from all others.
    """
    m, s = float(seen.estimate[-1, leaf.index]), float(seen.sd[-1, leaf.index])
    distance = min(abs(m - cut) for cut in (leaf.lo, leaf.hi) if math.isfinite(cut))
    if seen.few[-1, leaf.index] and distance > 0:
        return math.inf if s > 0 else math.log(level) / math.log(AGREEING)
    if not s > 0:
        return math.nan
    return float((special.ndtri(level) * s / distance) ** 2) if distance > 0 else math.inf
