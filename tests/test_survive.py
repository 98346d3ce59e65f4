"""Accidents as they happen: after each no replicate is lost or counted twice, and the evidence is as without it."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from conftest import new_project

from claims import cli, contract, engine, evidence, plan, schema
from claims.errors import ClaimsError
from claims.job import ATTEMPTS
from claims.store import Store
from claims.tracking import writer

STEADY = """
statement: Treated is higher than plain.
guide: {sections: [2], lines: ["50-56"]}
quantifier: typically
trial: experiments.toy.steady
parameters: {shift: 0.8}
conditions: {first: {size: 1}, second: {size: 2}, third: {size: 3}, fourth: {size: 4}}
criterion: {kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: half a unit shows on a plot}
controls: {negative: {none: {base: first, shift: 0.0}}, positive: {sure: {base: first, shift: 4.0}}}
max_replicates: 64
"""
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


# Ends that come at once or never: so many seconds are allowed to a machine that is busy with other things.
LATE = 30.0


def wait_for(condition, seconds=60.0):
    """What the condition gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return found


def started(project, *arguments, **options):
    return subprocess.Popen(
        project.command("reproduce", *arguments), cwd=project.root, env=project.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options,
    )  # fmt: skip


def children(pid):
    """Processes that a process or one of its threads has started."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, file.read_text().split())
        except OSError:
            continue
    return found


def holds_nothing_yet(worker):
    """Whether a worker is still starting: it limits its memory before it says that it can take a chunk."""
    return resource.prlimit(worker, resource.RLIMIT_DATA) == resource.getrlimit(resource.RLIMIT_DATA)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def used(pid):
    """CPU time of a process in clock ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def calls(project):
    file = project.root / "calls"
    return file.stat().st_size if file.exists() else 0


def rows(project):
    """What the store holds, but for the cost of computing it and how often that was tried."""
    store = sqlite3.connect(project.root / "build" / "store.sqlite")
    found = store.execute("SELECT key, claim, cell, stream, first, count, status, outcomes, error FROM result")
    found = sorted(found)
    store.close()
    return found


def shown(project, build="build"):
    """Evidence and figures of the last run; the pages also tell what it cost."""
    folder = project.root / build / "reproduction"
    files = (path for part in ("evidence", "figures") for path in (folder / part).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def busy(project):
    """A claim that takes some seconds, and one of batched trials."""
    project.claim("toy/steady", STEADY)
    project.shifted("block", 0.75, trial="block")


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A busy project after a run without accidents."""
    project = new_project(tmp_path_factory.mktemp("steady"))
    busy(project)
    assert project.run("reproduce").returncode == 0
    return project


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The same with a claim that takes no time."""
    project = new_project(tmp_path_factory.mktemp("good"))
    project.shifted("good", 2.0)
    assert project.run("reproduce").returncode == 0
    return project


@pytest.fixture
def ran(project, capsys, monkeypatch, experiments_at):
    """Exit code and words of a command in this process, since an interpreter costs a second; the workers are real."""

    def run(*arguments):
        experiments_at(project.root)
        monkeypatch.chdir(project.root)
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out + captured.err

    return run


MORE = [1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 7))]


@pytest.mark.parametrize("number", MORE)
def test_twenty_workers_killed_at_random_in_one_run(project, steady, number):
    """Each is stopped first, so that no replicate is struck twice: that one would rightly be taken for the culprit."""
    busy(project)
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
    busy(project)
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
    process = python(code, stdin=subprocess.PIPE, process_group=0)
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
    parent = python(code)
    worker = int(parent.stdout.readline())
    busy_from = used(worker)
    wait_for(lambda: used(worker) > busy_from)
    parent.kill()
    parent.communicate()
    wait_for(lambda: gone(worker), LATE)


def python(code, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, **options)


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


def evidence_of(project, id):
    return evidence.read(project.root / "build" / "reproduction" / "evidence" / "toy" / f"{id}.json")


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


def attempts(project):
    store = sqlite3.connect(project.root / "build" / "store.sqlite")
    found = store.execute("SELECT DISTINCT attempts FROM result WHERE status = 'killed'").fetchall()
    store.close()
    return {count for (count,) in found}


def test_workers_that_cannot_start_stop_the_run_without_a_verdict(project, ran, monkeypatch):
    project.shifted("good", 2.0)
    monkeypatch.setattr(engine, "COMMAND", (sys.executable, "-c", "raise SystemExit('a library is missing')"))
    code, told = ran("reproduce")
    assert code == 2
    assert "workers.log: worker processes end while they start; the end of this file says why" in told
    assert "a library is missing" in (project.root / "build" / "workers.log").read_text()
    assert rows(project) == []
    assert not shown(project)


