"""Claims about metrics of regression: what they measure, and whether they can be computed."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from experiments.common import streams
from experiments.common.data import bundled, shares


def mape_line(seed: int, *, rows: int = 50, zeros: int = 0, hit: bool = False, missing: int = 0) -> dict[str, float]:
    """Whether the guide's line 1856 for MAPE gives a finite number, as an event.

    Args:
        seed: Draws targets and predictions.
        rows: Test rows; the targets are counts of at least 1 with mean 5.
        zeros: Rows whose target is 0.
        hit: The predictions of those rows are right.
        missing: Rows whose target is not a number.
    """
    rng = np.random.default_rng(seed)
    y_true = 1.0 + rng.poisson(4.0, rows)
    y_true[:zeros] = 0.0
    y_hat = y_true + rng.normal(size=rows)
    if hit:
        y_hat[:zeros] = 0.0
    y_true[:missing] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        mape = np.mean(np.abs((y_true - y_hat) / y_true)) * 100
    return {"finite": float(np.isfinite(mape))}


def r2_and_removed_variance(
    seed: int, *, data: str = "generated", model: str, n: int = 100, noise: float = 1.0, held_out: bool = True,
    shift: float = 0.0,
) -> dict[str, float]:  # fmt: skip
    """R2 of a fitted model, and the share of the target's variance that is gone from its residuals.

    Args:
        seed: Draws data and split.
        data: `generated`, a linear target of signal variance 1; `skewed`, its exponential; or `diabetes`.
        model: `ols`; `forest`; `log-ols`, least squares on the logarithm of the target, predictions transformed back;
            `absolute-boosting`, boosted trees that minimise the absolute error.
        n: Training rows, and as many held out; 147 of diabetes, against 295.
        noise: Standard deviation of the noise of the generated (logarithmic) target.
        held_out: Judge on held-out rows, not on the training rows.
        shift: Added to all predictions, in standard deviations of the target.

    Returns:
        `r2` and `removed`, both at most 1.
    """
    drawing, fitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    if data == "diabetes":
        X, y = bundled("diabetes")
        train, test = shares(drawing, len(y), 147)
    else:
        X = rng.normal(size=(2 * n, 8))
        y = X @ np.full(8, 8**-0.5) + noise * rng.normal(size=2 * n)
        y = np.exp(y) if data == "skewed" else y
        train, test = np.arange(n), np.arange(n, 2 * n)
    fitted = _regressor(model, fitting).fit(X[train], y[train])
    rows = test if held_out else train
    predicted = fitted.predict(X[rows]) + shift * y[rows].std()
    r2 = float(r2_score(y[rows], predicted))
    removed = float(1 - np.var(y[rows] - predicted) / np.var(y[rows]))
    return {"r2": r2, "removed": removed}


def _regressor(model: str, seed: int) -> RegressorMixin:
    return {
        "ols": LinearRegression(),
        "forest": RandomForestRegressor(20, min_samples_leaf=3, random_state=seed),
        "log-ols": TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp),
        "absolute-boosting": HistGradientBoostingRegressor(loss="absolute_error", max_iter=40, random_state=seed),
    }[model]
