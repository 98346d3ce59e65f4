"""Disks that are full, files that cannot be written, and stores that are damaged or of another version."""

import resource
import shutil
import sqlite3
import subprocess
from functools import partial

import pytest

from claims.errors import ClaimsError
from claims.store import Store
from claims.tracking import writer
from tests.accidents import evidence_of, python, rows, shown


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
    writers = [python("-c", code, path, order) for order in ("ab", "ba")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert path.read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]


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
