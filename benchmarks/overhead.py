"""Row 7: what an engine adds to a replicate, with trials that do nothing, against a bare loky loop.

`python -m benchmarks.overhead COUNT REPEATS` measures, in a process that imports the empty trial.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import measured
from benchmarks.measured import CORES, Measure, Plan, Row
from claims import engine as engines
from claims.engine import Engine
from claims.fingerprint import load_trial
from claims.job import Job, Result

GOAL = 1.2
CHUNK = 100
LOOPS = {"loky": "a loky loop, one task a replicate", "joblib": "a joblib loop with its own batches"}
TRIAL = '''"""A trial that does nothing."""


def nothing(seed: int) -> dict[str, float]:
    """Two outcomes."""
    return {"a": 0.0, "b": 0.0}
'''


def row(plan: Plan) -> Row:
    """Wall time of each engine over that of the bare loop."""
    folder = plan.scratch / "overhead"
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "experiments"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "empty.py").write_text(TRIAL, encoding="utf-8")
    count = 2000 if plan.quick else 20000
    command = [sys.executable, "-m", "benchmarks.overhead", str(count), str(plan.repeats)]
    done = measured.spent(command, folder, measured.environment(folder))
    walls = json.loads(done.output.splitlines()[-1])
    measures = tuple(
        Measure(f"time per empty replicate, {name} engine against {told}", "times the loop's", GOAL, "lower",
                measured.ratios(walls[name], walls[loop]), told)
        for loop, told in LOOPS.items() for name in ("local", "dask")
    )  # fmt: skip
    each = "; ".join(f"{name} {1e6 * measured.middle(found) / count:.0f}" for name, found in walls.items())
    notes = (
        f"{count:,} empty trials on {CORES} processes that have started before, in chunks of {CHUNK} as short "
        f"replicates travel in a run; microseconds each: {each}.",
        "The loops call the bare function. The engines also measure CPU and wall time, check the outcomes and name the "
        "result of every replicate, and survive what kills a worker.",
    )
    return Row("Overhead of the engines", measures, notes)


def main() -> None:
    """Prints the wall seconds of each arm as JSON."""
    count, repeats = map(int, sys.argv[1:])
    with TemporaryDirectory() as scratch, arms(count, Path(scratch)) as timed:
        for run in timed.values():  # processes start and import
            run()
        print(json.dumps(measured.in_turn(timed, repeats)))


@contextmanager
def arms(count: int, scratch: Path) -> Iterator[dict[str, Callable[[], float]]]:
    """The loop and the engines, each with its processes started, as functions that give wall seconds."""
    from joblib import Parallel, delayed
    from joblib.externals.loky import ProcessPoolExecutor

    nothing = load_trial("experiments.empty.nothing")
    local = engines.Local(CORES, 4.0, scratch / "log")
    dask = engines.Dask(None, CORES, 4.0)
    loky = ProcessPoolExecutor(CORES)
    try:
        with Parallel(n_jobs=CORES) as pool:
            yield {
                "loky": lambda: timed(lambda: list(loky.map(nothing, range(count)))),
                "joblib": lambda: timed(lambda: pool(delayed(nothing)(seed) for seed in range(count))),
                "local": lambda: timed(lambda: computed(local, count)),
                "dask": lambda: timed(lambda: computed(dask, count)),
            }
    finally:
        loky.shutdown()
        local.close()
        dask.close()


def timed(run: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def computed(engine: Engine, count: int) -> int:
    """Sends empty jobs through an engine as a run does: chunks, two for each worker under way; how many came back."""
    waiting = [jobs(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    flying, back = set[Future[list[Result]]](), 0
    while waiting or flying:
        while waiting and len(flying) < 2 * engine.workers:
            flying.add(engine.submit(waiting.pop(), 60.0))
        landed, flying = wait(flying, return_when=FIRST_COMPLETED)
        back += sum(len(future.result()) for future in landed)
    return back


def jobs(first: int, last: int) -> Sequence[Job]:
    """Empty jobs with these seeds."""
    names = ("a", "b")
    return [Job("x/x", "x", 0, "experiments.empty.nothing", {}, r, (r,), False, names, {}, 1, str(r))
            for r in range(first, last)]  # fmt: skip


if __name__ == "__main__":
    main()
