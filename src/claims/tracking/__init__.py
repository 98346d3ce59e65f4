"""Evidence as MLflow shows it: a view that can be rebuilt from the evidence at any time, written by one process.

The only importer of mlflow in the project; the import takes seconds, so it waits until there is something to write.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from claims.tracking.records import HARD_SPACE, SERIES, VERDICTS, claim_run, files_of, note, path_of, suite_run
from claims.tracking.server import serve
from claims.tracking.writer import Writer, quiet


def mirror(
    evidences: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    *,
    uri: str,
    artifacts: Path,
    profile: str,
    revision: str,
    claim_files: Mapping[str, Path],
    figures: Mapping[str, bytes] | None = None,
    exploratory: bool = False,
    suite: bool = False,
) -> None:
    """Write one MLflow run per evidence and, where `suite`, one for the execution of the whole suite.

    Each call makes new runs, for a run is one execution of a claim. Nothing to write means no import of mlflow.

    Args:
        evidences: Evidence records.
        runs: Run files (cost, machine, date of the execution) by `topic/id`, as all mappings here.
        uri: `sqlite:///path` (made if missing, in WAL mode) or the address of an MLflow server.
        artifacts: Folder for the files of the runs; a server keeps them itself.
        profile: Name of the profile that was run.
        revision: Revision of the project's code.
        claim_files: Claim files.
        figures: SVG.
        exploratory: The claims were overridden, so that these runs say nothing on the committed reports.
        suite: Whether this was an execution of several claims.

    Raises:
        TrackingError: MLflow cannot be written; the evidence is not affected.
    """
    if not evidences:
        return
    shared = {"profile": profile, "revision": revision, "exploratory": str(exploratory).lower()}
    if re.fullmatch("[0-9a-f]{7,40}", revision):
        shared["mlflow.source.git.commit"] = revision
    links: dict[str, str] = {}
    with quiet():
        writer = Writer(uri, artifacts)
        for record in evidences:
            path = path_of(record)
            files = files_of(record, claim_files.get(path), (figures or {}).get(path))
            tags = shared | {"mlflow.note.content": note(record)}
            links[path] = writer.write(claim_run(record, runs.get(path, {}), tags, files))
        if suite:
            writer.write(suite_run(evidences, runs, shared, links))


__all__ = ["HARD_SPACE", "SERIES", "VERDICTS", "mirror", "note", "serve"]
