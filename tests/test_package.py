"""An installed package works where there is no checkout: it carries claims and evidence, and writes into neither."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from claims import __version__

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked as an installer does with one of pure Python."""
    folder = tmp_path_factory.mktemp("package")
    build = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(folder / made.stdout.strip().splitlines()[-1]) as wheel:
        wheel.extractall(folder / "lib")
    return folder / "lib"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The path puts the package before the checkout that is installed for the tests.
    return subprocess.run(
        [sys.executable, "-m", "claims.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_claim_is_reproduced_anywhere_against_the_evidence_that_the_package_carries(installed, tmp_path):
    before = {path: path.read_bytes() for path in installed.rglob("*.json")}
    done = run(installed, tmp_path, "reproduce", "metrics/mape-code-handles-zeros", "tracking=none", "engine.workers=1")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 verdicts reproduced" in done.stdout
    assert (tmp_path / "build" / "reproduction" / "metrics.md").is_file()
    assert {path: path.read_bytes() for path in installed.rglob("*.json")} == before


def test_what_writes_into_the_project_asks_for_one(installed, tmp_path):
    for command in (["accept"], ["report"], ["new", "metrics/any"], ["stability"], ["environment", "previous"]):
        refused = run(installed, tmp_path, *command)
        assert refused.returncode == 2
        assert "is in no checkout of the project" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_there_is_one_version():
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert "version" not in (ROOT / "pyproject.toml").read_text().partition("[project]")[2].partition("dynamic")[0]
    heads = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert heads[0].startswith("## Unreleased" if "dev" in __version__ else f"## {__version__}")
