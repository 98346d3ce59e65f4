"""What is computed and what comes of it. Imports nothing heavy: every worker process loads this first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "failed", "killed"]
# A job that was killed, timed out or ran out of memory is tried again in later runs, this often in all.
ATTEMPTS = 3


@dataclass(frozen=True)
class Job:
    """What is computed, stored and retried as a whole: one replicate, or one block of them for a batched trial.

    Attributes:
        first: Index of the first replicate in its cell.
        key: Hash of everything that can change the outcomes; the store's primary key.
    """

    claim: str
    cell: str
    stream: int
    trial: str
    parameters: Mapping[str, Any]
    first: int
    seeds: tuple[int, ...]
    batched: bool
    outcomes: tuple[str, ...]
    curves: Mapping[str, int]
    threads: int
    key: str


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        status: `ok`; `failed` where it raised or returned a bad value, which is final for its key; `killed` where its
            process died or ran over its time or memory.
        outcomes: Per outcome one entry per replicate: a number, or a list for a curve.
        cpu: CPU seconds of the whole job. wall: elapsed seconds.
    """

    key: str
    claim: str
    cell: str
    stream: int
    first: int
    count: int
    status: Status
    outcomes: dict[str, list[Any]]
    error: str = ""
    cpu: float = 0.0
    wall: float = 0.0
    attempts: int = 1
    environment: str = ""

    @property
    def final(self) -> bool:
        """Whether the job is not computed again."""
        return self.status != "killed" or self.attempts >= ATTEMPTS
