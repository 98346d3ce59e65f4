"""Claims about missing values: deleting, imputing, the reasons why values are missing."""

import numpy as np
from scipy.stats import t as student
from sklearn import config_context
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # its import lets IterativeImputer be imported
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
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


def handled_every_way(
    seed: int,
    *,
    data: str = "correlated",
    holes: str = "cells",
    share: float,
    n: int = 300,
    columns: int = 5,
    correlation: float = 0.5,
    holed: int = 0,
    tables: int = 2,
) -> dict[str, float]:
    """Test error and correlations after each of the usual ways to handle missing training cells.

    The ways are `deleted` (rows without holes), `means`, `neighbours` (five) and `model` (chained ridge regressions).
    Linear regression is fitted to what each makes of the columns; the target and the test rows have no holes.

    Args:
        seed: Draws rows and holes.
        data: `correlated` (see `_correlated`), or a bundled set, of which a random third trains and the rest tests.
        holes: Where they are, see `_holes`.
        share: Share of the cells with holes, in (0, 1).
        n: Training rows of generated data.
        columns: Columns of generated data.
        correlation: Of any two generated columns, in [0, 1).
        holed: Columns that have holes, the first ones; 0 for all.
        tables: Tables averaged over.

    Returns:
        For each way: its name, mean squared error on the test rows; `<way>_kept`, the correlations of columns and
        target as a multiple of those in the complete table (slope through the origin), 1 where they are neither
        weakened nor inflated.
    """
    told = []
    for table in streams(seed, tables):
        drawing, cutting = streams(table, 2)
        complete = _correlated(drawing, n, columns, correlation) if data == "correlated" else _third(drawing, data)
        X, y, X_test, y_test = complete
        pairs = np.triu_indices(X.shape[1] + 1, 1)
        true = np.corrcoef(np.c_[X, y].T)[pairs]
        gaps = np.array(X)
        few = slice(holed or None)
        gaps[:, few][_holes(np.random.default_rng(cutting), X[:, few], holes, share)] = np.nan
        whole = ~np.isnan(gaps).any(axis=1)
        ways = {"deleted": (gaps[whole], y[whole])} | {
            name: (imputer.fit_transform(gaps), y)
            for name, imputer in (
                ("means", SimpleImputer()),
                ("neighbours", KNNImputer(n_neighbors=5)),
                ("model", IterativeImputer(max_iter=10, tol=0.01)),
            )
        }
        told.append({})
        for name, (filled, target) in ways.items():
            found = np.corrcoef(np.c_[filled, target].T)[pairs]
            told[-1][name] = np.mean((y_test - LinearRegression().fit(filled, target).predict(X_test)) ** 2)
            told[-1][f"{name}_kept"] = found @ true / (true @ true)
    return {name: float(np.mean([one[name] for one in told])) for name in told[0]}


def _correlated(seed: int, n: int, columns: int, correlation: float) -> tuple[np.ndarray, ...]:
    """Training table and target, test table and target (2000 rows).

    Gaussian columns of variance 1, any two correlated alike; coefficients 1 to 2 with the sign of every second turned;
    the noise has half the variance of the signal.
    """
    rng = np.random.default_rng(seed)
    own, common = rng.normal(size=(n + 2000, columns)), rng.normal(size=(n + 2000, 1))
    X = np.sqrt(1 - correlation) * own + np.sqrt(correlation) * common
    signal = X @ (np.linspace(1.0, 2.0, columns) * np.resize([1.0, -1.0], columns))
    y = signal + np.sqrt(0.5) * signal.std() * rng.normal(size=len(X))
    return X[:n], y[:n], X[n:], y[n:]


def pooled_imputations(
    seed: int,
    *,
    imputer: str = "as-printed",
    data: str = "correlated",
    share: float,
    n: int = 200,
    columns: int = 4,
    correlation: float = 0.5,
    imputations: int = 3,
) -> dict[str, float]:
    """Whether repeated imputations differ, and how often 95 % intervals pooled from them cover the true coefficients.

    Args:
        seed: Draws rows, holes and imputations.
        imputer: `as-printed`, IterativeImputer with ten rounds and else its defaults; `draws`, the same with draws from
            the posterior; `means`, column means.
        data: `correlated` (see `_correlated`), or a bundled set, of which a random third is used.
        share: Share of the cells of the columns that are missing, completely at random, in (0, 1); the target, which is
            among what the imputer sees, is complete.
        n: Rows of generated data.
        columns: Columns of generated data.
        correlation: Of any two generated columns, in [0, 1).
        imputations: Imputed tables, each with a seed of its own, pooled by Rubin's rules.

    Returns:
        `differ`: 1.0 if any two imputed tables differ, else 0.0. `covered`: share of the linear regression's
        coefficients that their interval covers, in [0, 1]; true is what generated them, or the fit to all rows of a
        bundled set. `between`: mean over coefficients of the variance between imputations as a share of the total.
    """
    drawing, cutting, imputing = streams(seed, 3)
    if data == "correlated":
        X, y, *_ = _correlated(drawing, n, columns, correlation)
        truth = np.linspace(1.0, 2.0, columns) * np.resize([1.0, -1.0], columns)
    else:
        X, y, *_ = _third(drawing, data)
        truth = LinearRegression().fit(*bundled(data)).coef_
    gaps = np.c_[np.where(np.random.default_rng(cutting).random(X.shape) < share, np.nan, X), y]
    with config_context(skip_parameter_validation=True):
        tables = [_imputer(imputer, one).fit_transform(gaps)[:, :-1] for one in streams(imputing, imputations)]
    coefficients, variances = [], []
    for table in tables:
        fit = LinearRegression().fit(table, y)
        free = len(y) - X.shape[1] - 1
        noise = np.sum((y - fit.predict(table)) ** 2) / free
        coefficients.append(fit.coef_)
        variances.append(noise * np.diag(np.linalg.inv(np.cov(table.T) * (len(y) - 1))))
    within, between = np.mean(variances, axis=0), (1 + 1 / imputations) * np.var(coefficients, axis=0, ddof=1)
    lost = between / (within + between)  # Rubin's share of the information, and Barnard and Rubin's degrees of freedom
    observed = (free + 1) / (free + 3) * free * (1 - lost)
    half = student.ppf(0.975, 1 / (1 / observed + lost**2 / (imputations - 1))) * np.sqrt(within + between)
    return {
        "differ": float(any(not np.array_equal(tables[0], table) for table in tables[1:])),
        "covered": float(np.mean(np.abs(np.mean(coefficients, axis=0) - truth) <= half)),
        "between": float(np.mean(lost)),
    }


def _imputer(name: str, seed: int) -> SimpleImputer | IterativeImputer:
    if name == "means":
        return SimpleImputer()
    return IterativeImputer(max_iter=10, random_state=seed, sample_posterior=name == "draws")
