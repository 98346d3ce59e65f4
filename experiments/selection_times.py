"""How long selecting columns takes by a filter, while a model is fitted, and around a model."""

from functools import partial

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    chi2,
    f_classif,
    mutual_info_classif,
)
from sklearn.linear_model import LassoCV, LinearRegression, LogisticRegression
from sklearn.preprocessing import minmax_scale, scale

from experiments.common import streams
from experiments.common.clocks import least_seconds
from experiments.common.data import bundled, shares
from experiments.common.generated import gaussian_classes


def seconds_to_select(
    seed: int,
    *,
    filtering: str = "f_test",
    embedded: str = "forest",
    wrapper: str = "recursive",
    model: str = "forest",
    data: str = "gaussians",
    n: int = 300,
    columns: int = 30,
    keep: int = 10,
    step: float = 1,
    repeats: int = 1,
) -> dict[str, float]:
    """Seconds that a method of each of three kinds takes to select columns of the same standardised rows.

    `filter_s`, `embedded_s` and `wrapper_s` are CPU seconds, `filter_wall_s` and so on elapsed ones.

    Args:
        seed: Draws rows and fits; its last bit decides who begins.
        filtering: `f_test`, `chi2` (scaled to [0, 1]) or `mutual_information`, of one column after the other.
        embedded: `forest`, importances of a hundred trees; `l1`, logistic regression with that penalty, at the default
            strength; or `lasso`, with its strength chosen in five folds.
        wrapper: `recursive` elimination; `recursive_cv`, which chooses in five folds how many columns stay; or
            `forward` selection, in three folds.
        model: What the wrapper fits: `forest`, `logistic` or `linear`, least squares on the classes as lasso has them.
        data: `gaussians`, ten of whose columns tell; or `breast_cancer`, thirty columns.
        n: Rows.
        columns: Generated columns, at least 10.
        keep: Columns to select, but for `lasso` and `recursive_cv`, which choose.
        step: Columns that elimination drops at a time, or in (0, 1) their share of all.
        repeats: Timed rounds, after each method has run on fewer rows and columns.
    """
    drawing, fitting = streams(seed, 2)
    if data == "breast_cancer":
        X, y = (values[shares(drawing, 569, n)[0]] for values in bundled(data))
    else:
        X, y, _ = gaussian_classes(drawing, n, columns=columns, informative=10)
    X = scale(X)

    methods = partial(selectors, filtering, embedded, wrapper, model, step, fitting)
    for selector in methods(2, trees=2).values():
        selector.fit(X[:60, :3], y[:60])
    runs = {name: partial(selector.fit, X, y) for name, selector in methods(keep).items()}
    return least_seconds(runs, repeats, backwards=bool(seed % 2))


def selectors(
    filtering: str, embedded: str, wrapper: str, model: str, step: float, seed: int, kept: int, trees: int = 100
) -> dict[str, BaseEstimator]:
    """The three methods, `filter`, `embedded` and `wrapper`, that are to keep so many columns."""
    forest = RandomForestClassifier(trees, random_state=seed)
    fits = {"forest": forest, "logistic": LogisticRegression(max_iter=1000), "linear": LinearRegression()}
    tests = {
        "f_test": f_classif,
        "chi2": lambda X, y: chi2(minmax_scale(X), y),
        "mutual_information": lambda X, y: mutual_info_classif(X, y, random_state=seed),
    }
    penalised = {
        "forest": forest,
        "l1": LogisticRegression(l1_ratio=1.0, solver="liblinear", random_state=seed),
        "lasso": LassoCV(cv=5),
    }[embedded]
    most = {} if embedded == "lasso" else {"max_features": kept, "threshold": -np.inf}
    return {
        "filter": SelectKBest(tests[filtering], k=kept),
        "embedded": SelectFromModel(penalised, **most),
        "wrapper": {
            "recursive": RFE(fits[model], n_features_to_select=kept, step=step),
            "recursive_cv": RFECV(fits[model], cv=5, step=step),
            "forward": SequentialFeatureSelector(fits[model], n_features_to_select=kept, cv=3),
        }[wrapper],
    }
