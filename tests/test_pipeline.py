"""From a claim file to evidence, through the real commands in a project of their own."""

import json
import shutil

import pytest

from claims import audit, evidence


def evidence_of(project, id, profile="standard"):
    folder = "reproduction" if profile == "standard" else f"reproduction-{profile}"
    return evidence.read(project.root / "build" / folder / "evidence" / "toy" / f"{id}.json")


@pytest.fixture
def plain(project):
    project.shifted("plain", 2.0)
    return project


def test_verdicts_of_known_truth(project, seen):
    """A true, a false, an undecidable and a broken claim get the labels that they deserve, in one run."""
    project.shifted("right", 2.0)
    project.shifted("wrong", 0.0)
    project.shifted("batched", 2.0, trial="block")
    project.shifted("broken", 3.0, trial="troubled", extra="kind: raises, ")
    done = project.run("reproduce", "engine.workers=2")
    seen(done)
    labels = {id: evidence_of(project, id)["verdict"]["label"] for id in ("right", "wrong", "batched", "broken")}
    assert labels == {"right": "supported", "wrong": "refuted", "batched": "supported", "broken": "invalid"}
    assert done.returncode == 3
    broken = evidence_of(project, "broken")
    assert "too many trials failed" in broken["verdict"]["reason"]
    assert any("no convergence" in failure["error"] for failure in broken["conditions"][0]["failures"])


def test_a_second_run_computes_nothing_and_accept_makes_it_reproduced(plain, seen):
    assert plain.run("reproduce").returncode == 0
    assert plain.run("accept").returncode == 0
    pages = {path: path.read_bytes() for path in sorted((plain.root / "reports").rglob("*")) if path.is_file()}
    assert {"README.md", "toy.md"} <= {path.name for path in pages}
    again = seen(plain.run("reproduce"))
    assert "1 of 1 verdicts reproduced" in again
    assert "0 replicates computed" in again
    plain.run("report")
    assert pages == {path: path.read_bytes() for path in sorted((plain.root / "reports").rglob("*")) if path.is_file()}


def test_a_run_of_one_claim_leaves_the_evidence_of_the_others(plain):
    plain.shifted("other", 2.0)
    plain.run("reproduce", "toy/plain", "profile=quick")
    plain.run("reproduce", "toy/other", "profile=quick")
    assert plain.run("run", "claim=toy/other", "profile=quick").returncode == 0
    assert evidence_of(plain, "plain", "quick")["verdict"]["label"] == "supported"
    (plain.root / "conf" / "claim" / "toy" / "plain.yaml").unlink()
    plain.run("reproduce", "toy/other", "profile=quick")
    assert not (plain.root / "build" / "reproduction-quick" / "evidence" / "toy" / "plain.json").exists()


@pytest.mark.parametrize("trial", ["shifted", "block"])
def test_the_same_bytes_whatever_the_workers(project, trial):
    """One worker and three give the same evidence."""
    if trial == "shifted":
        project.shifted("one", 0.75, trial="troubled", extra="kind: none, ")
    else:
        project.shifted("one", 0.75, trial="block")
    file = project.root / "build" / "reproduction" / "evidence" / "toy" / "one.json"
    project.run("reproduce", "engine.workers=1")
    once = file.read_bytes()
    (project.root / "build").rename(project.root / "first")
    project.run("reproduce", "engine.workers=3")
    assert file.read_bytes() == once


def test_evidence_is_judged_again_from_its_file_and_catches_an_edit(plain):
    plain.run("reproduce")
    record = evidence_of(plain, "plain")
    assert list(audit.judged_again(record)) == []
    for field, value in (("estimate", 9.0), ("label", "fails"), ("n", 7)):
        edited = json.loads(json.dumps(record))
        edited["conditions"][0][field] = value
        assert list(audit.judged_again(edited)), field
    edited = json.loads(json.dumps(record))
    edited["conditions"][0]["outcomes"]["treated"][0] += 0.5
    assert list(audit.judged_again(edited))
    edited = json.loads(json.dumps(record))
    edited["verdict"]["label"] = "refuted"
    assert list(audit.judged_again(edited))
    edited = json.loads(json.dumps(record))
    edited["declaration"]["criterion"]["margin"] = 0.1
    assert list(audit.judged_again(edited))
    edited = json.loads(json.dumps(record))
    edited["sensitivity"][0]["high"] += 0.1
    assert [told.partition(":")[0] for told in audit.judged_again(edited)] == ["claim.sensitivity"]


def test_a_changed_declaration_needs_a_revision_which_draws_fresh_seeds(plain, seen):
    plain.run("reproduce")
    plain.run("accept")
    before = evidence.read(plain.root / "reports" / "evidence" / "toy" / "plain.json")
    path = plain.root / "conf" / "claim" / "toy" / "plain.yaml"
    text = path.read_text().replace("margin: 0.5", "margin: 0.4")
    path.write_text(text)
    plain.run("reproduce")
    refused = plain.run("accept")
    assert refused.returncode == 2
    assert "the declaration changed (criterion)" in seen(refused)
    assert "the declaration changed (criterion)" in seen(plain.run("check"))
    assert evidence.read(plain.root / "reports" / "evidence" / "toy" / "plain.json") == before
    path.write_text(text + "revisions: [{what: margin from 0.5 to 0.4, why: the unit was misread}]\n")
    plain.run("reproduce")
    assert plain.run("accept").returncode == 0
    after = evidence.read(plain.root / "reports" / "evidence" / "toy" / "plain.json")
    assert after["previous"][0]["verdict"] == before["verdict"]
    assert after["previous"][0]["declaration"] == before["declaration"]
    drawn = [set(record["conditions"][0]["outcomes"]["treated"]) for record in (before, after)]
    assert not drawn[0] & drawn[1]


