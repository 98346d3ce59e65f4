"""Claims about linear models: what least squares needs, and where logistic regression is out of its depth."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from scipy.special import stdtrit
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from statsmodels.stats.outliers_influence import variance_inflation_factor

from experiments.common import streams
from experiments.common.data import shares
from experiments.common.generated import gaussian_classes
from experiments.common.real import table, texts


def vif_as_printed(
    seed: int,
    *,
    data: str = "generated",
    rows: int = 100,
    mean: float = 0.0,
    unit: float = 1.0,
    correlation: float = 0.0,
    standardize: bool | None = None,
) -> dict[str, float]:
    """How far the printed variance inflation factors (lines 1488-1491) are from 1 / (1 - R2), the definition.

    R2 is that of a column's regression, with an intercept, on the others; the factors are the diagonal of the inverse
    of the columns' correlations.

    Args:
        seed: Draws the rows.
        data: `generated`, four columns; or a table of `experiments.common.real`, of which half the rows are drawn.
        rows: Generated rows.
        mean: Of each generated column, in standard deviations.
        unit: Standard deviation of each column as it is held.
        correlation: Of any two generated columns, in [0, 1).
        standardize: Keyword of statsmodels' function; left to its default where it is not given, as printed.

    Returns:
        `error`: the largest relative difference over the columns, at least 0.
    """
    rng = np.random.default_rng(seed)
    if data == "generated":
        shared = rng.normal(size=(rows, 1))
        values = np.sqrt(1 - correlation) * rng.normal(size=(rows, 4)) + np.sqrt(correlation) * shared + mean
    else:
        whole = table(data)[0]
        values = whole[rng.permutation(len(whole))[: len(whole) // 2]]
    X = pd.DataFrame(unit * values)
    keywords = {} if standardize is None else {"standardize": standardize}
    printed = [variance_inflation_factor(X.values, i, **keywords) for i in range(X.shape[1])]
    defined = np.diag(np.linalg.inv(np.corrcoef(values.T)))
    return {"error": float(np.max(np.abs(printed / defined - 1)))}


def loss_by_collinearity(
    seed: int,
    *,
    purpose: str,
    correlation: float = 0.0,
    columns: int = 2,
    n: int = 100,
    noise: float = 1.0,
    data: str = "generated",
    draws: int = 400,
) -> dict[str, float]:
    """What least squares loses, for one purpose, with columns that are collinear and with columns that are not.

    Generated columns are Gaussian with one correlation between any two; the target is their sum and normal noise. The
    loss is a mean over many data sets, each with the same independent numbers behind both kinds of columns. Of real
    tables, it is a mean over draws of training rows, and what is not collinear is what remains after the column with
    the largest variance inflation factor has been left out again and again until none exceeds 5.

    Args:
        seed: Draws the data sets.
        purpose: `predictions`, mean squared distance of predictions from new targets; `elsewhere`, the same for new
            rows whose columns are not correlated; `coefficients`, mean squared error of the coefficients; `intervals`,
            share of the coefficients outside their 95 % intervals. Of real tables `predictions` only.
        correlation: Of any two collinear columns, in [0, 1); 0.9 makes the factor of two columns 5.3.
        columns: Columns.
        n: Training rows.
        noise: Standard deviation of the noise; each column has an effect of 1.
        data: `generated` or a table of `experiments.common.real` with a numeric target.
        draws: Data sets.

    Returns:
        `collinear` and `apart`, at least 0.
    """
    rng = np.random.default_rng(seed)
    if data != "generated":
        X, y = table(data)
        splits = [shares(draw, len(y), n) for draw in rng.integers(2**32, size=draws)]
        kept = {"collinear": list(range(X.shape[1])), "apart": _low_vif(X)}
        return {name: float(np.mean([_error(X[:, of], y, *split) for split in splits])) for name, of in kept.items()}
    plain, fresh = rng.normal(size=(draws, n, columns)), rng.normal(size=(draws, n, columns))
    errors, fresh_errors = noise * rng.normal(size=(2, draws, n))
    mixed = np.linalg.cholesky(np.full((columns, columns), correlation) + (1 - correlation) * np.eye(columns)).T
    found = {}
    for name, mixing in (("collinear", mixed), ("apart", np.eye(columns))):
        off, spread, _ = _ols(plain @ mixing, errors)
        if purpose == "coefficients":
            loss = off[:, 1:] ** 2
        elif purpose == "intervals":
            loss = np.abs(off[:, 1:]) > stdtrit(n - columns - 1, 0.975) * spread[:, 1:]
        else:
            away = fresh if purpose == "elsewhere" else fresh @ mixing
            loss = (fresh_errors - off[:, :1] - np.einsum("dnk,dk->dn", away, off[:, 1:])) ** 2
        found[name] = float(np.mean(loss))
    return found


def _ols(X: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares on many data sets at once, of which it matters only by how much the targets are off the plane.

    Args:
        X: (data sets, rows, columns).
        errors: (data sets, rows).

    Returns:
        Error of each coefficient, the intercept first, and its standard error, (data sets, columns + 1); standard
        deviation of the residuals (data sets,).
    """
    design = np.concatenate([np.ones((*X.shape[:2], 1)), X], axis=2)
    inverse = np.linalg.inv(design.mT @ design)
    off = (inverse @ (design.mT @ errors[..., None]))[..., 0]
    residuals = errors - np.einsum("dnk,dk->dn", design, off)
    noise = np.sqrt(np.sum(residuals**2, axis=1) / (X.shape[1] - design.shape[2]))
    return off, noise[:, None] * np.sqrt(np.diagonal(inverse, axis1=1, axis2=2)), noise


