"""Other library versions: kept apart, compared with the committed evidence, refused where they are not at hand."""

import json
from importlib import metadata

import pytest

from claims import environments
from claims.errors import ClaimsError
from claims.report.environments import outcomes_apart, shift


def described(project, text):
    file = project.root / "conf" / "environments" / "older.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def test_evidence_of_another_environment_is_kept_apart_and_compared(project, seen):
    """The versions at hand serve as the other ones; a verdict that is changed by hand stands for one that drifted."""
    project.shifted("clear", 2.0)
    project.shifted("absent", 0.0)
    for command in ("reproduce", "accept"):
        assert project.run(command).returncode == 0
    before = (project.root / "reports" / "evidence" / "toy" / "clear.json").read_bytes()
    described(project, f"pins: {{numpy: '{metadata.version('numpy')}'}}\nreasons: {{toy/clear: rounds otherwise.}}\n")
    done = project.run("environment", "older", "toy/clear", "engine.workers=1")
    assert done.returncode == 0
    assert "0 of 1 verdicts differ here" in seen(done)
    kept = project.root / "reports" / "environments" / "older" / "evidence" / "toy" / "clear.json"
    assert json.loads(kept.read_text())["verdict"]["label"] == "supported"
    assert (project.root / "build" / "environments" / "older" / "store.sqlite").is_file()
    page = project.root / "reports" / "environments.md"
    assert "1 claim of 2 run there: 1 with the same verdict, 0 with another" in page.read_text()
    assert "Outcomes differ in 0 of" in page.read_text()
    drifted = json.loads(kept.read_text())
    drifted["verdict"]["label"] = "refuted"
    first = drifted["conditions"][0]
    first["outcomes"]["treated"][0] += 1
    first["leaves"][0]["estimate"] = first["leaves"][0]["low"] = first["estimate"] = first["low"] = -9
    kept.write_text(json.dumps(drifted))
    assert project.run("report").returncode == 0
    assert "| toy/clear | supported | refuted | rounds otherwise. |" in page.read_text()
    (row,) = [line for line in page.read_text().splitlines() if line.startswith(f"| toy/clear | {first['name']} |")]
    assert row.endswith("| treated |")
    shown = (project.root / "build" / "site" / "environments.html").read_text()
    assert "rounds otherwise." in shown
    described(project, f"pins: {{numpy: '{metadata.version('numpy')}'}}\n")
    assert project.run("report").returncode == 0
    assert "treated differ in 1 of" in page.read_text()
    assert (project.root / "reports" / "evidence" / "toy" / "clear.json").read_bytes() == before


def test_versions_that_are_not_installed_are_not_run(project, seen):
    project.shifted("clear", 2.0)
    described(project, "pins: {numpy: 1.0.0}\n")
    refused = project.run("environment", "older")
    assert refused.returncode == 2
    assert "numpy must be 1.0.0" in seen(refused)
    assert "make environment NAME=older" in seen(refused)
    assert not (project.root / "reports" / "environments").exists()
    assert "did you mean 'older'" in seen(project.run("environment", "oldr"))


def test_the_pins_take_the_place_of_those_of_the_suite():
    text = "numpy==2.0\nscikit-learn==1.9.1\nscikit-learn-extra==0.3\n"
    made = environments.Environment("older", {"scikit-learn": "1.8.0"}).constraints(text)
    assert made == "numpy==2.0\nscikit-learn==1.8.0\nscikit-learn-extra==0.3\n"
    with pytest.raises(ClaimsError, match="has no scipy"):
        environments.Environment("older", {"scipy": "1.0"}).constraints(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pins: {numpy: 1.5}", "pins: must map names to texts"),
        ("pins: {}", "pins: must name at least one"),
        ("pins: {numpy: 1.5.0}\nwhy: {}", "why: is no key here"),
        ("pins: {numpy: 1.5.0}\nreasons: [a]", "reasons: must map names to texts"),
    ],
)
def test_a_file_that_breaks_a_rule_is_one_line(tmp_path, text, told):
    file = tmp_path / "environments" / "older.yaml"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ClaimsError, match=told):
        environments.load(tmp_path)


def row(estimate, low, high, **outcomes):
    leaf = {"estimate": estimate, "low": low, "high": high}
    return {**leaf, "leaves": [leaf], "outcomes": outcomes}


def test_shifts_are_in_half_widths_and_outcomes_are_compared_by_replicate():
    here = row(1.0, 0.0, 2.0, a=[1.0, 2.0], b=[[1.0, 2.0], [3.0, 4.0]], c=[float("nan")])
    there = row(2.5, 0.0, 2.0, a=[1.0, 2.0, 9.0], b=[[1.0, 2.0], [3.0, 4.5]], c=[float("nan")])
    assert shift(here, there) == 1.5
    assert shift(here, here) == 0
    assert shift(row(1.0, 1.0, 1.0), there) == float("inf")
    assert outcomes_apart(here, there) == ["b"]
    assert outcomes_apart(here, row(0.0, 0.0, 2.0, c=[1.0], b=[[0.0]], a=[0.0])) == ["a", "b", "c"]


def test_every_environment_of_the_project_names_pinned_libraries():
    root = environments.Path(__file__).resolve().parents[1]
    text = (root / "constraints.txt").read_text()
    found = environments.load(root / "conf")
    assert found
    assert all(one.constraints(text) != text for one in found.values())
