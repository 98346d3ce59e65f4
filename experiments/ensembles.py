"""Trials on ensembles of trees: overfitting of boosting and bagging, training time, what XGBoost's interface takes."""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification, make_regression
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from xgboost import XGBClassifier

from experiments.common import streams


def late_rise(
    seed: int,
    *,
    data: str = "generated",
    n_train: int = 400,
    flipped: float = 0.0,
    booster: str = "xgboost",
    trees: int = 200,
    learning_rate: float = 0.1,
) -> dict[str, float]:
    """How much worse each ensemble tests with all its trees than with the number that other rows say is best.

    Half of the held-out rows picks the number of trees, as early stopping would, the other half tests; so an ensemble
    that no longer changes comes out at nothing on average, not above it. Outcomes per arm: `_error_rise` (test error
    with all trees minus test error with the best number, in [-1, 1]) and `_loss_growth` (the same two log losses as a
    ratio, above 0). Both arms are judged on the same rows; probabilities are cut at 1 in 200.

    Args:
        seed: Draws the data, the split and both ensembles.
        data: "generated" (20 columns, 5 carry signal, two clusters per class), "breast-cancer" or "diabetes" (disease
            progression above its median); of the real sets a third of the rows trains and the rest is held out.
        n_train: Generated rows to train on; 2,000 more are held out.
        flipped: Share of wrong labels in the generated data, training and held out, in [0, 0.5].
        booster: "xgboost" (depth 6), "gradient-boosting" (scikit-learn's, depth 3) or "forest", a second forest.
        trees: Trees of each ensemble.
        learning_rate: Step of each boosting round.
    """
    data_seed, split_seed, boosting_seed, forest_seed = streams(seed, 4)
    X, y = _binary_data(data, n_train + 2000, flipped, data_seed)
    rows = np.random.default_rng(split_seed).permutation(len(X))
    n_train = n_train if data == "generated" else len(X) // 3
    train, best_picker, test = rows[:n_train], rows[n_train::2], rows[n_train + 1 :: 2]
    boosting = _ensemble(booster, trees, learning_rate, boosting_seed).fit(X[train], y[train])
    forest = _ensemble("forest", trees, learning_rate, forest_seed).fit(X[train], y[train])
    outcomes = {}
    for name, ensemble in {"boosting": boosting, "forest": forest}.items():
        picking, testing = ((_after_each_tree(ensemble, X[part]), y[part]) for part in (best_picker, test))
        error, loss = _errors(*testing), _log_losses(*testing)
        outcomes[f"{name}_error_rise"] = float(error[-1] - error[np.argmin(_errors(*picking))])
        outcomes[f"{name}_loss_growth"] = float(loss[-1] / loss[np.argmin(_log_losses(*picking))])
    return outcomes


def _binary_data(data: str, n_rows: int, flipped: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    if data == "breast-cancer":
        return load_breast_cancer(return_X_y=True)
    if data == "diabetes":
        X, progression = load_diabetes(return_X_y=True)
        return X, (progression > np.median(progression)).astype(int)
    # flip_y is the share of labels drawn afresh, half of which come out right
    return make_classification(n_rows, 20, n_informative=5, n_redundant=0, flip_y=2 * flipped, random_state=seed)


def _ensemble(name: str, trees: int, learning_rate: float, seed: int) -> Any:
    if name == "forest":
        return RandomForestClassifier(trees, random_state=seed)
    if name == "gradient-boosting":
        return GradientBoostingClassifier(n_estimators=trees, learning_rate=learning_rate, random_state=seed)
    return XGBClassifier(n_estimators=trees, learning_rate=learning_rate, max_depth=6, n_jobs=1, random_state=seed)


def _after_each_tree(ensemble: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Probability of class 1 after 1, 2, ... trees, shape (trees, rows)."""
    if isinstance(ensemble, RandomForestClassifier):
        votes = np.stack([tree.predict_proba(X)[:, 1] for tree in ensemble.estimators_])
        return votes.cumsum(axis=0) / np.arange(1, len(votes) + 1)[:, None]
    if isinstance(ensemble, GradientBoostingClassifier):
        return np.stack([stage[:, 1] for stage in ensemble.staged_predict_proba(X)])
    return np.stack([ensemble.predict_proba(X, iteration_range=(0, k + 1))[:, 1] for k in range(ensemble.n_estimators)])


def _errors(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    return np.mean((probabilities > 0.5) != y, axis=1)


def _log_losses(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    return -np.log(np.clip(np.where(y == 1, probabilities, 1 - probabilities), 0.005, 0.995)).mean(axis=1)
