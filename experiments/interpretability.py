"""Claims about explanations: whether they name what truly matters."""

from collections.abc import Callable
from functools import partial

import numpy as np
from lime.explanation import Explanation
from lime.lime_tabular import LimeTabularExplainer
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import scale
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from experiments.common import streams
from experiments.common.data import bundled, shares
from experiments.common.generated import gaussian_classes, interactions
from experiments.common.real import table


def relevant_on_top(
    seed: int,
    *,
    data: str = "numbers",
    model: str = "forest",
    n: int = 300,
    relevant: int = 5,
    irrelevant: int = 15,
    strength: float = 1.0,
    copied: float = 0.0,
    permuted: bool = False,
) -> dict[str, float]:
    """Whether as many columns as are relevant, taken from the top of the impurity importances, are all relevant.

    Args:
        seed: Draws rows and fit.
        data: `numbers`, all columns normal; `mixed`, the relevant ones of two values and the irrelevant ones normal; or
            `wine`, all of whose columns are taken for relevant, beside a shuffled copy of each.
        model: `forest`, with scikit-learn's defaults; `tree` or `boosting` (XGBoost, by gain), as printed.
        n: Training rows.
        relevant: Generated columns that the class depends on, all alike.
        irrelevant: Generated columns that it does not depend on.
        strength: Logit for each standard deviation of a relevant column; small values make a noisy class.
        copied: Correlation of the first irrelevant columns with one relevant column each, in [0, 1).
        permuted: Whether the classes are shuffled before fitting.

    Returns:
        `clean`: 1.0 or 0.0. `right`: share of the columns so taken that are relevant, in [0, 1].
    """
    drawing, fitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    if data == "wine":
        rows = shares(drawing, 178, n)[0]
        real, y = bundled("wine")[0][rows], bundled("wine")[1][rows]
        relevant = real.shape[1]
        X = np.c_[real, rng.permuted(real, axis=0)]
    else:
        X = rng.normal(size=(n, relevant + irrelevant))
        if data == "mixed":
            X[:, :relevant] = np.sign(X[:, :relevant])
        twins = min(relevant, irrelevant)
        own = X[:, relevant : relevant + twins]
        X[:, relevant : relevant + twins] = np.sqrt(1 - copied**2) * own + copied * X[:, :twins]
        y = (rng.random(n) < 1 / (1 + np.exp(-strength * X[:, :relevant].sum(axis=1)))).astype(int)
    if permuted:
        y = rng.permutation(y)
    importances = _printed(model, fitting).fit(X, y).feature_importances_
    top = np.argsort(importances)[::-1][:relevant]
    return {"clean": float(np.all(top < relevant)), "right": float(np.mean(top < relevant))}


def _printed(model: str, seed: int) -> ClassifierMixin:
    """A forest with scikit-learn's defaults, or a tree or boosting with the settings that the guide prints."""
    return {
        "forest": RandomForestClassifier(random_state=seed),
        "tree": DecisionTreeClassifier(max_depth=5, min_samples_split=20, min_samples_leaf=10, random_state=seed),
        "boosting": XGBClassifier(
            n_estimators=100,
            max_depth=6,
            learning_rate=0.1,
            subsample=0.8,
            colsample_bytree=0.8,
            reg_alpha=0.1,
            reg_lambda=1.0,
            n_jobs=1,
            random_state=seed,
        ),
    }[model]