def test_a_full_disk(project, good):
    """A limit on the size of files stops the store, then the evidence; with space again the run goes on from there."""
    wordy = project.shifted("good", 2.0)
    wordy.write_text(wordy.read_text() + f"notes: {'so many words ' * 4000}\n")
    for size, place in {60_000: "the store cannot be used (disk", 40_000: "good.json: cannot be written"}.items():
        done = subprocess.run(
            project.command("reproduce"), cwd=project.root, env=project.environment, capture_output=True, text=True,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size)),
        )  # fmt: skip
        assert done.returncode == 2
        assert place in done.stderr
        assert "Traceback" not in done.stderr
        assert not shown(project)
        assert len(rows(project)) > 0
        assert set(rows(project)) <= set(rows(good))
        project.run("reproduce")
        assert rows(project) == rows(good)
        after = evidence_of(project, "good")
        assert {**after, "notes": ""} == evidence_of(good, "good")
        shutil.rmtree(project.root / "build" / "reproduction")


PLACES = {
    "build": "file", "build/store.sqlite": "folder", "build/store.lock": "folder", "build/workers.log": "folder",
    "build/reproduction": "file", "build/reproduction/evidence/toy/good.json": "folder",
    "build/reproduction/figures": "file", "build/reproduction/README.md": "folder",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_written(project, good, ran, place):
    """Something lies in the way (permissions mean nothing to root): one line, and nothing computed is lost by it."""
    project.shifted("good", 2.0)
    path = project.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if PLACES[place] == "folder" else path.write_text("in the way")
    code, told = ran("reproduce")
    assert code == 2
    assert len(told.splitlines()) <= 3, told
    assert str(path) in told
    path.rmdir() if PLACES[place] == "folder" else path.unlink()
    code, told = ran("reproduce")
    assert code == 0, told
    assert ("0 replicates computed" in told) == ("reproduction" in place)
    assert rows(project) == rows(good)
    assert shown(project) == shown(good)


def test_mlflow_that_cannot_be_written_costs_a_line(project, good, ran, monkeypatch):
    """Missing, it is made; locked by another program or of a newer schema, the evidence is as without it."""
    monkeypatch.setattr(writer, "LOCKED", 0.5)
    project.shifted("good", 2.0)
    mlflow = project.root / "build" / "mlflow.db"

    def mirrored(build, database="mlflow"):
        uri = f"tracking.uri=sqlite:///build/{database}.db"
        code, told = ran("reproduce", "tracking=sqlite", uri, f"paths.build={build}")
        assert code == 0, told
        assert shown(project, build) == shown(good)
        return " ".join(told.split())

    assert "MLflow" not in mirrored("first")
    assert mlflow.stat().st_size > 0
    other = sqlite3.connect(mlflow, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "another program has locked its database; stop that, then run `claims sync`" in mirrored("second")
    newer = sqlite3.connect(mlflow.with_name("newer.db"))
    other.execute("ROLLBACK")
    other.backup(newer)
    newer.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    newer.commit()
    newer.close()
    other.close()
    assert "not a database of this MLflow version; delete it, then run `claims sync`" in mirrored("third", "newer")


@pytest.mark.parametrize("name", ["local", pytest.param("dask", marks=pytest.mark.slow)])
def test_two_runs_at_once_and_interrupts(project, steady, name):
    """The second run is refused. Ctrl-C and SIGTERM end the first within 5 s; what it says is what is stored."""
    busy(project)
    arguments = ("engine.workers=2", f"engine={name}")
    kept = 0
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        enough = calls(project) + 20
        run = started(project, *arguments, start_new_session=True)
        wait_for(lambda: calls(project) >= enough or run.poll() is not None)  # noqa: B023 - called at once
        if interrupt is signal.SIGINT:
            run.send_signal(signal.SIGSTOP)  # so that it cannot end meanwhile
            second = project.run("reproduce")
            assert second.returncode == 2
            assert f"another run (process {run.pid}) is computing here" in second.stderr
            run.send_signal(signal.SIGCONT)
        workers = children(run.pid)
        at = time.monotonic()
        os.killpg(run.pid, interrupt) if interrupt is signal.SIGINT else run.terminate()  # as a terminal does it
        told, _ = run.communicate(timeout=20)
        assert time.monotonic() - at < 5
        assert run.returncode == 4, told
        assert "Traceback" not in told
        assert all(map(gone, workers))
        stored = sum(row[5] for row in rows(project))
        assert f"stopped; the {stored - kept} replicates of this run that were finished are stored" in told
        kept = stored
    assert project.run("reproduce", *arguments).returncode == 0
    assert rows(project) == rows(steady)
    assert shown(project) == shown(steady)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_then_its_scheduler(project, steady, tmp_path):
    """The chunk of a killed Dask worker runs elsewhere and its process ends; without a scheduler the run says so."""
    pytest.importorskip("distributed")
    busy(project)
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


def test_a_store_cut_short_is_refused_or_read_aright(good, tmp_path):
    """Wherever the file ends: what is read is what was written, or the store is said to be damaged."""
    whole = Store(good.root / "build" / "store.sqlite")
    known = whole.results("toy/good")
    whole.close()
    content = (good.root / "build" / "store.sqlite").read_bytes()
    refused = []
    for size in range(0, len(content), 997):
        path = tmp_path / f"{size}.sqlite"
        path.write_bytes(content[:size])
        try:
            store = Store(path)
            assert store.results("toy/good").items() <= known.items()
            store.put(known.values())
            store.close()
        except ClaimsError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all("the store is damaged" in error for error in refused)


def test_a_store_cut_short_and_moved_away(project, good, ran):
    project.shifted("good", 2.0)
    store = project.root / "build" / "store.sqlite"
    store.parent.mkdir()
    content = (good.root / "build" / "store.sqlite").read_bytes()
    store.write_bytes(content[: len(content) // 2])
    code, told = ran("reproduce")
    assert code == 2
    assert "the store is damaged" in told
    assert "move it away" in told
    assert store.read_bytes() == content[: len(content) // 2]
    assert not shown(project)
    store.rename(store.with_name("away"))
    assert ran("reproduce")[0] == 0
    assert shown(project) == shown(good)


@pytest.mark.parametrize(
    "edit",
    [
        "outcomes = replace(outcomes, '[', '[9')",
        "outcomes = CAST(X'ff' AS TEXT)",
        "status = 'failed'",
        "key = 'x' || key",
        "claim = 'toy/x'",
    ],
)
def test_a_row_edited_by_hand_counts_as_missing(project, good, ran, edit):
    project.shifted("good", 2.0)
    shutil.copytree(good.root / "build", project.root / "build")
    store = sqlite3.connect(project.root / "build" / "store.sqlite")
    store.execute(f"UPDATE result SET {edit} WHERE key = (SELECT min(key) FROM result)")
    store.commit()
    store.close()
    code, told = ran("reproduce")
    assert code == 0
    assert "1 replicates computed" in told
    assert ("left out and computed again: 1" in told) == ("claim" not in edit)
    assert {row for row in rows(project) if row[1] == "toy/good"} == set(rows(good))
    assert shown(project) == shown(good)


def test_a_run_that_another_one_overtook_starts_again(project, good, ran, monkeypatch):
    """Between reading what is stored and taking the right to write, another run may have finished."""
    project.shifted("good", 2.0)

    def overtaken(claims):
        store = Store(project.root / "build" / "store.sqlite")
        store.merge(Store(good.root / "build" / "store.sqlite"))
        store.close()

    monkeypatch.setattr(contract, "refuse_broken_modules", overtaken)
    code, told = ran("reproduce")
    assert code == 2
    assert "another run has just stored results here; start again" in told
    assert "0 replicates computed" in ran("reproduce")[1]
    assert shown(project) == shown(good)


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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    child = int(parent.stdout.readline())
    os.kill(parent.pid if struck == "parent" else child, signal.SIGKILL)
    told = parent.communicate(timeout=120)[1]
    wait_for(lambda: gone(child), LATE)
    assert ("ClaimsError: a process that judges or draws was killed" in told) == (struck == "child"), told


def test_a_store_of_another_version_is_refused_and_left_as_it_is(project, good, ran):
    """A column more would make every row look damaged, and damaged rows are deleted."""
    project.shifted("good", 2.0)
    shutil.copytree(good.root / "build", project.root / "build")
    path = project.root / "build" / "store.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("ALTER TABLE result ADD COLUMN machine TEXT NOT NULL DEFAULT ''")
    newer.commit()
    newer.close()
    before = rows(project)
    code, told = ran("reproduce")
    assert code == 2
    assert f"{path}: the store was written by another version of claims" in told
    assert "move the store away" in told
    assert rows(project) == before


def test_a_second_signal_does_not_cut_the_first_one_short(project, steady):
    busy(project)
    run = started(project, "engine.workers=2")
    wait_for(lambda: calls(project) >= 20)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        run.send_signal(number)
        time.sleep(0.02)  # so that they arrive one after the other
    told, _ = run.communicate(timeout=30)
    assert run.returncode == 4, told
    stored = sum(row[5] for row in rows(project))
    assert f"stopped; the {stored} replicates of this run that were finished are stored" in told
    assert set(rows(project)) <= set(rows(steady))


def test_two_writers_of_one_file_leave_one_whole_text(tmp_path):
    """As two commands do that build the same pages at once."""
    path, texts = tmp_path / "page.md", [letter * 10**6 for letter in "ab"]
    code = """
import sys
from pathlib import Path
from claims.evidence import write_text
for _ in range(100):
    for letter in sys.argv[2]:
        write_text(Path(sys.argv[1]), letter * 10**6)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen([sys.executable, "-c", code, path, order], env=environment) for order in ("ab", "ba")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert path.read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]


def test_what_a_trial_imports_is_not_its_time(project, ran):
    """Under a limit that the import alone would break, on a busy machine or a slow disk."""
    toy = project.root / "experiments" / "toy.py"
    toy.write_text(toy.read_text().replace("import numpy as np", "import numpy as np\n\ntime.sleep(1.5)", 1))
    project.shifted("good", 2.0)
    assert ran("reproduce", "engine.workers=1", "engine.seconds=1")[0] == 0
    assert not attempts(project)
