"""Many short calls on all cores of this machine."""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from claims.errors import ClaimsError

# Starting processes takes as long as some ten of the calls that this is for.
ALONE = 40
# Records and figures are many small objects at once; looking through them for cycles so often would cost a tenth.
OBJECTS = 50_000


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def mapped(function: Callable[..., Any], *lists: Sequence[Any]) -> Iterator[Iterator[Any]]:
    """Values of an importable function over lists of equal length, in order; by one process a core where many.

    The processes start at once, beside what this one does next, and end with the context.

    Raises:
        ClaimsError: One of them was killed.
    """
    if len(lists[0]) <= ALONE or cores() == 1:
        yield map(function, *lists)
        return
    pool = ProcessPoolExecutor(cores(), get_context("spawn"), _prepare)
    try:
        yield pool.map(function, *lists, chunksize=8)
    except BrokenProcessPool:
        raise ClaimsError(
            "a process that judges or draws was killed; free memory and run the command again, what is stored is kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    gc.set_threshold(OBJECTS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # a pool's processes would wait for ever for the next call of a parent that was killed
        os._exit(1)