def _low_vif(X: np.ndarray) -> list[int]:
    kept = list(range(X.shape[1]))
    while len(kept) > 1:
        factors = np.diag(np.linalg.inv(np.corrcoef(X[:, kept].T)))
        if factors.max() <= 5:
            break
        del kept[factors.argmax()]
    return kept


def _error(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Mean squared error on the test rows, in variances of the target."""
    fitted = LinearRegression().fit(X[train], y[train])
    return float(np.mean((fitted.predict(X[test]) - y[test]) ** 2) / y.var())


ERRORS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1.0, 1.0, shape),
    "two-valued": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "t3": lambda rng, shape: rng.standard_t(3, shape),
    "lognormal": lambda rng, shape: rng.lognormal(0.0, 1.0, shape) - np.exp(0.5),
    "outliers": lambda rng, shape: rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 10.0, 1.0),
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
}
"""Errors of mean 0 (of none for `cauchy`)."""


def coverage_by_errors(
    seed: int,
    *,
    errors: str,
    n: int = 50,
    columns: int = 3,
    design: str = "normal",
    of: str = "coefficients",
    draws: int = 1000,
) -> dict[str, float]:
    """Whether least squares is right with errors of this shape: bias and 95 % intervals over many data sets.

    Errors are independent of the columns and all from one distribution, so that normality is all that can be missing.

    Args:
        seed: Draws the data sets.
        errors: A key of ERRORS; or `residuals`, drawn with replacement from those of a regression on all rows of the
            table that `design` names.
        n: Training rows.
        columns: Columns, of a table the first.
        design: `normal` columns; `skewed`, lognormal ones; `rare-group`, normal ones but for the first, which is 1 for
            three rows and 0 for the others; or a table of `experiments.common.real` with a numeric target, of which n
            rows are drawn. With normal columns the intervals of coefficients are right whatever the errors.
        of: `coefficients` (not the intercept), or `predictions`: the interval of a new target at a row like the others.
        draws: Data sets.

    Returns:
        `coverage`, in [0, 1], of the coefficient for which it is farthest from 0.95 (or of predictions); `bias`, the
        largest size of a coefficient's mean error, in standard deviations of that error, at least 0.
    """
    rng = np.random.default_rng(seed)
    if design in ("normal", "skewed", "rare-group"):
        X = rng.normal(size=(draws, n + 1, columns))
        X = np.exp(X) if design == "skewed" else X
        if design == "rare-group":
            X[:, :, 0] = np.arange(n + 1) < 3
        noise = ERRORS[errors](rng, (draws, n + 1))
    else:
        whole, y = table(design)
        whole = whole[:, :columns]
        X = whole[rng.integers(len(y), size=(draws, n + 1))]
        noise = rng.choice(y - LinearRegression().fit(whole, y).predict(whole), (draws, n + 1))
    new, far = X[:, -1], stdtrit(n - columns - 1, 0.975)
    if of == "predictions":  # with the new row as origin the intercept is the prediction there
        off, spread, sigma = _ols(X[:, :-1] - new[:, None], noise[:, :-1])
        covered = np.abs(noise[:, -1] - off[:, 0]) <= far * np.hypot(spread[:, 0], sigma)
    else:
        off, spread, _ = _ols(X[:, :-1], noise[:, :-1])
        off, spread = off[:, 1:], spread[:, 1:]
        covered = np.abs(off) <= far * spread
    shares_covered = np.atleast_1d(covered.mean(axis=0))
    bias = np.abs(off.mean(axis=0)) / off.std(axis=0)
    worst = np.argmax(np.abs(shares_covered - 0.95))
    return {"coverage": float(shares_covered[worst]), "bias": float(np.max(bias))}


def logistic_in_many_columns(
    seed: int, *, data: str, n: int, wide: int, narrow: int, n_test: int = 500, strength: float = 1.0
) -> dict[str, float]:
    """Accuracy of logistic regression and four rivals with many columns, and how much of a rival's lead is their due.

    All models are as their libraries have them, with fifty trees, and see the same rows; columns are scaled by the
    training rows, and counts of words weighted, for those that need it. The same rows with few columns tell whether a
    rival is ahead because there are many.

    Args:
        seed: Draws rows and what is random in fitting.
        data: `gaussians`, two classes whose means differ in the first `narrow` columns; `texts`, the two largest
            subjects, with counts of the words that are most frequent in the training rows; or a table of
            `experiments.common.real` with classes, of which all `narrow` columns come first and shuffled copies follow.
        n: Training rows.
        wide: Columns.
        narrow: Columns of the comparison, the first ones.
        n_test: Test rows, at most.
        strength: Inverse strength of logistic regression's penalty (C).

    Returns:
        `logistic`, `forest`, `boosting`, `svm` and `bayes`, in [0, 1]; and of each rival `<rival>_due`, its lead over
        logistic regression with many columns less its lead with few, in [-2, 2].
    """
    drawing, splitting, fitting = streams(seed, 3)
    if data == "gaussians":
        X, y, _ = gaussian_classes(drawing, n + n_test, columns=wide, informative=narrow, error=0.05)
    elif data == "texts":
        y = texts()[1]
        largest = np.isin(y, np.argsort(np.bincount(y))[-2:])
        y = y[largest]
    else:
        own, y = table(data)
        rng = np.random.default_rng(drawing)
        X = np.column_stack([own, *(rng.permutation(own[:, i % narrow]) for i in range(wide - narrow))])
    train, test, _ = shares(splitting, len(y), n, min(n_test, len(y) - n))
    if data == "texts":
        X = _word_counts()[largest]
        X = X[:, np.argsort(-X[train].sum(axis=0), kind="stable")[:wide]]
    found = {}
    for columns in (wide, narrow):
        few = X[:, :columns].astype(float)
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a tenth of the time
            for name, model in _classifiers(data == "texts", strength, fitting).items():
                found[name, columns] = float(np.mean(model.fit(few[train], y[train]).predict(few[test]) == y[test]))
    lead = {(name, columns): right - found["logistic", columns] for (name, columns), right in found.items()}
    rivals = [name for name, columns in found if columns == wide and name != "logistic"]
    due = {f"{name}_due": lead[name, wide] - lead[name, narrow] for name in rivals}
    return {name: found[name, wide] for name in ("logistic", *rivals)} | due


@cache
def _word_counts() -> np.ndarray:
    """How often each word, in alphabetical order, stands in each of `texts`; counting anew took a third of the time."""
    return CountVectorizer().fit_transform(texts()[0]).toarray()


def _classifiers(counts: bool, strength: float, seed: int) -> dict[str, BaseEstimator]:
    before = TfidfTransformer if counts else StandardScaler
    return {
        "logistic": make_pipeline(before(), LogisticRegression(C=strength, max_iter=1000)),
        "forest": RandomForestClassifier(50, random_state=seed),
        "boosting": LGBMClassifier(n_estimators=50, random_state=seed, n_jobs=1, verbosity=-1),
        "svm": make_pipeline(before(), SVC()),
        "bayes": MultinomialNB() if counts else GaussianNB(),
    }
