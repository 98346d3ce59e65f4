"""Row 6: judging and reporting up to a million stored replicates of a thousand claims."""

import shutil
from pathlib import Path

from benchmarks import measured, synthetic
from benchmarks.measured import Measure, Plan, Row, Spent

SECONDS, GIGABYTES, FLAT = 90.0, 2.0, 1.2
# Conditions of a claim, so that one has about a thousand replicates.
CONDITIONS = 10
SIZES = (1, 10, 100, 1000)


def row(plan: Plan) -> Row:
    """Cold evidence, pages and figures from a full store: wall time, memory, and how the cost grows."""
    scratch = plan.scratch / "million"
    shutil.rmtree(scratch, ignore_errors=True)
    sizes = (1, 4, 16) if plan.quick else SIZES
    counts = {n: synthetic.filled(scratch / str(n), n, CONDITIONS, synthetic.SLOW) for n in sizes}
    start = judged(scratch / str(sizes[0])), judged(scratch / str(sizes[0]), fresh=False)
    runs = {n: [judged(scratch / str(n)) for _ in range(plan.repeats)] for n in sizes}
    idle = start[1].cpu
    costs = {n: [1000 * (run.cpu - idle) / counts[n] for run in runs[n]] for n in sizes}
    last, some = sizes[-1], sizes[1]
    measures = (
        Measure(f"judge and report {counts[last]:,} replicates of {last:,} claims, wall time", "s", SECONDS, "lower",
                tuple(run.wall for run in runs[last])),
        Measure("its memory, all processes", "GB", GIGABYTES, "lower", tuple(run.peak / 1e9 for run in runs[last])),
        Measure(f"CPU per replicate, {counts[last]:,} against {counts[some]:,}", "", FLAT, "lower",
                measured.ratios(costs[last], costs[some]), f"{counts[some]:,} replicates"),
    )  # fmt: skip
    grown = "; ".join(
        f"{counts[n]:,}: {measured.middle(costs[n]):.3f} ms ({measured.middle([r.wall for r in runs[n]]):.1f} s in all)"
        for n in sizes
    )
    notes = (
        f"{CONDITIONS} conditions a claim. Only the store is there before: evidence, pages and figures are made.",
        f"CPU per replicate, without the {idle:.1f} CPU seconds of the command with nothing to do: {grown}.",
    )
    return Row("A million stored replicates", measures, notes)


def judged(folder: Path, fresh: bool = True) -> Spent:
    """`claims reproduce` from a full store, into an empty folder where `fresh`."""
    if fresh:
        shutil.rmtree(folder / "build" / "reproduction", ignore_errors=True)
    command = measured.claims_command("reproduce", "tracking=none")
    done = measured.spent(command, folder, measured.environment())
    if " 0 replicates computed" not in done.output:
        raise RuntimeError(f"{folder}: replicates were computed that should have been stored:\n{done.output[-500:]}")
    return done
