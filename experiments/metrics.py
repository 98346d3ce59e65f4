"""Claims about evaluation metrics: what they reward, and which of them picks the better model."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from experiments.common import streams
from experiments.common.data import bundled

Table = tuple[np.ndarray, np.ndarray]


def chosen_by_area(
    seed: int, *, data: str, positives: float, n: int, deployment: str, noise: float = 0.0, draws: int = 6
) -> dict[str, float]:
    """What two choices from one pool of fitted models are worth in use: by validation PR-AUC and by validation ROC-AUC.

    The pool is fitted once; the choice is made on several validation sets drawn from the other rows, each time with all
    rows outside training and validation as test rows, and its worth averaged.

    Args:
        seed: Draws rows and what is random in fitting.
        data: `generated`; `digits`, one digit (drawn per replicate) against the others; or `crossing`, where the pool
            is two given scores of which one finds half of the positives at once, the other orders all rows better.
        positives: Share of positives in training, validation and use, in (0, 1).
        n: Training rows; as many validate.
        deployment: What counts in use, see `_worth`.
        noise: Share of the positive labels of generated data that sit on rows drawn at random.
        draws: Validation sets.

    Returns:
        `by_pr` and `by_roc`: worth in use of the model each area chooses, at most 1.
    """
    drawing, splitting, fitting = streams(seed, 3)
    X, y = _digits(drawing) if data == "digits" else _made(drawing, data, positives, n, noise)
    rng = np.random.default_rng(splitting)
    train, held_out = _stratified(rng, y, np.arange(len(y)), n, positives)
    if data == "crossing":
        scores = X.T
    else:
        scores = np.array([model.fit(X[train], y[train]).predict_proba(X)[:, 1] for model in _pool(fitting)])
    worth = []
    for _ in range(draws):
        validation, test = _stratified(rng, y, held_out, n, positives)
        areas = np.array([_areas(y[validation], ranked[validation], positives) for ranked in scores])
        worth.append([_worth(deployment, y[test], scores[best, test], positives) for best in areas.argmax(axis=0)])
    by_pr, by_roc = np.mean(worth, axis=0)
    return {"by_pr": float(by_pr), "by_roc": float(by_roc)}


def _pool(seed: int) -> list[ClassifierMixin]:
    """Models of unlike shape, whose curves cross: some put a few sure positives first, some order all rows well."""
    return [
        LogisticRegression(C=1.0, max_iter=500),
        LogisticRegression(C=0.01, class_weight="balanced", max_iter=500),
        GaussianNB(),
        QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
        DecisionTreeClassifier(max_depth=4, random_state=seed),
        DecisionTreeClassifier(min_samples_leaf=20, random_state=seed),
        ExtraTreesClassifier(20, min_samples_leaf=2, random_state=seed),
    ]


def _areas(y: np.ndarray, scores: np.ndarray, positives: float) -> tuple[float, float]:
    """Average precision and area under the ROC curve, equal to scikit-learn's."""
    false_rate, true_rate = _rates(y, scores)
    flagged = positives * true_rate + (1 - positives) * false_rate
    precision = positives * true_rate[1:] / flagged[1:]
    return float(np.sum(np.diff(true_rate) * precision)), float(np.trapezoid(true_rate, false_rate))


def _rates(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives and of positives at or above each distinct score, from none to all.

    What scikit-learn's roc_curve gives, whose checks of small inputs took half of the trial's time.
    """
    order = np.argsort(-scores)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(y) - 1)
    found = np.append(0, y[order].cumsum()[last])
    flagged = np.append(0, last + 1)
    return (flagged - found) / (len(y) - found[-1]), found / found[-1]


def _worth(deployment: str, y: np.ndarray, scores: np.ndarray, positives: float) -> float:
    """Worth of a ranking at its best threshold, if `positives` were the share of positives among the test rows.

    Args:
        deployment: `f1`, in [0, 1]; `alerts`, share of positives found when twice as many rows can be looked at as
            there are positives, in [0, 1]; `savings`, share of the cost of missing all positives that is saved when a
            miss costs ten false alarms, in [0, 1]; `balanced`, balanced accuracy, in [0.5, 1].
        y: 1 for positives, 0 for negatives.
        scores: Higher for likelier positives.
        positives: In (0, 1).
    """
    false_rate, true_rate = _rates(y, scores)
    found, alarms = positives * true_rate, (1 - positives) * false_rate
    if deployment == "alerts":
        return float(np.interp(min(2 * positives, 1), found + alarms, true_rate))
    if deployment == "f1":
        return float(np.max(2 * found / (found + alarms + positives)))
    if deployment == "savings":
        return float(np.max(true_rate - alarms / (10 * positives)))
    return float(np.max(1 + true_rate - false_rate) / 2)


def _made(seed: int, data: str, positives: float, n: int, noise: float) -> Table:
    """Columns and classes of `generated` or `crossing` rows: n to train on and 10 000 more."""
    rng = np.random.default_rng(seed)
    rows = n + 10_000
    if data == "crossing":
        y = (rng.random(rows) < positives).astype(int)
        sure = 5.0 * y * (rng.random(rows) < 0.5) + rng.normal(size=rows)
        return np.c_[sure, 1.5 * y + rng.normal(size=rows)], y
    shape = {"n_features": 20, "n_informative": 6, "n_redundant": 4, "n_clusters_per_class": 3}
    X, y = make_classification(rows, weights=[1 - positives], flip_y=0, random_state=seed, **shape)
    moved = rng.choice(np.flatnonzero(y), round(noise * y.sum()), replace=False)
    y[moved] = 0
    y[rng.choice(np.flatnonzero(y == 0), len(moved), replace=False)] = 1
    return X, y


def _digits(seed: int) -> Table:
    X, classes = bundled("digits")
    return X, (classes == np.random.default_rng(seed).integers(10)).astype(int)


def _stratified(
    rng: np.random.Generator, y: np.ndarray, rows: np.ndarray, n: int, positives: float
) -> tuple[np.ndarray, np.ndarray]:
    """A draw of n of the given rows with exactly the given share of positives, and the other given rows."""
    order = rng.permutation(rows)
    ones, zeros = order[y[order] == 1], order[y[order] == 0]
    count = round(positives * n)
    return np.concatenate([ones[:count], zeros[: n - count]]), np.concatenate([ones[count:], zeros[n - count :]])
