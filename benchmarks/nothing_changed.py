"""Row 5: the command again with nothing changed, for the claims there are and for a thousand synthetic ones."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import measured, synthetic
from benchmarks.measured import ROOT, Measure, Plan, Row
from claims import evidence, schema
from claims import plan as planning
from claims.job import Result
from claims.runner import Settings
from claims.store import Store

GOALS = {"existing": 8.0, "thousand": 20.0}
# Conditions of a claim, so that one has about as many replicates as those that exist.
CONDITIONS = 5
# What any command of this kind must import: numbers, tests, configuration.
BARE = "import numpy, scipy.stats, pydantic, yaml, hydra, rich.console, sqlite3"


def row(plan: Plan) -> Row:
    """Wall seconds of `claims reproduce` with everything stored and judged before."""
    scratch = plan.scratch / "nothing-changed"
    shutil.rmtree(scratch, ignore_errors=True)
    many = 50 if plan.quick else 1000
    synthetic.filled(scratch / "thousand", many, CONDITIONS)
    own = [*measured.own_build(scratch / "existing"), *plan.claims]
    count = restore(scratch / "existing" / "store.sqlite")
    arms = {"existing": (own, ROOT), "thousand": (["tracking=none"], scratch / "thousand")}
    for overrides, folder in arms.values():
        again(overrides, folder)
    timed = {name: lambda o=overrides, f=folder: again(o, f).wall for name, (overrides, folder) in arms.items()}
    walls = measured.in_turn({**timed, "bare": bare}, plan.repeats)
    names = {"existing": f"the {count} claims there are", "thousand": f"{many:,} synthetic claims"}
    measures = [
        Measure(f"wall time again, {names[name]}", "s", GOALS[name], "lower", tuple(walls[name])) for name in arms
    ]
    notes = [
        f"For {names[name]} it takes {measured.middle(measured.ratios(walls[name], walls['bare'])):.1f} times as "
        f"long as the imports alone, measured in turn ({measured.middle(walls['bare']):.1f} s)."
        for name in arms
    ]
    return Row("Nothing changed", tuple(measures), tuple(notes))


def bare() -> float:
    """Wall seconds of the imports alone."""
    return measured.spent([sys.executable, "-c", BARE], ROOT, measured.environment()).wall


def again(overrides: list[str], folder: Path) -> measured.Spent:
    """The command once more."""
    command = measured.claims_command("reproduce", *overrides)
    return measured.spent(command, folder, measured.environment(), codes=(0, 1, 3))


def restore(file: Path) -> int:
    """Fills a store with the replicates of the committed evidence; the number of claims."""
    root = schema.read_yaml(ROOT / "conf" / "config.yaml")
    looks = schema.read_yaml(ROOT / "conf" / "profile" / "standard.yaml")["looks"]
    settings = Settings(tuple(looks), root["alpha"], root["base_seed"])
    store, files, count = Store(file), schema.files(ROOT / "conf"), 0
    with store.writing():
        for path, record in evidence.read_all(ROOT / "reports").items():
            if path in files:
                store.put(results(schema.load(files[path]), record, settings))
                count += 1
    store.close()
    return count


def results(claim: schema.Claim, record: Mapping[str, Any], settings: Settings) -> Iterator[Result]:
    """What the store held when a claim was judged, from its evidence."""
    cells = {(cell.role != "condition", cell.name): cell for cell in planning.cells(claim)}
    for judged in [*record["conditions"], *record["controls"]]:
        cell = cells["role" in judged, judged["name"]]
        rows = len(next(iter(judged["outcomes"].values())))
        for job in planning.jobs(claim, cell, settings.base_seed, rows):
            span = slice(job.first, job.first + len(job.seeds))
            outcomes = {name: values[span] for name, values in judged["outcomes"].items()}
            common = (job.key, job.claim, job.cell, job.stream, job.first, len(job.seeds))
            yield Result(*common, "ok", outcomes, "", 0.01, 0.01)
