"""What the tests of accidents (`test_survive_*.py`) share: starting runs, waiting, and what must be the same after.

After each accident no replicate is lost or counted twice, and the evidence is as without it.
"""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from claims import evidence


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


def python(*arguments, **options):
    """Another interpreter, which finds the modules that this one finds."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **options)


def children(pid):
    """Processes that a process or one of its threads has started."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, file.read_text().split())
        except OSError:
            continue
    return found


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


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


def evidence_of(project, id):
    return evidence.read(project.root / "build" / "reproduction" / "evidence" / "toy" / f"{id}.json")
