"""Claims about columns: how to code them, and which ways of choosing find those that matter."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import RFE, f_classif, mutual_info_classif
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from experiments.common import streams
from experiments.common.data import shares
from experiments.common.generated import interactions
from experiments.common.real import series, table


def acting_columns_found(
    seed: int, *, data: str = "generated", n: int, columns: int = 10, order: int = 2, error: float = 0.0
) -> dict[str, float]:
    """Share of the acting columns among as many that each way of choosing takes, in [0, 1].

    The class is the parity of how many of the acting columns are high, so that none of them says anything by itself.

    Args:
        seed: Draws rows, acting columns and what is random in choosing.
        data: `generated`, Gaussian columns; or a table of `experiments.common.real`, whose columns, shuffled with their
            rows kept together, are the columns and two of which, drawn at random, act by being above their medians.
        n: Rows.
        columns: Generated columns.
        order: Acting columns of generated rows; 1 is the plain effect of one column.
        error: Share of the labels that are turned over.

    Returns:
        `f_test` and `mutual_information`, which score one column at a time; `elimination`, a forest's recursive
        elimination, a fifth of the columns at a time; `importance`, the forest's own, of one fit; `by_chance`.
    """
    drawing, splitting, fitting, guessing = streams(seed, 4)
    if data == "generated":
        X, y, _ = interactions(drawing, n, order=order, columns=columns, error=error)
        acting = np.arange(order)
    else:
        whole = table(data)[0]
        rng = np.random.default_rng(drawing)
        acting = rng.choice(whole.shape[1], order, replace=False)
        odd = np.sum(whole[:, acting] > np.median(whole[:, acting], axis=0), axis=1) % 2
        rows, _ = shares(splitting, len(whole), n)
        X, y = whole[rows], odd[rows] ^ (rng.random(n) < error)
    forest = RandomForestClassifier(30, random_state=fitting)
    scores = {
        "f_test": f_classif(X, y)[0],
        "mutual_information": mutual_info_classif(X, y, random_state=guessing),
        "elimination": -RFE(forest, n_features_to_select=order, step=0.2).fit(X, y).ranking_,
        "importance": forest.fit(X, y).feature_importances_,
    }
    found = {
        name: float(np.isin(acting, np.argsort(-score, kind="stable")[:order]).mean()) for name, score in scores.items()
    }
    return found | {"by_chance": order / X.shape[1]}


def r2_by_month_code(
    seed: int, *, model: str, data: str = "generated", years: int = 10, shape: str = "wave", noise: float = 0.5
) -> dict[str, float]:
    """R2 on other years of a model that knows nothing but the month, in four codes, at most 1.

    Args:
        seed: Draws years, season and what is random in fitting.
        model: `linear`, least squares; `forest`; or `neighbours`, the mean of the ten nearest rows.
        data: `generated`, or `elnino`, the monthly temperature of the sea at one place in 61 years.
        years: Training years; of `elnino` the other years are for testing, of generated ones fifty.
        shape: Of the generated season of variance 1: `wave`, one peak anywhere in the year; `two-peaks`, with a
            half-yearly wave of the same size; `rising`, from January to December in equal steps.
        noise: Standard deviation of the generated noise, independent from month to month.

    Returns:
        `integer`, 1 to 12; `cyclical`, sine and cosine of the year's circle; `sine`, the sine alone; `one_hot`.
    """
    drawing, fitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    month = np.arange(12)
    if data == "elnino":
        values = series("elnino")
        values = rng.permutation(values[: len(values) // 12 * 12].reshape(-1, 12))
    else:
        one, two = (np.sqrt(2) * np.cos(2 * np.pi * k * month / 12 + rng.uniform(0, 2 * np.pi)) for k in (1, 2))
        season = {"wave": one, "two-peaks": (one + two) / np.sqrt(2), "rising": (month - 5.5) / month.std()}[shape]
        values = season + noise * rng.normal(size=(years + 50, 12))
    angle = 2 * np.pi * (month + 1) / 12
    codes = {
        "integer": month[:, None] + 1.0,
        "cyclical": np.column_stack([np.sin(angle), np.cos(angle)]),
        "sine": np.sin(angle)[:, None],
        "one_hot": np.eye(12),
    }
    found = {}
    for name, code in codes.items():
        fitted = _regressor(model, fitting).fit(np.tile(code, (years, 1)), values[:years].ravel())
        found[name] = float(r2_score(values[years:].ravel(), np.tile(fitted.predict(code), len(values) - years)))
    return found


def _regressor(model: str, seed: int) -> RegressorMixin:
    return {
        "linear": LinearRegression(),
        "forest": RandomForestRegressor(50, random_state=seed),
        "neighbours": KNeighborsRegressor(10),
    }[model]
