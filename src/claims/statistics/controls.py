"""How a negative control compares with the conditions where the criterion holds."""

import math
from collections.abc import Mapping
from typing import Any

from claims.statistics.criteria import leaf_criteria
from claims.statistics.judge import Judgement, LeafResult


def exact_names(criterion: Mapping[str, Any]) -> frozenset[str]:
    """Outcomes that an `identity` compares: stored unrounded, since its tolerance may be finer than the rounding."""
    keys = ("outcome", "a", "b")
    return frozenset(
        part[key] for part in leaf_criteria(criterion) if part["kind"] == "identity" for key in keys if key in part
    )


def clearly_smaller(criterion: Mapping[str, Any], control: Judgement, holding: Judgement) -> bool:
    """Whether an undecided control shows clearly less of the effect than a condition where the criterion holds.

    For one criterion and for `all`, one part suffices whose interval ends before the holding condition's estimate; for
    `any` and `interior`, where another part may carry the claim, every one must. Two-sided regions (an equivalence, a
    level) have no smaller side: there only a control that fails will do.
    """
    pairs = [(c, h) for c in control.leaves for h in holding.leaves if c.name == h.name]
    smaller = [_below(c, h) for c, h in pairs]
    every = "any" in criterion or criterion.get("kind") == "interior"
    return bool(smaller) and (all(smaller) if every else any(smaller))


def _below(control: LeafResult, holding: LeafResult) -> bool:
    """Whether the control's interval ends short of the holding estimate, in the direction of the claim."""
    if math.isinf(control.upper) and not math.isinf(control.lower):
        return control.high < holding.estimate
    if math.isinf(control.lower) and not math.isinf(control.upper):
        return control.low > holding.estimate
    return False
