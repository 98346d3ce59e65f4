"""Claims about learning from few labels."""

import numpy as np
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_classification, make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.semi_supervised import SelfTrainingClassifier

from experiments.common import streams
from experiments.common.data import bundled, shares
from experiments.common.generated import gaussian_classes


def queried_accuracy(
    seed: int,
    *,
    data: str = "classes",
    model: str = "logistic",
    pool: int = 800,
    first: int = 50,
    rounds: int = 10,
    queries: int = 20,
    informative: int = 15,
    classes: int = 3,
    wrong: float = 0.0,
    strategy: str = "least-confident",
) -> dict[str, float]:
    """Test accuracy while as many labels are bought, from the same start, of the least confident and of random rows.

    Args:
        seed: Draws pool, first labels, queries and fits.
        data: `classes`, 20 generated columns, or a bundled set.
        model: `logistic`, or `forest` of 10 trees.
        pool: Rows that can be labelled, the first ones included; of a bundled set a third of the rows at most.
        first: Rows labelled at the start.
        rounds: Rounds of buying and fitting anew.
        queries: Rows bought in each round.
        informative: Generated columns that carry the classes.
        classes: Generated classes.
        wrong: Share of the generated labels in the pool that are drawn anew at random, in [0, 1].
        strategy: `least-confident`, or `shuffled`, which hands the confidences to rows at random.

    Returns:
        `uncertain` and `random`: accuracy on rows outside the pool, mean over rounds, in [0, 1]; with `_last` the last.
    """
    drawing, starting, querying, fitting = streams(seed, 4)
    if data == "classes":
        shape = {"n_informative": informative, "n_redundant": 0, "n_classes": classes, "flip_y": 0.0}
        X, y = make_classification(pool + 2000, 20, **shape, random_state=drawing)
    else:
        X, y = bundled(data)
    mine, test = shares(drawing, len(y), pool)
    rng = np.random.default_rng(starting)
    labels = np.where(rng.random(pool) < wrong, rng.permutation(y[mine]), y[mine])
    start = rng.permutation(pool)[:first]
    found = {}
    with config_context(assume_finite=True, skip_parameter_validation=True):
        begun = _model(model, fitting).fit(X[mine[start]], labels[start])
        for name, way in (("uncertain", strategy), ("random", "random")):
            buying = np.random.default_rng(querying)
            labelled, fitted, told = start, begun, []
            for _ in range(rounds):
                left = np.setdiff1d(np.arange(pool), labelled)
                confidence = buying.random(len(left))
                if way != "random":
                    confidence = fitted.predict_proba(X[mine[left]]).max(axis=1)
                if way == "shuffled":
                    confidence = buying.permutation(confidence)
                labelled = np.r_[labelled, left[np.argsort(confidence)[:queries]]]
                fitted = _model(model, fitting).fit(X[mine[labelled]], labels[labelled])
                told.append(np.mean(fitted.predict(X[test]) == y[test]))
            found |= {name: float(np.mean(told)), f"{name}_last": float(told[-1])}
    return found


def self_trained_accuracy(
    seed: int,
    *,
    data: str,
    pool: int,
    labels: int,
    model: str = "forest",
    trees: int = 100,
    threshold: float = 0.9,
    rounds: int = 10,
    error: float = 0.1,
    columns: int = 10,
    unlabelled: str = "same",
) -> dict[str, float]:
    """Test accuracy of a model fitted to a few labels, and of the same model that goes on with its own labels.

    Lines 2275-2286 with scikit-learn's SelfTrainingClassifier: in each round the rows without a label whose predicted
    probability exceeds the threshold get that label, and the model is fitted anew.

    Args:
        seed: Draws rows, labels and fits; both ways see the same labels and fit with the same seed.
        data: `moons` (noise 0.2), `gaussians` (two classes), or a bundled set.
        pool: Rows with and without label; of a bundled set a third of the rows at most.
        labels: Rows with a label, classes in proportion, at least one row of each.
        model: `forest`, the printed one, or `logistic`.
        trees: Of the forest; scikit-learn's default is the printed number.
        threshold: Probability above which a label is taken.
        rounds: Largest number of rounds.
        error: Bayes error of `gaussians`.
        columns: Of `gaussians`; classes differ in each.
        unlabelled: `same` as the labelled rows, or `permuted`, each column by itself, so that the rows no longer show
            where the classes lie.

    Returns:
        `self_trained` and `supervised`, accuracy on rows outside the pool, in [0, 1]; `taken`, the share of the rows
        without label that got one, and `taken_right`, the share of those that is right (1 if none was taken).
    """
    drawing, choosing, fitting, permuting = streams(seed, 4)
    if data == "moons":
        X, y = make_moons(pool + 2000, noise=0.2, random_state=drawing)
    elif data == "gaussians":
        X, y, _ = gaussian_classes(drawing, pool + 2000, columns=columns, error=error)
    else:
        X, y = bundled(data)
    mine, test = shares(drawing, len(y), pool)
    first, rest = train_test_split(mine, train_size=labels, stratify=y[mine], random_state=choosing)
    others = X[rest]
    if unlabelled == "permuted":
        others = np.random.default_rng(permuting).permuted(others, axis=0)
    plain = {
        "forest": RandomForestClassifier(trees, random_state=fitting),
        "logistic": LogisticRegression(max_iter=1000),
    }[model]
    going_on = SelfTrainingClassifier(plain, threshold=threshold, max_iter=rounds)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        going_on.fit(np.concatenate([X[first], others]), np.r_[y[first], np.full(len(rest), -1)])
        right = [going_on.score(X[test], y[test]), plain.fit(X[first], y[first]).score(X[test], y[test])]
    given = going_on.transduction_[labels:]
    taken = given >= 0
    return {
        "self_trained": right[0],
        "supervised": right[1],
        "taken": float(taken.mean()),
        "taken_right": float(np.mean(given[taken] == y[rest][taken])) if taken.any() else 1.0,
    }


def _model(name: str, seed: int) -> ClassifierMixin:
    return RandomForestClassifier(10, random_state=seed) if name == "forest" else LogisticRegression(max_iter=500)
