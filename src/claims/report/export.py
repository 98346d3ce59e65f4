"""Evidence for machines: a table of all conditions, BibTeX, JUnit XML."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from claims.report import citing, words
from claims.report.words import Record

EXPORTS = ("evidence.csv", "evidence.schema.json", "references.bib", "junit.xml", "ro-crate-metadata.json")
"""Files for machines beside the pages; the last describes the others."""
COLUMNS = (
    "topic", "id", "statement", "verdict", "quantifier", "kind", "sections", "role", "condition", "real", "label",
    "behaves", "reason", "n", "failed", "part", "scale", "estimate", "low", "high", "lower", "upper", "ph", "pf",
    "no_variation", "timed",
)  # fmt: skip


def evidence_csv(records: Sequence[Record]) -> str:
    """One row for each condition and control; numbers as in the evidence, undefined ones as `nan`."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for e in records:
        claim = {key: e[key] for key in ("topic", "id", "quantifier", "kind", "timed")}
        claim |= {"statement": words.clean(e["statement"]), "verdict": e["verdict"]["label"]}
        claim["sections"] = " ".join(str(n) for n in e["guide"]["sections"])
        for c in [*e["conditions"], *e["controls"]]:
            part = words.deciding(c) or {}
            row = {key: part.get(key, "nan") for key in ("scale", "estimate", "low", "high", "lower", "upper")}
            row |= {key: c[key] for key in ("label", "n", "failed", "ph", "pf", "no_variation")}
            row |= {"role": c.get("role", "condition"), "condition": c["name"], "real": c["real"] or ""}
            row |= {"part": part.get("name", ""), "reason": words.clean(words.why(c)), "behaves": c.get("passes", "")}
            writer.writerow(claim | row)
    return stream.getvalue()


def references_bib(records: Sequence[Record], runs: Mapping[str, Mapping[str, Record]], edition: Record) -> str:
    """A BibTeX entry for each claim."""
    return "\n".join(citing.bibtex(e, runs.get(e["topic"], {}).get(e["id"]), edition) for e in records)


def junit_xml(records: Sequence[Record], runs: Mapping[str, Mapping[str, Record]]) -> str:
    """Claims as test cases: refuted and conditional ones fail, undecided ones are skipped, invalid ones are errors."""
    tags = {"refuted": "failure", "conditional": "failure", "inconclusive": "skipped", "invalid": "error"}
    root = ElementTree.Element("testsuites", {"name": "claims"})
    for topic in sorted({e["topic"] for e in records}):
        group = [e for e in records if e["topic"] == topic]
        found = [tags.get(e["verdict"]["label"], "") for e in group]
        counts = {"tests": len(group), "failures": found.count("failure"), "errors": found.count("error")}
        counts["skipped"] = found.count("skipped")
        suite = ElementTree.SubElement(root, "testsuite", {"name": topic, **{k: str(v) for k, v in counts.items()}})
        for e, tag in zip(group, found, strict=True):
            run = runs.get(topic, {}).get(e["id"])
            case = ElementTree.SubElement(suite, "testcase", {"classname": topic, "name": e["id"]})
            if run:
                case.set("time", str(run["cpu_seconds"]))
            if tag:
                ElementTree.SubElement(case, tag, {"message": words.clean(words.verdict_sentence(e, run))})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def ro_crate(records: Sequence[Record], edition: Record) -> str:
    """Metadata of the published set as an RO-Crate (Soiland-Reyes et al. 2022): each evidence file with its verdict.

    Args:
        records: All evidence.
        edition: Title, authors, version and date of the project.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.name = edition["title"]
    crate.description = "Verdicts on the claims of a machine-learning guide, with evidence"
    crate.license = "https://spdx.org/licenses/BSD-3-Clause"
    crate.datePublished = crate.root_dataset["datePublished"] = edition.get("date", "unpublished")
    crate.root_dataset["version"] = edition.get("version", "")
    author = ContextEntity(crate, "#authors", properties={"@type": "Organization", "name": edition["authors"]})
    crate.root_dataset["author"] = crate.add(author)
    for name in EXPORTS[:-1]:
        crate.add_file(dest_path=name, properties={"name": name})
    for e in records:
        path = f"evidence/{e['topic']}/{e['id']}.json"
        told = {"name": words.clean(e["statement"]), "description": f"Verdict: {words.headline(e)}"}
        kept = {"encodingFormat": "application/json", "conformsTo": {"@id": "evidence.schema.json"}}
        crate.add_file(dest_path=path, properties=told | kept | {"identifier": e["declaration_sha256"]})
    return json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n"
