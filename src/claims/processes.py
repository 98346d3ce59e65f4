"""Many short calls on all cores of this machine."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

# Starting processes takes as long as some ten of the calls that this is for.
ALONE = 40


def mapped(function: Callable[..., Any], *lists: Sequence[Any]) -> Iterator[Any]:
    """Values of an importable function over lists of equal length, in order; by one process a core where many."""
    cores = os.cpu_count() or 1
    if len(lists[0]) <= ALONE or cores == 1:
        yield from map(function, *lists)
        return
    with ProcessPoolExecutor(cores, get_context("spawn"), _left_to_parent) as pool:
        yield from pool.map(function, *lists, chunksize=8)


def _left_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
