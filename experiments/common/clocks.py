"""Timing methods against each other on one machine."""

import gc
import time
from collections.abc import Callable, Mapping


def least_seconds(runs: Mapping[str, Callable[[], object]], repeats: int, *, backwards: bool) -> dict[str, float]:
    """CPU (`<name>_s`) and elapsed (`<name>_wall_s`) seconds of each call, the least of `repeats` rounds.

    The calls take turns in an order that is reversed from one round to the next, so that a drift of the machine meets
    all alike. A call that is over in less than a millisecond is repeated until one is full, and its mean is taken.

    Args:
        runs: Calls by name; what they need only once (imports, compilation) should have been done.
        repeats: Rounds, at least 1; one is enough for calls of 50 milliseconds or more.
        backwards: Whether the first round begins with the last name; let it change from seed to seed.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    gc.collect(
        1
    )  # what the preparation left; a walk through all that was ever imported would take longer than most calls
    gc.disable()
    try:
        for turn in range(repeats):
            for name in sorted(runs, reverse=bool(turn % 2) != backwards):
                taken[name].append(_seconds(runs[name]))
    finally:
        gc.enable()
    least = {name: [min(clock) for clock in zip(*times, strict=True)] for name, times in taken.items()}
    return {f"{name}{clock}": least[name][i] for name in runs for i, clock in enumerate(("_s", "_wall_s"))}


def _seconds(call: Callable[[], object]) -> tuple[float, float]:
    cpu, wall, calls = time.process_time(), time.perf_counter(), 0
    while not calls or time.process_time() - cpu < 0.001:
        call()
        calls += 1
    return (time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls
