"""Trials on ensembles of trees: overfitting of boosting and bagging, training time, what XGBoost's interface takes."""

import contextlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import xgboost
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from experiments.common import streams
from experiments.common.clocks import least_seconds
from experiments.common.data import bundled, shares


def late_rise(
    seed: int,
    *,
    measure: str,
    data: str = "generated",
    n_train: int = 200,
    flipped: float = 0.0,
    booster: str = "xgboost",
    learning_rate: float = 0.3,
    trees: int = 100,
) -> dict[str, float]:
    """How much worse each ensemble tests with all its trees than with the number that other rows say is best.

    Half of the held-out rows picks the number of trees, as early stopping would, the other half tests; so an ensemble
    that only wavers comes out at nothing on average, not above it. Then the halves change places, and the mean counts.
    Outcomes: `boosting_rise` and `forest_rise`, the measure with all trees relative to the measure with the number
    picked, minus 1 (0.2: a fifth worse). Both arms are judged on the same rows; probabilities are cut at 1 in 200 of
    either end, so that no vote is infinitely wrong.

    Args:
        seed: Draws the data, the split and both ensembles.
        measure: "loss", the log loss, or "error", the share of wrong answers.
        data: "generated" (20 columns, 5 carry signal, two clusters per class), "breast-cancer" or "diabetes" (disease
            progression above its median); of the real sets a third of the rows trains and the rest is held out.
        n_train: Generated rows to train on; 4,000 more are held out.
        flipped: Share of wrong labels in the generated data, training and held out, in [0, 0.5].
        booster: "xgboost" (depth 6), "gradient-boosting" (scikit-learn's, depth 3) or "forest", a second forest.
        learning_rate: Step of each boosting round; 0.3 is XGBoost's own default.
        trees: Trees of each ensemble, as many as both libraries grow by default.
    """
    data_seed, split_seed, boosting_seed, forest_seed = streams(seed, 4)
    rows = data, n_train, flipped, data_seed, split_seed
    outcomes = {}
    for name, arm in (("boosting", (booster, learning_rate, boosting_seed)), ("forest", ("forest", 0.0, forest_seed))):
        curves = _curves(rows, trees, *arm)[measure]
        rises = [tested[-1] / tested[np.argmin(picking)] - 1 for picking, tested in (curves, curves[::-1])]
        outcomes[f"{name}_rise"] = float(np.mean(rises))
    return outcomes


Curves = dict[str, list[NDArray[np.float64]]]


@lru_cache(maxsize=4096)  # conditions share their seeds, and often differ in the measure or in one arm alone
def _curves(rows: tuple[Any, ...], trees: int, name: str, learning_rate: float, seed: int) -> Curves:
    """Each measure by number of trees, on either half; half a row at least is wrong, so that ratios are finite."""
    data, n_train, flipped, data_seed, split_seed = rows
    X, y = _binary_data(data, n_train + 4000, flipped, data_seed)
    order = np.random.default_rng(split_seed).permutation(len(X))
    n_train = n_train if data == "generated" else len(X) // 3
    train, halves = order[:n_train], (order[n_train::2], order[n_train + 1 :: 2])
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks of 100 trees took a third
        probabilities = _as_trees_are_added(_ensemble(name, trees, learning_rate, seed).fit(X[train], y[train]), X)
    return {
        "loss": [_log_losses(probabilities[:, half], y[half]) for half in halves],
        "error": [np.maximum(_errors(probabilities[:, half], y[half]), 0.5 / len(half)) for half in halves],
    }


