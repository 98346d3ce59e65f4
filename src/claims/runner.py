"""The loop of looks of one claim: say what is missing, judge, stop. Computes nothing; see `claims.suite`."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from claims import plan, statistics
from claims.errors import ClaimsError
from claims.job import Job, Result
from claims.plan import Cell
from claims.schema import Claim
from claims.statistics.controls import behaves, exact_names

CONTROL_LOOKS = (8, 16, 32)
# Decimal digits kept of an outcome, so that what is judged is what the evidence file says.
DIGITS = 10


@dataclass(frozen=True)
class Settings:
    """What a profile fixes: the planned looks, alpha per claim and direction, the base seed, seconds per replicate."""

    looks: tuple[int, ...] = (8, 16, 32, 64, 128)
    alpha: float = 0.01
    base_seed: int = 0
    seconds: float = 120.0


def looks_of(claim: Claim, settings: Settings) -> tuple[int, ...]:
    """The looks of the profile up to the claim's own cap, which is the only one where it comes first."""
    cap = min(claim.max_replicates or settings.looks[-1], settings.looks[-1])
    return tuple(n for n in settings.looks if n <= cap) or (cap,)


@dataclass
class CellRun:
    """A condition or control under way: its looks, how far it has got and what was judged there.

    Where more is stored than the current look needs, all of it is judged at once: a judgement tells of every look
    before it, and only the last one that counts is worked out in full.
    """

    cell: Cell
    jobs: plan.CellJobs
    rule: Mapping[str, Any]
    looks: tuple[int, ...]
    alpha: float
    close: float
    rerun: bool = False
    at: int = 0
    active: bool = True
    _stored: list[Result] = field(default_factory=list)
    _reached: int = 0
    _standings: dict[int, statistics.Standing] = field(default_factory=dict)
    _judged: dict[int, statistics.Judgement] = field(default_factory=dict)
    _arrays: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def target(self) -> int:
        """Replicates planned up to the current look."""
        return self.looks[self.at]

    def gather(self, known: Mapping[str, Result], settled: Callable[[Result | None], bool]) -> list[Job]:
        """Takes what is stored, look by look as far as nothing is missing; the jobs missing for the current look."""
        while self._reached < len(self.looks):
            keys = self.jobs.keys(self.looks[self._reached])
            missing = [place for place, key in enumerate(keys) if not settled(known.get(key))]
            if missing:
                return [self.jobs.job(place) for place in missing] if self._reached <= self.at else []
            self._stored = [known[key] for key in keys]
            self._reached += 1
        return []

    def extend(self, looks: tuple[int, ...]) -> None:
        """Lets it run on to further looks, of which the present one is one."""
        self.at, self.looks = looks.index(self.target), looks
        self._reached = self.at + 1
        for judged in (self._standings, self._judged):  # p-values are corrected for the number of looks
            judged.clear()

    @property
    def results(self) -> list[Result]:
        """All results up to the current look, in seed order."""
        return self._upto(self.target)

    def _upto(self, replicates: int) -> list[Result]:
        return [result for result in self._stored if result.first < replicates]

    def outcomes(self) -> dict[str, np.ndarray]:
        """Rounded outcomes, shape (n,) or (n, points of the curve); failed replicates are NaN rows."""
        return self._outcomes(self.target)

    def _outcomes(self, replicates: int) -> dict[str, np.ndarray]:
        if replicates not in self._arrays:
            results = self._upto(replicates)
            found = outcome_arrays(results, exact_names(self.rule))
            curves = {name: (len(self.cell.parameters[x]),) for name, x in statistics.curve_names(self.rule).items()}
            count = sum(result.count for result in results)
            for name in statistics.outcome_names(self.rule) - found.keys():  # where every replicate failed
                found[name] = np.full((count, *curves.get(name, ())), math.nan)
            self._arrays[replicates] = dict(sorted(found.items()))
        return self._arrays[replicates]

    @property
    def standing(self) -> statistics.Standing:
        """P-values and state at the current look."""
        for look in (self.looks[self._reached - 1], self.target):
            if self.target not in self._standings:
                self._standings |= {one.look: one for one in self._judgement(look).standings}
        return self._standings[self.target]

    @property
    def judgement(self) -> statistics.Judgement:
        """The judgement at the current look, from all replicates so far."""
        return self._judgement(self.target)

    def _judgement(self, look: int) -> statistics.Judgement:
        if look not in self._judged:
            outcomes = self._outcomes(look)
            try:
                self._judged[look] = statistics.judge(
                    self.rule, outcomes, looks=self.looks, alpha=self.alpha, close=self.close,
                    population=population(self.cell.real, outcomes),
                )  # fmt: skip
            except ValueError as error:
                raise ClaimsError(f"{self._stored[0].claim}, {self.cell.name}: {error}") from None
        return self._judged[look]

    def label(self, level: float) -> str:
        """holds, fails or undecided at a level, from the looks so far."""
        return statistics.label(self.standing.ph, self.standing.pf, level)


def population(real: str | None, outcomes: Mapping[str, np.ndarray]) -> tuple[float, float] | None:
    """Sizes of training and test set where a condition speaks of the population behind a data set."""
    if real != "population":
        return None
    if not outcomes.keys() >= {"n_train", "n_test"}:  # where every replicate failed
        return math.nan, math.nan
    return float(np.nanmean(outcomes["n_train"])), float(np.nanmean(outcomes["n_test"]))


