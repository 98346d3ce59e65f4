"""Claims about leakage: what an estimate says when test rows have been seen, against what fresh rows say."""

from functools import cache

import numpy as np
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, StratifiedShuffleSplit, TimeSeriesSplit
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
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took half of the time
        of_all = _steps()[step].fit(X, y).transform(X)
        for split in streams(splitting, splits):
            train, test = next(StratifiedShuffleSplit(1, test_size=0.25, random_state=split).split(y, y))
            of_train = _steps()[step].fit(X[train], y[train]).transform(X)
            for found, Z in ((leaky, of_all), (clean, of_train)):
                answers = _models()[model].fit(Z[train], y[train]).predict(Z[test])
                found.append(np.mean(answers == y[test]))
    return {"leaky": float(np.mean(leaky)), "clean": float(np.mean(clean))}


def _steps() -> dict[str, BaseEstimator]:
    return {"scaler": StandardScaler(), "selection": SelectKBest(f_classif, k=5)}


def _models() -> dict[str, BaseEstimator]:
    return {
        "knn": KNeighborsClassifier(5, algorithm="brute"),
        "svm": SVC(),
        "logistic": LogisticRegression(max_iter=500),
        "tree": DecisionTreeClassifier(random_state=0),
    }


def selection_and_cross_validation(
    seed: int, *, data: str = "generated", n: int, columns: int, informative: int = 0, k: int = 10, tables: int = 5
) -> dict[str, float]:
    """Five-fold accuracy with features selected before and within the folds, and accuracy on fresh rows.

    Args:
        seed: Draws rows, columns of noise and folds.
        data: `generated` (two classes, the informative columns shifted by half a standard deviation), or
            `breast_cancer` or `diabetes` (above or below its median), to which noise is added up to `columns`.
        n: Rows for selection and cross-validation.
        columns: Columns in all.
        informative: Generated columns that carry the class.
        k: Columns selected by the F-test.
        tables: Draws of n rows, averaged.

    Returns:
        `outside`, `inside` and `fresh`, in [0, 1]; `fresh` is that of the selection and fit on all n rows, from the
        generated data's distribution or on the rows left over.
    """
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a third of the time
        found = [_scores(table, data, n, columns, informative, k) for table in streams(seed, tables)]
    return dict(zip(("outside", "inside", "fresh"), np.mean(found, axis=0).tolist(), strict=True))


def _scores(seed: int, data: str, n: int, columns: int, informative: int, k: int) -> tuple[float, float, float]:
    """The three accuracies for one table."""
    drawing, folding = streams(seed, 2)
    X, y, rows = _table(drawing, data, n, columns, informative)
    model, chosen = LogisticRegression(solver="liblinear", random_state=0), _selected(X[rows], y[rows], k)
    fitted = model.fit(X[np.ix_(rows, chosen)], y[rows])
    if data == "generated":
        fresh = _true_accuracy(fitted, 0.5 * (chosen < informative))
    else:
        others = np.setdiff1d(np.arange(len(y)), rows)
        fresh = fitted.score(X[np.ix_(others, chosen)], y[others])
    outside, inside = [], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=folding).split(X[rows], y[rows]):
        train, test = rows[train], rows[test]
        for scores, used in ((outside, chosen), (inside, _selected(X[train], y[train], k))):
            fitted = model.fit(X[np.ix_(train, used)], y[train])
            scores.append(np.mean(fitted.predict(X[np.ix_(test, used)]) == y[test]))
    return float(np.mean(outside)), float(np.mean(inside)), fresh


