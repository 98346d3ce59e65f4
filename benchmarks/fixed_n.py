"""Row 3: replicates spent, against designs of equal power whose number of replicates is fixed beforehand.

Two meanings of equal power. By its decisions: the smallest single number of replicates with which one look at the
committed replicates decides as many conditions and controls as the sequential design did (what that one decided
earlier counts as decided). By its plan: the number with which one look has the power that the sequential design has at
its last look, so that both find the same smallest effect; the looks before only add to the sequential design's power.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks.measured import ROOT, Measure, Plan, Row
from claims import evidence, statistics
from claims.runner import population

GOAL = 0.5
SIZES = range(8, 129, 4)
POWER = 0.9


@dataclass(frozen=True)
class Cell:
    """A condition or control: replicates spent on it, whether they decided it, the sizes that would have.

    `planned` is the size of a design with one look that finds the same effects as the sequential one at its last look.
    """

    claim: str
    spent: int
    decided: bool
    decides: frozenset[int]
    planned: float


def row(plan: Plan) -> Row:
    """Share of the fixed design's replicates that the sequential one spent, by claim and for all of them together."""
    records = evidence.read_all(ROOT / "reports").values()
    cells = [cell for record in list(records)[: 3 if plan.quick else None] for cell in cells_of(record)]
    by_claim = [[cell for cell in cells if cell.claim == claim] for claim in sorted({c.claim for c in cells})]
    size = equal_power(cells)
    measures = [
        Measure(f"replicates spent / those of one look {told}", "", GOAL, "lower",
                tuple(share(group, sizes) for group in by_claim), "a fixed number of replicates", share(cells, sizes))
        for told, sizes in (("that decides as many conditions", size), ("that finds the same effects", None))
    ]  # fmt: skip
    spent, decided = sum(cell.spent for cell in cells), sum(cell.decided for cell in cells)
    known = spent / sum(equal_power(group) * len(group) for group in by_claim)
    notes = [
        f"{len(cells)} conditions and controls of {len(by_claim)} claims with statistical criteria, {spent} replicates "
        f"spent, {decided} decided. One look decides as many with {size} replicates each; it finds the same effects "
        f"(power {POWER}) with {sum(c.planned for c in cells) / len(cells):.0f} on average. The spread is over claims.",
        f"Where a fixed design knew beforehand which number decides as many within each claim, the share would be "
        f"{known:.2f}; no one knows it, since it follows from the effect that is to be found.",
    ]
    return Row("Against a fixed number of replicates", tuple(measures), tuple(notes))


def share(cells: Sequence[Cell], size: int | None) -> float:
    """Replicates spent over those of a design that gives each cell `size` of them, or what was planned for it."""
    return sum(cell.spent for cell in cells) / sum(size or cell.planned for cell in cells)


def equal_power(cells: Sequence[Cell]) -> int:
    """The smallest size that decides as many of the cells as the sequential design did; the largest where none does."""
    needed = sum(cell.decided for cell in cells)
    return next((n for n in SIZES if sum(n in cell.decides for cell in cells) >= needed), SIZES[-1])


def cells_of(record: Mapping[str, Any]) -> Iterable[Cell]:
    """The conditions and controls of a claim; none where its criterion involves no test."""
    rule = statistics.complete(record["declaration"]["criterion"])
    if not statistics.statistical(rule):
        return
    for cell in [*record["conditions"], *record["controls"]]:
        level = record["alpha"] / (1 if "role" in cell else len(record["conditions"]))
        outcomes = {name: np.asarray(values, dtype=float) for name, values in cell["outcomes"].items()}
        spent = len(next(iter(outcomes.values())))
        decided = cell["state"] == "decided"
        at = {n: decided_at(rule, outcomes, min(n, spent), level, cell["real"], record["alpha"]) for n in SIZES}
        decides = frozenset(n for n in SIZES if at[n] or (decided and n >= spent))
        looks = statistics.planned_looks(rule, record["looks"], population=cell["real"] == "population")
        yield Cell(record["id"], spent, decided, decides, one_look(looks, level))


def one_look(looks: Sequence[int], level: float) -> float:
    """Replicates with which one look at `level` has POWER where the last of several looks has it.

    In the normal approximation; the level is shared equally among the looks.
    """
    several, one = norm.isf(level / len(looks)), norm.isf(level)
    beyond = norm.isf(1 - POWER)
    return float(looks[-1] * ((one + beyond) / (several + beyond)) ** 2)


def decided_at(
    rule: Mapping[str, Any], outcomes: Mapping[str, Any], n: int, level: float, real: str | None, alpha: float
) -> bool:
    """Whether one look at the first `n` replicates decides."""
    first = {name: values[:n] for name, values in outcomes.items()}
    sizes = population(real, first)
    try:
        looks = statistics.planned_looks(rule, (n,), population=sizes is not None)
        seen = statistics.judge(rule, first, looks=looks, alpha=alpha, close=level, population=sizes)
    except ValueError:  # too few replicates for the test of this criterion
        return False
    return min(seen.ph, seen.pf) <= level
