"""What a worker does with a job, called in this process."""

import sys
import types

import pytest
import threadpoolctl

from benchmarks import proof
from claims import worker
from claims.job import Job

TRIALS = '''
import subprocess
import sys

import threadpoolctl


def greedy(seed, *, arms):
    """Takes away what it was given."""
    return {"left": float(len(arms.pop("first")))}


def threads(seed):
    """Threads that the libraries would use now, after which it takes as many as it likes."""
    found = max(library["num_threads"] for library in threadpoolctl.threadpool_info())
    threadpoolctl.threadpool_limits(3)
    return {"threads": float(found)}


def hands_on(seed):
    """Has another process burn 0.4 CPU seconds."""
    burn = "import time\\nwhile time.process_time() < 0.4: pass"
    return {"code": float(subprocess.run([sys.executable, "-c", burn]).returncode)}
'''


@pytest.fixture(scope="module", autouse=True)
def trials():
    with proof.trials("worker_toys", TRIALS):
        yield


@pytest.fixture
def restored():
    """As many threads as before, whatever a worker's job asked for."""
    with threadpoolctl.threadpool_limits():
        yield


def jobs(trial, outcome, parameters, threads=1):
    name = f"experiments.worker_toys.{trial}"
    return [Job("x/x", "x", 0, name, parameters, r, (r,), False, (outcome,), {}, threads, str(r)) for r in range(3)]


def test_a_trial_that_changes_its_parameters_does_not_reach_the_other_jobs_of_its_chunk():
    results = worker.run(jobs("greedy", "left", {"arms": {"first": [1, 2]}}))
    assert [(result.error, result.outcomes) for result in results] == [("", {"left": [2.0]})] * 3


def test_what_a_process_of_the_trial_uses_is_its_cost():
    (result, *_) = worker.run(jobs("hands_on", "code", {}))
    assert result.outcomes == {"code": [0.0]}
    assert 0.35 < result.cpu < 2


@pytest.mark.usefixtures("restored")
def test_every_job_has_its_threads_whatever_the_one_before_it_did():
    for threads in (1, 2):
        results = worker.run(jobs("threads", "threads", {}, threads))
        assert [result.outcomes for result in results] == [{"threads": [float(threads)]}] * 3


@pytest.mark.usefixtures("restored")
def test_libraries_are_looked_for_again_after_an_import(monkeypatch):
    found = []
    monkeypatch.setattr(
        threadpoolctl, "ThreadpoolController", lambda: found.append(1) or types.SimpleNamespace(lib_controllers=[])
    )
    monkeypatch.setattr(worker, "_limits", {})
    for imported in ("", "", "worker_toys_new"):
        if imported:
            monkeypatch.setitem(sys.modules, imported, types.ModuleType(imported))
        worker.limit_threads(1)
    assert len(found) == 2
