"""Evidence as MLflow shows it: a view that can be rebuilt from the evidence at any time, written by one process.

The only importer of mlflow in the project; the import takes seconds, so it waits until there is something to write.
"""

import contextlib
import io
import json
import logging
import math
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from claims.errors import TrackingError
from claims.schema import plain

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

KEY, PARAM, TAG, PARAMS, METRICS = 250, 6000, 8000, 100, 800  # MLflow's limits: characters, then entries of one batch
VERDICTS = ("supported", "conditional", "refuted", "inconclusive", "invalid")
ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # MLflow would wait for minutes


@dataclass(frozen=True)
class _Point:
    key: str
    value: float
    step: int


@dataclass(frozen=True)
class _Run:
    """One MLflow run before it is written: `seconds` of wall time from `start` (Unix time), files by name."""

    experiment: str
    name: str
    start: float
    seconds: float
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[_Point]
    files: dict[str, bytes]


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
    notes: Mapping[str, str] | None = None,
    exploratory: bool = False,
    suite: Mapping[str, Any] | None = None,
) -> None:
    """Write one MLflow run per evidence and, where `suite` is given, one for the execution of the whole suite.

    Each call makes new runs, for a run is one execution of a claim. Nothing to write means no import of mlflow.

    Args:
        evidences: Evidence records; undefined numbers as floats or as the words of the JSON file.
        runs: Run files by claim id: cost, machine and date of the execution.
        uri: `sqlite:///path` (made if missing, in WAL mode) or the address of an MLflow server.
        artifacts: Folder for the files of the runs; a server keeps them itself.
        profile: Name of the profile that was run.
        revision: Revision of the project's code.
        claim_files: Claim files by id.
        figures: SVG or PNG by id.
        notes: Markdown by id, in place of `note(evidence)`.
        exploratory: The claims were overridden, so that these runs say nothing on the committed reports.
        suite: Numbers and texts on the execution, nested or not. `counts` ({verdict: claims}), `cpu_seconds` and
            `replicates` are taken from `evidences` and `runs` where they are missing.

    Raises:
        TrackingError: MLflow cannot be written; the evidence is not affected.
    """
    if not evidences and suite is None:
        return
    shared = {"profile": profile, "revision": revision, "exploratory": str(exploratory).lower()}
    if revision:
        shared["mlflow.source.git.commit"] = revision
    with _quiet():
        writer = _Writer(uri, artifacts)
        for evidence in evidences:
            name = evidence["id"]
            files = _files(evidence, claim_files.get(name), (figures or {}).get(name))
            text = (notes or {}).get(name) or note(evidence)
            writer.write(_claim_run(evidence, runs.get(name, {}), shared | {"mlflow.note.content": text}, files))
        if suite is not None:
            writer.write(_suite_run(evidences, runs, shared, suite))


def serve(uri: str, artifacts: Path, host: str = "127.0.0.1", port: int = 5000) -> None:
    """Run MLflow's server in the foreground until Ctrl-C: one worker, no job runner, no telemetry, this machine only.

    Raises:
        TrackingError: The port is taken, there is no database yet, or the server does not start.
    """
    if host not in ("127.0.0.1", "localhost"):
        raise TrackingError(f"host: the UI has no password, so it listens on 127.0.0.1 only, got {host!r}")
    path = _database(uri)
    if path is None:
        print(f"MLflow runs at {uri}: open it in a browser")
        return
    if not path.exists():
        raise TrackingError(f"{path}: no MLflow database yet; run `make reproduce` or `claims sync`")
    if problem := _occupied(host, port):
        free = next((p for p in range(port + 1, min(port + 100, 65536)) if not _occupied(host, p)), 5001)
        raise TrackingError(f"port {port} on {host}: {problem}; choose another: make ui PORT={free}")
    storage = ["--backend-store-uri", uri, "--artifacts-destination", str(artifacts.absolute())]
    network = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", *storage, *network]
    server = subprocess.Popen(command, env=os.environ | ENVIRONMENT, start_new_session=True)
    previous = signal.signal(signal.SIGTERM, _interrupted)
    try:
        while server.poll() is None and not _occupied(host, port):
            time.sleep(0.1)
        if server.poll() is None:
            print(f"MLflow: http://{host}:{port} (Ctrl-C stops it)", flush=True)
        if server.wait():
            raise TrackingError(f"MLflow's server ended with exit code {server.returncode}; its message is above")
    except KeyboardInterrupt:
        print("MLflow stopped")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)  # uvicorn is a child of the command, so the whole group ends
        server.wait()
        signal.signal(signal.SIGTERM, previous)


