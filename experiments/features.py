"""Claims about columns and how to code them."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from experiments.common import streams
from experiments.common.real import series


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
