"""Claims about columns and how to code them."""

from functools import cache, partial

import numpy as np
from lightgbm import LGBMClassifier, early_stopping
from scipy.stats import norm
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import chi2, f_classif, mutual_info_classif
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder, scale

from experiments.common import streams
from experiments.common.generated import categories
from experiments.common.real import series, table


def r2_by_month_code(
    seed: int,
    *,
    model: str,
    data: str = "generated",
    years: int = 10,
    shape: str = "wave",
    noise: float = 0.5,
    company: int = 0,
) -> dict[str, float]:
    """R2 on other years of a model that is given the month in one of four codes, at most 1.

    Args:
        seed: Draws years, season and what is random in fitting.
        model: `linear`, least squares; `forest`; or `neighbours`, the mean of the ten nearest rows.
        data: `generated`, or `elnino`, the monthly temperature of the sea at one place in 61 years.
        years: Training years; of `elnino` the other years are for testing, of generated ones fifty.
        shape: Of the generated season of variance 1: `wave`, one peak anywhere in the year; `two-peaks`, with a
            half-yearly wave of the same size; `rising`, from January to December in equal steps.
        noise: Standard deviation of the generated noise, independent from month to month.
        company: Columns of standard normal numbers beside the month, of which the first is added to the target.

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
    others = rng.normal(size=(values.size, company))
    y, cut, found = values.ravel() + others[:, :1].sum(axis=1), 12 * years, {}
    for name, code in codes.items():
        X = np.column_stack([np.tile(code, (len(values), 1)), others])
        fitted = _regressor(model, fitting).fit(X[:cut], y[:cut])
        found[name] = float(r2_score(y[cut:], fitted.predict(X[cut:])))
    return found


def _regressor(model: str, seed: int) -> RegressorMixin:
    return {
        "linear": LinearRegression(),
        "forest": RandomForestRegressor(25, random_state=seed),
        "neighbours": KNeighborsRegressor(10),
    }[model]


def auc_by_category_code(
    seed: int, *, model: str, data: str = "generated", levels: int = 300, n: int = 1500, skew: float = 1.0
) -> dict[str, float]:
    """Area under the ROC curve on new rows of a classifier that is given a category in one of two codes, in [0, 1].

    Both codes go to the same model beside the same numeric columns. Its strength is chosen by the log loss on a quarter
    of the training rows; it is then fitted to all of them. Levels that are new at the test are all zero or the overall
    mean.

    Args:
        seed: Draws rows, what is held out, and fits.
        model: `logistic` regression, of three penalties; or `boosting`, of three depths and a learning rate of
            0.2, which goes on until twenty more trees do not help on the rows held out.
        data: `generated`, a level's effect on the log odds as large as all else; `autompg`, the make of a car beside
            seven numbers for economy above the median; or `affairs`, occupation of wife and husband and her education
            as one category beside five numbers.
        levels: Generated levels.
        n: Training rows; 2000 more are drawn for the test, of `autompg` all others.
        skew: How unequally the generated levels are met, from 0, all alike, to 1, Zipf's law.

    Returns:
        `target`: the mean of the classes, each level counting ten rows of the overall mean besides its own, in training
        without the row itself (five folds). `one_hot`. `seen`: levels met in training.
    """
    drawing, holding, fitting, encoding = streams(seed, 4)
    if data == "generated":
        X, y, _ = categories(drawing, n + 2000, levels=levels, skew=skew, effect=1.0)
    else:
        X, y = makes() if data == "autompg" else occupations()
        rows = np.random.default_rng(drawing).permutation(len(X))[: n + 2000]
        X, y = X[rows], y[rows]
    codes = {
        "target": make_pipeline(
            TargetEncoder(smooth=10.0, cv=StratifiedKFold(5, shuffle=True, random_state=encoding)), StandardScaler()
        ),
        "one_hot": OneHotEncoder(handle_unknown="ignore"),
    }
    known, held = train_test_split(np.arange(n), test_size=0.25, stratify=y[:n], random_state=holding)
    found = {"seen": float(len(np.unique(X[:n, 0])))}
    for name, code in codes.items():
        coded = make_column_transformer((code, [0]), remainder="passthrough")
        Z, chosen_by = coded.fit_transform(X[known], y[known]), coded.transform(X[held])
        strengths = _logistic if model == "logistic" else partial(_boosting, seed=fitting)
        best = strengths(Z, y[known], chosen_by, y[held])
        best.fit(coded.fit_transform(X[:n], y[:n]), y[:n])
        found[name] = float(roc_auc_score(y[n:], best.predict_proba(coded.transform(X[n:]))[:, 1]))
    return found


def _logistic(X: np.ndarray, y: np.ndarray, X_held: np.ndarray, y_held: np.ndarray) -> ClassifierMixin:
    """Of three penalties the one with the least log loss on the rows held out."""
    fits = [LogisticRegression(C=C, max_iter=1000) for C in (0.03, 0.3, 3.0)]
    return min(fits, key=lambda fit: log_loss(y_held, fit.fit(X, y).predict_proba(X_held)))


def _boosting(X: np.ndarray, y: np.ndarray, X_held: np.ndarray, y_held: np.ndarray, seed: int) -> ClassifierMixin:
    """Of three depths, and of numbers of trees, those with the least log loss on the rows held out.

    Leaves may be as small as five rows, what a level has where 300 are alike; by default indicators of rare levels
    would not be split on.
    """
    same = {"learning_rate": 0.2, "min_child_samples": 5, "reg_lambda": 1.0, "force_col_wise": True}
    same |= {"n_jobs": 1, "random_state": seed, "verbosity": -1}
    tried = []
    for depth in (1, 2, 4):
        fit = LGBMClassifier(n_estimators=2000, max_depth=depth, num_leaves=2**depth, **same)
        fit.fit(X, y, eval_set=[(X_held, y_held)], callbacks=[early_stopping(20, verbose=False)])
        tried.append((fit.best_score_["valid_0"]["binary_logloss"], depth, fit.best_iteration_))
    _, depth, trees = min(tried)
    return LGBMClassifier(n_estimators=trees, max_depth=depth, num_leaves=2**depth, **same)


def acting_together(
    seed: int,
    *,
    target: str = "parity",
    data: str = "normal",
    order: int = 2,
    cut: float = 0.5,
    columns: int = 12,
    n: int = 300,
) -> dict[str, float]:
    """Chance that each kind of selection ranks a column that acts on the class above an idle one, in [0, 1].

    The area under the ROC curve of what it says of each column; blind choice comes to a half, ties count half.

    Args:
        seed: Draws rows, columns, classes and fits.
        target: How the acting columns make the class: `parity`, whether an odd number of them lie above their quantile
            `cut`, that of the distribution or of the whole table; `product`, whether the product of the standardised
            columns lies in its upper quarter; `correlation`, of two normal columns 0.85 in one class and -0.85 in the
            other.
        data: `normal`, independent columns; or the name of a real table, of which the acting columns are drawn and
            left as they are, while each of the others is shuffled and so becomes idle.
        order: Columns that act.
        cut: Quantile; under the parity of two, columns have no effect of their own at 0.5 and more of it towards 1.
        columns: All columns, at most those of the real table.
        n: Rows.

    Returns:
        `f_test`, in the order of absolute correlation with the class; `chi_square`, Pearson's, of columns cut into
        quarters; `mutual_information`, by nearest neighbours; `forest`, impurity importances of twenty trees.
    """
    drawing, guessing, fitting = streams(seed, 3)
    rng = np.random.default_rng(drawing)
    if data == "normal":
        X, thresholds = rng.normal(size=(n, columns)), norm.ppf(cut)
    else:
        rows = table(data)[0]
        rows = rows[:, rng.permutation(rows.shape[1])[:columns]]
        X, thresholds = rng.permutation(rows)[:n], np.quantile(rows[:, :order], cut, axis=0)
        X[:, order:] = rng.permuted(X[:, order:], axis=0)
    acting = X[:, :order]
    if target == "correlation":
        y = rng.integers(2, size=n)
        X[:, 1] = np.where(y, 0.85, -0.85) * X[:, 0] + np.sqrt(1 - 0.85**2) * X[:, 1]
    elif target == "product":
        product = scale(acting).prod(axis=1)
        y = (product > np.quantile(product, 0.75)).astype(int)
    else:
        # quantiles of the drawn rows would balance the classes on either side, and filters would stand below chance
        y = (acting > thresholds).sum(axis=1) % 2
    quarter = (np.quantile(X, [0.25, 0.5, 0.75], axis=0)[:, None] < X).sum(axis=0)
    scored = {
        "f_test": f_classif(X, y)[0],
        # with ties a quarter can be empty, which chi2 gives as NaN
        "chi_square": np.nansum([chi2(quarter == k, y)[0] for k in range(4)], axis=0),
        "mutual_information": mutual_info_classif(X, y, random_state=guessing),
        "forest": RandomForestClassifier(20, random_state=fitting).fit(X, y).feature_importances_,
    }
    acts = np.arange(X.shape[1]) < order
    return {name: float(roc_auc_score(acts, scores)) for name, scores in scored.items()}


@cache
def makes() -> tuple[np.ndarray, np.ndarray]:
    """Make of a car as a code, seven scaled numbers (392, 8), and whether it goes farther than the median (392,)."""
    from mlxtend.data.autompg import DATA_PATH

    names = np.genfromtxt(DATA_PATH, delimiter=",", usecols=7, dtype=str)
    code = np.unique([name.split()[0] for name in names], return_inverse=True)[1]
    X, y = table("autompg")
    return np.column_stack([code, scale(X)]), (y > np.median(y)).astype(int)


@cache
def occupations() -> tuple[np.ndarray, np.ndarray]:
    """Education and both occupations as one code, five scaled numbers (6366, 6), and whether any affair (6366,)."""
    X, y = table("affairs")
    code = np.unique(X[:, 5:], axis=0, return_inverse=True)[1]
    return np.column_stack([code, scale(X[:, :5])]), y
