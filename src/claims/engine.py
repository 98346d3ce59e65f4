"""Where jobs run: local processes or a Dask cluster behind one small interface."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing import get_context
from pathlib import Path
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
    """Processes of this machine, one thread each; a worker that dies is replaced and loses only its own chunk."""

    def __init__(self, workers: int, memory_gb: float, log: Path) -> None:
        """Prepares the pool; processes start with the first chunk.

        Args:
            workers: Number of processes; 0 means one per core that this process may use.
            memory_gb: Limit of each worker's data segment.
            log: Takes what the workers print to stderr; a worker that is ended while it starts prints a traceback.
        """
        from pebble import ProcessPool

        self.workers = workers or len(os.sched_getaffinity(0))
        for name in worker.THREAD_VARIABLES:
            os.environ[name] = "1"
        # Workers inherit file descriptor 2; this process prints its own errors only when they are gone.
        self._stderr = os.dup(2)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 2)
        os.close(file)
        self._pool = ProcessPool(
            self.workers, context=get_context("spawn"), initializer=worker.prepare, initargs=(int(memory_gb * 2**30),)
        )

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk; after `seconds` its worker is killed and the future raises TimeoutError."""
        future: Future[list[Result]] = self._pool.schedule(worker.run, args=[tuple(jobs)], timeout=seconds)
        return future

    def call(self, function: Callable[[], float], seconds: float) -> float:
        """The value of a function without arguments, computed in a worker."""
        return float(self._pool.schedule(function, timeout=seconds).result())

    def close(self, now: bool = False) -> None:
        """Waits for what runs, or kills it where `now`."""
        if now:
            self._pool.stop()
        else:
            self._pool.close()
        self._pool.join()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)


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
