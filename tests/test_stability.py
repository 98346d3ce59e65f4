"""Verdicts under other base seeds: what is listed, how far from the margin it lay, what is an error."""

import json
import math
import shutil

import pytest

from claims import stability


def test_the_command_runs_other_seeds_lists_what_moved_and_refuses_an_opposite_verdict(project, seen):
    """A clear claim stays; one whose committed verdict is made its opposite by hand is an error."""
    project.shifted("clear", 2.0)
    project.shifted("absent", 0.0)
    for command in ("reproduce", "accept"):
        assert project.run(command).returncode == 0
    some = project.run("stability", "toy/clear", "engine.workers=2")
    assert "0 verdicts differ" in seen(some)
    assert (
        "| [toy/absent](toy.md#absent) | refuted | not run | not run |"
        in (project.root / "reports" / "stability.md").read_text()
    )
    done = project.run("stability", "engine.workers=2")
    assert "0 verdicts differ, 0 are the opposite" in seen(done)
    assert done.returncode == 0
    page = project.root / "reports" / "stability.md"
    assert "| [toy/clear](toy.md#clear) | supported | supported | supported |" in page.read_text()
    for seed in (1, 2):
        record = evidence_of(project, seed, "clear")
        assert record["base_seed"] == seed
    drawn = [evidence_of(project, seed, "clear")["conditions"][0]["outcomes"]["treated"][0] for seed in (1, 2)]
    assert drawn[0] != drawn[1]
    file = project.root / "reports" / "evidence" / "toy" / "clear.json"
    file.write_text(file.read_text().replace('"label": "supported"', '"label": "refuted"'))
    before = file.read_bytes()
    shutil.rmtree(project.root / "build")  # what another checkout has found stays in reports/
    turned = project.run("stability", "toy/clear")
    assert turned.returncode == 1
    assert "toy/clear: refuted under the committed base seed, supported under 1" in seen(turned)
    assert "refuted -> supported **(the opposite)**" in page.read_text()
    assert "| [toy/absent](toy.md#absent) | refuted | refuted | refuted |" in page.read_text()
    assert file.read_bytes() == before


def evidence_of(project, seed, id):
    folder = project.root / "build" / "stability" / str(seed) / "reproduction" / "evidence" / "toy"
    return json.loads((folder / f"{id}.json").read_text())


def leaf(**values):
    return {"estimate": 0.6, "low": 0.4, "high": 0.8, "lower": 0.5, "upper": math.inf, "scale": "difference"} | values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0.5),
        ({"lower": 0.7}, -0.5),
        ({"lower": -math.inf, "upper": 0.9}, 1.5),
        ({"lower": 0.5, "upper": 0.65}, 0.25),
        ({"scale": "ratio", "estimate": 2.0, "low": 1.0, "high": 4.0, "lower": 1.0}, 1.0),
        ({"scale": "ratio", "estimate": 0.5, "low": 0.25, "high": 1.0, "lower": 0.0, "upper": 1.0}, 1.0),
        ({"low": math.nan, "high": math.nan}, math.nan),
        ({"low": 0.6, "high": 0.6}, math.nan),
        ({"low": -math.inf}, math.nan),
    ],
)
def test_the_distance_to_the_margin_in_half_widths(values, expected):
    row = leaf(**values)
    assert stability.distance(row | {"leaves": [row]}) == pytest.approx(expected, nan_ok=True)


def record(label, conditions, timed=False, trial="a"):
    rows = [{"name": name, "label": told, **leaf(), "leaves": [leaf()]} for name, told in conditions.items()]
    same = {"declaration_sha256": "d", "trial_sha256": trial, "revisions": [], "versions": {}}
    controls = [{**rows[0], "name": "none", "label": "undecided", "passes": label != "invalid"}]
    whole = same | {"verdict": {"label": label}, "timed": timed, "conditions": rows, "controls": controls}
    return stability.kept(whole)


@pytest.mark.parametrize(
    ("before", "after", "timed", "listed", "flip"),
    [
        ("supported", "refuted", False, True, True),
        ("refuted", "supported", False, True, True),
        ("supported", "refuted", True, True, False),
        ("supported", "conditional", False, True, False),
        ("inconclusive", "refuted", False, True, False),
        ("supported", "supported", False, False, False),
    ],
)
def test_what_is_listed_and_what_is_an_error(before, after, timed, listed, flip):
    committed = {"t/one": record(before, {"a": "holds", "b": "holds"}, timed)}
    found = {1: {"t/one": record(after, {"a": "holds", "b": "undecided"}, timed)}, 2: committed}
    changes = stability.changes(committed, found)
    assert [change.flip for change in changes] == [flip] * listed
    assert [one.name for change in changes for one in change.moved] == ["b"] * listed
    assert ("b: holds -> undecided, distance 0.5 -> 0.5" in stability.page(committed, found)) == listed


def test_a_claim_that_changed_since_is_not_compared_and_a_control_that_misbehaves_is_named():
    committed = {"t/one": record("supported", {"a": "holds"}), "t/two": record("supported", {"a": "holds"})}
    found = {1: {"t/one": record("refuted", {"a": "fails"}, trial="b"), "t/two": record("invalid", {"a": "holds"})}}
    (change,) = stability.changes(committed, found)
    assert (change.claim, change.after, change.flip) == ("t/two", "invalid", False)
    page = stability.page(committed, found)
    assert "| [t/one](t.md#one) | supported | not run |" in page
    assert "none: undecided -> undecided, misbehaves" in page
    assert "1 claim of 2 run under all base seeds: 0 with the same verdict" in page