def _binary_data(data: str, n_rows: int, flipped: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    if data == "breast-cancer":
        return load_breast_cancer(return_X_y=True)
    if data == "diabetes":
        X, progression = load_diabetes(return_X_y=True)
        return X, (progression > np.median(progression)).astype(int)
    # flip_y is the share of labels drawn afresh, half of which come out right
    return make_classification(n_rows, 20, n_informative=5, n_redundant=0, flip_y=2 * flipped, random_state=seed)


def _ensemble(name: str, trees: int, learning_rate: float, seed: int) -> Any:
    if name == "forest":
        # regression on 0 and 1 grows the classifier's trees, as squared error is half of Gini's, in less time
        return RandomForestRegressor(trees, max_features="sqrt", random_state=seed)
    if name == "gradient-boosting":
        return GradientBoostingClassifier(n_estimators=trees, learning_rate=learning_rate, random_state=seed)
    return XGBClassifier(n_estimators=trees, learning_rate=learning_rate, max_depth=6, n_jobs=1, random_state=seed)


def _as_trees_are_added(ensemble: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Probability of class 1 after each fifth tree, shape (trees / 5, rows)."""
    if isinstance(ensemble, RandomForestRegressor):
        single = X.astype(np.float32)  # what trees take; converted and checked a hundred times otherwise
        votes = np.stack([tree.predict(single, check_input=False) for tree in ensemble.estimators_])
        return (votes.cumsum(axis=0) / np.arange(1, len(votes) + 1)[:, None])[4::5]
    if isinstance(ensemble, GradientBoostingClassifier):
        return np.stack([stage[:, 1] for stage in ensemble.staged_predict_proba(X)])[4::5]
    ends = range(5, ensemble.n_estimators + 1, 5)
    booster, rows = ensemble.get_booster(), xgboost.DMatrix(X)
    return np.stack([booster.predict(rows, iteration_range=(0, end)) for end in ends])


def _errors(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    return np.mean((probabilities > 0.5) != y, axis=1)


def _log_losses(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    return -np.log(np.clip(np.where(y == 1, probabilities, 1 - probabilities), 0.005, 0.995)).mean(axis=1)


def training_seconds(
    seed: int,
    *,
    rows: int = 1000,
    columns: int = 20,
    trees: int = 100,
    data: str = "generated",
    settings: str = "matched",
    repeats: int = 2,
    same: bool = False,
) -> dict[str, float]:
    """Seconds that each library takes to fit a booster to the same rows with one thread.

    Per arm `_s`, CPU seconds, and `_wall_s`, elapsed seconds, each the least of `repeats` runs; the arms take turns in
    an order that is reversed from one round to the next and from one seed to the next. `_error` is the test error of
    the fitted booster, in [0, 1], so that a fast but worse fit would be seen.

    Args:
        seed: Draws the data; the first bit decides which arm begins.
        rows: Generated rows to train on.
        columns: Generated columns, of which 10 carry signal; a tenth of the labels is wrong.
        trees: Boosting rounds of each library.
        data: "generated" or "digits" (odd against even digits, a third of the rows to train on).
        settings: "matched" (up to 32 leaves and the same least leaf; for the two that bin, 255 bins and the same
            penalty; LightGBM grows leaf by leaf and the others level by level, as is their nature) or "default" (what
            each library does unasked, which is also what the guide prints).
        repeats: Timed runs per arm, after a small one to warm up.
        same: Times LightGBM under all three names.
    """
    data_seed, split_seed, fit_seed = streams(seed, 3)
    if data == "digits":
        X, y = load_digits(return_X_y=True)
        y, rows = y % 2, len(X) // 3
    else:
        shape = {"n_samples": rows + 1000, "n_features": columns, "n_informative": 10, "n_redundant": 0}
        X, y = make_classification(**shape, flip_y=0.2, random_state=data_seed)
    order = np.random.default_rng(split_seed).permutation(len(X))
    train, test = order[:rows], order[rows:]
    arms = _boosters(trees, settings == "matched", same, fit_seed)
    seconds = _fit_seconds(arms, X[train], y[train], repeats, backwards=bool(seed % 2))
    errors = {f"{name}_error": float(np.mean(arm.predict(X[test]) != y[test])) for name, arm in arms.items()}
    return seconds | errors


def _boosters(trees: int, matched: bool, same: bool, seed: int) -> dict[str, Any]:
    common = {"n_estimators": trees, "learning_rate": 0.1, "random_state": seed}
    leaf = {"min_child_weight": 1.0, "reg_lambda": 1.0, "max_bin": 255}
    of_lightgbm = {"num_leaves": 32, "min_child_samples": 1, **leaf} if matched else {}
    lightgbm = {"n_jobs": 1, "verbosity": -1, **common, **of_lightgbm}
    if same:
        return {name: LGBMClassifier(**lightgbm) for name in ("xgboost", "gradient_boosting", "lightgbm")}
    return {
        "xgboost": XGBClassifier(n_jobs=1, **common, **({"max_depth": 5, **leaf} if matched else {})),
        "gradient_boosting": GradientBoostingClassifier(**common, **({"max_depth": 5} if matched else {})),
        "lightgbm": LGBMClassifier(**lightgbm),
    }


def _fit_seconds(
    arms: dict[str, Any], X: NDArray[Any], y: NDArray[Any], repeats: int, backwards: bool
) -> dict[str, float]:
    """Least CPU (`_s`) and elapsed (`_wall_s`) seconds of each arm's fits, after a small one to load what it needs."""
    for arm in arms.values():
        clone(arm).set_params(n_estimators=2).fit(X[:100], y[:100])
    return least_seconds({name: partial(arm.fit, X, y) for name, arm in arms.items()}, repeats, backwards=backwards)


def speed_up(
    seed: int, *, booster: str, rows: int, trees: int, columns: int = 20, threads: int = 2, repeats: int = 2
) -> dict[str, float]:
    """Elapsed seconds to fit a forest and a booster to the same rows with one thread and with `threads`.

    `forest_one_s`, `forest_more_s`, `booster_one_s` and `booster_more_s`, each the least of `repeats` runs; the four
    take turns in an order that is reversed from one round to the next and from one seed to the next. For scikit-learn's
    exact booster, which has no such setting, both are measured as it is.

    Args:
        seed: Draws the data; the first bit decides which arm begins.
        booster: A key of PARALLEL other than "forest".
        rows: Rows to train on.
        trees: Trees of the forest and rounds of the booster.
        columns: Columns, of which 10 carry signal; a tenth of the labels is wrong.
        threads: Threads of the second fit.
        repeats: Timed runs per arm, after a small one to warm up.
    """
    data_seed, fit_seed = streams(seed, 2)
    X, y = make_classification(rows, columns, n_informative=10, n_redundant=0, flip_y=0.2, random_state=data_seed)
    arms = {
        f"{arm}_{name}": PARALLEL[model](trees, fit_seed, count)
        for arm, model in (("forest", "forest"), ("booster", booster))
        for name, count in (("one", 1), ("more", threads))
    }
    seconds = _fit_seconds(arms, X, y, repeats, backwards=bool(seed % 2))
    return {f"{name}_s": seconds[f"{name}_wall_s"] for name in arms}


PARALLEL: dict[str, Callable[[int, int, int], Any]] = {
    "forest": lambda trees, seed, threads: RandomForestClassifier(trees, n_jobs=threads, random_state=seed),
    "gradient-boosting": lambda trees, seed, threads: GradientBoostingClassifier(n_estimators=trees, random_state=seed),
    "xgboost": lambda trees, seed, threads: XGBClassifier(n_estimators=trees, n_jobs=threads, random_state=seed),
    "lightgbm": lambda trees, seed, threads: LGBMClassifier(
        n_estimators=trees, n_jobs=threads, verbosity=-1, random_state=seed
    ),
}
"""Ensembles at their libraries' defaults: trees, seed, threads."""


def accepts_keyword(
    seed: int, *, estimator: str, keyword: str = "early_stopping_rounds", given_to: str = "fit"
) -> dict[str, float]:
    """Whether XGBoost's scikit-learn interface takes a keyword: 1.0, or 0.0 where it raises a TypeError.

    The call is that of the guide's lines 2008-2011: training rows, one pair of validation rows, and early stopping
    after ten rounds without improvement, given to `fit`; its lines 1800-1819 give it to the constructor instead.
    A second outcome, `stopped`, is 1.0 where training ended before its 500 rounds.

    Args:
        seed: Draws the rows and the fit.
        estimator: A class of xgboost, "XGBClassifier" or "XGBRegressor".
        keyword: What the number ten is called.
        given_to: "fit" or "constructor".
    """
    data_seed, fit_seed = streams(seed, 2)
    random = np.random.default_rng(data_seed)
    X = random.standard_normal((200, 4))
    y = X[:, 0] + random.standard_normal(200)
    if estimator == "XGBClassifier":
        y = (y > 0).astype(int)
    early_stopping = {keyword: 10}
    for_constructor, for_fit = (early_stopping, {}) if given_to == "constructor" else ({}, early_stopping)
    model = getattr(xgboost, estimator)(n_estimators=500, n_jobs=1, random_state=fit_seed, **for_constructor)
    try:
        with contextlib.redirect_stdout(None):  # XGBoost prints each round
            model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], **for_fit)
    except TypeError as error:
        if keyword not in str(error):
            raise
        return {"accepted": 0.0, "stopped": 0.0}
    return {"accepted": 1.0, "stopped": float(model.get_booster().num_boosted_rounds() < 500)}