def outcome_arrays(results: Iterable[Result], exact: frozenset[str]) -> dict[str, np.ndarray]:
    """Outcomes of results in seed order; rounded to 10 significant digits but for those in `exact`."""
    results = list(results)
    names = sorted({name for result in results for name in result.outcomes})
    arrays = {}
    for name in names:
        example = next(result.outcomes[name][0] for result in results if name in result.outcomes)
        blank = [math.nan] * len(example) if isinstance(example, list) else math.nan
        rows = [row for result in results for row in result.outcomes.get(name, [blank] * result.count)]
        array = np.asarray(rows, dtype=float)
        arrays[name] = array if name in exact else rounded(array)
    return arrays


def rounded(values: np.ndarray) -> np.ndarray:
    """Values to 10 significant digits, NaN and infinities as they are."""
    flat = [float(f"{value:.{DIGITS}g}") for value in values.ravel().tolist()]
    return np.array(flat).reshape(values.shape)


class ClaimRun:
    """One claim on trial. `step` gives the jobs that the next judgement needs, until there are none."""

    def __init__(self, claim: Claim, settings: Settings, known: Mapping[str, Result]) -> None:
        """Plans the claim's cells.

        Args:
            claim: A claim that passed `claims.contract`.
            settings: Looks, alpha, base seed.
            known: Stored results of the claim by key.
        """
        self.claim, self.settings, self.known = claim, settings, dict(known)
        self.rule = plan.criterion(claim)
        self.done = False
        self.retried: set[str] = set()
        self.computed: list[Result] = []
        self.all_looks = looks_of(claim, settings)
        cells = plan.cells(claim)
        conditions = [cell for cell in cells if cell.role == "condition"]
        close = settings.alpha / len(conditions)
        self.conditions = [self._run(cell, self.all_looks, close) for cell in conditions]
        looks = tuple(n for n in CONTROL_LOOKS if n <= self.all_looks[-1]) or self.all_looks
        self.controls = [self._run(cell, looks, settings.alpha) for cell in cells if cell.role != "condition"]

    def _run(self, cell: Cell, looks: tuple[int, ...], close: float, rerun: bool = False) -> CellRun:
        try:
            planned = statistics.planned_looks(self.rule, looks, population=cell.real == "population")
        except ValueError as error:
            raise ClaimsError(f"{self.claim.path}: criterion: {error}") from None
        jobs = plan.CellJobs(self.claim, cell, self.settings.base_seed)
        return CellRun(cell, jobs, self.rule, planned, self.settings.alpha, close, rerun)

    def step(self) -> list[Job]:
        """Jobs that are missing for the current look of every open cell; none once the claim is done."""
        while not self.done:
            # Equal conditions share their replicates.
            missing = {job.key: job for run in self._active() for job in run.gather(self.known, self._settled)}
            if missing:
                return list(missing.values())
            self._close_conditions()
            self._close_controls()
            self.done = not self._active()
            for run in self._active():
                run.at += 1
        return []

    def add(self, result: Result) -> None:
        """Takes a result that was computed for one of the jobs of `step`."""
        self.known[result.key] = result
        self.computed.append(result)

    def verdict(self) -> statistics.Verdict:
        """The k-of-C verdict over the conditions as judged so far."""
        names, standings = zip(*((run.cell.name, run.standing) for run in self.conditions), strict=True)
        ph, pf = [one.ph for one in standings], [one.pf for one in standings]
        return statistics.verdict(names, ph, pf, self.claim.quantifier, self.settings.alpha)

    def passes(self, run: CellRun) -> tuple[bool, str]:
        """Whether a control behaves, and the reason in words."""
        return behaves(self.rule, run.cell.duty, run.judgement, self.settings.alpha, self._holding())

    def _active(self) -> list[CellRun]:
        return [run for run in (*self.conditions, *self.controls) if run.active]

    def _settled(self, result: Result | None) -> bool:
        return result is not None and (result.final or result.key in self.retried)

    def _close_conditions(self) -> None:
        verdict = self.verdict()
        for run in self.conditions:
            last = run.at + 1 == len(run.looks)
            over = run.standing.state != "open" or last
            # A real data set is shown decided wherever it can be, also when the verdict stands without it.
            if over or (verdict.label == "supported" and run.cell.real is None):
                run.active = False

    def _close_controls(self) -> None:
        conditions_done = not any(run.active for run in self.conditions)
        for index, run in enumerate(self.controls):
            if not run.active:
                continue
            label, last = run.label(self.settings.alpha), run.at + 1 == len(run.looks)
            if label == "undecided" and not last and run.standing.state != "broken":
                run.active = run.standing.state != "saturated"
            elif label == "undecided" and run.cell.role == "negative" and self._extend(run, conditions_done):
                continue
            else:
                run.active = False
            wrong = label == "holds" if run.cell.role == "negative" else label != "holds"
            if not run.active and wrong and not run.rerun:
                fresh = replace(run.cell, stream=plan.RERUN[run.cell.role])
                self.controls[index] = self._run(fresh, run.looks, run.close, rerun=True)
                self.controls[index].at = -1  # `step` moves it to its first look

    def _extend(self, run: CellRun, conditions_done: bool) -> bool:
        """Lets an undecided negative control run on to the full cap; False where that is over or of no use."""
        longer = statistics.planned_looks(self.rule, self.all_looks)
        settled = conditions_done or run.cell.duty == "equal arms"
        useless = run.cell.real == "population" or run.standing.state == "broken"
        if useless or run.target >= longer[-1] or (settled and self.passes(run)[0]):
            return False
        run.extend(longer)
        return True

    def _holding(self) -> list[statistics.Judgement]:
        """The conditions in which the criterion holds so far."""
        verdict = self.verdict()
        names = {*verdict.holds, *verdict.holds_star}
        return [run.judgement for run in self.conditions if run.cell.name in names]
