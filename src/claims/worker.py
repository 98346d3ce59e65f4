"""What runs inside a worker process: jobs in, results out, nothing of the parent's imports."""

import fcntl
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from claims.fingerprint import load_trial
from claims.job import Job, Result, Status

# Read by the numerical libraries when they are first imported; set by the parent before a worker starts.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class BadOutcomeError(Exception):
    """A trial returned something else than what its claim asks for."""


def serve() -> None:
    """The life of a worker process: calls functions that come through the pipe until the other end is gone.

    The command line gives the pipe's descriptor and the limit of the data segment in bytes.
    """
    pipe, memory = Connection(int(sys.argv[1])), int(sys.argv[2])
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    with suppress(EOFError, OSError):
        while True:
            function, arguments = pipe.recv()
            pipe.send(function(*arguments))


def end_with_parent() -> None:
    """Ends this process group as soon as the other end of standard input is gone, however busy it is."""
    if hasattr(fcntl, "F_SETSIG"):  # Linux: the kernel does it, also while a trial holds the interpreter's lock
        fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def imported(trial: str) -> None:
    """Imports a trial's module; where that fails, the trial's jobs say so."""
    with suppress(Exception):
        load_trial(trial)


def run(jobs: Sequence[Job]) -> list[Result]:
    """The results of the jobs, in order; a job that raises or returns a bad value gives a `failed` result."""
    return [_result(job) for job in jobs]


def _result(job: Job) -> Result:
    environment = json.dumps({"host": os.uname().nodename, "threads": job.threads})
    common = (job.key, job.claim, job.cell, job.stream, job.first, len(job.seeds))
    cpu, wall = _cpu(), time.perf_counter()
    try:
        trial = load_trial(job.trial)
        limit_threads(job.threads)
        parameters = deepcopy(dict(job.parameters))  # shared with the chunk's other jobs: a trial may change its own
        cpu, wall = _cpu(), time.perf_counter()  # imports are not the trial's cost
        returned = trial(job.seeds if job.batched else job.seeds[0], **parameters)
        spent = _cpu() - cpu, time.perf_counter() - wall
        return Result(*common, "ok", _outcomes(returned, job), "", *spent, environment=environment)
    except Exception as error:
        spent = _cpu() - cpu, time.perf_counter() - wall
        # What the machine refuses (memory, files, libraries) may go well another time; what the trial raises may not.
        status: Status = "killed" if isinstance(error, MemoryError | OSError | ImportError) else "failed"
        told = "ran out of memory" if isinstance(error, MemoryError) else _told(error)
        return Result(*common, status, {}, told, *spent, environment=environment)


def _cpu() -> float:
    """CPU seconds of this process and of the ended processes that it started: what a trial hands on is its cost too."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


_limits: dict[str, Any] = {}  # the libraries' controls as found when so many modules were loaded


def limit_threads(threads: int) -> None:
    """Gives the numerical libraries so many threads each, also those that were loaded or changed since the last call.

    Finding the libraries takes a hundred times as long as asking them, so it is done only after further imports.
    """
    import threadpoolctl

    if _limits.get("modules") != len(sys.modules):
        _limits.update(controller=threadpoolctl.ThreadpoolController(), modules=len(sys.modules))
    for library in _limits["controller"].lib_controllers:
        if library.num_threads != threads:
            library.set_num_threads(threads)
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _told(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    words = " ".join(str(error).split())[:300].encode(errors="backslashreplace").decode()
    told = f"{type(error).__name__}: {words}"
    return told if isinstance(error, BadOutcomeError) else told + place


def _outcomes(returned: Any, job: Job) -> dict[str, list[Any]]:
    """The needed outcomes as plain lists, one entry per replicate; a replicate that is not finite keeps its NaN.

    Raises:
        BadOutcomeError: An outcome is missing, of a wrong shape or no number.
    """
    if not isinstance(returned, Mapping):
        raise BadOutcomeError(f"the trial must return a mapping of outcomes, got {type(returned).__name__}")
    found: dict[str, list[Any]] = {}
    for name in returned:
        value = returned[name]
        plain = value.tolist() if hasattr(value, "tolist") else value
        rows = list(plain) if job.batched and isinstance(plain, list | tuple) else [plain]
        if len(rows) != len(job.seeds):
            raise BadOutcomeError(f"{name}: must have one entry for each of {len(job.seeds)} seeds, got {len(rows)}")
        if name not in job.outcomes and isinstance(rows[0], list | tuple):
            continue  # a curve that the criterion does not read
        found[str(name)] = [_number(row, str(name), job.curves.get(str(name))) for row in rows]
    for name in job.outcomes:
        if name not in found:
            raise BadOutcomeError(
                f"{name}: the criterion needs this outcome, the trial returned {', '.join(found) or 'none'}"
            )
    if not job.batched and not all(_finite(found[name][0]) for name in job.outcomes):
        bad = next(name for name in job.outcomes if not _finite(found[name][0]))
        raise BadOutcomeError(f"{bad}: must be finite, got {found[bad][0]}")
    return found


def _number(value: Any, name: str, points: int | None) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    if points is None:
        return _float(plain, name)
    if not isinstance(plain, list | tuple) or len(plain) != points:
        count = f"{len(plain)} of them" if isinstance(plain, list | tuple) else repr(plain)
        raise BadOutcomeError(f"{name}: must be a curve of {points} numbers, got {count}")
    return [_float(item, name) for item in plain]


def _float(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadOutcomeError(f"{name}: must be a number, got {value!r}") from None


def _finite(value: Any) -> bool:
    return all(math.isfinite(item) for item in value) if isinstance(value, list) else math.isfinite(value)


def timing_control() -> float:
    """Median log ratio of the times of two identical arms, measured as timed trials are: 0 on a quiet host.

    32 replicates, the arms in turn as ABBA, the smallest of three inner runs of about 2 ms each.
    """
    ratios = []
    for replicate in range(32):
        times: dict[str, float] = {"a": math.inf, "b": math.inf}
        for arm in ("abba" if replicate % 2 else "baab") + "ab":
            start = time.process_time()
            sum(i * i for i in range(20_000))
            times[arm] = min(times[arm], time.process_time() - start)
        ratios.append(math.log(times["a"] / times["b"]))
    return sorted(ratios)[16]