def note(evidence: Mapping[str, Any]) -> str:
    """The evidence in Markdown for the run's page: verdict, statement, tables of conditions and controls."""
    verdict, guide = evidence["verdict"], evidence["guide"]
    needed = f"at least {verdict['k']} of {verdict['count']} conditions"
    place = f"Guide: sections {_listed(guide['sections'])}, lines {_listed(guide['lines'])}."
    lines = [
        f"**{verdict['label'].capitalize()}: {evidence['statement']}**",
        "",
        f"Declared: {evidence['quantifier']}, so {needed}. Found: {_tally(verdict)} hold. {_sentence(verdict['reason'])}",
        "",
        f"Criterion: {_sentence(evidence['criterion_text'])} {place}",
        "",
        *_table("condition", ((c, c["name"], c["label"], c["reason"]) for c in evidence["conditions"])),
    ]
    if evidence["controls"]:
        rows = ((c, f"{c['name']} ({c['role']})", _passing(c), c["why"]) for c in evidence["controls"])
        lines += ["", *_table("control", rows)]
    return "\n".join([*lines, "", f"Run it again: `make claim CLAIM={evidence['topic']}/{evidence['id']}`"])


def _table(head: str, rows: Iterable[tuple[Mapping[str, Any], str, str, str]]) -> Iterator[str]:
    yield from (f"| {head} | n | effect | interval | label | why |", "|:---|---:|---:|:---:|:---|:---|")
    for c, name, label, why in rows:
        interval = f"[{_short(c['low'])}, {_short(c['high'])}]"
        cells = (name, str(c["n"]), _short(c["estimate"]), interval, label, why.replace("|", "\\|"))
        yield f"| {' | '.join(cells)} |"


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _passing(control: Mapping[str, Any]) -> str:
    return f"{control['label']}, as it should" if control["passes"] else f"{control['label']}: does not pass"


def _tally(verdict: Mapping[str, Any]) -> str:
    return f"{len(verdict['holds']) + len(verdict['holds_star'])} of {verdict['count']}"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _short(value: float | str) -> str:
    number = float(value)
    return "undefined" if math.isnan(number) else f"{number:.3g}"


def _claim_run(
    evidence: Mapping[str, Any], run: Mapping[str, Any], shared: Mapping[str, str], files: dict[str, bytes]
) -> _Run:
    verdict = evidence["verdict"]
    replicates = sum(c["n"] + c["failed"] for c in (*evidence["conditions"], *evidence["controls"]))
    totals = {
        "cost_cpu_seconds": run.get("cpu_seconds"),
        "replicates": run.get("replicates", replicates),
        "p_hold": verdict["p_hold"],
        "p_fail": verdict["p_fail"],
    }
    tags = {
        "verdict": verdict["label"],
        "holds": _tally(verdict),
        "quantifier": evidence["quantifier"],
        "kind": evidence["kind"],
        "sections": _listed(evidence["guide"]["sections"]),
        **shared,
    }
    declared = {
        "statement": evidence["statement"],
        "guide": evidence["guide"],
        "quantifier": evidence["quantifier"],
        "trial": evidence["trial"],
        "base_seed": evidence["base_seed"],
        "declaration_sha256": evidence["declaration_sha256"],
        **evidence["declaration"],
    }
    return _Run(
        experiment=evidence["topic"],
        name=evidence["id"],
        start=_started(run),
        seconds=float(run.get("wall_seconds", 0.0)),
        tags=tags,
        params=dict(_flat(declared)),
        metrics=[*_points(totals), *(p for c in evidence["conditions"] for p in _grown(c))],
        files=files,
    )


