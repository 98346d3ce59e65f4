"""Row 1: how much of the cores' time is spent inside trials, in cold runs of the suite."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measured
from benchmarks.measured import CORES, ROOT, Measure, Plan, Row, Sample, Spent
from claims import schema
from claims.store import Store

GOAL = 0.95


@dataclass(frozen=True)
class Shares:
    """Where wall time times cores went, in core seconds.

    Attributes:
        trials: Inside trials. plain: the same without timed claims.
        workers: In worker processes outside trials: imports, hashes of trial code, pipes.
        parent: In the process that plans, stores, judges, draws and writes.
        alone: Cores that rest while a timed claim has the machine to itself.
        before, after: Cores that rest, or serve others, before the first worker starts and after the last has ended.
        between: The same while workers are alive: the end of the queue, and what else runs on the machine.
        claims: CPU seconds inside the trials of each claim.
    """

    total: float
    trials: float
    plain: float
    workers: float
    parent: float
    alone: float
    before: float
    after: float
    between: float
    claims: Mapping[str, float]

    @property
    def efficiency(self) -> float:
        """Share of the cores' time inside trials."""
        return self.trials / self.total

    @property
    def without_timed(self) -> float:
        """The same, without timed claims and the time in which they run."""
        return self.plain / (self.total - self.alone - (self.trials - self.plain))


def row(plan: Plan) -> Row:
    """Cold runs of the claims at the standard profile, or of some of them at the quick one."""
    found = [shares(*cold_run(plan)) for _ in range(plan.repeats)]
    values = tuple(one.efficiency for one in found)
    measures = [Measure("CPU inside trials / (wall x cores)", "", GOAL, "higher", values)]
    if any(one.trials > one.plain for one in found):
        rest = tuple(one.without_timed for one in found)
        measures.append(Measure("the same without the timed claims, which run alone", "", GOAL, "higher", rest))
    return Row("CPU seconds inside trials", tuple(measures), tuple(_told(found, plan)))


def cold_run(plan: Plan) -> tuple[Spent, Path]:
    """Runs the claims with nothing stored; what it cost, and its store."""
    scratch = plan.scratch / "efficiency"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    command = ["reproduce", *plan.claims, *(["profile=quick"] if plan.quick else []), *measured.own_build(scratch)]
    done = measured.spent(measured.claims_command(*command), ROOT, measured.environment(), codes=(0, 1, 3))
    return done, scratch / "store.sqlite"


def shares(run: Spent, store: Path) -> Shares:
    """Where the time of a run went, from its store and its timeline."""
    files = schema.files(ROOT / "conf")
    known = Store(store)
    found = {path: known.results(path).values() for path in files}
    known.close()
    claims = {path: sum(r.cpu for r in results) for path, results in found.items() if results}
    timed = [path for path in claims if schema.load(files[path]).timed]
    timed_wall = sum(r.wall for path in timed for r in found[path])
    total, trials = run.wall * CORES, sum(claims.values())
    plain = trials - sum(claims[path] for path in timed)
    parent = run.timeline[-1].own if run.timeline else 0.0
    alone = timed_wall * (CORES - 1)
    before, after = resting(run.timeline, run.wall)
    between = total - run.cpu - alone - before - after
    return Shares(total, trials, plain, run.cpu - parent - trials, parent, alone, before, after, between, claims)


def resting(timeline: tuple[Sample, ...], wall: float) -> tuple[float, float]:
    """Core seconds that rest before the first process below is seen, and after the last one was."""
    busy = [sample for sample in timeline if sample.processes]
    if not busy:
        return 0.0, 0.0
    first, last, end = busy[0], busy[-1], timeline[-1]
    before = first.wall * CORES - first.own - first.below
    return before, (wall - last.wall) * CORES - (end.own - last.own)


def _told(found: list[Shares], plan: Plan) -> list[str]:
    names = {
        "trials": "trials", "workers": "workers outside trials (imports, hashes of code, pipes)",
        "parent": "the parent (planning, storing, judging, pages, MLflow)",
        "alone": "cores that rest while timed claims run alone", "before": "cores that rest before the first worker",
        "between": "cores that rest while workers are alive", "after": "cores that rest after the last worker",
    }  # fmt: skip
    middle = sorted(found, key=lambda one: one.efficiency)[len(found) // 2]
    parts = [f"{getattr(middle, key) / middle.total:.1%} {told}" for key, told in names.items()]
    what = f"Claims: {', '.join(plan.claims) or 'all'}, {'quick' if plan.quick else 'standard'} profile, nothing stored"
    rest = f"A run took {middle.total / CORES:.0f} s on {CORES} cores. The cores' time: {'; '.join(parts)}."
    order = sorted(middle.claims, key=lambda path: -middle.claims[path])[:10]
    ranked = ", ".join(f"{path} {middle.claims[path]:.0f}" for path in order)
    share = sum(middle.claims[path] for path in order) / middle.trials
    dearest = f"The dearest of {len(middle.claims)} claims, CPU seconds: {ranked}; {share:.0%} of all trials' together."
    return [f"{what}; pages and MLflow are part of the run.", rest, dearest]
