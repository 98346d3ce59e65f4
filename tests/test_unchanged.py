"""What did not change is neither judged nor drawn again; what did is."""

import sqlite3

import pytest

from claims import cli, processes


@pytest.fixture
def done(project, monkeypatch, experiments_at):
    """A project with two claims that have been run; commands run in this process."""
    project.shifted("one", 2.0)
    project.shifted("two", 0.0)
    assert project.run("reproduce").returncode == 0
    monkeypatch.chdir(project.root)
    experiments_at(project.root)
    return project


def judged(monkeypatch):
    """Runs the suite in this process; the names of the claims that were judged, and of the folders that were built."""
    from claims import report, reproduction

    names, built = [], []
    with monkeypatch.context() as patch:
        write, build = reproduction._write, report.build
        patch.setattr(reproduction, "_write", lambda run, *rest: names.append(run.claim.id) or write(run, *rest))
        patch.setattr(report, "build", lambda folder, *rest: built.append(folder.name) or build(folder, *rest))
        assert cli.main(["reproduce"]) == 0
    return names, built


def edited(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def restated(project):
    edited(project.root / "conf/claim/toy/one.yaml", "Treated is higher", "Treated lies higher")


def retyped(project):
    edited(project.root / "build/reproduction/evidence/toy/one.json", '"n": ', '"n":  ')


def dropped(project):
    (project.root / "build/reproduction/runs/toy/one.json").unlink()


def recommitted(project):
    file = project.root / "reports/evidence/toy/one.json"
    file.parent.mkdir(parents=True)
    file.write_bytes((project.root / "build/reproduction/evidence/toy/one.json").read_bytes())


def touched_up(project):
    with sqlite3.connect(project.root / "build/store.sqlite") as db:
        one = "SELECT key FROM result WHERE claim = 'toy/one' LIMIT 1"
        db.execute(f"UPDATE result SET outcomes = '{{}}' WHERE key IN ({one})")
    db.close()


def rewritten(project):
    edited(project.root / "experiments/toy.py", "Trials of known truth.", "Trials of truth.")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (restated, ["one"]),
        (retyped, ["one"]),
        (dropped, ["one"]),
        (recommitted, ["one"]),
        (touched_up, ["one"]),
        (rewritten, ["one", "two"]),
    ],
)
def test_only_what_changed_is_judged_again(done, monkeypatch, change, again):
    assert judged(monkeypatch) == ([], [])
    change(done)
    assert judged(monkeypatch)[0] == again
    assert judged(monkeypatch) == ([], [])


def test_a_page_edited_by_hand_is_built_again(done, monkeypatch):
    page = done.root / "build/reproduction/toy.md"
    before = page.read_bytes()
    page.write_text("edited")
    assert judged(monkeypatch) == ([], ["reproduction"])
    assert page.read_bytes() == before


def test_stored_claims_come_out_alike_in_one_process_and_in_many(done, monkeypatch):
    evidence = done.root / "build/reproduction/evidence/toy"
    before = {path.name: path.read_bytes() for path in evidence.iterdir()}
    for path in evidence.iterdir():
        path.unlink()
    monkeypatch.setattr(processes, "ALONE", 1)
    assert cli.main(["reproduce"]) == 0
    assert {path.name: path.read_bytes() for path in evidence.iterdir()} == before
