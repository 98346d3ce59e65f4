"""A project of many synthetic claims, with the replicates that a real run would have stored.

`python -m benchmarks.synthetic FOLDER` stores them, in a process of its own: it imports the project's trials.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from benchmarks import measured
from benchmarks.measured import ROOT
from claims import schema
from claims.job import Job, Result
from claims.runner import ClaimRun, Settings
from claims.store import Store

TOPICS = 40
# Effects in standard deviations of the difference, the margin being 0.5. Mixed ones take some 60 replicates on average,
# slow ones lie so far from the margin that they take nearly every look.
MIXED = (0.5, 0.65, 1.0, 0.5, 0.25, 0.35, 0.5, 2.0)
SLOW = (0.8, 0.18, 0.82, 0.84, 0.2, 0.78)
TRIAL = '''"""Two arms with known means."""

import numpy as np


def drawn(seed: int, *, shift: float) -> dict[str, float]:
    """Outcomes of two arms whose difference has mean `shift` and sd 1."""
    noise = np.random.default_rng(seed).normal(0, 0.5**0.5, 2)
    return {"treated": float(shift + noise[0]), "plain": float(noise[1])}
'''


def project(folder: Path, claims: int, conditions: int, effects: Sequence[float] = MIXED) -> Path:
    """Writes a project with this configuration and so many claims and conditions; nothing is stored yet."""
    for part in ("profile", "engine", "tracking", "guide"):
        shutil.copytree(ROOT / "conf" / part, folder / "conf" / part)
    shutil.copy(ROOT / "conf" / "config.yaml", folder / "conf")
    package = folder / "experiments"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "synthetic.py").write_text(TRIAL, encoding="utf-8")
    for number in range(claims):
        path = folder / "conf" / "claim" / f"topic{number % TOPICS}" / f"claim-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(_content(number, conditions, effects), sort_keys=False), encoding="utf-8")
    return folder


def _content(number: int, conditions: int, effects: Sequence[float]) -> dict[str, object]:
    # No two alike: replicates with the same parameters and seeds would be stored once.
    shifts = [effects[(number + place) % len(effects)] + place * 1e-6 for place in range(conditions)]
    return {
        "statement": f"Treated is higher than plain, for the {number}th time.",
        "guide": {"sections": [2], "lines": ["50-56"]},
        "quantifier": ("typically", "often", "can")[number % 3],
        "trial": "experiments.synthetic.drawn",
        "conditions": {f"condition-{place}": {"shift": shift} for place, shift in enumerate(shifts)},
        "criterion": {"kind": "diff", "a": "treated", "b": "plain", "better": "higher", "margin": 0.5, "why": "half"},
        "controls": {
            "negative": {"none": {"base": "condition-0", "shift": 0.0}},
            "positive": {"sure": {"base": "condition-0", "shift": 3.0}},
        },
    }  # fmt: skip


def filled(folder: Path, claims: int, conditions: int, effects: Sequence[float] = MIXED) -> int:
    """Writes a project and stores what a run of it would have stored; the number of replicates."""
    project(folder, claims, conditions, effects)
    command = [sys.executable, "-m", "benchmarks.synthetic", str(folder)]
    return int(measured.spent(command, folder, measured.environment(folder)).output.split()[-1])


def fill(folder: Path) -> int:
    """Stores what a run would have stored, without its engine; the number of replicates."""
    root, standard = (schema.read_yaml(folder / "conf" / name) for name in ("config.yaml", "profile/standard.yaml"))
    settings = Settings(tuple(standard["looks"]), root["alpha"], root["base_seed"])
    store, count = Store(folder / "build" / "store.sqlite"), 0
    with store.writing():
        for path in schema.files(folder / "conf").values():
            run = ClaimRun(schema.load(path), settings, {})
            while jobs := run.step():
                for job in jobs:
                    run.add(_result(job))
            store.put(run.computed)
            count += len(run.computed)
    store.close()
    return count


def _result(job: Job) -> Result:
    noise = np.random.default_rng(job.seeds[0]).normal(0, 0.5**0.5, 2)
    outcomes = {"treated": [float(job.parameters["shift"] + noise[0])], "plain": [float(noise[1])]}
    common = (job.key, job.claim, job.cell, job.stream, job.first, len(job.seeds))
    return Result(*common, "ok", outcomes, "", 5e-05, 5e-05, environment='{"host": "synthetic", "threads": 1}')


if __name__ == "__main__":
    print(fill(Path(sys.argv[1])))