def importance_of_a_pair(
    seed: int,
    *,
    model: str = "boosting",
    data: str = "normal",
    n: int = 500,
    interaction: float = 0.5,
    correlation: float = 0.0,
    noise: float = 1.0,
    matched: bool = True,
    explicit: bool = False,
) -> dict[str, float]:
    """Share of a pair of columns in the importances of all six, from targets with and without its interaction.

    The first target is m (u + v) + b u v of the pair, with m^2 + b^2 = 1, and 1, 1, 0.5 and 0 times the other columns.
    The second is additive and made from the importances that the first was given: shuffling a column of weight c costs
    a linear function 2 c^2 of squared error, which is solved for c. Both have the same rows and the same noise.

    Args:
        seed: Draws rows, noise, fits and shuffles.
        model: `boosting`, XGBoost with the hundred trees of depth 3 that scikit-learn's boosting has by default, by
            total gain; or `forest` of thirty trees, with scikit-learn's defaults.
        data: `normal`, or `affairs`, six of whose eight columns are drawn, in any order; the target is generated.
        n: Training rows.
        interaction: b^2, the interaction's share of what shuffling one of the pair costs, in [0, 1].
        correlation: Of any two normal columns, in [0, 1).
        noise: Standard deviation of the noise; that of the signal is about 2.
        matched: Whether the second target is so made; otherwise it is the first one less its interaction.
        explicit: Whether `h_statistic` of the pair stands in for its share in both kinds of importance.

    Returns:
        `impurity_with`, `impurity_without`, `permutation_with`, `permutation_without`: shares, the second kind on 500
        other rows and hence now and then a little outside [0, 1].
    """
    drawing, fitting, shuffling = streams(seed, 3)
    rng = np.random.default_rng(drawing)
    if data == "affairs":
        X = scale(table("affairs")[0])
        X = X[np.ix_(rng.permutation(len(X))[: n + 500], rng.permutation(X.shape[1])[:6])]
    else:
        shared = np.sqrt(correlation) * rng.normal(size=(n + 500, 1))
        X = shared + np.sqrt(1 - correlation) * rng.normal(size=(n + 500, 6))
    weights, errors = np.array([np.sqrt(1 - interaction)] * 2 + [1.0, 1.0, 0.5, 0.0]), noise * rng.normal(size=len(X))
    boosting = {"n_estimators": 100, "max_depth": 3, "learning_rate": 0.1, "importance_type": "total_gain", "n_jobs": 1}
    fits, found = {"boosting": partial(XGBRegressor, **boosting), "forest": partial(RandomForestRegressor, 30)}, {}
    for name in ("with", "without"):
        y = X @ weights + errors
        if name == "with":
            y += np.sqrt(interaction) * X[:, 0] * X[:, 1]
        with config_context(assume_finite=True, skip_parameter_validation=True):
            fitted = fits[model](random_state=fitting).fit(X[:n], y[:n])
            costs = shuffling_costs(fitted.predict, X[n:], y[n:], shuffling)
        for kind, values in {"impurity": fitted.feature_importances_, "permutation": costs}.items():
            share = h_statistic(fitted.predict, X[n : n + 40], 0, 1) if explicit else values[:2].sum() / values.sum()
            found[f"{kind}_{name}"] = float(share)
        if matched:
            weights = np.sqrt(np.maximum(costs, 0.0) / 2)
    return found


def shuffling_costs(
    predict: Callable[[np.ndarray], np.ndarray], X: np.ndarray, y: np.ndarray, seed: int, times: int = 5
) -> np.ndarray:
    """Permutation importances, (columns,): squared error with a column shuffled, less that of the rows as they are.

    Those of scikit-learn's `permutation_importance`, with one prediction for all shuffles in place of one for each.

    Args:
        predict: From rows (rows, columns) to numbers (rows,).
        X: Rows that the model was not fitted to.
        y: Their targets.
        seed: Draws the shuffles, the same ones for all columns.
        times: Shuffles averaged over.
    """
    drawn = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    moved, order, orders = np.arange(len(X)), np.arange(len(X)), []
    for _ in range(times):
        drawn.shuffle(moved)
        order = order[moved]
        orders.append(order)
    shuffled = np.tile(X, (X.shape[1], times, 1, 1))
    for column, copies in enumerate(shuffled):
        copies[:, :, column] = X[np.array(orders), column]
    errors = (predict(shuffled.reshape(-1, X.shape[1])).reshape(shuffled.shape[:3]) - y) ** 2
    return np.mean(errors.mean(axis=2) - np.mean((predict(X) - y) ** 2), axis=1)


def h_statistic(predict: Callable[[np.ndarray], np.ndarray], X: np.ndarray, j: int, k: int) -> float:
    """How much of the joint effect of two columns is no sum of effects of each, in [0, 1].

    The square root of equation 44 of Friedman and Popescu 2008: partial dependence functions, centred, at the rows
    given and averaged over the same rows.

    Args:
        predict: From rows (rows, columns) to numbers (rows,).
        X: Rows, at least 2; the cost is three times their square in predictions.
        j: One column.
        k: The other.
    """

    def dependence(*columns: int) -> np.ndarray:
        grid = np.repeat(X[None], len(X), axis=0)
        grid[:, :, columns] = X[:, None, columns]
        effect = predict(grid.reshape(-1, X.shape[1])).reshape(len(X), len(X)).mean(axis=1)
        return effect - effect.mean()

    joint = dependence(j, k)
    return float(np.sqrt(np.sum((joint - dependence(j) - dependence(k)) ** 2) / np.sum(joint**2)))


