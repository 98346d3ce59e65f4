"""Decision engine: from outcomes and a criterion to p-values, labels and verdicts. Imports numpy and scipy only."""

from claims.statistics.criteria import (
    curve_names,
    describe,
    fails_for_equal_arms,
    leaf_criteria,
    outcome_names,
    statistical,
)
from claims.statistics.judge import Judgement, LeafResult, Look, Standing, judge, planned_looks
from claims.statistics.kinds import complete
from claims.statistics.margins import MarginRange, Series, sensitivity
from claims.statistics.verdict import (
    ErrorStatement,
    Published,
    Verdict,
    conditions_needed,
    error_statement,
    label,
    verdict,
)

__all__ = [
    "ErrorStatement",
    "Judgement",
    "LeafResult",
    "Look",
    "MarginRange",
    "Published",
    "Series",
    "Standing",
    "Verdict",
    "complete",
    "conditions_needed",
    "curve_names",
    "describe",
    "error_statement",
    "fails_for_equal_arms",
    "judge",
    "label",
    "leaf_criteria",
    "outcome_names",
    "planned_looks",
    "sensitivity",
    "statistical",
    "verdict",
]
