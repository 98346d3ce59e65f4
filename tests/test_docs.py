"""What README and CONTRIBUTING tell a reader to type works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from claims import cli, evidence, schema

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]


def commands(document):
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


# Those of CONTRIBUTING are run in order, in a copy: see test_contributing.
CLAIMS = [line for line in commands("README.md") if line.startswith(".venv/bin/claims")]
# What these would do takes minutes or writes into the project; their words are still parsed.
SLOW = (" reproduce ", " run claim=", " run -m ")
WRITES = (" accept ",)


def run(line, tmp_path, *more):
    words = shlex.split(line)[1:]
    return subprocess.run(
        [sys.executable, "-m", "claims.cli", *words, *more], cwd=ROOT, capture_output=True, text=True, timeout=500
    )


@pytest.mark.parametrize("line", [c for c in CLAIMS if not any(w in c for w in (*SLOW, *WRITES))])
def test_a_command_of_the_documents_runs(line, tmp_path):
    done = run(line, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line", [c for c in CLAIMS if " --cfg " in c])
def test_the_composed_configuration_is_shown(line, tmp_path):
    done = run(line, tmp_path)
    assert done.returncode == 0
    assert "statement:" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("line", [c for c in CLAIMS if any(w in c for w in SLOW) and "--cfg" not in c])
def test_a_command_of_the_documents_that_computes_runs(line, tmp_path):
    done = run(line, tmp_path, f"paths.build={tmp_path}", "tracking=none")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_named_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`make ([a-z-]+)", text)) | {
        c.split()[1] for c in commands(document) if c.startswith("make ")
    }
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_make_target_has_something_to_do():
    """A recipe that calls a name which is gone would do nothing, and say nothing."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.M)
    for target in sorted(set(targets) - {"help", "setup"}):
        command = ["make", "--warn-undefined-variables", "-n", "-o", ".venv/.ready", target, "CLAIM=a/b"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), target
        assert re.search(r"\.venv/bin/|rm -rf", done.stdout), target


@pytest.mark.parametrize("command", sorted({shlex.split(line)[1] for line in CLAIMS} - {"run"}))
def test_every_command_named_is_one(command):
    assert cli.parser().parse_args([command]).command == command


def test_the_numbers_of_the_worked_example_are_those_of_its_evidence():
    """The method page retells one claim's evidence, which may be drawn again."""
    text = " ".join((ROOT / "docs" / "how-verdicts-are-made.md").read_text(encoding="utf-8").split())
    record = evidence.read(ROOT / "reports/evidence/regularization/l1-zeroes-weights-l2-does-not.json")
    found = {condition["name"]: condition for condition in record["conditions"]}
    for name, words in (
        (
            "cross-validated",
            "{n} replicates gave a difference of {estimate:.2f} with the interval from {low:.2f} to {high:.2f}",
        ),
        ("as-printed", "{n} replicates gave {estimate:.2f}, from {low:.2f} to {high:.2f}"),
    ):
        assert words.format(**found[name]) in text
    assert record["statement"].rstrip(".") in text
    assert (found["as-printed"]["label"], found["as-printed"]["reason"]) == ("fails", "too small (lasso - ridge)")
    labels = [condition["label"] for condition in record["conditions"]]
    assert (labels.count("holds"), len(labels), record["verdict"]["k"], record["verdict"]["label"]) == (
        5,
        6,
        5,
        "supported",
    )


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/how-verdicts-are-made.md"])
def test_links_lead_somewhere(document):
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_committed_schema_of_claim_files_is_current(capsys):
    assert cli.main(["schema"]) == 0
    written = (ROOT / "conf" / "claim.schema.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == written, "make schema writes it"


CHECK = jsonschema.Draft202012Validator(schema.json_schema())
WALKED = schema.read_yaml(ROOT / "conf/claim/regularization/l1-zeroes-weights-l2-does-not.yaml")
DIFF, IDENTITY = WALKED["criterion"]["all"]


def test_an_editor_accepts_every_claim_file():
    for path in schema.files(ROOT / "conf").values():
        assert CHECK.is_valid(schema.read_yaml(path)), path


@pytest.mark.parametrize(
    "criterion",
    [
        {**DIFF, "margn": 0.1},
        {**DIFF, "kind": "dif"},
        {**DIFF, "better": "hgher"},
        {**DIFF, "margin": "a fifth"},
        {key: value for key, value in DIFF.items() if key != "margin"},
        {"all": [DIFF, {**IDENTITY, "n": "three"}]},
        {"all": []},
        {"any": [DIFF], "kind": "diff"},
    ],
    ids=str,
)
def test_an_editor_marks_a_wrong_criterion(criterion):
    assert not CHECK.is_valid({**WALKED, "criterion": criterion})
    assert CHECK.is_valid({**WALKED, "criterion": DIFF})
    assert CHECK.is_valid({**WALKED, "criterion": {"any": [DIFF, {"all": [IDENTITY]}]}})


def findings():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^\* \*\*(\w+)\*\*[^:*]*: .*?\(reports/([\w-]+)\.md#([\w-]+)\)", text, re.M | re.S)


def test_the_front_page_tells_the_verdicts_of_the_evidence():
    told = [(verdict, page.removesuffix("-claims"), name) for verdict, page, name in findings() if verdict.istitle()]
    assert len(told) == 5
    for verdict, topic, name in told:
        found = evidence.read(ROOT / "reports" / "evidence" / topic / f"{name}.json")["verdict"]["label"]
        assert found == verdict.lower(), name
