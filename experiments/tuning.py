"""Trials on tuning hyper-parameters: which search finds the better setting with the same number of evaluations."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from experiments.common import streams

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
    searches: int = 1,
    problem: str = "bowl",
    values: str = "ends",
    axes: int = 2,
    important: int = 1,
    minor: float = 0.0,
    noise: float = 0.0,
) -> dict[str, float]:
    """How often each search ends with the better setting, over many problems; both evaluate per_axis ** axes settings.

    Random search draws uniformly from the box that the grid spans. Each takes the setting that measured best; the one
    that is truly better (bowl) or tests better after refitting (models) wins, and equal ones win half each.

    Args:
        seed: Draws the problems (position of the optimum and noise, or rows, folds and box) and the random settings.
        per_axis: Values per axis of the grid, at least 2.
        searches: Problems that both search.
        problem: "bowl" or a key of SEARCHED.
        values: "ends", equally spaced from one end of an axis to the other, as a list of values to try usually is; or
            "middles" of per_axis equal cells, the regular design that lies closest to an optimum anywhere in the box.
        axes: Hyper-parameters searched; for a key of SEARCHED, as many as it has.
        important: Bowl only: how many of the axes count fully.
        minor: Bowl only: weight of each other axis, relative to an important one.
        noise: Bowl only: standard deviation of what is measured, where the whole height of the bowl is about 1.

    Returns:
        `random` and `grid`, shares of the problems won, which add up to 1; `random_loss` and `grid_loss`, the mean loss
        of the settings chosen: their depth below the peak, or the test loss of the model.
    """
    ticks = np.linspace(0, 1, per_axis) if values == "ends" else (np.arange(per_axis) + 0.5) / per_axis
    grid = np.stack(np.meshgrid(*[ticks] * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    losses = []
    for one in streams(seed, searches):
        problem_seed, search_seed = streams(one, 2)
        settings = np.stack([np.random.default_rng(search_seed).random(grid.shape), grid])
        if problem == "bowl":
            losses.append(_lost_on_bowl(problem_seed, settings, important, minor, noise))
        else:
            losses.append(_lost_by_model(problem_seed, settings, problem))
    by_random, by_grid = np.array(losses).T
    won = float(np.mean((np.sign(by_grid - by_random) + 1) / 2))
    means = {"random_loss": float(by_random.mean()), "grid_loss": float(by_grid.mean())}
    return {"random": won, "grid": 1 - won, **means}


def _lost_on_bowl(
    seed: int, settings: NDArray[np.float64], important: int, minor: float, noise: float
) -> NDArray[np.float64]:
    """Depth of the setting that each search, (search, setting, axis), takes below a peak anywhere in the unit box."""
    random = np.random.default_rng(seed)
    axes = settings.shape[-1]
    weights = np.where(np.arange(axes) < important, 1.0, minor)
    depths = (settings - random.random(axes)) ** 2 @ weights
    measured = depths + noise * random.standard_normal(depths.shape)
    return np.take_along_axis(depths, measured.argmin(axis=1)[:, None], axis=1)[:, 0]


def _lost_by_model(seed: int, settings: NDArray[np.float64], problem: str) -> list[float]:
    """Test loss, refitted, of the setting that each search, (search, setting, axis), takes by cross-validation.

    Two folds of a fresh third of the rows (150 rows at most) measure; the other two thirds test. The box searched is
    drawn, too: each end of an axis lies up to a quarter of the range in SEARCHED further in.
    """
    split_seed, fit_seed, box_seed = streams(seed, 3)
    X, y = _data(problem)
    rows = np.random.default_rng(split_seed).permutation(len(X))
    drawn, test = rows[: min(len(X) // 3, 150)], rows[len(X) // 3 :]
    X = (X - X[drawn].mean(axis=0)) / np.maximum(X[drawn].std(axis=0), 1e-9)
    folds = [(np.setdiff1d(drawn, held_out), held_out) for held_out in np.array_split(drawn, 2)]
    low, high = np.random.default_rng(box_seed).random((2, settings.shape[-1])) / 4
    points = low + (1 - high - low) * settings

    def loss(point: NDArray[np.float64], fitted: NDArray[Any], judged: NDArray[Any]) -> float:
        model = _model(problem, point, fit_seed).fit(X[fitted], y[fitted])
        if isinstance(model, SGDClassifier):
            margins = np.where(y[judged] == 1, 1.0, -1.0) * model.decision_function(X[judged])
            return float(np.mean(np.logaddexp(0.0, -margins)))
        return float(np.mean((y[judged] - model.predict(X[judged])) ** 2))

    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a fifth of the time
        measured = [[sum(loss(point, *fold) for fold in folds) for point in tried] for tried in points]
        return [loss(tried[np.argmin(told)], drawn, test) for tried, told in zip(points, measured, strict=True)]


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
