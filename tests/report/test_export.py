"""Files for machines read back as what the record says."""

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from rocrate.rocrate import ROCrate

from claims.report import export, words
from tests.report import records
from tests.report.hostile import hostile

EVERY = [f() for f in (*records.VERDICTS, *records.KINDS, hostile)]
RUNS = {"tuning": {e["id"]: records.RUN for e in EVERY}}


def test_csv_has_one_row_for_each_condition_and_control():
    rows = list(csv.DictReader(io.StringIO(export.evidence_csv(EVERY))))
    assert len(rows) == sum(len(e["conditions"]) + len(e["controls"]) for e in EVERY)
    assert all(None not in row and None not in row.values() for row in rows)
    by_name = {(row["id"], row["role"], row["condition"]): row for row in rows}
    for e in EVERY:
        for c in e["conditions"]:
            row = by_name[e["id"], "condition", c["name"]]
            assert row["verdict"] == e["verdict"]["label"]
            assert row["label"] == c["label"]
            assert float(row["estimate"]) == pytest.approx(c["estimate"], nan_ok=True) or e["kind"] == "interior"
        for c in e["controls"]:
            assert by_name[e["id"], c["role"], c["name"]]["behaves"] == str(c["passes"])


def test_junit_tells_the_verdicts():
    root = ElementTree.fromstring(export.junit_xml(EVERY, RUNS))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    tags = {
        "supported": [],
        "refuted": ["failure"],
        "conditional": ["failure"],
        "inconclusive": ["skipped"],
        "invalid": ["error"],
    }
    for e in EVERY:
        assert [child.tag for child in cases[e["id"]]] == tags[e["verdict"]["label"]]
    suite = next(s for s in root if s.get("name") == "tuning")
    assert int(suite.get("tests")) == len(suite)
    assert int(suite.get("failures")) == len(suite.findall("./testcase/failure"))
    assert int(suite.get("errors")) == len(suite.findall("./testcase/error"))
    assert int(suite.get("skipped")) == len(suite.findall("./testcase/skipped"))


def test_bibtex_has_one_entry_for_each_claim():
    text = export.references_bib(EVERY, RUNS, {"title": "Claims", "authors": "They"})
    assert text.count("@misc{") == len(EVERY)
    assert len({line for line in text.splitlines() if line.startswith("@misc")}) == len(EVERY)


SCHEMA = json.loads((Path(__file__).parents[2] / "reports" / "evidence.schema.json").read_text())


def test_evidence_keeps_its_schema():
    check = jsonschema.Draft202012Validator(SCHEMA)
    check.check_schema(SCHEMA)
    committed = sorted((Path(__file__).parents[2] / "reports" / "evidence").glob("*/*.json"))
    assert len(committed) >= 14
    for path in committed:
        record = json.loads(path.read_text())
        assert not list(check.iter_errors(record)), path
        record["conditions"][0]["label"] = "probably"
        record["strange"] = 1
        assert len(list(check.iter_errors(record))) == 2


def test_the_crate_describes_every_evidence_file_with_its_verdict(tmp_path):
    text = export.ro_crate(EVERY, {"title": "Claims", "authors": "Somebody", "date": "2026-01-02", "version": "1"})
    assert text == export.ro_crate(
        EVERY, {"title": "Claims", "authors": "Somebody", "date": "2026-01-02", "version": "1"}
    )
    (tmp_path / "ro-crate-metadata.json").write_text(text)
    crate = ROCrate(tmp_path)
    parts = {part.id: part for part in crate.data_entities}
    for e in EVERY:
        part = parts[f"evidence/{e['topic']}/{e['id']}.json"]
        assert words.headline(e) in part["description"]
    assert set(export.EXPORTS) - parts.keys() == {"ro-crate-metadata.json"}
    assert "2026-01-02" in str(crate.root_dataset["datePublished"])
