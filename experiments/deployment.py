"""Claims about putting models into service: what printed lines do with the installed libraries."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

if TYPE_CHECKING:  # loaded only where a trial needs it; written here, its version is part of every key
    import mlflow  # noqa: F401

MODELS = {
    "logistic": lambda seed: LogisticRegression(max_iter=1000),
    "scaled-logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda seed: RandomForestClassifier(10, random_state=seed),
    "boosting": lambda seed: GradientBoostingClassifier(n_estimators=10, random_state=seed),
    "svm": lambda seed: SVC(),
    "neighbours": lambda seed: KNeighborsClassifier(),
}


def logged_as_printed(
    seed: int, *, model: str, logs: bool = True, keywords: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Whether MLflow logs a fitted model by the printed lines, and gives it back.

    Lines 1453-1457: in a run, parameters and metrics are logged, then `mlflow.sklearn.log_model(model, "model")`. The
    run is written to a SQLite file in a temporary folder; nothing is fetched.

    Args:
        seed: Draws the training rows, 100 of iris.
        model: A key of MODELS.
        logs: Whether the last line is run.
        keywords: Further keywords of the last line.

    Returns:
        1.0 or 0.0: `works`, the lines run to their end and the model loaded from the run predicts the same classes;
        `refused`, MLflow raised its own exception; `deprecated`, it warned that an argument is deprecated.
    """
    import mlflow
    import mlflow.sklearn

    X, y = load_iris(return_X_y=True)
    rows = np.random.default_rng(seed).choice(len(y), 100, replace=False)
    fitted = MODELS[model](seed).fit(X[rows], y[rows])
    metrics = {"accuracy": float(fitted.score(X, y))}
    found = dict.fromkeys(("works", "refused", "deprecated"), 0.0)
    with temporary_store() as messages:
        try:
            with mlflow.start_run():
                mlflow.log_params({"seed": seed})
                mlflow.log_metrics(metrics)
                logged = mlflow.sklearn.log_model(fitted, "model", **(keywords or {})) if logs else None
            if logged:
                loaded = mlflow.sklearn.load_model(logged.model_uri)
                found["works"] = float(np.array_equal(loaded.predict(X), fitted.predict(X)))
        except mlflow.exceptions.MlflowException:
            found["refused"] = 1.0
    return found | {"deprecated": float(any("deprecated" in message for message in messages))}


@contextmanager
def temporary_store() -> Iterator[list[str]]:
    """MLflow writes to a folder of its own inside the block; what it would say there is collected instead."""
    import mlflow

    messages: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("mlflow")
    # Where the list of requirements takes too long MLflow logs the library's own, which no outcome looks at: it saves
    # two seconds of another process for each model.
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "0"}
    with TemporaryDirectory() as folder, patch.dict(os.environ, settings):
        database = Path(folder, "mlflow.db")
        uri = os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{database}"
        with patch.object(log, "handlers", [listener]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of MLflow's own libraries say nothing about the lines
            database.write_bytes(empty_database())
            artifacts = Path(folder, "artifacts").as_uri()
            os.environ["MLFLOW_EXPERIMENT_ID"] = mlflow.MlflowClient(uri).create_experiment("trial", artifacts)
            yield messages


@cache
def empty_database() -> bytes:
    """The SQLite file that MLflow makes where there is none: to make it costs more than what is then done with it."""
    import mlflow

    with TemporaryDirectory() as folder:
        database = Path(folder, "mlflow.db")
        mlflow.MlflowClient(f"sqlite:///{database}").search_experiments()
        return database.read_bytes()
