"""Where jobs run: local processes or a Dask cluster behind one small interface."""

import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, get_ident
from typing import Any, Protocol

from claims import worker
from claims.errors import ClaimsError
from claims.job import Job, Result
from claims.processes import cores

# A worker that is killed while it starts is no chunk's fault; when none comes up in so many tries, something else is.
STARTS, START_SECONDS = 5, 120.0
COMMAND = (sys.executable, "-P", "-Xfaulthandler", "-c", "from claims.worker import serve; serve()")


class WorkerDied(Exception):  # noqa: N818 - an event, not a mistake
    """A worker process ended while it held a chunk."""


class Engine(Protocol):
    """Runs chunks of jobs; any error but the two of a chunk's own means that nothing more can be computed."""

    workers: int

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk that may take `seconds` of wall time; raises TimeoutError or WorkerDied from its future."""

    def close(self, now: bool = False) -> None:
        """Ends the workers, at once where `now`."""


class Child:
    """A worker process and the pipe to it. It leads a process group, so that what a trial started ends with it."""

    def __init__(self, memory: int, log: Path) -> None:
        """Starts the process and waits for it, so that starting up is not the first chunk's time.

        Args:
            memory: Limit of its data segment in bytes.
            log: Takes what it prints.

        Raises:
            WorkerDied: It ended before it was ready.
        """
        threads = dict.fromkeys(worker.THREAD_VARIABLES, "1")
        self._pipe, theirs = Pipe()
        with theirs, log.open("ab") as output:  # closed here, so that the pipe ends with the process
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno()), str(memory)],
                stdin=subprocess.PIPE,  # open as long as this process lives
                stdout=output,
                stderr=output,
                env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path)},
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self._imported: set[str] = set()
        self.call(os.getpid, (), START_SECONDS)

    def call(self, function: Callable[..., Any], arguments: Sequence[Any], seconds: float) -> Any:
        """The value of a function in the process, which either error leaves dead.

        Raises:
            TimeoutError: It took longer than `seconds`.
            WorkerDied: The process ended.
        """
        try:
            self._pipe.send((function, arguments))
            if self._pipe.poll(seconds):
                return self._pipe.recv()
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)  # one that ends by itself has its own exit code
            code = self.kill()
            raise WorkerDied(signal.Signals(-code).name if code < 0 else f"exit code {code}") from None
        self.kill()
        raise TimeoutError(f"no result after {seconds:g} s")

    def run(self, jobs: Sequence[Job], seconds: float) -> list[Result]:
        """The results of a chunk; errors as in `call`. What a trial's module imports is not the chunk's time."""
        for trial in {job.trial for job in jobs} - self._imported:
            self.call(worker.imported, (trial,), START_SECONDS)
            self._imported.add(trial)
        results: list[Result] = self.call(worker.run, (tuple(jobs),), seconds)
        if any(result.status == "killed" for result in results):
            self.kill()  # what a trial has left in memory goes with the process
        return results

    def kill(self) -> int:
        """Makes sure that the process and all it started are gone; its exit code."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin:
            self._process.stdin.close()
        return self._process.wait()

    @property
    def alive(self) -> bool:
        """Whether the process can take another chunk."""
        return self._process.poll() is None


def ready(child: Child | None, memory: int, log: Path) -> Child:
    """The worker where it is alive, else a new one.

    Raises:
        ClaimsError: None comes up.
    """
    if child is not None and child.alive:
        return child
    for _ in range(STARTS):
        with suppress(WorkerDied, TimeoutError):
            return Child(memory, log)
    raise ClaimsError(f"{log}: worker processes end while they start; the end of this file says why")


