"""Timed claims run alone and on a quiet host only; elsewhere what is committed stays in force."""

import fcntl
import os
import subprocess
import sys

import pytest

TIMED = """
statement: Slow takes longer than fast.
guide: {sections: [2], lines: ["50-56"]}
quantifier: can
trial: experiments.toy.timed
timed: true
conditions: {only: {factor: 2.0}}
criterion: {kind: ratio, a: slow_s, b: fast_s, range: [1.2, .inf], estimator: median, clock: cpu, why: a fifth counts}
controls: {negative: {none: {base: only, factor: 1.0}}}
"""


@pytest.fixture
def run(project, tmp_path):
    """The command with another idea of a quiet host, where no other run on this machine is known."""
    project.claim("toy/one", TIMED)

    def command(quiet, *arguments):
        code = f"from claims import cli, reproduction; reproduction.QUIET = float('{quiet}')"
        return subprocess.run(
            [sys.executable, "-c", f"{code}; raise SystemExit(cli.main({list(arguments)}))"],
            cwd=project.root, env={**project.environment, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip

    return command


def test_a_noisy_host_and_another_run_leave_the_evidence_in_force(project, run, seen, tmp_path):
    assert "1 new" in seen(run("inf", "reproduce", "engine.workers=1"))
    assert run("inf", "accept").returncode == 0
    kept = project.root / "reports" / "evidence" / "toy" / "one.json"
    before = kept.read_bytes()
    for file in (project.root / "build").glob("store.*"):
        file.unlink()
    with open(tmp_path / f"claims-{os.getuid()}.lock", "w") as other:
        for quiet, lock in (("0", fcntl.LOCK_UN), ("inf", fcntl.LOCK_SH)):
            fcntl.flock(other, lock)
            done = run(quiet, "reproduce", "engine.workers=1")
            assert "toy/one: not timed" in seen(done)
            assert "0 replicates computed" in done.stdout
            assert done.returncode == 0
    assert kept.read_bytes() == before
    assert "1 of 1 verdicts reproduced" in seen(run("inf", "reproduce", "engine.workers=1"))
