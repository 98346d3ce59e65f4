"""What the rows share: measures with their goals, pairs in turn, and what a command costs."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

ROOT = Path(__file__).resolve().parents[1]
CORES = len(os.sched_getaffinity(0))
# Seconds between two looks at a running command, and the share of a core that the looks may take.
INTERVAL, SHARE = 0.2, 0.01


@dataclass(frozen=True)
class Measure:
    """One number of a row, measured several times, beside its goal.

    Attributes:
        values: One per pair or repetition, in `unit`.
        against: What the values were measured against, such as `a bare loky loop`.
        overall: The number that counts, where it is another one than the median of the values.
    """

    what: str
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    values: tuple[float, ...]
    against: str = ""
    overall: float | None = None

    @property
    def value(self) -> float:
        """The number that counts: the median of the values, if no other is given."""
        return middle(self.values) if self.overall is None else self.overall

    @property
    def met(self) -> bool:
        """Whether the number that counts reaches the goal."""
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    def times_goal(self) -> list[float]:
        """For each value by what factor it is better than the goal: 1 just reaches it."""
        return [value / self.goal if self.better == "higher" else self.goal / value for value in self.values]


@dataclass(frozen=True)
class Row:
    """A row of the page: its measures, and sentences that say what was run and where the rest goes."""

    title: str
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        repeats: Pairs per row.
        quick: Small sizes, to see that everything works; the numbers mean little.
        claims: Patterns of the claims of the rows that run real ones; none means all.
        scratch: A folder that may be filled and emptied.
    """

    repeats: int
    quick: bool
    claims: tuple[str, ...]
    scratch: Path


@dataclass(frozen=True)
class Spent:
    """Cost of a command with all its processes: seconds, and the largest sum of their memory (PSS, bytes)."""

    wall: float
    cpu: float
    peak: int
    output: str
    timeline: "tuple[Sample, ...]" = field(repr=False, default=())


@dataclass(frozen=True)
class Sample:
    """CPU seconds of a command's processes at a moment: of the first one, and of all that are alive below it."""

    wall: float
    own: float
    below: float
    processes: int


def spent(command: Sequence[str], cwd: Path, env: Mapping[str, str], codes: Sequence[int] = (0,)) -> Spent:
    """Runs a command to its end and says what it cost.

    Raises:
        RuntimeError: It ended with a code that is not among `codes`.
    """
    before, start = os.times(), time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = Watch(process.pid, start)
    watch.start()
    output, _ = process.communicate()
    wall, after = time.perf_counter() - start, os.times()
    watch.join()
    if process.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(wall, cpu, watch.peak, output, tuple(watch.samples))


class Watch(threading.Thread):
    """Looks at a process and those below it until it ends: five times a second, or less where that took its own share.

    A sum of memory reads every page table, so that large processes would be slowed down by being looked at.
    """

    def __init__(self, pid: int, start: float) -> None:
        """`start` is the moment that samples count from, a value of `time.perf_counter`."""
        super().__init__(daemon=True)
        self.process, self.begun, self.peak, self.samples = psutil.Process(pid), start, 0, list[Sample]()

    def run(self) -> None:
        """Samples until the process is gone."""
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            begun = time.perf_counter()
            try:
                own, below = self.process.cpu_times(), self.process.children(recursive=True)
                family = [self.process, *below]
                self.peak = max(self.peak, sum(map(_memory, family)))
                used = sum(map(_cpu, below)) + own.children_user + own.children_system
                now = time.perf_counter() - self.begun
                self.samples.append(Sample(now, own.user + own.system, used, len(below)))
            except psutil.NoSuchProcess:
                return
            time.sleep(max(INTERVAL, (time.perf_counter() - begun) * (1 / SHARE - 1)))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.NoSuchProcess:
        return 0.0


def claims_command(*arguments: str) -> list[str]:
    """The command line `claims ...` of this checkout."""
    return [sys.executable, "-m", "claims.cli", *arguments]


def environment(*first: Path) -> dict[str, str]:
    """Environment in which `claims`, `benchmarks` and, from the `first` of the folders, `experiments` are imported."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(map(str, (*first, ROOT / "src", ROOT, *([inherited] if inherited else []))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def own_build(scratch: Path) -> list[str]:
    """Overrides that keep everything that a command writes in a folder of its own."""
    tracking = [f"tracking.uri=sqlite:///{scratch}/mlflow.db", f"tracking.artifacts={scratch}/artifacts"]
    return [f"paths.build={scratch}", *tracking]


def in_turn(arms: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Values of each arm, measured in turn: forwards and backwards, so that a drift of the machine cancels."""
    found: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(repeats):
        for name in list(arms)[:: -1 if turn % 2 else 1]:
            found[name].append(arms[name]())
    return found


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """The ratio of each pair."""
    return tuple(a / b for a, b in zip(above, below, strict=True))
