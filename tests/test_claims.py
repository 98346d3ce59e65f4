"""Every claim file and every committed evidence file against the tree: nothing stale, nothing edited by hand."""

import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from claims import audit, contract, evidence, guide, plan, schema, statistics, worker
from claims.fingerprint import trial_sha256
from claims.runner import Settings, outcome_arrays
from claims.schema import plain
from claims.statistics.controls import exact_names
from experiments.common import real

ROOT = Path(__file__).resolve().parents[1]
FILES = schema.files(ROOT / "conf")
EVIDENCE = {f"{p.parent.name}/{p.stem}": p for p in sorted((ROOT / "reports" / "evidence").glob("*/*.json"))}
GUIDE = guide.load(ROOT / "conf")
BASE_SEED = schema.read_yaml(ROOT / "conf" / "config.yaml")["base_seed"]
STANDARD = tuple(schema.read_yaml(ROOT / "conf" / "profile" / "standard.yaml")["looks"])
# Ten claims spread over the list; each computes two replicates again.
SAMPLE = sorted(EVIDENCE)[:: max(1, len(EVIDENCE) // 10)][:10]


@pytest.mark.parametrize("path", FILES)
def test_every_claim_file_keeps_every_rule(path):
    contract.checked(FILES[path], GUIDE)


@pytest.mark.parametrize("path", FILES)
def test_hydra_and_the_suite_read_a_claim_file_alike(path):
    from omegaconf import OmegaConf

    by_hydra = OmegaConf.to_container(OmegaConf.load(FILES[path]), resolve=True)
    assert by_hydra == schema.read_yaml(FILES[path])


def test_every_claim_has_evidence_and_every_evidence_a_claim():
    assert set(FILES) == set(EVIDENCE)


def test_every_criterion_kind_is_used_by_a_claim():
    kinds = {part["kind"] for path in FILES for part in parts_of(path)}
    assert kinds == {"diff", "ratio", "winrate", "equiv", "level", "trend", "interior", "best", "rate", "identity"}


def parts_of(path):
    return list(statistics.leaf_criteria(schema.load(FILES[path]).criterion))


@pytest.mark.parametrize("path", EVIDENCE)
def test_evidence_belongs_to_its_claim_file_and_trial(path):
    record, claim = evidence.read(EVIDENCE[path]), schema.load(FILES[path])
    assert record["declaration_sha256"] == plan.sha256(plain(plan.declaration(claim, 0.01, record["looks"])))
    assert record["trial_sha256"] == trial_sha256(claim.trial)
    assert record["base_seed"] == BASE_SEED
    assert set(record["looks"]) <= set(STANDARD) | {claim.max_replicates}
    assert {key: record[key] for key in evidence.texts(claim)} == evidence.texts(claim)
    assert len(record["revisions"]) == len(claim.revisions)
    assert [c["name"] for c in record["conditions"]] == list(claim.conditions)


@pytest.mark.parametrize("path", FILES)
def test_a_condition_on_real_data_says_so(path):
    """Else its replicates would pass for draws from a population, and its intervals for statements about one."""
    for cell in plan.written(schema.load(FILES[path])):
        named = {*real.CLASSES, *real.NUMBERS} & {v for v in cell.parameters.values() if isinstance(v, str)}
        assert not named or cell.real, f"{cell.name}: {named} without real: this_data or population"


@pytest.mark.parametrize("path", EVIDENCE)
def test_evidence_is_what_its_stored_outcomes_give(path):
    assert list(audit.judged_again(evidence.read(EVIDENCE[path]))) == []


@pytest.mark.parametrize("path", EVIDENCE)
def test_no_committed_verdict_is_invalid(path):
    record = evidence.read(EVIDENCE[path])
    assert record["verdict"]["label"] != "invalid", record["verdict"]["reason"]
    assert all(control["passes"] for control in record["controls"])


@pytest.mark.parametrize("path", SAMPLE)
def test_two_replicates_computed_again_give_the_stored_outcomes(path):
    """Within 1e-6: on another processor the last digits differ. Times are not compared."""
    claim = schema.load(FILES[path])
    if claim.timed:
        pytest.skip("timed outcomes differ from run to run")
    record = evidence.read(EVIDENCE[path])
    cell = plan.cells(claim)[0]
    stored = record["conditions"][0]["outcomes"]
    settings = Settings()
    jobs = plan.jobs(claim, cell, BASE_SEED, record["conditions"][0]["n"] + record["conditions"][0]["failed"])
    jobs = jobs[:1] if jobs[0].batched else jobs[:2]
    results = worker.run(jobs)
    assert {result.status for result in results} == {"ok"}, results[0].error
    found = outcome_arrays(results, exact_names(plan.criterion(claim)))
    for name in statistics.outcome_names(plan.criterion(claim)):
        rows = len(found[name])
        assert np.allclose(found[name], np.asarray(stored[name][:rows], dtype=float), rtol=1e-6, atol=1e-9)
    assert settings.alpha == record["alpha"]


@pytest.mark.parametrize(("paths", "most"), [(["feature-selection-improves-accuracy"], 3.0), ([], 6.0)])
def test_checking_takes_seconds(paths, most):
    """Imports included, for the file that names most and for all; CPU, since the host may have other things to do."""
    command = [sys.executable, "-m", "claims.cli", "check", *paths]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    used = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < most


def test_the_error_statement_counts_what_is_there():
    records = [evidence.read(path) for path in EVIDENCE.values()]
    published = []
    for r in records:
        verdict, statistical = r["verdict"], statistics.statistical(r["declaration"]["criterion"])
        published.append(statistics.Published(r["id"], verdict["label"], float(verdict["p_hold"]), statistical))
    said = statistics.error_statement(published)
    assert said.tested == sum(p.statistical for p in published)
    assert math.isclose(said.wrong, 0.01 * said.tested)
