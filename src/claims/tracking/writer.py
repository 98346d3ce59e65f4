"""The one writer of an MLflow store: a SQLite file made here in WAL mode, or a server."""

import contextlib
import logging
import os
import re
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from claims.errors import TrackingError
from claims.tracking.records import SUITE, Run, cut

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

TAG, PARAMS, POINTS = 8000, 100, 800  # MLflow's limits: characters of a tag, parameters and points in one batch
LOCKED = 5.0  # seconds that another writer may hold the database
ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
# For a server that does not answer MLflow would wait for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


class Writer:
    """The one writer of an MLflow store; experiments are looked up once."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        """Opens the store, or makes it.

        Raises:
            TrackingError: It cannot be written.
        """
        self._uri = uri
        self._local = _prepared(uri)
        self._artifacts = artifacts.absolute()
        self._experiments: dict[str, str] = {}
        with reported(uri):
            self._client = _client(uri)

    def write(self, run: Run) -> str:
        """Write the run; its address within the UI."""
        with reported(self._uri):
            from mlflow.entities import Metric, Param

            done = int(time.time() * 1000)
            at = done - int(run.seconds * 1000)
            tags = {"mlflow.source.name": "claims", "mlflow.source.type": "PROJECT"} | run.tags
            tags = {key: cut(value, TAG) for key, value in tags.items()}
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


def database(uri: str) -> Path | None:
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
    path = database(uri)
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
def quiet() -> Iterator[None]:
    """Keeps the warnings of MLflow and its libraries from the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def reported(uri: str) -> Iterator[None]:
    """Turns whatever MLflow raises into a TrackingError with the next step."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:  # whatever MLflow, SQLAlchemy or alembic raise must not stop a run of the suite
        _fail(uri, error)


def _fail(uri: str, error: Exception) -> NoReturn:
    place, text = database(uri) or uri, str(error)
    if re.search(r"database schema|locate revision|not a database|malformed", text):
        line = "not a database of this MLflow version; delete it"
    elif "database is locked" in text:
        line = "MLflow cannot be written, another program has locked its database; stop that"
    else:
        first = next(iter(text.strip().splitlines()), type(error).__name__)[:200]
        line = f"MLflow cannot be written ({first}); mend that"
    raise TrackingError(f"{place}: {line}, then run `claims sync`") from error
