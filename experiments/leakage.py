"""Claims about leakage: what an estimate says when test rows have been seen, against what fresh rows say."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold, TimeSeriesSplit, train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from statsmodels.datasets import co2, sunspots

from experiments.common import streams
from experiments.common.data import bundled, shares


def preprocessed_before_split(
    seed: int,
    *,
    data: str = "generated",
    n: int,
    model: str,
    step: str = "scaler",
    tails: float = 3.0,
    splits: int = 20,
) -> dict[str, float]:
    """Test accuracy where a preprocessing step was fitted on all rows, and where it was fitted on the training rows.

    Args:
        seed: Draws rows and splits.
        data: `generated`, 10 columns of unlike scale of which 5 matter, or a bundled set.
        n: Rows, split into three quarters for training and a quarter for testing.
        model: `knn`, `svm`, `logistic` or `tree`.
        step: `scaler` (StandardScaler) or `selection` (the 5 of 200 further columns of noise that look best).
        tails: Degrees of freedom of the t-distributed columns; 3 is heavy-tailed, 100 normal.
        splits: Random splits averaged over.

    Returns:
        `leaky` and `clean`, in [0, 1].
    """
    drawing, splitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    if data == "generated":
        X = rng.standard_t(tails, (n, 10)) * 10.0 ** rng.integers(-2, 3, 10)
        y = ((X / X.std(axis=0))[:, :5].sum(axis=1) + rng.normal(size=n) > 0).astype(int)
    else:
        columns, classes = bundled(data)
        rows = shares(drawing, len(classes), n)[0]
        X, y = columns[rows] * 10.0 ** rng.integers(-2, 3, columns.shape[1]), classes[rows]
    if step == "selection":
        X = np.c_[X, rng.normal(size=(n, 200))]
    leaky, clean = [], []
    for split in streams(splitting, splits):
        train, test = train_test_split(np.arange(n), test_size=0.25, random_state=split, stratify=y)
        for found, seen in ((leaky, np.arange(n)), (clean, train)):
            fitted = _steps()[step].fit(X[seen], y[seen])
            answers = _models()[model].fit(fitted.transform(X[train]), y[train])
            found.append(answers.score(fitted.transform(X[test]), y[test]))
    return {"leaky": float(np.mean(leaky)), "clean": float(np.mean(clean))}


def _steps() -> dict[str, BaseEstimator]:
    return {"scaler": StandardScaler(), "selection": SelectKBest(f_classif, k=5)}


def _models() -> dict[str, BaseEstimator]:
    return {
        "knn": KNeighborsClassifier(5),
        "svm": SVC(),
        "logistic": LogisticRegression(max_iter=500),
        "tree": DecisionTreeClassifier(random_state=0),
    }


def selection_and_cross_validation(
    seed: int, *, data: str = "generated", n: int, columns: int, informative: int = 0, k: int = 10, repeats: int = 1
) -> dict[str, float]:
    """Five-fold accuracy with features selected before and within the folds, and accuracy on fresh rows.

    Args:
        seed: Draws rows, columns of noise and folds.
        data: `generated` (two classes, the informative columns shifted by half a standard deviation) or
            `breast_cancer`, to whose 30 columns noise is added up to `columns`.
        n: Rows for selection and cross-validation.
        columns: Columns in all.
        informative: Generated columns that carry the class.
        k: Columns selected by the F-test.
        repeats: Cross-validations with other folds, averaged.

    Returns:
        `outside`, `inside` and `fresh`, in [0, 1]; `fresh` is that of the selection and fit on all n rows.
    """
    drawing, folding = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    if data == "generated":
        y = rng.integers(0, 2, n + 2000)
        X = rng.normal(size=(n + 2000, columns))
        X[:, :informative] += 0.5 * y[:, None]
    else:
        real, y = bundled(data)
        X = np.c_[real, rng.normal(size=(len(y), columns - real.shape[1]))]
    rows, others = shares(drawing, len(y), n)
    chosen = SelectKBest(f_classif, k=k).fit(X[rows], y[rows])
    model = LogisticRegression(max_iter=500)
    fresh = model.fit(chosen.transform(X[rows]), y[rows]).score(chosen.transform(X[others]), y[others])
    outside, inside = [], []
    for folds in streams(folding, repeats):
        for train, test in StratifiedKFold(5, shuffle=True, random_state=folds).split(X[rows], y[rows]):
            train, test = rows[train], rows[test]
            honest = SelectKBest(f_classif, k=k).fit(X[train], y[train])
            for found, selector in ((outside, chosen), (inside, honest)):
                fitted = model.fit(selector.transform(X[train]), y[train])
                found.append(fitted.score(selector.transform(X[test]), y[test]))
    return {"outside": float(np.mean(outside)), "inside": float(np.mean(inside)), "fresh": float(fresh)}


def split_of_series(
    seed: int, *, series: str, features: str = "lags", model: str = "forest", n: int = 250, phi: float = 0.95
) -> dict[str, float]:
    """Error that shuffled folds and forward-chaining folds promise, and error on the rows that come after.

    Args:
        seed: Draws the series (or, from a real one, the window) and the folds.
        series: `ar`, an autoregression with coefficient `phi`; `walk`, a random walk; `seasonal`, trend, period 12 and
            autocorrelated noise; `sunspots`, yearly numbers; `co2`, weekly concentrations.
        features: `lags`, the three values before; `time`, the position and the position within the period of 12.
        model: `forest`, `knn` or `ridge`.
        n: Rows before the split; the next n / 4 are the future.
        phi: Coefficient of `ar`; 0 gives independent values.

    Returns:
        `shuffled`, `chained` and `future`: root mean squared errors, in standard deviations of the n rows.
    """
    drawing, fitting, folding = streams(seed, 3)
    values = _series(np.random.default_rng(drawing), series, n + n // 4 + 3, phi)
    time = np.arange(3, len(values))
    lags = np.column_stack([values[time - lag] for lag in (1, 2, 3)])
    X = lags if features == "lags" else np.column_stack([time, 20 * (time % 12)])
    y = values[time] / values[:n].std()
    past, future = np.arange(n), np.arange(n, n + n // 4)
    regressor = _regressors(fitting)[model]

    def error(train: np.ndarray, test: np.ndarray) -> float:
        return float(np.mean((regressor.fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2))

    def promised(folds: BaseCrossValidator) -> float:
        return float(np.sqrt(np.mean([error(train, test) for train, test in folds.split(past)])))

    shuffled = promised(KFold(5, shuffle=True, random_state=folding))
    return {"shuffled": shuffled, "chained": promised(TimeSeriesSplit(5)), "future": error(past, future) ** 0.5}


def _regressors(seed: int) -> dict[str, BaseEstimator]:
    return {
        "forest": ExtraTreesRegressor(10, min_samples_leaf=2, random_state=seed),
        "knn": KNeighborsRegressor(3),
        "ridge": Ridge(1.0),
    }


def _series(rng: np.random.Generator, kind: str, length: int, phi: float) -> np.ndarray:
    """The values of a series, or a window of a real one that starts at random."""
    if kind in ("sunspots", "co2"):
        frame = (sunspots if kind == "sunspots" else co2).load_pandas().data
        real = frame["SUNACTIVITY"] if kind == "sunspots" else frame["co2"].interpolate()
        first = rng.integers(len(real) - length + 1)
        return real.to_numpy(dtype=float)[first : first + length]
    noise = rng.normal(size=length)
    if kind == "walk":
        return np.cumsum(noise)
    smooth = np.empty(length)
    level = noise[0] / np.sqrt(1 - phi**2)
    for i, shock in enumerate(noise):
        smooth[i] = level = phi * level + shock
    if kind == "ar":
        return smooth
    time = np.arange(length)
    return smooth + 0.02 * time + 3 * np.sin(2 * np.pi * time / 12)


def chained_folds_and_overlap(
    seed: int, *, series: str = "walk", horizon: int = 1, smoothed: bool = False, gap: bool = False,
    shuffled: bool = False, n: int = 300, phi: float = 0.95,
) -> dict[str, float]:  # fmt: skip
    """Error that TimeSeriesSplit's five folds promise, and error when only what is known by then is used.

    The target is the sum of the next `horizon` changes of the series, predicted from the position and the last change
    by three nearest neighbours. In use the last `horizon` - 1 targets before a prediction are not known.

    Args:
        seed: Draws the series.
        series: As for `split_of_series`.
        horizon: Steps that a target looks ahead; above 1 the targets of neighbours overlap.
        smoothed: A further feature is the last change, averaged with the two before and the two after.
        gap: Give TimeSeriesSplit the gap that the horizon asks for.
        shuffled: Use shuffled folds in its place.
        n: Rows.
        phi: As for `split_of_series`.

    Returns:
        `promised` and `in_use`: root mean squared errors over the same rows, in standard deviations of the target.
    """
    drawing, folding = streams(seed, 2)
    values = _series(np.random.default_rng(drawing), series, n + horizon + 3, phi)
    change = np.diff(values)
    now = np.arange(2, 2 + n)
    target = values[now + horizon] - values[now]
    target = target / target.std()
    past = np.column_stack([change[now - 1], change[now - 2]]) / change.std()
    time = now[:, None] / 5
    centred = np.convolve(change, np.full(5, 0.2), mode="same")[now - 1, None] / change.std()
    known = np.c_[time, past]
    offered = np.c_[known, 3 * centred] if smoothed else known
    model = KNeighborsRegressor(3)
    late = TimeSeriesSplit(5, gap=horizon - 1)
    folds = KFold(5, shuffle=True, random_state=folding) if shuffled else late if gap else TimeSeriesSplit(5)

    def error(X: np.ndarray, used: BaseCrossValidator) -> float:
        squares = [(model.fit(X[a], target[a]).predict(X[b]) - target[b]) ** 2 for a, b in used.split(X)]
        return float(np.sqrt(np.mean(np.concatenate(squares))))

    return {"promised": error(offered, folds), "in_use": error(known, late)}


def flagged_by_auc(
    seed: int, *, leak: str, data: str = "generated", strength: float = 1.0, n: int = 400
) -> dict[str, float]:
    """Whether a test AUC above 0.99 raises the alarm on a task with a leak, and on the same task without it.

    Args:
        seed: Draws the task (how far apart its classes are), its rows, the leak and the forest.
        leak: `after`, a column recorded after the outcome, whose classes lie `strength` standard deviations apart;
            `copies`, the share `strength` of the test rows also stands among the training rows; `people`, each row is
            one of five of the same person, of the same class, and rows are split without regard to that; `none`.
        data: `generated`, or a bundled set with two classes.
        strength: See `leak`.
        n: Rows, half for training and half for testing.

    Returns:
        `leaking` and `honest`: 1.0 where the alarm is raised, else 0.0.
    """
    drawing, leaking, fitting = streams(seed, 3)
    rng = np.random.default_rng(leaking)
    if data == "generated":
        apart = np.random.default_rng(drawing).uniform(0.3, 2.0)
        X, y = make_classification(n, 12, n_informative=6, class_sep=apart, flip_y=0.02, random_state=drawing)
    else:
        X, y = bundled(data)
        rows = shares(drawing, len(y), n)[0]
        X, y = X[rows], y[rows]
    train, test = np.split(rng.permutation(n), [n // 2])
    known, answers = X, y
    if leak == "after":
        known = np.c_[X, strength * y + rng.normal(size=n)]
    elif leak == "people":
        first = np.repeat(rng.permutation(n)[: n // 5], 5)
        known, answers = X[first] + 0.05 * X.std(axis=0) * rng.normal(size=(len(first), X.shape[1])), y[first]
    seen = np.r_[train, rng.choice(test, round(strength * len(test)), replace=False)] if leak == "copies" else train

    def alarm(columns: np.ndarray, classes: np.ndarray, fitted: np.ndarray) -> float:
        forest = RandomForestClassifier(20, random_state=fitting).fit(columns[fitted], classes[fitted])
        return float(roc_auc_score(classes[test], forest.predict_proba(columns[test])[:, 1]) > 0.99)

    return {"leaking": alarm(known, answers, seen), "honest": alarm(X, y, train)}
