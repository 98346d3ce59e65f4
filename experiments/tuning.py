"""Trials on tuning hyper-parameters: which search finds the better setting with the same number of evaluations."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from experiments.common import streams

Objective = Callable[[NDArray[np.float64]], float]

# Hyper-parameters with the range searched, all but l1_ratio on a log scale: wide enough to reach both ends of what
# tutorials search, for features and targets of unit variance. Those of the tree are rounded to whole numbers.
SEARCHED = {
    "support-vectors-on-diabetes": {"C": (1e-2, 1e3), "gamma": (1e-4, 1e1), "epsilon": (1e-3, 1e0)},
    "tree-on-digits": {"max_depth": (1, 32), "min_samples_leaf": (1, 32), "min_samples_split": (2, 64)},
    "sgd-on-breast-cancer": {"eta0": (1e-4, 1e0), "alpha": (1e-6, 1e-1), "l1_ratio": (0.0, 1.0)},
}


def random_against_grid(
    seed: int,
    *,
    per_axis: int,
    problem: str = "bowl",
    axes: int = 2,
    important: int = 1,
    minor: float = 0.0,
    noise: float = 0.0,
) -> dict[str, float]:
    """Quality of the setting that each search ends with, higher is better; both evaluate per_axis ** axes settings.

    The grid holds the middles of per_axis equal cells per axis, the regular design that lies closest to an optimum
    anywhere in the box; random search draws uniformly from the same box. Each takes the setting that measured best.

    Args:
        seed: Draws the problem (position of the optimum and noise, or rows and their split) and the random settings.
        per_axis: Values per axis of the grid.
        problem: "bowl" or a key of SEARCHED.
        axes: Hyper-parameters searched; for a key of SEARCHED, as many as it has.
        important: Bowl only: how many of the axes count fully.
        minor: Bowl only: weight of each other axis, relative to an important one.
        noise: Bowl only: standard deviation of what is measured, where the whole height of the bowl is about 1.
    """
    problem_seed, search_seed = streams(seed, 2)
    middles = (np.arange(per_axis) + 0.5) / per_axis
    grid = np.stack(np.meshgrid(*[middles] * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    settings = {"grid": grid, "random": np.random.default_rng(search_seed).random(grid.shape)}
    if problem == "bowl":
        measured, quality = _bowl(problem_seed, axes, important, minor, noise)
    else:
        measured, quality = _tuned_model(problem_seed, problem)
    chosen = {name: points[np.argmax([measured(point) for point in points])] for name, points in settings.items()}
    return {name: quality(point) for name, point in chosen.items()}


def _bowl(seed: int, axes: int, important: int, minor: float, noise: float) -> tuple[Objective, Objective]:
    """Measured and true height of an upturned bowl with its peak anywhere in the unit box."""
    random = np.random.default_rng(seed)
    peak = random.random(axes)
    weights = np.where(np.arange(axes) < important, 1.0, minor)

    def quality(point: NDArray[np.float64]) -> float:
        return -float(weights @ (point - peak) ** 2)

    return lambda point: quality(point) + noise * random.standard_normal(), quality


def _tuned_model(seed: int, problem: str) -> tuple[Objective, Objective]:
    """Minus the cross-validated loss of a model with the setting, and minus its test loss when refitted.

    Three folds of a fresh third of the rows (150 rows at most) measure; the other two thirds test.
    """
    split_seed, fit_seed = streams(seed, 2)
    X, y = _data(problem)
    rows = np.random.default_rng(split_seed).permutation(len(X))
    drawn, test = rows[: min(len(X) // 3, 150)], rows[len(X) // 3 :]
    X = (X - X[drawn].mean(axis=0)) / np.maximum(X[drawn].std(axis=0), 1e-9)
    folds = [(np.setdiff1d(drawn, held_out), held_out) for held_out in np.array_split(drawn, 3)]

    def minus_loss(point: NDArray[np.float64], fitted: NDArray[Any], judged: NDArray[Any]) -> float:
        model = _model(problem, point, fit_seed).fit(X[fitted], y[fitted])
        if isinstance(model, SGDClassifier):
            margins = np.where(y[judged] == 1, 1.0, -1.0) * model.decision_function(X[judged])
            return -float(np.mean(np.logaddexp(0.0, -margins)))
        return -float(np.mean((y[judged] - model.predict(X[judged])) ** 2))

    return (
        lambda point: float(np.mean([minus_loss(point, fitted, judged) for fitted, judged in folds])),
        lambda point: minus_loss(point, drawn, test),
    )


@cache
def _data(problem: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if problem == "support-vectors-on-diabetes":
        X, y = load_diabetes(return_X_y=True)
        return X, (y - y.mean()) / y.std()
    if problem == "tree-on-digits":
        X, y = load_digits(return_X_y=True)
        return X, np.eye(10)[y]  # the mean squared error of class shares is the Brier loss
    return load_breast_cancer(return_X_y=True)


def _model(problem: str, point: NDArray[np.float64], seed: int) -> SVR | DecisionTreeRegressor | SGDClassifier:
    values = {
        name: low + share * (high - low) if low == 0 else low * (high / low) ** share
        for (name, (low, high)), share in zip(SEARCHED[problem].items(), point.tolist(), strict=True)
    }
    if problem == "support-vectors-on-diabetes":
        return SVR(**values)
    if problem == "tree-on-digits":
        return DecisionTreeRegressor(**{name: round(value) for name, value in values.items()}, random_state=seed)
    steps = {"learning_rate": "constant", "max_iter": 20, "tol": None}
    return SGDClassifier(loss="log_loss", penalty="elasticnet", **steps, **values, random_state=seed)