def _suite_run(
    evidences: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, str],
    suite: Mapping[str, Any],
) -> _Run:
    labels = {f"{e['topic']}/{e['id']}": e["verdict"]["label"] for e in evidences}
    counts = {label: 0 for label in VERDICTS} | dict(suite.get("counts") or Counter(labels.values()))
    cost = {key: sum(run.get(key, 0) for run in runs.values()) for key in ("cpu_seconds", "replicates")}
    numbers, texts = {}, {}
    for key, value in _leaves({**cost, **{k: v for k, v in suite.items() if k != "counts"}}):
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[f"cost_{key}" if key.endswith("_seconds") else key] = value
        else:
            texts[key] = value
    start = _started(suite)
    rows = [f"| {label} | {count} |" for label, count in counts.items()]
    listed = [
        f"**{label}**: {', '.join(sorted(n for n, v in labels.items() if v == label))}\n"
        for label in ("refuted", "conditional", "invalid", "inconclusive")
        if label in labels.values()
    ]
    text = "\n".join(["| verdict | claims |", "|:---|---:|", *rows, f"| all | {sum(counts.values())} |", "", *listed])
    return _Run(
        experiment="suite",
        name=f"{shared['profile']} {datetime.fromtimestamp(start):%Y-%m-%d %H:%M}",
        start=start,
        seconds=float(suite.get("wall_seconds", 0.0)),
        tags={**shared, "mlflow.note.content": text},
        params=dict(_flat(texts)),
        metrics=list(_points({"claims": sum(counts.values()), **counts, **numbers})),
        files={},
    )


def _grown(condition: Mapping[str, Any]) -> Iterator[_Point]:
    """How the evidence on one condition grew: a point of each series at each look, the step being the replicates."""
    for look in condition["looks"]:
        series = ("effect", "estimate"), ("low", "low"), ("high", "high"), ("n", "n"), ("p_hold", "ph"), ("p_fail", "pf")
        values = {f"{series_name}/{condition['name']}": look[field] for series_name, field in series}
        yield from _points(values, step=int(look["n"]))


def _points(values: Mapping[str, Any], step: int = 0) -> Iterator[_Point]:
    """Finite values only: MLflow's database turns an infinity into 1.8e308, which no chart survives."""
    for key, value in values.items():
        if value is not None and math.isfinite(float(value)):
            yield _Point(_key(key), float(value), step)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in _leaves(values):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        yield _key(key), _cut(text, PARAM)


