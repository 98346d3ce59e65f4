"""MLflow's own pages on this machine, opening on runs and verdicts."""

import contextlib
import json
import os
import socket
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims.errors import TrackingError
from claims.tracking.records import SUITE, VERDICTS
from claims.tracking.writer import ENVIRONMENT, database, quiet, reported

if TYPE_CHECKING:
    from uvicorn import Server

HOST = "127.0.0.1"  # the UI has no password
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


def serve(uri: str, artifacts: Path, port: int = 5000) -> None:
    """Run MLflow's server in the foreground until Ctrl-C: one process, no job runner, no telemetry, this machine only.

    Raises:
        TrackingError: The port is taken, there is no database yet, or it is of another MLflow version.
    """
    path = database(uri)
    if path is None:
        print(f"MLflow runs at {uri}: open it in a browser")
        return
    if not path.is_file():
        raise TrackingError(f"{path}: no MLflow database yet; run `make reproduce` or `claims sync`")
    if problem := _occupied(port):
        free = next((p for p in range(5000, 5100) if not _occupied(p)), 8000)
        raise TrackingError(f"port {port} on {HOST}: {problem}; choose another: make ui PORT={free}")
    print("MLflow is starting ...", flush=True)
    with quiet(), reported(uri):
        server = _server(uri, path, artifacts, port)
    print(f"MLflow: http://{HOST}:{port}/#/experiments (Ctrl-C stops it)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


def _server(uri: str, path: Path, artifacts: Path, port: int) -> "Server":
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
    return uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="warning"))


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


def _occupied(port: int) -> str:
    """Why a server cannot listen here, empty where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            return str(error).partition("] ")[2].lower() or str(error)
    return ""
