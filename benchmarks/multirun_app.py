"""What a user would write without this project: one Hydra job and one MLflow run for each replicate."""

import json
import os
from importlib import import_module
from pathlib import Path

import hydra
import mlflow
import numpy as np
from omegaconf import DictConfig


@hydra.main(config_path=None, config_name="replicates", version_base="1.3")
def main(config: DictConfig) -> None:
    """Computes the replicate that the job's number names and logs it."""
    replicate = json.loads(Path(os.environ["REPLICATES"]).read_text(encoding="utf-8"))[config.replicate]
    module, _, name = replicate["trial"].rpartition(".")
    trial = getattr(import_module(module), name)
    mlflow.set_tracking_uri(os.environ["TRACKING"])
    mlflow.set_experiment(replicate["claim"])
    with mlflow.start_run(run_name=f"{replicate['cell']}-{replicate['seed']}"):
        mlflow.log_params({key: str(value)[:500] for key, value in replicate["parameters"].items()})
        mlflow.log_param("seed", replicate["seed"])
        batched = replicate["batched"]
        outcomes = trial([replicate["seed"]] if batched else replicate["seed"], **replicate["parameters"])
        mlflow.log_metrics(
            {f"{key}-{i}": float(x) for key, value in outcomes.items() for i, x in enumerate(np.ravel(value))}
        )


if __name__ == "__main__":
    main()
