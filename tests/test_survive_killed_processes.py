"""Processes that are killed: no replicate is lost or counted twice, and none is left behind."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.accidents import calls, children, gone, python, rows, shown, started, wait_for

# Ends that come at once or never: so many seconds are allowed to a machine that is busy with other things.
LATE = 30.0
MORE = [1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 7))]


def holds_nothing_yet(worker):
    """Whether a worker is still starting: it limits its memory before it says that it can take a chunk."""
    return resource.prlimit(worker, resource.RLIMIT_DATA) == resource.getrlimit(resource.RLIMIT_DATA)


def used(pid):
    """CPU time of a process in clock ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


@pytest.mark.parametrize("number", MORE)
def test_twenty_workers_killed_at_random_in_one_run(project, steady, number):
    """Each is stopped first, so that no replicate is struck twice: that one would rightly be taken for the culprit."""
    project.busy()
    chance = random.Random(number)
    run = started(project, "engine.workers=2")
    struck, starting = set(), 0
    while len(struck) + starting < 20:
        time.sleep(chance.uniform(0.01, 0.1))
        assert run.poll() is None, run.communicate()[0]
        if not (workers := children(run.pid)):
            continue
        worker = chance.choice(workers)
        mark = project.root / "marks" / str(worker)
        os.kill(worker, signal.SIGSTOP)
        under_way = mark.read_text() if mark.exists() else None
        if holds_nothing_yet(worker) and starting < 3:
            starting += 1
        elif under_way and under_way not in struck:
            struck.add(under_way)
        else:
            os.kill(worker, signal.SIGCONT)
            continue
        os.kill(worker, signal.SIGKILL)
    told, _ = run.communicate(timeout=120)
    assert run.returncode == 0, told
    assert rows(project) == rows(steady)
    assert shown(project) == shown(steady)


WARM = """
import json, os, sys
from claims import cli
cli.main(["check"])  # imports what every command needs
for line in sys.stdin:
    if not (pid := os.fork()):
        os.dup2(2, 1)
        os._exit(cli.main(json.loads(line)))
    print(pid, flush=True)
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("number", MORE)
def test_the_parent_killed_ten_times_at_random(project, steady, number):
    """Its workers end with it, in the middle of a replicate; what was stored is not computed again.

    The parents are forked from a process that has the imports behind it, which saves most of the test's time.
    """
    project.busy()
    chance, kept = random.Random(number), []
    warm = subprocess.Popen(
        [sys.executable, "-c", WARM], cwd=project.root, env=project.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert warm.stdout.readline() == "2 claim files keep every rule\n"
    for _ in range(10):
        enough = calls(project) + chance.randrange(25)
        print(json.dumps(["reproduce", "engine.workers=2"]), file=warm.stdin, flush=True)
        run = int(warm.stdout.readline())
        wait_for(lambda: calls(project) >= enough)  # noqa: B023 - called at once
        workers = children(run)
        os.kill(run, signal.SIGKILL)
        wait_for(lambda: all(map(gone, workers)), LATE)  # noqa: B023
        kept.append(rows(project))
        assert set(kept[-1]) <= set(rows(steady))
    warm.communicate()
    assert [len(r) for r in kept] == sorted(len(r) for r in kept)
    before = calls(project)
    assert project.run("reproduce", "engine.workers=2").returncode == 0
    missing = set(rows(steady)) - set(kept[-1])
    assert calls(project) - before == len([row for row in missing if row[1] == "toy/steady"])
    assert rows(project) == rows(steady)
    assert shown(project) == shown(steady)


@pytest.mark.parametrize("kernel", [True, False])
def test_a_worker_and_what_it_started_end_with_the_parent(kernel):
    """Where the kernel does not see to it, a thread does."""
    code = f"""
import fcntl, subprocess
{"" if kernel else "del fcntl.F_SETSIG"}
from claims import worker
worker.end_with_parent()
print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
while True: pass
"""
    process = python("-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    started_by_it = int(process.stdout.readline())
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(LATE) == -signal.SIGKILL
    process.stdout.close()
    wait_for(lambda: gone(started_by_it), LATE)


def test_a_worker_that_holds_the_lock_of_its_interpreter_ends_with_the_parent(tmp_path):
    code = f"""
from claims.engine import Child, Path, os
child = Child(2**30, Path({str(tmp_path / "log")!r}))
print(child.call(os.getpid, (), 60), flush=True)
child.call(sum, (range(10**15),), 60)
"""
    parent = python("-c", code, stdout=subprocess.PIPE)
    worker = int(parent.stdout.readline())
    busy_from = used(worker)
    wait_for(lambda: used(worker) > busy_from)
    parent.kill()
    parent.communicate()
    wait_for(lambda: gone(worker), LATE)


JUDGES = """
import sys, time
from claims import processes
def slow(number):
    print(__import__("os").getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    processes.ALONE = 0
    with processes.mapped(slow, [1, 2, 3]) as values:
        list(values)
"""


@pytest.mark.parametrize("struck", ["parent", "child"])
def test_processes_that_judge_end_with_a_killed_parent_and_are_missed_when_killed(struck, tmp_path):
    """The processes of a pool would otherwise wait for ever for their next call."""
    script = tmp_path / "judges.py"
    script.write_text(JUDGES)
    parent = python(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    os.kill(parent.pid if struck == "parent" else child, signal.SIGKILL)
    told = parent.communicate(timeout=120)[1]
    wait_for(lambda: gone(child), LATE)
    assert ("ClaimsError: a process that judges or draws was killed" in told) == (struck == "child"), told


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_then_its_scheduler(project, steady, tmp_path):
    """The chunk of a killed Dask worker runs elsewhere and its process ends; without a scheduler the run says so."""
    pytest.importorskip("distributed")
    project.busy()
    place, log = tmp_path / "scheduler.json", (tmp_path / "dask.log").open("w")
    common = {"cwd": project.root, "env": project.environment, "stdout": log, "stderr": log}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "--scheduler-file", str(place)], **common)
    wait_for(lambda: place.exists() and place.read_text().endswith("}"))
    dask = [sys.executable, "-m", "distributed.cli.dask_worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    nanny = subprocess.Popen([*dask, "--scheduler-file", str(place)], **common)
    arguments = ("engine=dask", f"engine.address={json.loads(place.read_text())['address']}")
    try:
        run = started(project, *arguments)
        wait_for(lambda: calls(project) >= 20)
        worker = next(child for child in children(nanny.pid) if children(child))
        its_own = children(worker)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: all(map(gone, its_own)), LATE)
        told, _ = run.communicate(timeout=120)
        assert run.returncode == 0, told
        assert rows(project) == rows(steady)
        assert shown(project) == shown(steady)
        shutil.rmtree(project.root / "build")
        enough = calls(project) + 20
        run = started(project, *arguments)
        wait_for(lambda: calls(project) >= enough)
        scheduler.kill()
        told, _ = run.communicate(timeout=120)
        assert run.returncode == 2
        assert "claims: engine=dask: a chunk is lost (" in told
        assert "Traceback" not in told
        assert not shown(project)
        assert set(rows(project)) < set(rows(steady))
    finally:
        nanny.terminate()
        scheduler.kill()
        for process in (nanny, scheduler):
            process.wait(20)
        log.close()