def lime_near_the_row(
    seed: int,
    *,
    model: str,
    data: str,
    discretize: bool = True,
    near: float = 0.5,
    n: int = 500,
    elsewhere: bool = False,
) -> dict[str, float]:
    """Correlation of LIME's linear function with the one that fits the model best near the explained row, in [-1, 1].

    The best one is least squares on the model's outputs at a thousand rows near the explained one, over which both
    functions are compared; their constants play no part. LIME's is taken as the package fits it, in quartiles or in
    numbers, and counts 0 if it is constant there. The mean of four explained rows, none of which the model trained on.

    Args:
        seed: Draws rows, fit, LIME's samples and the near rows.
        model: `logistic`, `boosting`, `quadratic` (discriminant analysis) or `forest` of fifty trees.
        data: `gaussians`, five of ten columns tell; `interactions`, two of ten; or `breast_cancer`, thirty columns,
            scaled.
        discretize: Whether numbers are cut at their quartiles first, the package's default.
        near: Standard deviation of the near rows about the explained one, in those of the columns. LIME's own
            neighbourhood (`kernel_width`) is 0.75 in the same measure.
        n: Training rows.
        elsewhere: Whether the explanation is that of another row.

    Returns:
        `agreement`; and `linearity`, the correlation of the best linear function with the model itself, in [0, 1].
    """
    drawing, fitting, sampling, moving = streams(seed, 4)
    if data == "breast_cancer":
        order = shares(drawing, 569, n, 5)
        X, y = (values[np.concatenate(order[:2])] for values in bundled(data))
    else:
        X, y, _ = {"gaussians": partial(gaussian_classes, informative=5), "interactions": interactions}[data](
            drawing, n + 5
        )
    fits = {
        "logistic": LogisticRegression(),
        "boosting": XGBClassifier(random_state=fitting, n_jobs=1),
        "quadratic": QuadraticDiscriminantAnalysis(),
        "forest": RandomForestClassifier(50, random_state=fitting),
    }
    predict = fits[model].fit(X[:n], y[:n]).predict_proba
    explainer = LimeTabularExplainer(X[:n], discretize_continuous=discretize, random_state=sampling)
    rng, found = np.random.default_rng(moving), []
    for i in range(n, n + 4):
        explained = X[i + elsewhere]
        explanation = explainer.explain_instance(explained, predict, num_features=10)
        around = X[i] + near * X[:n].std(axis=0) * rng.normal(size=(1000, X.shape[1]))
        guess = lime_function(explainer, explanation, explained)(around)
        target = predict(around)[:, 1]
        line = LinearRegression().fit(around, target).predict(around)
        found.append([_correlation(guess, line), _correlation(line, target)])
    return dict(zip(("agreement", "linearity"), np.nanmean(found, axis=0).tolist(), strict=True))


def lime_function(
    explainer: LimeTabularExplainer, explanation: Explanation, explained: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The function, from rows (rows, columns) to numbers (rows,), by which LIME explained the chance of class 1."""
    columns, weights = zip(*explanation.as_map()[1], strict=True)

    def guess(rows: np.ndarray) -> np.ndarray:
        if explainer.discretizer is None:
            codes = (rows - explainer.scaler.mean_) / explainer.scaler.scale_
        else:  # whether a row lies in the same bins as the explained one
            codes = explainer.discretizer.discretize(rows) == explainer.discretizer.discretize(explained)
        return explanation.intercept[1] + codes[:, columns] @ np.array(weights)

    return guess


def _correlation(guess: np.ndarray, target: np.ndarray) -> float:
    """Pearson's, in [-1, 1]: 0 for a guess that is constant, NaN for such a target."""
    if np.ptp(guess) < 1e-12 or np.ptp(target) < 1e-12:
        return 0.0 if np.ptp(target) >= 1e-12 else np.nan
    return float(np.corrcoef(guess, target)[0, 1])
