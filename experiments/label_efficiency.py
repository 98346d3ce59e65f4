"""Claims about learning from few labels."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from experiments.common import streams
from experiments.common.data import bundled, shares


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
    """Test accuracy while labels are bought, those of the least confident rows or of rows at random.

    Both ways start from the same labelled rows and buy as many in each round.

    Args:
        seed: Draws pool, first labels, queries and fits.
        data: `classes`, 20 generated columns, or a bundled set.
        model: `logistic`, or `forest` of 20 trees.
        pool: Rows that can be labelled, the first ones included; of a bundled set a third of the rows at most.
        first: Rows labelled at the start.
        rounds: Rounds of buying and fitting anew.
        queries: Rows bought in each round.
        informative: Generated columns that carry the classes.
        classes: Generated classes.
        wrong: Share of the generated labels in the pool that are drawn anew at random, in [0, 1].
        strategy: `least-confident`, or `shuffled`, which hands the confidences to rows at random.

    Returns:
        `uncertain` and `random`: mean over the rounds of the accuracy on rows outside the pool, in [0, 1];
        `uncertain_last` and `random_last`, after the last round.
    """
    drawing, starting, querying, fitting = streams(seed, 4)
    if data == "classes":
        X, y = make_classification(
            pool + 2000,
            20,
            n_informative=informative,
            n_redundant=0,
            n_classes=classes,
            flip_y=0.0,
            random_state=drawing,
        )
    else:
        X, y = bundled(data)
    mine, test = shares(drawing, len(y), pool)
    rng = np.random.default_rng(starting)
    labels = np.where(rng.random(pool) < wrong, rng.permutation(y[mine]), y[mine])
    start = rng.permutation(pool)[:first]
    found = {}
    for name, way in (("uncertain", strategy), ("random", "random")):
        buying = np.random.default_rng(querying)
        labelled, told = start, []
        fitted = _model(model, fitting).fit(X[mine[labelled]], labels[labelled])
        for _ in range(rounds):
            left = np.setdiff1d(np.arange(pool), labelled)
            confidence = buying.random(len(left))
            if way != "random":
                confidence = fitted.predict_proba(X[mine[left]]).max(axis=1)
            if way == "shuffled":
                confidence = buying.permutation(confidence)
            labelled = np.r_[labelled, left[np.argsort(confidence)[:queries]]]
            fitted = _model(model, fitting).fit(X[mine[labelled]], labels[labelled])
            told.append(fitted.score(X[test], y[test]))
        found |= {name: float(np.mean(told)), f"{name}_last": told[-1]}
    return found


def _model(name: str, seed: int) -> ClassifierMixin:
    return RandomForestClassifier(20, random_state=seed) if name == "forest" else LogisticRegression(max_iter=500)
