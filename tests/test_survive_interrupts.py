"""Runs that are interrupted or meet another one: what was finished is stored, and the next run goes on from there."""

import os
import signal
import time

import pytest

from claims import contract
from claims.store import Store
from tests.accidents import calls, children, gone, rows, shown, started, wait_for


@pytest.mark.parametrize("name", ["local", pytest.param("dask", marks=pytest.mark.slow)])
def test_two_runs_at_once_and_interrupts(project, steady, name):
    """The second run is refused. Ctrl-C and SIGTERM end the first within 5 s; what it says is what is stored."""
    project.busy()
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


def test_a_second_signal_does_not_cut_the_first_one_short(project, steady):
    project.busy()
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
