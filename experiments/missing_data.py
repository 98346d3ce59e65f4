"""Claims about missing values: deleting, imputing, the reasons why values are missing."""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression

from experiments.common import streams
from experiments.common.data import bundled, shares


def deletion_against_imputation(
    seed: int, *, data: str, holes: str, share: float, n: int = 0, columns: int = 0, holed: int = 0, patterns: int = 8
) -> dict[str, float]:
    """What deleting incomplete training rows costs: test error against imputation, drift of means and coefficients.

    Holes are cut into a complete training table, several times over, and what comes of it averaged; the test rows stay
    complete. Linear regression is fitted to the complete table, to the rows without holes, and to the table with its
    holes filled by column means.

    Args:
        seed: Draws rows and holes.
        data: `generated`, or a bundled set with a numeric target, of which a random third trains and the rest tests.
        holes: Where they are, see `_holes`.
        share: Share of the rows or cells with holes, in (0, 1).
        n: Training rows of generated data.
        columns: Columns of generated data.
        holed: Columns that have holes, the first ones; 0 for all.
        patterns: Sets of holes cut into each table.

    Returns:
        `deleted`, `imputed`: mean squared error on the test rows. `coefficients_deleted`, `coefficients_complete` (with
        the sign of the complete table's, so that a difference points away from 0) and `means_deleted`,
        `means_complete`: fit and column means without the incomplete rows and of the complete table, in standard errors
        of the complete table, mean over columns. `kept`: share of the rows that deletion leaves.
    """
    drawing, cutting = streams(seed, 2)
    X, y, X_test, y_test = _generated(drawing, n, columns) if data == "generated" else _third(drawing, data)
    complete = LinearRegression().fit(X, y)
    noise = np.sum((y - complete.predict(X)) ** 2) / (len(y) - X.shape[1] - 1)
    coefficient_errors = np.sqrt(noise * np.diag(np.linalg.inv(np.cov(X.T) * (len(y) - 1))))
    mean_errors = X.std(axis=0, ddof=1) / np.sqrt(len(X))
    signs = np.sign(complete.coef_) / coefficient_errors
    few = slice(holed or None)
    rng = np.random.default_rng(cutting)
    told = []
    for _ in range(patterns):
        missing = np.zeros(X.shape, bool)
        missing[:, few] = _holes(rng, X[:, few], holes, share)
        kept = ~missing.any(axis=1)
        deleted = LinearRegression().fit(X[kept], y[kept])
        imputed = LinearRegression().fit(SimpleImputer().fit_transform(np.where(missing, np.nan, X)), y)
        told.append(
            {
                "deleted": np.mean((y_test - deleted.predict(X_test)) ** 2),
                "imputed": np.mean((y_test - imputed.predict(X_test)) ** 2),
                "coefficients_deleted": np.mean(signs * deleted.coef_),
                "means_deleted": np.mean(X[kept].mean(axis=0) / mean_errors),
                "kept": kept.mean(),
            }
        )
    return {name: float(np.mean([one[name] for one in told])) for name in told[0]} | {
        "coefficients_complete": float(np.mean(signs * complete.coef_)),
        "means_complete": float(np.mean(X.mean(axis=0) / mean_errors)),
    }


def _holes(rng: np.random.Generator, X: np.ndarray, holes: str, share: float) -> np.ndarray:
    """Which cells are missing, boolean, shaped as X.

    Args:
        rng: Source of all randomness.
        X: The complete table.
        holes: `cells`, each cell with probability `share`; `rows`, that share of the rows in one random column each;
            `highest-cells`, the highest `share` of each column, so that a value decides itself whether it is missing.
        share: In (0, 1).
    """
    if holes == "cells":
        return rng.random(X.shape) < share
    if holes == "highest-cells":
        return np.quantile(X, 1 - share, axis=0) < X
    missing = np.zeros(X.shape, bool)
    hit = rng.choice(len(X), round(share * len(X)), replace=False)
    missing[hit, rng.integers(X.shape[1], size=len(hit))] = True
    return missing


def _generated(seed: int, n: int, columns: int) -> tuple[np.ndarray, ...]:
    """Training table and target, test table and target (2000 rows).

    Gaussian columns of variance 1, any two correlated 0.3; all matter, with coefficients of size 1 and random sign;
    the noise has as much variance as the signal.
    """
    rng = np.random.default_rng(seed)
    X = np.sqrt(0.7) * rng.normal(size=(n + 2000, columns)) + np.sqrt(0.3) * rng.normal(size=(n + 2000, 1))
    signal = X @ rng.choice([-1.0, 1.0], columns)
    y = signal + signal.std() * rng.normal(size=len(X))
    return X[:n], y[:n], X[n:], y[n:]


def _third(seed: int, name: str) -> tuple[np.ndarray, ...]:
    """Training table and target (a random third of the rows), test table and target (the rest) of a bundled set."""
    X, y = bundled(name)
    train, test = shares(seed, len(X), len(X) // 3)
    return X[train], y[train], X[test], y[test]