def _leaves(values: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted path; a list is a leaf unless it holds mappings, as the parts of an `all` criterion do."""
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values, 1):
        parts = isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
        if parts or (isinstance(value, Mapping) and value):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key(text: str) -> str:
    return re.sub(r"[^\w\-. /:]", "_", text)[:KEY]


def _cut(text: str, limit: int) -> str:
    """Cut at the last whole line or word that fits, with a mark."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 8]
    return f"{kept.rpartition(chr(10) if chr(10) in kept else ' ')[0] or kept}\n[cut]"


def _started(run: Mapping[str, Any]) -> float:
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return datetime.fromisoformat(run["date"]).timestamp()
    return time.time() - float(run.get("wall_seconds", 0.0))


def _files(evidence: Mapping[str, Any], claim_file: Path | None, figure: bytes | None) -> dict[str, bytes]:
    files = {
        "evidence.json": json.dumps(plain(evidence), indent=1, ensure_ascii=False).encode(),
        "replicates.parquet": _replicates(evidence),
    }
    if claim_file is not None and claim_file.is_file():
        files["claim.yaml"] = claim_file.read_bytes()
    if figure:
        files["figure.png" if figure.startswith(b"\x89PNG") else "figure.svg"] = figure
    return files


def _replicates(evidence: Mapping[str, Any]) -> bytes:
    """Parquet with one row per replicate: condition, role, replicate, and a column for each outcome."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    rows = [
        {"condition": c["name"], "role": c.get("role", "condition"), "replicate": i}
        | {name: _number(values[i]) for name, values in c["outcomes"].items()}
        for c in (*evidence["conditions"], *evidence["controls"])
        for i in range(max(map(len, c["outcomes"].values()), default=0))
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    return buffer.getvalue()


def _number(value: Any) -> float | list[float]:
    return [float(item) for item in value] if isinstance(value, list | tuple) else float(value)


class _Writer:
    """The one writer of an MLflow store; experiments are looked up once."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self._uri = uri
        self._local = _prepared(uri)
        self._artifacts = artifacts.absolute()
        self._experiments: dict[str, str] = {}
        with _reported(uri):
            self._client = _client(uri)

    def write(self, run: _Run) -> None:
        with _reported(self._uri):
            from mlflow.entities import Metric, Param

            at = int(run.start * 1000)
            done = at + int(run.seconds * 1000)
            tags = {"mlflow.source.name": "claims", "mlflow.source.type": "PROJECT"} | run.tags
            tags = {key: _cut(value, TAG) for key, value in tags.items()}
            info = self._client.create_run(self._experiment(run.experiment), at, tags, run.name).info
            status = "FAILED"
            try:
                params = _slices([Param(key, value) for key, value in run.params.items()], PARAMS)
                metrics = _slices([Metric(p.key, p.value, done, p.step) for p in run.metrics], METRICS)
                for some_metrics, some_params in zip_longest(metrics, params, fillvalue=()):
                    self._client.log_batch(info.run_id, some_metrics, some_params)
                self._log_files(info, run.files)
                status = "FINISHED"
            finally:
                self._client.set_terminated(info.run_id, status, done)

    def _log_files(self, info: "RunInfo", files: Mapping[str, bytes]) -> None:
        if self._local:  # the client would look the run up again and copy: a fifth of the time of a run
            _saved(Path(url2pathname(urlsplit(info.artifact_uri).path)), files)
        elif files:
            with tempfile.TemporaryDirectory() as folder:
                self._client.log_artifacts(info.run_id, str(_saved(Path(folder), files)))

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            self._experiments[name] = self._found_or_made(name)
        return self._experiments[name]

    def _found_or_made(self, name: str) -> str:
        location = (self._artifacts / name).as_uri() if self._local else None
        found = self._client.get_experiment_by_name(name)
        if found is None:
            text = (
                "One run per execution of the whole suite."
                if name == "suite"
                else f"Claims on {name.replace('-', ' ')}: one run per claim and execution, named after the claim."
            )
            tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": text}
            return str(self._client.create_experiment(name, location, tags))
        if location and found.artifact_location != location:
            raise TrackingError(
                f"{self._local}: made for files in {found.artifact_location}, not {location};"
                " delete it and its files, then run `claims sync`"
            )
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def _saved(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    yield from (items[i : i + size] for i in range(0, len(items), size))


def _database(uri: str) -> Path | None:
    """The file of a SQLite address, None for a server's.

    Raises:
        TrackingError: The address is of neither kind.
    """
    if uri.startswith("sqlite:///") and len(uri) > len("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///")).absolute()
    if uri.startswith(("http://", "https://")):
        return None
    raise TrackingError(f"tracking.uri: must be sqlite:///path or http(s)://host:port, got {uri!r}")


def _prepared(uri: str) -> Path | None:
    """The SQLite file, made in WAL mode and found writable before MLflow, which waits and then says less, sees it."""
    path = _database(uri)
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        _fail(uri, error)
    return path


def _client(uri: str) -> "MlflowClient":
    os.environ.update(ENVIRONMENT)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_experiments(max_results=1)  # makes the tables, and reaches the server where there is one
    return client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _reported(uri: str) -> Iterator[None]:
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever MLflow, SQLAlchemy or alembic raise, evidence goes before its mirror
        _fail(uri, error)


def _fail(uri: str, error: Exception) -> NoReturn:
    place = _database(uri) or uri
    text = str(error)
    if re.search(r"database schema|locate revision|not a database|malformed", text):
        raise TrackingError(f"{place}: not a database of this MLflow version; delete it, then run `claims sync`") from error
    line = next(iter(text.strip().splitlines()), type(error).__name__)
    if "database is locked" in text:
        line = "database is locked by another program; stop that first"
    raise TrackingError(f"{place}: MLflow cannot be written ({line[:200]}); later: `claims sync`") from error


def _occupied(host: str, port: int) -> str:
    """Why a server cannot listen here, empty where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return "in use" if isinstance(error, OSError) and error.errno == 98 else str(error)
    return ""


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt
