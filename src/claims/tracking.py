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
import socket
import sqlite3
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

from claims import evidence
from claims.errors import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo
    from uvicorn import Server

# MLflow's limits: characters of a name, a parameter and a tag; parameters and points in one batch.
KEY, PARAM, TAG, PARAMS, POINTS = 250, 6000, 8000, 100, 800
LOCKED = 5.0  # seconds that another writer may hold the database
SUITE = "suite"
HARD_SPACE = "\u00a0"
VERDICTS = ("refuted", "conditional", "invalid", "inconclusive", "supported")  # those that ask for attention first
MACHINE = ("date", "commit", "host", "processor", "cores", "workers", "system", "python")  # of the run file
SERIES = {"effect": "estimate", "low": "low", "high": "high", "n": "n", "p_hold": "ph", "p_fail": "pf"}
ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
# For a server that does not answer MLflow would wait for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
# Columns of the lists of runs in MLflow's spelling, from left to right, with their widths in pixels.
NAME, DATE = {"attributes.`Run Name`": 330}, {"runDateAndNestInfo": 140, "duration": 90}
TOPIC_COLUMNS = {
    **NAME,
    "tags.`verdict`": 110,
    "tags.`holds`": 80,
    "params.`statement`": 420,
    "metrics.`p_hold`": 90,
    "metrics.`p_fail`": 90,
    "metrics.`replicates`": 100,
    "metrics.`cost_cpu_seconds`": 150,
    **DATE,
    "tags.`profile`": 100,
    "tags.`exploratory`": 110,
}
SUITE_COLUMNS = {
    **NAME,
    **{f"metrics.`{name}`": 110 for name in ("claims", *VERDICTS)},
    "metrics.`cost_cpu_seconds`": 150,
    **DATE,
    "tags.`profile`": 100,
    "tags.`revision`": 130,
}


@dataclass(frozen=True)
class _Point:
    key: str
    value: float
    step: int


@dataclass(frozen=True)
class _Run:
    """One MLflow run before it is written: `seconds` of wall time, files by name."""

    experiment: str
    name: str
    seconds: float
    tags: dict[str, str]
    params: dict[str, str]
    points: list[_Point]
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
        evidences: Evidence records.
        runs: Run files (cost, machine, date of the execution) by `topic/id`, as all mappings here.
        uri: `sqlite:///path` (made if missing, in WAL mode) or the address of an MLflow server.
        artifacts: Folder for the files of the runs; a server keeps them itself.
        profile: Name of the profile that was run.
        revision: Revision of the project's code.
        claim_files: Claim files.
        figures: SVG or PNG.
        notes: Markdown, in place of `note(evidence)`.
        exploratory: The claims were overridden, so that these runs say nothing on the committed reports.
        suite: Numbers and texts on the execution, nested or not. `counts` ({verdict: claims}), `cpu_seconds` and
            `replicates` are taken from `evidences` and `runs` where they are missing.

    Raises:
        TrackingError: MLflow cannot be written; the evidence is not affected.
    """
    if not evidences and suite is None:
        return
    shared = {"profile": profile, "revision": revision, "exploratory": str(exploratory).lower()}
    if re.fullmatch("[0-9a-f]{7,40}", revision):
        shared["mlflow.source.git.commit"] = revision
    links: dict[str, str] = {}
    with _quiet():
        writer = _Writer(uri, artifacts)
        for record in evidences:
            path = _path(record)
            files = _files(record, claim_files.get(path), (figures or {}).get(path))
            tags = shared | {"mlflow.note.content": (notes or {}).get(path) or note(record)}
            links[path] = writer.write(_claim_run(record, runs.get(path, {}), tags, files))
        if suite is not None:
            writer.write(_suite_run(evidences, runs, shared, suite, links))


def serve(uri: str, artifacts: Path, host: str = "127.0.0.1", port: int = 5000) -> None:
    """Run MLflow's server in the foreground until Ctrl-C: one process, no job runner, no telemetry, this machine only.

    Raises:
        TrackingError: The port is taken, there is no database yet, or it is of another MLflow version.
    """
    if host not in ("127.0.0.1", "localhost"):
        raise TrackingError(f"host: the UI has no password, so it listens on 127.0.0.1 only, got {host!r}")
    path = _database(uri)
    if path is None:
        print(f"MLflow runs at {uri}: open it in a browser")
        return
    if not path.is_file():
        raise TrackingError(f"{path}: no MLflow database yet; run `make reproduce` or `claims sync`")
    if problem := _occupied(host, port):
        free = next((p for p in range(5000, 5100) if not _occupied(host, p)), 8000)
        raise TrackingError(f"port {port} on {host}: {problem}; choose another: make ui PORT={free}")
    print("MLflow is starting ...", flush=True)
    with _quiet(), _reported(uri):
        server = _server(uri, path, artifacts, host, port)
    print(f"MLflow: http://{host}:{port}/#/experiments (Ctrl-C stops it)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


def note(record: Mapping[str, Any]) -> str:
    """The evidence in Markdown for the run's page: verdict, statement, tables of conditions and controls."""
    verdict, guide = record["verdict"], record["guide"]
    held = f"{record['quantifier']}: {_tally(verdict)} conditions hold, {verdict['k']} needed"
    place = f"Guide: sections {_listed(guide['sections'])}, lines {_listed(guide['lines'])}."
    lines = [
        f"**{verdict['label'].capitalize()}: {record['statement']}**",
        "",
        f"{_sentence(held)} {_sentence(verdict['reason'])}",
        "",
        f"Criterion: {_sentence(record['criterion_text'])} {place}",
        "",
        *_table(
            ("condition", "label", "n", "effect", "interval", "why"),
            [
                *(_cells(c, c["name"], c["label"], c["reason"]) for c in record["conditions"]),
                *(_cells(c, f"{c['name']} ({c['role']} control)", _passing(c), c["why"]) for c in record["controls"]),
            ],
        ),
    ]
    return "\n".join([*lines, "", f"Run it again: `make claim CLAIM={_path(record)}`"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Markdown whose cells end in hard spaces: MLflow's pages set tables without any room between columns."""
    yield f"| {' | '.join(head)} |"
    yield "|:---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') + 3 * HARD_SPACE for cell in row)} |"


def _cells(condition: Mapping[str, Any], name: str, label: str, why: str) -> tuple[str, ...]:
    effect, low, high = (_short(condition[key]) for key in ("estimate", "low", "high"))
    return name, label, str(condition["n"]), effect, f"[{low},{HARD_SPACE}{high}]", why


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _passing(control: Mapping[str, Any]) -> str:
    return f"{control['label']}, as it should" if control["passes"] else f"{control['label']}: does not pass"


def _tally(verdict: Mapping[str, Any]) -> str:
    return f"{len(verdict['holds']) + len(verdict['holds_star'])} of {verdict['count']}"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _short(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3g}"


def _path(record: Mapping[str, Any]) -> str:
    return f"{record['topic']}/{record['id']}"


def _claim_run(
    record: Mapping[str, Any], run: Mapping[str, Any], tags: Mapping[str, str], files: dict[str, bytes]
) -> _Run:
    verdict = record["verdict"]
    replicates = sum(c["n"] + c["failed"] for c in (*record["conditions"], *record["controls"]))
    totals = {
        "cost_cpu_seconds": run.get("cpu_seconds"),
        "replicates": run.get("replicates", replicates),
        "p_hold": verdict["p_hold"],
        "p_fail": verdict["p_fail"],
    }
    own = {
        "verdict": verdict["label"],
        "holds": _tally(verdict),
        "quantifier": record["quantifier"],
        "kind": record["kind"],
        "sections": _listed(record["guide"]["sections"]),
    }
    machine = {key: run[key] for key in MACHINE if key in run}
    declared = {key: record[key] for key in ("statement", "guide", "trial", "base_seed", "declaration_sha256")}
    return _Run(
        experiment=record["topic"],
        name=record["id"],
        seconds=float(run.get("wall_seconds", 0.0)),
        tags=own | dict(tags),
        params=dict(_flat(declared | record["declaration"] | {"run": machine})),
        points=[*_points(totals), *(p for c in record["conditions"] for p in _grown(c))],
        files=files,
    )


def _suite_run(
    evidences: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, str],
    suite: Mapping[str, Any],
    links: Mapping[str, str],
) -> _Run:
    counts = dict.fromkeys(VERDICTS, 0) | dict(suite.get("counts") or Counter(e["verdict"]["label"] for e in evidences))
    known = [run for run in runs.values() if {"cpu_seconds", "replicates"} <= run.keys()]
    cost = {key: sum(run[key] for run in known) for key in ("cpu_seconds", "replicates")} if known else {}
    numbers, texts = {}, {}
    for key, value in _leaves(cost | {k: v for k, v in suite.items() if k != "counts"}):
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[f"cost_{key}" if key.endswith("_seconds") else key] = value
        else:
            texts[key] = value
    return _Run(
        experiment=SUITE,
        name=f"{shared['profile']} {datetime.now():%Y-%m-%d %H:%M}",
        seconds=float(suite.get("wall_seconds", 0.0)),
        tags={**shared, "mlflow.note.content": _overview(evidences, counts, links)},
        params=dict(_flat(texts)),
        points=list(_points({"claims": sum(counts.values()), **counts, **numbers})),
        files={},
    )


def _overview(evidences: Sequence[Mapping[str, Any]], counts: Mapping[str, int], links: Mapping[str, str]) -> str:
    """The suite's run in Markdown: claims per verdict, then every claim with a link to its run."""
    found = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    rows = (
        (f"[{_path(record)}]({links[_path(record)]})", record["verdict"]["label"], _tally(record["verdict"]))
        for record in sorted(evidences, key=lambda e: (VERDICTS.index(e["verdict"]["label"]), _path(e)))
    )
    head = f"**{sum(counts.values())} claims: {found or 'none'}.**"
    return "\n".join([head, "", *_table(("claim", "verdict", "holds"), rows)])


def _grown(condition: Mapping[str, Any]) -> Iterator[_Point]:
    """How the evidence on one condition grew: a point of each series at each look, the step being the replicates."""
    for look in condition["looks"]:
        values = {f"{name}/{condition['name']}": look[field] for name, field in SERIES.items()}
        yield from _points(values, step=int(look["n"]))


def _points(values: Mapping[str, float | None], step: int = 0) -> Iterator[_Point]:
    """Finite values to six digits: MLflow's database makes 1.8e308 of infinity, and its pages show all 17 digits."""
    for key, value in values.items():
        if value is not None and math.isfinite(value):
            yield _Point(_key(key), float(f"{value:.6g}"), step)


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
    """The whole lines or words that fit, with a mark where something is left out."""
    if len(text) <= limit:
        return text
    kept = text[: limit - len("\n\n[cut]")]
    return f"{kept.rpartition(chr(10) if chr(10) in kept else ' ')[0] or kept}\n\n[cut]"


def _files(record: Mapping[str, Any], claim_file: Path | None, figure: bytes | None) -> dict[str, bytes]:
    files = {"evidence.json": evidence.text(record).encode(), "replicates.parquet": _replicates(record)}
    if claim_file is not None and claim_file.is_file():
        files["claim.yaml"] = claim_file.read_bytes()
    if figure:
        files["figure.png" if figure.startswith(b"\x89PNG") else "figure.svg"] = figure
    return files


def _replicates(record: Mapping[str, Any]) -> bytes:
    """Parquet with one row per replicate: condition, role, replicate, and a column for each outcome."""
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"condition": c["name"], "role": c.get("role", "condition"), "replicate": i}
        | {name: values[i] for name, values in c["outcomes"].items()}
        for c in (*record["conditions"], *record["controls"])
        for i in range(max(map(len, c["outcomes"].values()), default=0))
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), buffer)
    return buffer.getvalue()


class _Writer:
    """The one writer of an MLflow store; experiments are looked up once."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self._uri = uri
        self._local = _prepared(uri)
        self._artifacts = artifacts.absolute()
        self._experiments: dict[str, str] = {}
        with _reported(uri):
            self._client = _client(uri)

    def write(self, run: _Run) -> str:
        """Write the run; its address within the UI."""
        with _reported(self._uri):
            from mlflow.entities import Metric, Param

            done = int(time.time() * 1000)
            at = done - int(run.seconds * 1000)
            tags = {"mlflow.source.name": "claims", "mlflow.source.type": "PROJECT"} | run.tags
            tags = {key: _cut(value, TAG) for key, value in tags.items()}
            info = self._client.create_run(self._experiment(run.experiment), at, tags, run.name).info
            status = "FAILED"
            try:
                params = _slices([Param(key, value) for key, value in run.params.items()], PARAMS)
                points = _slices([Metric(p.key, p.value, done, p.step) for p in run.points], POINTS)
                for some_points, some_params in zip_longest(points, params, fillvalue=()):
                    self._client.log_batch(info.run_id, some_points, some_params)
                self._log_files(info, run.files)
                status = "FINISHED"
            finally:
                self._client.set_terminated(info.run_id, status, done)
            return f"#/experiments/{info.experiment_id}/runs/{info.run_id}"

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
            text = f"Claims on {name.replace('_', ' ')}: one run per claim and execution, named after the claim."
            if name == SUITE:
                text = "One run per execution of several claims, with the number of claims per verdict and the cost."
            tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": text}
            return str(self._client.create_experiment(name, location, tags))
        if location and found.artifact_location != location:
            made = f"made for files in {found.artifact_location}, not {location}"
            raise TrackingError(f"{self._local}: {made}; delete it, then run `claims sync`")
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


def _server(uri: str, path: Path, artifacts: Path, host: str, port: int) -> "Server":
    """MLflow's own application, started here and not by `mlflow server` so that its page can carry our defaults."""
    os.environ.update(ENVIRONMENT)
    import uvicorn
    from mlflow.server import app as pages
    from mlflow.server import constants, handlers

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = uri
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = str(artifacts.absolute())
    handlers.initialize_backend_stores(uri, uri, artifacts.absolute().as_uri())
    from mlflow.server.fastapi_app import app

    original = Path(str(pages.static_folder), "index.html").read_text(encoding="utf-8")
    pages.view_functions["serve"] = lambda: _page(original, path)
    return uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))