def measured(function: Callable[[], float], seconds: float, memory_gb: float, log: Path) -> float:
    """The value of a function in a worker of its own; NaN where that dies or runs over its time."""
    child = ready(None, int(memory_gb * 2**30), log)
    try:
        return float(child.call(function, (), seconds))
    except (WorkerDied, TimeoutError):
        return math.nan
    finally:
        child.kill()


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
            log: Takes what the workers print.
        """
        self.workers = workers or cores()
        self._memory, self._log = int(memory_gb * 2**30), log
        self._chunks: SimpleQueue[tuple[Future[list[Result]], Sequence[Job], float] | None] = SimpleQueue()
        self._children: dict[int, Child] = {}
        self._stopped = False
        self._threads = [Thread(target=self._supervise, args=(n,), daemon=True) for n in range(self.workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk; after `seconds` its worker is killed and the future raises TimeoutError."""
        future: Future[list[Result]] = Future()
        self._chunks.put((future, jobs, seconds))
        return future

    def close(self, now: bool = False) -> None:
        """Waits for what runs, or kills it where `now`."""
        self._stopped = now
        for _ in self._threads:
            self._chunks.put(None)
        while any(thread.is_alive() for thread in self._threads):
            for child in [*self._children.values()] if now else []:
                child.kill()
            for thread in self._threads:
                thread.join(0.05)

    def _supervise(self, number: int) -> None:
        """Hands chunks to one worker, and starts another where it died or had to be killed."""
        child: Child | None = None
        while (chunk := self._chunks.get()) is not None and not self._stopped:
            future, jobs, seconds = chunk
            try:
                child = self._children[number] = ready(child, self._memory, self._log)
                future.set_result(child.run(jobs, seconds))
            except Exception as error:  # whatever it is, the caller gets it
                future.set_exception(error)
        if child is not None:
            child.kill()


class Dask:
    """A Dask cluster: the scheduler's address, or a cluster on this machine where none is given.

    Dask can neither end a running task nor tell which one killed its worker, so each thread of a Dask worker hands
    its chunks to a process of its own, under the same limits as here.
    """

    def __init__(self, address: str | None, workers: int, memory_gb: float) -> None:
        """Connects to the cluster, or starts one.

        Raises:
            ClaimsError: Dask is not installed, the scheduler does not answer, or it has no workers.
        """
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise ClaimsError(
                "engine=dask: Dask is not installed; install the extra with pip install -e '.[dask]'"
            ) from None
        # a lost scheduler is told by the run in one line; the client would log a traceback beside it
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL + 1)
        self._memory = int(memory_gb * 2**30)
        self._cluster: Any = None
        if address is None:
            self._cluster = LocalCluster(  # in this process: its threads only wait for processes of their own
                n_workers=1,
                threads_per_worker=workers or cores(),
                processes=False,
                memory_limit=0,
                dashboard_address=None,
                silence_logs=50,
            )
        try:
            self._client = Client(self._cluster or address, timeout="20s")
            self._client.wait_for_workers(1, timeout=20)
        except (OSError, TimeoutError) as error:
            raise ClaimsError(
                f"engine.address: no Dask scheduler with workers answers at {address} ({error}); start them,"
                " or leave it out"
            ) from None
        self.workers = sum(self._client.nthreads().values())
        self._flying: set[Any] = set()

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Starts a chunk; after `seconds` on a worker its process is killed and the future raises TimeoutError."""
        future: Future[list[Result]] = Future()

        def arrived(done: Any) -> None:
            self._flying.discard(done)
            try:
                future.set_result(done.result())
            except (WorkerDied, TimeoutError, ClaimsError) as error:
                future.set_exception(error)
            except BaseException as error:
                words = " ".join(str(error).split())
                future.set_exception(ClaimsError(f"engine=dask: a chunk is lost ({words}); mend it and start again"))

        remote = self._client.submit(supervised, tuple(jobs), seconds, self._memory, pure=False)
        self._flying.add(remote)
        remote.add_done_callback(arrived)
        return future

    def close(self, now: bool = False) -> None:
        """Leaves the cluster, and ends it where this process started it."""
        if now:
            with suppress(Exception):  # a cluster that is gone needs no ending
                self._client.cancel(list(self._flying))
                self._client.run(kill_all)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


_children: dict[int, Child] = {}  # in a Dask worker, by thread


def supervised(jobs: Sequence[Job], seconds: float, memory: int) -> list[Result]:
    """The results of a chunk from a process of this Dask worker's thread."""
    from distributed import get_worker

    log = Path(get_worker().local_directory, "workers.log")
    child = _children[get_ident()] = ready(_children.get(get_ident()), memory, log)
    return child.run(jobs, seconds)


def kill_all() -> None:
    """Ends the processes of a Dask worker, and with them what it runs."""
    for child in _children.values():
        child.kill()


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
