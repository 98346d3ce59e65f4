"""The scripts of docs/scaling.md, run as their scheduler would run them."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, new_project

from claims.store import Store

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
BLOCKS = {name: text for text, name in re.findall(r"```\w+\n((?:#![^\n]*\n)?# (\S+)\n.*?)```", PAGE, re.S)}
CLAIMS = ("one", "two", "three")


def made(root):
    """A project of three claims with the command where the scripts look for it."""
    project = new_project(root)
    for number, id in enumerate(CLAIMS):
        project.shifted(id, 2.0 - 2.0 * number)
    command = project.root / ".venv" / "bin" / "claims"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m claims.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return project


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Evidence of a run without shards."""
    project = made(tmp_path_factory.mktemp("whole") / "project")
    assert project.run("reproduce").returncode == 0
    return evidence(project)


@pytest.fixture
def project(tmp_path):
    return made(tmp_path / "project")


def evidence(project):
    folder = project.root / "build" / "reproduction" / "evidence" / "toy"
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def run(project, script, shell="bash", **variables):
    """Output of a script under a scheduler's environment variables; it has to end well."""
    done = subprocess.run(
        [shell, "-c", script], cwd=project.root, env={**project.environment, **variables}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def claims_in(project, shard):
    store = Store(project.root / "build" / "shards" / shard / "store.sqlite")
    found = set(store.digests())
    store.close()
    return found


def test_a_slurm_array_and_its_merge(project, whole):
    assert re.search(r"^#SBATCH --array=1-\d+$", BLOCKS["array.sh"], re.M)  # shards count from one
    common = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    for task in "12":
        run(project, BLOCKS["array.sh"], SLURM_ARRAY_TASK_ID=task, **common)
    assert claims_in(project, "1") | claims_in(project, "2") == {f"toy/{id}" for id in CLAIMS}
    assert not claims_in(project, "1") & claims_in(project, "2")
    assert "; 0 replicates computed" in run(project, BLOCKS["merge.sh"])
    assert evidence(project) == whole


def test_a_kubernetes_job_whose_verdicts_moved(project, whole):
    """One pod per index, from zero; a shard with nothing to do is complete as well."""
    job = yaml.safe_load(BLOCKS["job.yaml"])["spec"]
    (container,) = job["template"]["spec"]["containers"]
    fixed = {entry["name"]: entry["value"] for entry in container["env"]}
    assert int(fixed["SHARDS"]) == job["completions"] == job["parallelism"]
    shell, option, script = container["command"]
    assert (shell, option) == ("/bin/sh", "-c")
    for id in CLAIMS:  # committed as another verdict: exit code 1
        path = project.root / "reports" / "evidence" / "toy" / f"{id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole[f"{id}.json"].replace(b'"label": "supported"', b'"label": "inconclusive"'))
    for index in ("0", "3"):
        run(project, script, "/bin/sh", JOB_COMPLETION_INDEX=index, SHARDS="4")
    assert (claims_in(project, "0"), claims_in(project, "3")) == ({"toy/one"}, set())


def test_a_ci_matrix(project, whole, tmp_path):
    """The shards run in checkouts of their own; what they upload is all that the last job gets."""
    jobs = yaml.safe_load(BLOCKS["workflow.yaml"])["jobs"]
    shard, last = jobs["shard"], jobs["whole"]
    assert (shard["env"], last["needs"]) == ({"SHARD": "${{ matrix.shard }}"}, "shard")
    own = [step["run"] for step in shard["steps"] if "claims" in step.get("run", "")]
    uploaded = next(step["with"]["path"] for step in shard["steps"] if "upload" in step.get("uses", ""))
    downloaded = next(step["with"]["path"] for step in last["steps"] if "download" in step.get("uses", ""))
    count = len(shard["strategy"]["matrix"]["shard"])
    assert [f"$SHARD/{count}" in line for line in own] == [True]
    for number in ("1", "2"):
        checkout = made(tmp_path / number)
        run(checkout, own[0].replace(f"/{count}", "/2"), SHARD=number)
        shutil.copytree(checkout.root / uploaded, project.root / downloaded, dirs_exist_ok=True)
    told = [run(project, step["run"]) for step in last["steps"] if "claims" in step.get("run", "")]
    assert "; 0 replicates computed" in told[-1]
    assert evidence(project) == whole


def test_every_script_of_the_page_is_run_here():
    assert sorted(BLOCKS) == ["array.sh", "job.yaml", "merge.sh", "workflow.yaml"]
    assert PAGE.count("```bash") + PAGE.count("```yaml") == len(BLOCKS)