def bias_and_variance(
    seed: int,
    *,
    combined: str,
    data: str,
    n: int,
    noise: float = 0.0,
    member: str = "tree",
    depth: int | None = None,
    members: int = 30,
    sets: int = 6,
    options: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Squared bias and variance of one model and of an ensemble of such models, in units of the target's variance.

    Both are fitted to the same disjoint training sets and predict the same fixed rows. Outcomes: `single_bias` and
    `ensemble_bias`, mean over these rows of the squared distance of the mean prediction from the target, without what
    the finite number of sets adds; `single_variance` and `ensemble_variance`, of predictions from set to set;
    `bias_drop` and `variance_drop`, single minus ensemble; `bias_share`, the first drop per unit of the second.

    Args:
        seed: Draws rows, noise and what is random in fitting.
        combined: "bagging" or "boosting", by squared error.
        data: "friedman" (ten columns, five of them matter), "steps" (two columns, a sum of step functions), or a
            bundled set: diabetes, breast_cancer (malignant 1, benign 0), digits (odd 1, even 0). The mean of a bundled
            target is not known, so its noise counts as bias, the same in both arms.
        n: Rows of each training set.
        noise: Standard deviation of the noise of a generated target, relative to that of its signal.
        member: "tree", or for bagging "line", a linear regression.
        depth: Greatest depth of a tree, None for pure leaves.
        members: Members of the ensemble, or boosting rounds.
        sets: Training sets, at least 2.
        options: Further keywords of scikit-learn's ensemble; `split_features` is its members' share of columns drawn
            at each split, as in a forest.
    """
    drawing, fitting = streams(seed, 2)
    trainings, X, target = _training_sets(drawing, data, n, noise, sets)
    options = dict(options or {})
    tree = DecisionTreeRegressor(max_depth=depth, max_features=options.pop("split_features", None))
    model = tree if member == "tree" else LinearRegression()
    if combined == "bagging":
        ensemble = BaggingRegressor(model, members, **options)
    else:
        ensemble = GradientBoostingRegressor(n_estimators=members, max_depth=depth, **options)
    single = DecisionTreeRegressor(max_depth=depth) if member == "tree" else model
    outcomes = {}
    for name, arm in (("single", single), ("ensemble", ensemble)):
        known = "random_state" in arm.get_params()
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a sixth of the time
            fits = [
                (arm.set_params(random_state=one) if known else arm).fit(*rows).predict(X)
                for rows, one in zip(trainings, streams(fitting, sets), strict=True)
            ]
        variance = np.var(fits, axis=0, ddof=1)
        bias = (np.mean(fits, axis=0) - target) ** 2 - variance / sets
        outcomes |= {f"{name}_bias": bias.mean() / target.var(), f"{name}_variance": variance.mean() / target.var()}
    for part in ("bias", "variance"):
        outcomes[f"{part}_drop"] = outcomes[f"single_{part}"] - outcomes[f"ensemble_{part}"]
    outcomes["bias_share"] = outcomes["bias_drop"] / outcomes["variance_drop"]
    return {name: float(value) for name, value in outcomes.items()}


Rows = tuple[NDArray[Any], NDArray[Any]]


def _training_sets(
    seed: int, data: str, n: int, noise: float, sets: int
) -> tuple[list[Rows], NDArray[Any], NDArray[Any]]:
    """Disjoint training sets, and the rows to predict with their target: its mean where that is known."""
    if data in ("friedman", "steps"):
        random = np.random.default_rng(seed)
        X = random.random((sets * n + 400, 10 if data == "friedman" else 2))
        if data == "friedman":
            signal = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
        else:
            signal = np.floor(4 * X[:, 0]) % 2 + np.floor(3 * X[:, 1])
        y = signal + noise * signal.std() * random.standard_normal(len(X))
        drawn, fixed = np.split(np.arange(sets * n), sets), np.arange(sets * n, len(X))
    else:
        X, y = bundled(data)
        signal = y = y % 2 if data == "digits" else 1 - y if data == "breast_cancer" else y
        *drawn, fixed = shares(seed, len(X), *[n] * sets)
    return [(X[rows], y[rows]) for rows in drawn], X[fixed], signal[fixed]
