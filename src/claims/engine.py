"""Where jobs run: local processes or a Dask cluster behind one small interface."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from claims import worker
from claims.errors import ClaimsError
from claims.job import Job, Result


class Engine(Protocol):
    """Runs chunks of jobs; a chunk whose process dies or runs over its time raises from its future."""

    workers: int

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk that may take `seconds` of wall time."""

    def close(self, now: bool = False) -> None:
        """Ends the workers, at once where `now`."""


class Local:
    """Processes of this machine, one thread each. A worker that dies is replaced and loses only its own chunk.

    Each worker has a pipe and a supervising thread of its own: a death is the death of a known chunk, and no lock is
    shared that a killed process could leave locked.
    """

    def __init__(self, workers: int, memory_gb: float, log: Path) -> None:
        """Starts the supervisors; a process starts with its first chunk.

        Args:
            workers: Number of processes; 0 means one per core that this process may use.
            memory_gb: Limit of each worker's data segment.
            log: Takes what the workers print to stderr; a worker that is ended while it starts prints a traceback.
        """
        self.workers = workers or len(os.sched_getaffinity(0))
        self._memory = int(memory_gb * 2**30)
        for name in worker.THREAD_VARIABLES:
            os.environ[name] = "1"
        # Workers inherit file descriptor 2; this process prints its own errors only when they are gone.
        self._stderr = os.dup(2)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 2)
        os.close(file)
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...], float] | None] = SimpleQueue()
        self._processes: dict[int, SpawnProcess] = {}
        self._stopped = False
        self._threads = [Thread(target=self._supervise, args=(n,), daemon=True) for n in range(self.workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk; after `seconds` its worker is killed and the future raises TimeoutError."""
        return self._scheduled(worker.run, (tuple(jobs),), seconds)

    def call(self, function: Callable[[], float], seconds: float) -> float:
        """The value of a function without arguments, computed in a worker."""
        return float(self._scheduled(function, (), seconds).result())

    def close(self, now: bool = False) -> None:
        """Waits for what runs, or kills it where `now`."""
        self._stopped = now
        for _ in self._threads:
            self._tasks.put(None)
        while any(thread.is_alive() for thread in self._threads):
            for process in [*self._processes.values()] if now else []:
                process.kill()
            self._threads[0].join(0.05)
            self._threads = [thread for thread in self._threads if thread.is_alive()] or self._threads[:1]
        os.dup2(self._stderr, 2)
        os.close(self._stderr)

    def _scheduled(self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> "Future[Any]":
        future: Future[Any] = Future()
        self._tasks.put((future, function, arguments, seconds))
        return future

    def _supervise(self, number: int) -> None:
        """Hands chunks to one worker, and starts another where it died or had to be killed."""
        pipe: Connection | None = None
        while (task := self._tasks.get()) is not None and not self._stopped:
            future, function, arguments, seconds = task
            try:
                pipe = pipe or self._started(number)
                pipe.send((function, arguments))
                if not pipe.poll(seconds):
                    raise TimeoutError(f"no result after {seconds:g} s")
                future.set_result(pipe.recv())
            except (EOFError, OSError) as error:  # TimeoutError is an OSError
                pipe, code = None, self._ended(number)
                future.set_exception(error if isinstance(error, TimeoutError) else WorkerDied(f"exit code {code}"))
        self._ended(number)

    def _started(self, number: int) -> "Connection":
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=worker.serve, args=(theirs, self._memory), daemon=True)
        process.start()
        self._processes[number] = process
        theirs.close()  # so that the pipe ends with the process
        ours.recv()  # it is ready: starting up is not the chunk's time
        return ours

    def _ended(self, number: int) -> int | None:
        """Makes sure that a worker is gone; its exit code, -9 where it was killed."""
        process = self._processes.pop(number, None)
        if process is None:
            return None
        process.join(0.2)  # one that died by itself has its own exit code
        process.kill()
        process.join()
        return process.exitcode


class WorkerDied(Exception):  # noqa: N818 - an event, not a mistake
    """A worker process ended while it held a chunk."""


class Dask:
    """A Dask cluster: the scheduler's address, or a cluster on this machine where none is given."""

    def __init__(self, address: str | None, workers: int, memory_gb: float) -> None:
        """Connects to the cluster, or starts one.

        Raises:
            ClaimsError: Dask is not installed or the scheduler does not answer.
        """
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError:
            raise ClaimsError(
                "engine=dask: Dask is not installed; install the extra with pip install -e '.[dask]'"
            ) from None
        # A chunk that kills its worker is tried once more, then given back, so that it cannot take the cluster down.
        dask.config.set({"distributed.scheduler.allowed-failures": 1})
        self._cluster: Any = None
        if address is None:
            count = workers or len(os.sched_getaffinity(0))
            self._cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                memory_limit=f"{memory_gb}GiB",
                dashboard_address=None,
                silence_logs=50,
            )
        try:
            self._client = Client(self._cluster or address, timeout="20s")
        except (OSError, TimeoutError) as error:
            raise ClaimsError(
                f"engine.address: no Dask scheduler answers at {address} ({error}); start one, or leave it out"
            ) from None
        self.workers = max(1, sum(self._client.nthreads().values()))

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk; `seconds` is not enforced here, since Dask cannot end a running task."""
        future: Future[list[Result]] = Future()
        remote = self._client.submit(worker.run, tuple(jobs), pure=False)

        def arrived(done: Any) -> None:
            error = done.exception() if done.status == "error" else None
            if done.status == "finished":
                future.set_result(done.result())
            else:
                future.set_exception(error or RuntimeError(f"the chunk was {done.status}"))

        remote.add_done_callback(arrived)
        return future

    def close(self, now: bool = False) -> None:
        """Leaves the cluster, and ends it where this process started it."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def start(name: str, workers: int, memory_gb: float, log: Path, address: str | None = None) -> Engine:
    """The engine of a config: `local` or `dask`.

    Raises:
        ClaimsError: No such engine.
    """
    if name == "local":
        return Local(workers, memory_gb, log)
    if name == "dask":
        return Dask(address, workers, memory_gb)
    raise ClaimsError(f"engine.name: must be local or dask, got {name!r}; choose with engine=local or engine=dask")
