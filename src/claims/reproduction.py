"""The suite from claim files to evidence, pages and MLflow, compared with what is committed."""

import datetime
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claims import contract, evidence, worker
from claims import engine as engines
from claims.errors import ClaimsError
from claims.evidence import Drift
from claims.processes import mapped
from claims.runner import ClaimRun, Settings
from claims.schema import Claim
from claims.store import Store
from claims.suite import Suite

# A host on which two identical arms differ by more than this (log ratio of times) is too noisy to time anything.
QUIET = 0.05


@dataclass(frozen=True)
class Places:
    """Where things are: the project's root, its configuration, committed reports and the ignored build folder."""

    root: Path
    conf: Path
    reports: Path
    build: Path

    @property
    def store(self) -> Path:
        """The store of replicates."""
        return self.build / "store.sqlite"

    def reproduction(self, profile: str) -> Path:
        """Evidence and pages of the last run of a profile."""
        return self.build / ("reproduction" if profile == "standard" else f"reproduction-{profile}")


@dataclass(frozen=True)
class EngineSettings:
    """Which engine, how many workers (0: one per core), memory and time limits, address of a Dask scheduler."""

    name: str = "local"
    workers: int = 0
    memory_gb: float = 8.0
    seconds: float = 120.0
    address: str | None = None


@dataclass
class SuiteRun:
    """What a run of the suite gave, and what it took.

    Attributes:
        noisy: Timed claims left alone because the host was too noisy; their committed evidence stays in force.
        damaged: Stored results left out because they were changed after they were written.
        computed: Number of replicates computed in this run.
        workers: Processes that computed them.
    """

    runs: dict[str, ClaimRun] = field(default_factory=dict)
    noisy: list[str] = field(default_factory=list)
    damaged: int = 0
    computed: int = 0
    cpu_seconds: float = 0.0
    workers: int = 0

    @property
    def unsettled(self) -> set[str]:
        """Claims of which the next run tries something again."""
        return {
            path
            for path, run_ in self.runs.items()
            if not all(result.final for cell in (*run_.conditions, *run_.controls) for result in cell.results)
        }


def run(
    claims: Sequence[Claim],
    settings: Settings,
    engine: EngineSettings,
    store: Store,
    told: Callable[[ClaimRun | None], None] = lambda run: None,
) -> SuiteRun:
    """Runs claims to their verdicts: timed ones last, alone, each by one process.

    Args:
        claims: Checked claims.
        settings: What the profile fixes.
        engine: Where to compute.
        store: Read for what is known; held for writing only while something is computed.
        told: Called when a claim is done and after every chunk.
    """
    suite, seen = SuiteRun(), store.version()
    for claim in claims:
        suite.runs[claim.path] = ClaimRun(claim, settings, store.results(claim.path))
    suite.damaged = len(store.damaged)
    # A claim whose replicates are all stored is done after one step without any engine.
    pending = [r for r in suite.runs.values() if r.step()]
    for finished in suite.runs.values():
        if finished.done:
            told(finished)
    if not pending:
        return suite
    contract.refuse_broken_modules(r.claim for r in pending)
    with store.writing():
        if store.version() != seen:
            raise ClaimsError(f"{store.path}: another run has just stored results here; start again to go on from them")
        before = store.replicates()
        plain_runs = [r for r in pending if not r.claim.timed]
        timed = [r for r in pending if r.claim.timed]
        try:
            if plain_runs:
                with _computing():
                    _compute(plain_runs, settings, engine, store, suite, told)
            if timed:
                with _computing(alone=True) as alone:
                    if not (alone and _compute_timed(timed, settings, engine, store, suite, told)):
                        suite.noisy = [r.claim.path for r in timed]
        except KeyboardInterrupt:
            count = store.replicates() - before
            raise KeyboardInterrupt(f"the {count:,} replicates of this run that were finished are stored") from None
    suite.computed = sum(r.count for c in suite.runs.values() for r in c.computed)
    suite.cpu_seconds = sum(r.cpu for c in suite.runs.values() for r in c.computed)
    return suite