def _page(original: str, path: Path) -> str:
    """MLflow's page with defaults where the browser has none yet: model training, columns with verdicts.

    MLflow 3.17 keeps these choices in the browser alone and begins with language-model traces, whatever the
    experiment's tag `mlflow.experimentKind` says.
    """
    with contextlib.closing(sqlite3.connect(path)) as connection:
        experiments = connection.execute("SELECT experiment_id, name FROM experiments").fetchall()
    choices: dict[str, Any] = {
        "mlflow.workflowType_v1": "machine_learning",
        "mlflow.assistant.panelOpen_v1": False,
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
        "mlflow.settings.telemetry.enabled_v1": False,
        "mlflow.telemetry.info.alert.dismissed_v1": True,
    }
    for number, name in experiments:
        columns = SUITE_COLUMNS if name == SUITE else TOPIC_COLUMNS
        state = {"selectedColumns": list(columns), "columnOrder": list(columns), "columnWidths": columns}
        choices[f'MLflowLocalStorage-1.1-ExperimentPage-["{number}"]-ReactComponentState'] = state
    pairs = json.dumps([(key, json.dumps(value)) for key, value in choices.items()])
    script = f"for (const [k, v] of {pairs}) if (localStorage.getItem(k) === null) localStorage.setItem(k, v)"
    return original.replace("<head>", f"<head><script>{script}</script>", 1)


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
    """The SQLite file, made in WAL mode and found writable before MLflow sees it, which waits longer and says less."""
    path = _database(uri)
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=LOCKED, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        _fail(uri, error)
    return path


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
    except Exception as error:  # whatever MLflow, SQLAlchemy or alembic raise must not stop a run of the suite
        _fail(uri, error)


def _fail(uri: str, error: Exception) -> NoReturn:
    place, text = _database(uri) or uri, str(error)
    if re.search(r"database schema|locate revision|not a database|malformed", text):
        line = "not a database of this MLflow version; delete it"
    elif "database is locked" in text:
        line = "MLflow cannot be written, another program has locked its database; stop that"
    else:
        first = next(iter(text.strip().splitlines()), type(error).__name__)[:200]
        line = f"MLflow cannot be written ({first}); mend that"
    raise TrackingError(f"{place}: {line}, then run `claims sync`") from error


def _occupied(host: str, port: int) -> str:
    """Why a server cannot listen here, empty where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return str(error).partition("] ")[2].lower() or str(error)
    return ""
