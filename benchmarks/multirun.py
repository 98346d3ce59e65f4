"""Row 2: the same replicates by a Hydra multirun with one MLflow run for each, as a user would write it."""

import importlib.util
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from benchmarks import measured
from benchmarks.measured import CORES, ROOT, Measure, Plan, Row
from claims import plan as planning
from claims import schema
from claims.runner import ClaimRun, Settings
from claims.store import Store

GOAL = 10.0
# A cheap claim, one of middling cost and one that trains networks.
CLAIMS = (
    "regularization/l1-zeroes-weights-l2-does-not",
    "metrics/pr-auc-better-than-roc-auc-under-imbalance",
    "regularization/adam-weight-decay-is-l2",
)
LAUNCHERS = {"basic": [], "joblib": ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={CORES}"]}
CONFIG = "replicate: 0\nhydra: {output_subdir: null, job: {chdir: false}}\n"


def row(plan: Plan) -> Row:
    """Wall time of a multirun over that of `claims reproduce`, for each launcher that is installed."""
    claims = plan.claims or CLAIMS
    scratch = plan.scratch / "multirun"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    ours(claims, scratch)
    wanted = replicates(claims, scratch / "ours" / "store.sqlite")
    if plan.quick:
        wanted = wanted[:: max(1, len(wanted) // 20)]
    (scratch / "replicates.json").write_text(json.dumps(wanted), encoding="utf-8")
    (scratch / "replicates.yaml").write_text(CONFIG, encoding="utf-8")
    there = {name: LAUNCHERS[name] for name in LAUNCHERS if name == "basic" or _installed()}
    arms = {name: lambda launcher=launcher: theirs(scratch, launcher, len(wanted)) for name, launcher in there.items()}
    walls = measured.in_turn({"ours": lambda: ours(claims, scratch), **arms}, plan.repeats)
    measures = tuple(
        Measure(f"wall time of a multirun, {name} launcher", "times ours", GOAL, "higher",
                measured.ratios(walls[name], walls["ours"]), "`claims reproduce`")
        for name in arms
    )  # fmt: skip
    told = "; ".join(f"{name} {measured.middle(found):.1f} s" for name, found in walls.items())
    notes = [
        f"Claims: {', '.join(claims)}; quick profile, nothing stored, {len(wanted)} replicates.",
        f"Median wall time: {told}. Start of Python, MLflow and, for ours, judging, pages and figures are part of it.",
        "A job of the multirun is one replicate; its database exists before the clock starts.",
    ]
    if "joblib" not in there:
        notes.append("The joblib launcher (hydra-joblib-launcher) is not installed here, so it was not measured.")
    if plan.quick:
        notes.append("Ours computed all replicates, the multirun only every n-th: the ratio is too small.")
    return Row("Against a Hydra multirun", measures, tuple(notes))


def _installed() -> bool:
    return importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is not None


def ours(claims: tuple[str, ...], scratch: Path) -> float:
    """Wall seconds of `claims reproduce` with an empty store."""
    folder = scratch / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    command = measured.claims_command("reproduce", *claims, "profile=quick", *measured.own_build(folder))
    return measured.spent(command, ROOT, measured.environment(), codes=(0, 1, 3)).wall


def theirs(scratch: Path, launcher: list[str], count: int) -> float:
    """Wall seconds of the multirun; its MLflow runs are counted afterwards."""
    database = scratch / "theirs.db"
    database.unlink(missing_ok=True)
    env = measured.environment() | {
        "REPLICATES": str(scratch / "replicates.json"), "TRACKING": f"sqlite:///{database}", "HYDRA_FULL_ERROR": "1",
    }  # fmt: skip
    prepare = "import mlflow, os; mlflow.set_tracking_uri(os.environ['TRACKING']); mlflow.set_experiment('first')"
    python = measured.claims_command()[0]
    measured.spent([python, "-c", prepare], scratch, env)
    sweep = [f"replicate=range(0,{count})", *launcher, f"hydra.sweep.dir={scratch}/sweep"]
    app = [python, str(ROOT / "benchmarks" / "multirun_app.py"), "--config-dir", str(scratch), "-m", *sweep]
    done = measured.spent(app, scratch, env)
    with sqlite3.connect(database) as db:
        (logged,) = db.execute("SELECT COUNT(*) FROM runs WHERE status = 'FINISHED'").fetchone()
    if logged != count:
        raise RuntimeError(f"the multirun logged {logged} of {count} replicates:\n{done.output[-3000:]}")
    return done.wall


def replicates(claims: tuple[str, ...], store: Path) -> list[dict[str, Any]]:
    """The replicates that a run of the claims stored: trial, parameters and seed of each."""
    settings = _settings()
    known, found = Store(store), []
    for path in claims:
        claim = schema.load(ROOT / "conf" / "claim" / f"{path}.yaml")
        results = known.results(path)
        run = ClaimRun(claim, settings, results)
        run.step()
        for cell in [*run.conditions, *run.controls]:
            for job in planning.jobs(claim, cell.cell, settings.base_seed, sum(r.count for r in cell.results)):
                common = {"claim": path, "cell": job.cell, "trial": job.trial, "batched": job.batched}
                found += [{**common, "parameters": dict(job.parameters), "seed": seed} for seed in job.seeds]
    known.close()
    return found


def _settings() -> Settings:
    root = schema.read_yaml(ROOT / "conf" / "config.yaml")
    quick = schema.read_yaml(ROOT / "conf" / "profile" / "quick.yaml")
    return Settings(tuple(quick["looks"]), root["alpha"], root["base_seed"])
