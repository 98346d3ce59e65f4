"""Trials that go wrong, and workers that cannot start: each failure costs its own replicates only."""

import sqlite3
import sys

import pytest

from claims import engine, plan, schema
from claims.job import ATTEMPTS
from tests.accidents import evidence_of, rows, shown

ROWS = """
statement: Treated can be higher than plain.
guide: {sections: [2], lines: ["50-56"]}
quantifier: can
trial: experiments.toy.block
conditions: {only: {shift: 7.0}}
criterion: {kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: half a unit shows on a plot}
controls: {negative: {none: {base: only, shift: 0.0}}}
max_replicates: 8
"""
KINDS = {
    "aborts": "its process died (SIGABRT)",
    "hangs": "ran over its time",
    "hungry": "ran out of memory",
    "raises": "ValueError: no convergence (toy.py:",
    "nan": "BadOutcomeError: treated: must be finite, got nan",
    "name": "BadOutcomeError: treated: the criterion needs this outcome, the trial returned treatd, plain",
    "shape": "BadOutcomeError: treated: must be a number, got [1.0, 2.0]",
}
EVERY = {"aborts": 8, "hangs": 8, "hungry": 4, "raises": 4}  # seeds that these numbers divide; all seeds of the others
LIMITS = ("engine.workers=2", "engine.seconds=2", "engine.memory_gb=0.2")


def attempts(project):
    store = sqlite3.connect(project.root / "build" / "store.sqlite")
    found = store.execute("SELECT DISTINCT attempts FROM result WHERE status = 'killed'").fetchall()
    store.close()
    return {count for (count,) in found}


@pytest.mark.parametrize("name", ["local", "dask"])
def test_trials_that_go_wrong_cost_their_own_replicates_only(project, good, ran, name):
    """Side by side in one run, beside a claim that comes out as if it were alone; killed ones are tried three times."""
    kinds = KINDS if name == "local" else {kind: KINDS[kind] for kind in ("aborts", "hangs", "hungry")}
    project.shifted("good", 2.0)
    for kind in kinds:
        project.troubled(kind, kind)
    project.claim("toy/rows", ROWS)
    if name == "dask":
        pytest.importorskip("distributed")
        done = project.run("reproduce", "engine=dask", *LIMITS)
        code, told = done.returncode, done.stdout + done.stderr
    else:
        code, told = ran("reproduce", *LIMITS)
    assert code == 3, told
    assert "Traceback" not in told
    first = shown(project)
    assert first.items() >= shown(good).items()
    for kind, reason in kinds.items():
        record = evidence_of(project, kind)
        condition = record["conditions"][0]
        assert record["verdict"]["label"] == "invalid", kind
        claim = schema.load(project.root / "conf" / "claim" / "toy" / f"{kind}.yaml")
        drawn = plan.seeds(record["base_seed"], claim, 0, 0, 8)
        failed = [replicate for replicate, seed in enumerate(drawn) if seed % EVERY.get(kind, 1) == 0]
        assert [failure["replicate"] for failure in condition["failures"]] == failed != []
        assert all(reason in failure["error"] for failure in condition["failures"]), condition["failures"]
        assert condition["n"] == 8 - len(failed)
    bad_rows = evidence_of(project, "rows")["conditions"][0]
    assert [failure["replicate"] for failure in bad_rows["failures"]] == [0, 3, 6]
    assert bad_rows["n"] == 5
    assert attempts(project) == {2}
    if name == "dask":
        return  # the next runs are the same
    assert ran("reproduce", *LIMITS)[0] == 3
    assert attempts(project) == {ATTEMPTS}
    assert "0 replicates computed" in ran("reproduce", *LIMITS)[1]
    assert shown(project) == first


def test_workers_that_cannot_start_stop_the_run_without_a_verdict(project, ran, monkeypatch):
    project.shifted("good", 2.0)
    monkeypatch.setattr(engine, "COMMAND", (sys.executable, "-c", "raise SystemExit('a library is missing')"))
    code, told = ran("reproduce")
    assert code == 2
    assert "workers.log: worker processes end while they start; the end of this file says why" in told
    assert "a library is missing" in (project.root / "build" / "workers.log").read_text()
    assert rows(project) == []
    assert not shown(project)


def test_what_a_trial_imports_is_not_its_time(project, ran):
    """Under a limit that the import alone would break, on a busy machine or a slow disk."""
    toy = project.root / "experiments" / "toy.py"
    toy.write_text(toy.read_text().replace("import numpy as np", "import numpy as np\n\ntime.sleep(1.5)", 1))
    project.shifted("good", 2.0)
    assert ran("reproduce", "engine.workers=1", "engine.seconds=1")[0] == 0
    assert not attempts(project)