def test_words_move_into_the_evidence_without_a_run(plain, seen):
    plain.run("reproduce")
    plain.run("accept")
    shutil.rmtree(plain.root / "build")
    path = plain.root / "conf" / "claim" / "toy" / "plain.yaml"
    kept = plain.root / "reports" / "evidence" / "toy" / "plain.json"
    text, before = path.read_text(), evidence.read(kept)
    path.write_text(text + "notes: It was seen.\n")
    assert [one["declared"] for one in before["sensitivity"]] == [0.5]
    evidence.write({**before, "sensitivity": []}, kept)
    assert "1 changed" in seen(plain.run("accept"))
    assert evidence.read(kept) == {**before, "notes": "It was seen."}
    path.write_text(text.replace("margin: 0.5", "margin: 0.4"))
    refused = plain.run("accept")
    assert refused.returncode == 2
    assert "changed after the run" in seen(refused)


def test_a_trial_that_gives_other_outcomes_needs_a_revision_but_a_tidier_one_does_not(plain, seen):
    plain.run("reproduce")
    plain.run("accept")
    module = plain.root / "experiments" / "toy.py"
    source = module.read_text()
    module.write_text(source.replace("float(shift + noise[0])", "float(noise[0] + shift)"))
    plain.run("reproduce")
    assert plain.run("accept").returncode == 0
    assert "the trial changed" not in seen(plain.run("check"))
    module.write_text(source.replace("float(shift + noise[0])", "float(shift + 2 * noise[0])"))
    assert "toy/plain: the trial changed since its evidence; a run tells" in seen(plain.run("check"))
    plain.run("reproduce")
    refused = plain.run("accept")
    assert refused.returncode == 2
    assert "the changed trial gives other outcomes" in seen(refused)


def test_an_overridden_run_is_exploratory(plain, seen):
    shown = seen(plain.run("run", "claim=toy/plain", "claim.conditions.small.shift=9", "profile=quick"))
    assert "exploratory" in shown
    assert not (plain.root / "reports").exists()
    assert not (plain.root / "build" / "reproduction-quick").exists()


def test_hydra_shows_the_composed_configuration_and_sweeps(plain, seen):
    shown = seen(plain.run("run", "claim=toy/plain", "claim.conditions.small.shift=9", "--cfg", "job"))
    assert "shift: 9" in shown
    assert "base_seed" in shown
    assert "claims run claim=TOPIC/ID" in seen(plain.run("run", "--help"))
    swept = plain.run("run", "-m", "claim=toy/plain", "profile=quick", "base_seed=1,2")
    assert seen(swept).count("exploratory") == 2
    assert not (plain.root / "reports").exists()


@pytest.mark.parametrize(
    ("before", "now", "control", "contradicts"),
    [
        ("holds", "undecided", "fails", False),
        ("fails", "undecided", "undecided", False),
        ("undecided", "fails", "fails", False),
        ("holds*", "holds", "fails", False),
        ("holds", "fails", "fails", True),
        ("holds*", "fails", "fails", True),
        ("fails", "holds", "fails", True),
        ("holds", "holds", "holds", True),
    ],
)
def test_only_what_is_decided_the_other_way_contradicts(before, now, control, contradicts):
    def record(label, control):
        condition = {"name": "one", "label": label, "state": "open", "estimate": 1.0, "low": 0.0, "high": 2.0}
        verdict = {"label": "refuted" if label == "fails" else "conditional"}
        controls = [{"name": "none", "role": "negative", "label": control}]
        return {
            "topic": "toy",
            "id": "any",
            "verdict": verdict,
            "timed": False,
            "conditions": [condition],
            "controls": controls,
        }

    assert evidence.drift(record(before, "fails"), record(now, control)).contradicts is contradicts


def test_drift_is_seen(plain, seen):
    plain.run("reproduce")
    plain.run("accept")
    module = plain.root / "experiments" / "toy.py"
    source = module.read_text()
    module.write_text(source.replace("float(shift + noise[0])", "float((shift if shift > 3 else 0.0) + noise[0])"))
    done = plain.run("reproduce")
    shown = seen(done)
    assert done.returncode == 1
    assert "0 of 1 verdicts reproduced" in shown
    assert "refuted" in shown
    assert "small: holds" in shown


def test_shards_merge_to_the_whole(project, seen):
    for id in ("a", "b", "c"):
        project.shifted(id, 2.0)
    project.run("reproduce")
    whole = evidence_of(project, "c")
    (project.root / "build").rename(project.root / "whole")
    for shard in ("1/2", "2/2"):
        assert project.run("reproduce", "--shard", shard, f"paths.build=shard{shard[0]}").returncode == 0
    assert project.run("merge", "shard1/store.sqlite", "shard2/store.sqlite").returncode == 0
    assert "0 replicates computed" in seen(project.run("reproduce"))
    assert evidence_of(project, "c") == whole


def test_a_dask_cluster_gives_the_same_bytes(plain):
    pytest.importorskip("distributed")
    plain.run("reproduce")
    (plain.root / "build").rename(plain.root / "first")
    done = plain.run("reproduce", "engine=dask", "engine.workers=2")
    assert done.returncode == 0, done.stderr
    file = "reproduction/evidence/toy/plain.json"
    assert (plain.root / "build" / file).read_bytes() == (plain.root / "first" / file).read_bytes()
