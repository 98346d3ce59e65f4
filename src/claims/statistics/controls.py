"""Whether a control behaves: by itself, and compared with the conditions where the criterion holds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from claims.statistics.criteria import leaf_criteria
from claims.statistics.judge import Judgement, LeafResult
from claims.statistics.verdict import label


def exact_names(criterion: Mapping[str, Any]) -> frozenset[str]:
    """Outcomes that an `identity` compares: stored unrounded, since its tolerance may be finer than the rounding."""
    keys = ("outcome", "a", "b")
    return frozenset(
        part[key] for part in leaf_criteria(criterion) if part["kind"] == "identity" for key in keys if key in part
    )


def behaves(
    criterion: Mapping[str, Any], role: str, control: Judgement, alpha: float, holding: Sequence[Judgement]
) -> tuple[bool, str]:
    """Whether a control comes out as it must, and the reason in words.

    A positive one must hold; with equal arms the criterion must only not hold. A negative one must fail, or be
    undecided and clearly smaller than all of `holding`, the conditions in which the criterion holds.
    """
    found = label(control.ph, control.pf, alpha)
    if control.state == "broken":
        return False, control.reason
    said = f"the criterion {'is undecided' if found == 'undecided' else found}"
    if role == "positive":
        return found == "holds", f"{said} where the effect is known to be there"
    if role == "equal arms":
        return found != "holds", f"{said} where the arms are alike"
    if found != "undecided":
        return found == "fails", f"{said} where the mechanism is removed"
    if not holding:
        return True, "undecided, and the criterion holds nowhere that it could be compared with"
    if all(clearly_smaller(criterion, control, other) for other in holding):
        return True, "undecided, but clearly smaller than where the criterion holds"
    return False, "control too weak: undecided, and not clearly smaller than where the criterion holds"


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