def _selected(X: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Numbers of the k columns with the largest F, ascending, as SelectKBest has them."""
    return np.sort(np.argsort(f_classif(X, y)[0], kind="stable")[-k:])


def _table(seed: int, data: str, n: int, columns: int, informative: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns and classes of all rows there are, and the numbers of the n rows drawn."""
    rng = np.random.default_rng(seed)
    if data == "generated":
        y = rng.permutation(np.arange(n) % 2)
        X = rng.normal(size=(n, columns))
        X[:, :informative] += 0.5 * y[:, None]
        return X, y, np.arange(n)
    real, y = bundled(data)
    y = (y > np.median(y)).astype(int) if data == "diabetes" else y
    X = np.c_[real, rng.normal(size=(len(y), columns - real.shape[1]))]
    return X, y, shares(seed, len(y), n)[0]


def _true_accuracy(fitted: LogisticRegression, shift: np.ndarray) -> float:
    """Accuracy of a linear rule on two equally frequent normal classes of unit variance, one shifted."""
    weights, bias = fitted.coef_[0], fitted.intercept_[0]
    length = np.linalg.norm(weights)
    return float(norm.cdf(-bias / length) + norm.cdf((weights @ shift + bias) / length)) / 2


def split_of_series(
    seed: int,
    *,
    series: str,
    features: str = "lags",
    model: str = "knn",
    n: int = 240,
    phi: float = 0.95,
    draws: int = 6,
) -> dict[str, float]:
    """Error that shuffled folds and forward-chaining folds promise, and error on the rows that come after.

    Args:
        seed: Draws the series (or, from a real one, the window) and the folds.
        series: `ar`, an autoregression with coefficient `phi`; `walk`, a random walk; `seasonal`, trend, period 12 and
            autocorrelated noise; `sunspots`, yearly numbers; `co2`, weekly concentrations.
        features: `lags`, the three values before; `time`, the position and the position within the period of 12.
        model: `forest`, `knn` or `ridge`.
        n: Rows before the split; the next n / 6 are the future, as long as one of the forward-chaining folds.
        phi: Coefficient of `ar`; 0 gives independent values.
        draws: Series (windows of a real one), whose squared errors are averaged.

    Returns:
        `shuffled`, `chained` and `future`: root mean squared errors, in standard deviations of the n rows.
    """
    found = []
    for one in streams(seed, draws):
        drawing, fitting, folding = streams(one, 3)
        values = _series(np.random.default_rng(drawing), series, n + n // 6 + 3, phi)
        values = values / values[:n].std()
        time = np.arange(3, len(values))
        lags = np.column_stack([values[time - lag] for lag in (1, 2, 3)])
        X, y = lags if features == "lags" else np.column_stack([time, 20 * (time % 12)]), values[time]
        past, future = np.arange(n), np.arange(n, n + n // 6)
        regressor = _regressors(fitting)[model]
        shuffled = list(KFold(5, shuffle=True, random_state=folding).split(past))
        chained = list(TimeSeriesSplit(5).split(past))
        found.append([_squared_error(regressor, X, y, folds) for folds in (shuffled, chained, [(past, future)])])
    return dict(zip(("shuffled", "chained", "future"), np.sqrt(np.mean(found, axis=0)).tolist(), strict=True))


def _squared_error(
    model: BaseEstimator, X: np.ndarray, y: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Mean over all rows tested, each by the model fitted to its fold's training rows."""
    with config_context(assume_finite=True, skip_parameter_validation=True):
        squares = [(model.fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2 for train, test in folds]
    return float(np.mean(np.concatenate(squares)))


def _regressors(seed: int) -> dict[str, BaseEstimator]:
    return {
        "forest": ExtraTreesRegressor(6, min_samples_leaf=2, random_state=seed),
        "knn": KNeighborsRegressor(3, algorithm="brute"),
        "ridge": Ridge(1.0),
    }


@cache
def _recorded(kind: str) -> np.ndarray:
    """A series that comes with statsmodels; missing weeks of co2 are interpolated."""
    frame = (sunspots if kind == "sunspots" else co2).load_pandas().data
    return frame.iloc[:, -1].interpolate().to_numpy(dtype=float)


def _series(rng: np.random.Generator, kind: str, length: int, phi: float) -> np.ndarray:
    """The values of a series, or a window of a real one that starts at random."""
    if kind in ("sunspots", "co2"):
        real = _recorded(kind)
        first = rng.integers(len(real) - length + 1)
        return real[first : first + length]
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
    shuffled: bool = False, n: int = 300, phi: float = 0.95, draws: int = 6,
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
        draws: Series (windows of a real one), whose squared errors are averaged.

    Returns:
        `promised` and `in_use`: root mean squared errors over the same rows, in standard deviations of the target.
    """
    found = []
    for one in streams(seed, draws):
        drawing, folding = streams(one, 2)
        values = _series(np.random.default_rng(drawing), series, n + horizon + 3, phi)
        change = np.diff(values)
        now = np.arange(2, 2 + n)
        target = values[now + horizon] - values[now]
        target = target / target.std()
        known = np.column_stack([now / 5, change[now - 1] / change.std(), change[now - 2] / change.std()])
        centred = np.convolve(change, np.full(5, 0.2), mode="same")[now - 1, None] / change.std()
        offered = np.c_[known, 3 * centred] if smoothed else known
        late = TimeSeriesSplit(5, gap=horizon - 1)
        folds = KFold(5, shuffle=True, random_state=folding) if shuffled else late if gap else TimeSeriesSplit(5)
        # the same neighbours, found faster
        model = KNeighborsRegressor(3, algorithm="brute" if n < 1000 else "kd_tree")
        found.append([_squared_error(model, X, target, list(f.split(X))) for X, f in ((offered, folds), (known, late))])
    return dict(zip(("promised", "in_use"), np.sqrt(np.mean(found, axis=0)).tolist(), strict=True))


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
        with config_context(assume_finite=True, skip_parameter_validation=True):
            forest = RandomForestClassifier(12, random_state=fitting).fit(columns[fitted], classes[fitted])
            return float(roc_auc_score(classes[test], forest.predict_proba(columns[test])[:, 1]) > 0.99)

    return {"leaking": alarm(known, answers, seen), "honest": alarm(X, y, train)}
