"""Claims on one engine: results are stored on arrival, the dearest claims go first, short jobs travel together."""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

from claims.engine import Engine, WorkerDied
from claims.job import Job, Result
from claims.runner import ClaimRun, Settings
from claims.store import Store

# Wall seconds of work that travel together, and the guess for a job that was never measured.
CHUNK_SECONDS, UNKNOWN_SECONDS = 1.0, 1.0


@dataclass
class Lane:
    """A claim under way: the jobs that wait, how many are being computed, and what the measured ones took."""

    run: ClaimRun
    waiting: list[Job] = field(default_factory=list)
    flying: int = 0
    wall: float = 0.0
    measured: int = 0

    @property
    def seconds(self) -> float | None:
        """Mean wall seconds of a job; None before one was measured."""
        return self.wall / self.measured if self.measured else None

    @property
    def left(self) -> float:
        """Wall seconds of work that wait."""
        return len(self.waiting) * (UNKNOWN_SECONDS if self.seconds is None else self.seconds)

    def measure(self, results: Iterable[Result]) -> None:
        """Takes what results took into account."""
        walls = [result.wall for result in results if result.status == "ok"]
        self.wall += sum(walls)
        self.measured += len(walls)


class Suite:
    """The queue of a suite of claims."""

    def __init__(
        self,
        runs: Sequence[ClaimRun],
        store: Store,
        engine: Engine,
        settings: Settings,
        told: Callable[[ClaimRun | None], None] = lambda run: None,
    ) -> None:
        """Prepares the queue.

        Args:
            runs: Claims that are not done.
            store: Held for writing by the caller.
            engine: Where the jobs run.
            settings: For the time limit.
            told: Called with a claim when it is done, and with None after every chunk.
        """
        self.store, self.engine, self.settings, self.told = store, engine, settings, told
        self.lanes = {run.claim.path: Lane(run) for run in runs}
        for lane in self.lanes.values():
            lane.measure(lane.run.known.values())
        self.flying: dict[Future[list[Result]], list[Job]] = {}

    def run(self) -> None:
        """Runs every claim to its end."""
        for lane in self.lanes.values():
            self._advance(lane)
        while True:
            while len(self.flying) < 2 * self.engine.workers and (jobs := self._next_chunk()):
                self._launch(jobs)
            if not self.flying:
                return
            landed, _ = wait(self.flying, return_when=FIRST_COMPLETED)
            for future in landed:
                self._land(self.flying.pop(future), future)
            self.told(None)

    def _advance(self, lane: Lane) -> None:
        lane.waiting = lane.run.step()
        if lane.run.done:
            self.told(lane.run)

    def _next_chunk(self) -> list[Job]:
        """Jobs of the claim with most work left, about a second of them; alone while their cost is unknown."""
        lanes = [lane for lane in self.lanes.values() if lane.waiting]
        if not lanes:
            return []
        lane = max(lanes, key=lambda one: (one.left, one.run.claim.path))
        fair = math.ceil(sum(len(one.waiting) for one in lanes) / (2 * self.engine.workers))
        size = 1 if lane.seconds is None else max(1, min(int(CHUNK_SECONDS / max(lane.seconds, 1e-4)), fair))
        chunk, lane.waiting = lane.waiting[:size], lane.waiting[size:]
        return chunk

    def _launch(self, jobs: list[Job]) -> None:
        lane = self.lanes[jobs[0].claim]
        limit = max(self.settings.seconds * len(job.seeds) for job in jobs)
        if len(jobs) > 1:  # one that hangs must not hold the others for the sum of their limits
            limit = max(limit, 10 * len(jobs) * (lane.seconds or 0.0))
        lane.flying += len(jobs)
        self.flying[self.engine.submit(jobs, limit)] = jobs

    def _land(self, jobs: list[Job], future: Future[list[Result]]) -> None:
        lane, error = self.lanes[jobs[0].claim], future.exception()
        if error is not None and not isinstance(error, WorkerDied | TimeoutError):
            raise error  # nothing more can be computed, and what is missing is no failure of a trial
        lane.flying -= len(jobs)
        if error is not None and len(jobs) > 1:
            for job in jobs:  # one of them killed the worker: alone, each answers for itself
                self._launch([job])
            return
        run, again = lane.run, []
        results = future.result() if error is None else [_killed(jobs[0], error)]
        for job, result in zip(jobs, results, strict=True):
            if result.status == "killed":
                before = run.known.get(job.key)
                result = replace(result, attempts=(before.attempts if before else 0) + 1)
                if job.key not in run.retried and not result.final:
                    again.append(job)
                run.retried.add(job.key)
            run.add(result)
        self.store.put(run.known[job.key] for job in jobs)
        lane.measure(results)
        for job in again:
            self._launch([job])
        if not lane.waiting and not lane.flying:
            self._advance(lane)


def _killed(job: Job, error: BaseException) -> Result:
    told = "ran over its time" if isinstance(error, TimeoutError) else f"its process died ({error})"
    return Result(job.key, job.claim, job.cell, job.stream, job.first, len(job.seeds), "killed", {}, told)
