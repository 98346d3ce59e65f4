"""What CONTRIBUTING tells a new contributor to do, done in a copy of the project; and where one may go wrong."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from claims import evidence
from tests.conftest import Project

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(console|yaml|python)\n(.*?)```", TEXT, re.S)
COMMANDS = [line for kind, block in BLOCKS if kind == "console" for line in block.splitlines()]
# Blocks that begin with the path of a file are that file; the others show a part of the claim that is walked through.
FILES = {block.partition("\n")[0][2:]: block.partition("\n")[2] for _, block in BLOCKS if block.startswith("# ")}
PARTS = [(kind, block) for kind, block in BLOCKS if kind != "console" and not block.startswith("# ")]
WALKED = "regularization/l1-zeroes-weights-l2-does-not"
ADDED = [name.removeprefix("conf/claim/").removesuffix(".yaml") for name in FILES if name.startswith("conf")]
COMPARED, ASKED, OWN = ADDED


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Copies the project with the claim that is walked through and no other, under version control."""
    root = tmp_path_factory.mktemp("contributing") / "project"
    kept = [f"conf/claim/{WALKED}.yaml", f"reports/evidence/{WALKED}.json", f"reports/runs/{WALKED}.json"]
    for name in ("conf", "experiments", "docs", "CITATION.cff"):
        source, hidden = ROOT / name, shutil.ignore_patterns("__pycache__", "claim")
        shutil.copytree(source, root / name, ignore=hidden) if source.is_dir() else shutil.copy(source, root)
    for name in kept:
        (root / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, root / name)
    for added in FILES:  # some day they are committed
        (root / added).unlink(missing_ok=True)
    config = root / "conf" / "config.yaml"
    config.write_text(
        config.read_text(encoding="utf-8").replace("tracking: sqlite", "tracking: none"), encoding="utf-8"
    )
    for words in ("init -q", "add -A", "-c user.name=x -c user.email=x@example.org commit -qm start"):
        subprocess.run(["git", *words.split()], cwd=root, check=True)
    return Project(root)


def put(project, claim, change=("", "")):
    path = project.root / "conf" / "claim" / f"{claim}.yaml"
    text = FILES[f"conf/claim/{claim}.yaml"]
    assert change[0] in text
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace(*change, 1), encoding="utf-8")


def test_what_is_shown_of_the_claim_is_what_stands_there():
    files = {"yaml": ROOT / "conf" / "claim" / f"{WALKED}.yaml", "python": ROOT / "experiments" / "regularization.py"}
    assert len(PARTS) == 4
    for kind, part in PARTS:
        assert part.rstrip() in files[kind].read_text(encoding="utf-8")


def test_the_commands_run_in_order(copied):
    """To the verdict of the claim that is walked through, which is the committed one; and three new claims started."""
    before = evidence.read(copied.root / "reports" / "evidence" / f"{WALKED}.json")
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0] == ".venv/bin/claims":
            done = copied.run(*words[1:], timeout=600)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        else:
            subprocess.run(words, cwd=copied.root, check=True)
    assert evidence.read(copied.root / "reports" / "evidence" / f"{WALKED}.json")["verdict"] == before["verdict"]
    page = (copied.root / "build" / "site" / "claim" / f"{WALKED}.html").read_text(encoding="utf-8")
    assert before["statement"] in page
    for claim in ADDED:
        started = (copied.root / "conf" / "claim" / f"{claim}.yaml").read_text(encoding="utf-8")
        assert "TODO" in started
        assert "# Sketch of a test: " in started
    assert "raise NotImplementedError" in (copied.root / "experiments" / "trees.py").read_text(encoding="utf-8")


def test_three_new_claims_reach_their_pages(copied, seen):
    """A comparison and a keyword without Python, at most 20 lines each; one with a function of 15 lines."""
    assert all(len(FILES[f"conf/claim/{claim}.yaml"].splitlines()) <= 20 for claim in ADDED)
    function = FILES["experiments/trees.py"].partition("def ")[2]
    assert len(function.splitlines()) <= 15
    for claim in ADDED:
        put(copied, claim)
    shown = seen(copied.run("check", OWN))
    assert f"trial: experiments.{OWN.replace('-', '_').replace('/', '.')} is still a stub; write it" in shown
    (copied.root / "experiments" / "trees.py").write_text(FILES["experiments/trees.py"], encoding="utf-8")
    shown = seen(copied.run("check", "--run", *ADDED))
    assert shown.count("CPU seconds with") == 3
    assert "3 claim files keep every rule" in shown
    done = copied.run("reproduce", *ADDED, timeout=600)
    assert done.returncode == 0, seen(done)
    assert "3 new" in seen(done)
    assert "3 changed" in seen(copied.run("accept", *ADDED))
    assert "pages built" in seen(copied.run("report"))
    for claim in ADDED:
        record = evidence.read(copied.root / "reports" / "evidence" / f"{claim}.json")
        assert record["verdict"]["label"] in ("supported", "conditional", "refuted")
        page = (copied.root / "build" / "site" / "claim" / f"{claim}.html").read_text(encoding="utf-8")
        assert record["verdict"]["label"] in page
        assert f'claim/{claim}.html"' in (copied.root / "build" / "site" / "section" / "6.html").read_text() or (
            claim == ASKED
        )


MISTAKES = {
    "an id misspelt": (("new", f"{COMPARED}s"), None, f"the ledger has no such claim; nearest: {COMPARED}"),
    "another topic": (("new", "linear/ridge-never-zeroes-a-weight"), None, "has this claim under 'regularization'"),
    "nothing to test": (("new", "trees/untestable-section-06"), None, "takes this for untestable ("),
    "a trial misspelt": (
        ("new", "trees/unpruned-tree-overfits", "--trial", "experiments.generic.compar"),
        None,
        "has no function 'compar'; did you mean 'compare'?",
    ),
    "not filled in": (("check",), ("two more", "TODO two more"), "criterion.why: still says 'TODO two more"),
    "a parameter misspelt": (("check",), ("few-rows: {data: moons, n_train", "few-rows: {data: moons, n_trian"),
                             "takes no such parameter; did you mean 'n_train'?"),
    "no control": (("check",), ("negative: {straight: {base: moons, data: gaussians, options: {}}}", "{}"),
                   "controls.negative: is required"),
    "a model misspelt": (("check",), ("DecisionTreeClassifier", "DecisionTreClassifier"),
                         "conditions.moons.arms.tree.model: sklearn.tree has no estimator 'DecisionTreClassifier'; "
                         "did you mean 'DecisionTreeClassifier'?"),
    "an arm misspelt": (("check",), ("a: tree", "a: tre"),
                        "conditions.moons: the trial compare returns no outcome 'tre'; did you mean 'tree'?"),
    "accepted before it ran": (("accept", COMPARED), ("", ""), f"run make claim CLAIM={COMPARED} first"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_typical_mistake_gives_one_clear_line(copied, seen, mistake):
    command, change, told = MISTAKES[mistake]
    if change is not None:
        put(copied, COMPARED, change)
        command = (*command, COMPARED) if command[0] == "check" else command
    for folder in ("build", "reports"):
        shutil.rmtree(copied.root / folder, ignore_errors=True)
    done = copied.run(*command)
    assert done.returncode == 2
    assert told in seen(done)
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1, done.stdout + done.stderr
    assert done.stderr.startswith("claims: ")