@contextmanager
def _computing(alone: bool = False) -> Iterator[bool]:
    """Tells the other runs of this user on this machine, in whatever checkout, that this one computes.

    Waits until no other run takes times; where `alone` is asked for and others compute, gives False at once.
    """
    lock = os.open(Path(tempfile.gettempdir()) / f"claims-{os.getuid()}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    held = True
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(lock)


def _compute(
    runs: Sequence[ClaimRun], settings: Settings, engine: EngineSettings, store: Store, suite: SuiteRun, told: Any
) -> None:
    started = engines.start(engine.name, engine.workers, engine.memory_gb, _log(store), engine.address)
    suite.workers = max(suite.workers, started.workers)
    finished = False
    try:
        Suite(runs, store, started, settings, told).run()
        finished = True
    finally:
        started.close(now=not finished)


def _log(store: Store) -> Path:
    return store.path.with_name("workers.log")


def _compute_timed(
    runs: Sequence[ClaimRun], settings: Settings, engine: EngineSettings, store: Store, suite: SuiteRun, told: Any
) -> bool:
    """Times claims one after the other; False where the host is too noisy for any."""
    alone = EngineSettings("local", 1, engine.memory_gb, engine.seconds)
    quiet = abs(engines.measured(worker.timing_control, alone.seconds, alone.memory_gb, _log(store))) < QUIET
    for run_ in runs if quiet else ():
        _compute([run_], settings, alone, store, suite, told)
    return quiet


def judged(claims: Sequence[Claim], settings: Settings, places: Places, target: Path) -> Iterator[Drift | None]:
    """Writes the evidence of the claims whose replicates are all stored, on all cores; None for the others."""
    common = settings, places, target, code_revision(places.root)
    with mapped(_judged, claims, [common] * len(claims)) as drifts:
        yield from drifts


def _judged(claim: Claim, common: tuple[Settings, Places, Path, str]) -> Drift | None:
    settings, places, target, commit = common
    store = Store(places.store)
    run_ = ClaimRun(claim, settings, store.results(claim.path))
    store.close()
    return None if store.damaged or run_.step() else _write(run_, places, target, 0, commit)


def write(suite: SuiteRun, places: Places, target: Path) -> list[Drift]:
    """Writes the evidence of every claim that is done, and its run file where the evidence changed."""
    commit = code_revision(places.root)
    done = [run_ for run_ in suite.runs.values() if run_.done]
    return [_write(run_, places, target, 1 if run_.claim.timed else suite.workers, commit) for run_ in done]


def _write(run_: ClaimRun, places: Places, target: Path, workers: int, commit: str) -> Drift:
    path = f"{run_.claim.path}.json"
    kept = places.reports / "evidence" / path
    committed = evidence.read(kept) if kept.is_file() else None
    record = evidence.assemble(run_, committed)
    changed = evidence.write(record, target / "evidence" / path)
    file, kept = target / "runs" / path, places.reports / "runs" / path
    same = committed is not None and evidence.text(committed) == evidence.text(record)
    # Where the same came out, the run file in force stays; where nothing was computed, the last one that there is.
    if kept.is_file() and (same or not (run_.computed or file.is_file())):
        evidence.write(evidence.read(kept), file)
    elif not file.is_file() or (changed and run_.computed):
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        evidence.write(evidence.cost(run_, workers, commit, date), file)
    return evidence.drift(committed, record)


def code_revision(root: Path) -> str:
    """The commit that is checked out, in twelve digits; `unknown` outside version control."""
    try:
        shown = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        return shown.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def remove_strangers(target: Path, known: Iterable[str]) -> None:
    """Removes evidence and run files of claims that no longer have a file."""
    keep = set(known)
    for folder in ("evidence", "runs"):
        for path in (target / folder).glob("*/*.json"):
            if f"{path.parent.name}/{path.stem}" not in keep:
                path.unlink()


def exit_code(drifts: Sequence[Drift], incomplete: bool) -> int:
    """0 all as committed, 1 verdict drift, 3 a verdict became invalid, 4 incomplete; timed claims never change it."""
    if incomplete:
        return 4
    judged = [d for d in drifts if not d.timed]
    if any(d.after == "invalid" and d.before != "invalid" for d in judged):
        return 3
    return int(any(d.before is not None and not d.reproduced for d in judged))
