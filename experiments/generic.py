"""Trials that need no Python: a claim file names data, arms and outcomes, and what is named is looked up here.

`compare` trains estimators or pipelines on the same rows and measures them on fresh ones; `counts` says how large they
are once fitted. Names lead to estimators (`experiments.common.pipelines`), data (`experiments.common.rows`), scorers
and metric functions, and to nothing else: no other code can be reached from a claim file, and nothing is fetched.
"""

import inspect
import itertools
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from experiments.common import streams
from experiments.common.pipelines import nearest, pipelines
from experiments.common.rows import Table, damaged, drawn

Scorer = Callable[[Any, Any, np.ndarray], float]

# Comparing ---------------------------------------------------------------------------------------------------------


def compare(
    seed: int,
    *,
    data: str,
    arms: Mapping[str, Mapping[str, Any]],
    outcomes: str | Sequence[str] = "accuracy",
    n_train: int | Sequence[int] = 0,
    n_test: int = 2000,
    options: Mapping[str, Any] | None = None,
    positives: float = 0.0,
    noise_columns: int = 0,
    flipped: float = 0.0,
    missing: float = 0.0,
    mechanism: str = "mcar",
    folds: int = 3,
    tuned_by: str = "",
    draws: int = 1,
) -> dict[str, float | list[float]]:
    """Trains every arm on the same rows and measures it on the same other rows.

    An arm is `{model: path, keyword: value, ...}` with the class's own keywords. `steps`, a list of paths or of such
    mappings, go before the model (scalers, samplers, selectors) and are fitted to the training rows alone. `grid` maps
    keywords of the model (or `<step>__<keyword>`) to values, of which cross-validation on the training rows picks;
    arms that have one must have as many settings. A keyword's value can be such a mapping itself (`estimator: {model:
    ...}`). What a class does at random is drawn from the seed, for each arm on its own.

    With one outcome each arm's name is the name of its value, with more it is `<arm>_<outcome>`, of a path the last
    part. Where `n_train` is a list, values are curves over it, trained on growing parts of the same rows; with one
    outcome there is `<arm>_minus_<arm>` as well. `unconverged` counts the fits that stopped before they had converged.

    Args:
        seed: Draws data, split, damage and what is random in fitting.
        data: A key of `rows.GENERATED`; a table of `experiments.common.real`, or `texts`, of which rows are drawn.
        arms: Arms by name.
        outcomes: Names of scikit-learn's scorers (`accuracy`, `roc_auc`, `neg_log_loss`) or metric functions
            (`sklearn.metrics.mean_squared_error`), in their units; `train_<name>` measures on the training rows;
            `zeros` is the share of coefficients that are exactly 0, in [0, 1].
        n_train: Rows to train on; of real data a third of the rows at most, which is what 0 stands for.
        n_test: Rows to measure on; of real data those that are left, at most this many.
        options: Keywords of the generator.
        positives: Share of one class against the rest, in (0, 1); 0 leaves the classes as they are.
        noise_columns: Columns to add that say nothing: shuffled copies of the table's own, in turn.
        flipped: Share of the training rows with a wrong class, in [0, 1).
        missing: Expected share of missing cells, training and test, in [0, 0.5].
        mechanism: Why they are missing: `mcar`, `mar` or `mnar`, see `holes`.
        folds: Folds of the cross-validation that tunes.
        tuned_by: Scorer that tunes; the first outcome where it is one.
        draws: Times that all this is done, each with rows and fits of its own; outcomes are means over them. More
            draws make a replicate steadier where single ones vary much and cost little.

    Raises:
        ValueError: A name, keyword or size that cannot be; says the field, the rule, the value and the next step.
    """
    sizes = [n_train] if isinstance(n_train, int) else list(n_train)
    names = [outcomes] if isinstance(outcomes, str) else list(outcomes)
    measures = {_short(name): _measure(name) for name in names}
    tuner = _tuner(tuned_by or names[0], folds)
    found: dict[str, Any] = {}
    for draw in streams(seed, draws):
        drawing, damaging, fitting = streams(draw, 3)
        built = pipelines(arms, fitting, tuner, folds)
        train, test = drawn(drawing, data, max(sizes), n_test, dict(options or {}), positives)
        train, test = damaged(damaging, train, test, noise_columns, flipped, (missing, mechanism))
        for size in sizes:
            part = train[0][: size or None], train[1][: size or None]
            for name, value in _measured(built, part, test, measures).items():
                found.setdefault(name, []).append(value)
    found = {name: np.reshape(values, (draws, len(sizes))).mean(axis=0) for name, values in found.items()}
    if isinstance(n_train, int):
        return {name: float(curve[0]) for name, curve in found.items()}
    pairs = itertools.permutations(arms, 2) if len(measures) == 1 else ()
    found |= {f"{a}_minus_{b}": found[a] - found[b] for a, b in pairs}
    return {name: curve.tolist() for name, curve in found.items()}


def compare_outcomes(
    *,
    data: str,
    arms: Mapping[str, Mapping[str, Any]],
    outcomes: str | Sequence[str] = "accuracy",
    n_train: int | Sequence[int] = 0,
    n_test: int = 2000,
    options: Mapping[str, Any] | None = None,
    positives: float = 0.0,
    noise_columns: int = 0,
    flipped: float = 0.0,
    missing: float = 0.0,
    mechanism: str = "mcar",
    folds: int = 3,
    tuned_by: str = "",
    draws: int = 1,
) -> list[str]:
    """Names of what `compare` returns for the same parameters, found without a fit; its errors before the first one."""
    sizes = [n_train] if isinstance(n_train, int) else list(n_train)
    names = [outcomes] if isinstance(outcomes, str) else list(outcomes)
    if not sizes or not names:
        raise ValueError("n_train, outcomes: must not be empty; name at least one of each")
    for field, (value, low, high) in {
        "n_test": (n_test, 1, np.inf),
        "noise_columns": (noise_columns, 0, np.inf),
        "flipped": (flipped, 0, 0.99),
        "missing": (missing, 0, 0.5),
        "folds": (folds, 2, np.inf),
        "draws": (draws, 1, np.inf),
    }.items():
        if not low <= value <= high:
            raise ValueError(f"{field}: must be between {low} and {high}, got {value}; mend it or leave it out")
    if mechanism not in ("mcar", "mar", "mnar"):
        raise ValueError(f"mechanism: must be mcar, mar or mnar, got {mechanism!r}; name one")
    measures = [_short(name) for name in names if _measure(name)]
    if tuned_by and tuned_by not in metrics.get_scorer_names():
        raise ValueError(f"tuned_by: must be a scorer, got {tuned_by!r}{nearest(tuned_by, metrics.get_scorer_names())}")
    pipelines(arms, 0, _tuner(tuned_by or names[0], folds), folds)
    if data != "mnist":  # which takes a second to load
        rows = drawn(0, data, max(sizes), n_test, dict(options or {}), positives)
        damaged(0, *rows, noise_columns, flipped, (missing, mechanism))
    found = [arm if len(measures) == 1 else f"{arm}_{name}" for arm in arms for name in measures]
    pairs = itertools.permutations(arms, 2) if len(measures) == 1 and not isinstance(n_train, int) else ()
    return [*found, "unconverged", *(f"{a}_minus_{b}" for a, b in pairs)]


def _measured(
    built: Mapping[str, BaseEstimator], train: Table, test: Table, measures: Mapping[str, Scorer]
) -> dict[str, float]:
    """Every measure of every arm fitted to the training rows, and how many fits did not converge."""
    found = {}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for arm, pipeline in built.items():
            pipeline.fit(*train)
            for name, measure in measures.items():
                value = measure(pipeline, *(train if name.startswith("train_") else test))
                found[arm if len(measures) == 1 else f"{arm}_{name}"] = float(value)
    return found | {"unconverged": float(sum(issubclass(one.category, ConvergenceWarning) for one in told))}


def _tuner(name: str, folds: int) -> str:
    """The scorer that tunes, empty where the name is none: then a grid is an error."""
    name = name.removeprefix("train_")
    return name if name in metrics.get_scorer_names() and folds > 1 else ""


def _measure(name: str) -> Scorer:
    """What measures a fitted arm, by the name of a scorer, of a metric function or of our own."""
    name = name.removeprefix("train_")
    if name == "zeros":
        return lambda fitted, X, y: float(np.mean(_last(fitted).coef_ == 0))
    if name in metrics.get_scorer_names():
        return metrics.get_scorer(name)
    return metrics.make_scorer(_metric(name), response_method=_response(name))


def _short(name: str) -> str:
    """An outcome's name without the modules in front of it."""
    return ("train_" if name.startswith("train_") else "") + name.removeprefix("train_").rpartition(".")[2]


def _metric(path: str) -> Callable[..., float]:
    module, _, name = path.rpartition(".")
    known = ["zeros", *metrics.get_scorer_names()]
    if module not in ("sklearn.metrics", "imblearn.metrics"):
        raise ValueError(
            f"outcomes: must be scorers, or functions of sklearn.metrics or imblearn.metrics, got {path!r}"
            f"{nearest(path, known)}"
        )
    shelf = import_module(module)
    found = getattr(shelf, name, None) if name in shelf.__all__ else None
    if not inspect.isfunction(found) or list(inspect.signature(found).parameters)[:1] != ["y_true"]:
        raise ValueError(f"outcomes: {module} has no metric function {name!r}{nearest(name, shelf.__all__)}")
    return found


def _response(path: str) -> tuple[str, ...]:
    second = list(inspect.signature(_metric(path)).parameters)[1]
    return {"y_proba": ("predict_proba",), "y_score": ("decision_function", "predict_proba")}.get(second, ("predict",))


def _last(fitted: Any) -> Any:
    """The model at the end of a pipeline, or of what tuning found."""
    fitted = getattr(fitted, "best_estimator_", fitted)
    return fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted


# Counting ---------------------------------------------------------------------------------------------------------


def counts(
    seed: int,
    *,
    data: str,
    arms: Mapping[str, Mapping[str, Any]],
    of: str | Sequence[str],
    n_train: int = 0,
    options: Mapping[str, Any] | None = None,
    folds: int = 3,
    tuned_by: str = "",
) -> dict[str, float]:
    """How large each arm is once it is fitted: what is asked for, a key of COUNTS, such as `trees` or `bytes`.

    With one count each arm's name is the name of its value, with more it is `<arm>_<count>`.

    Args:
        seed: Draws data, split and what is random in fitting.
        data: As for `compare`.
        arms: As for `compare`.
        of: One or more keys of COUNTS.
        n_train: Rows to fit; of real data a third at most, which is what 0 stands for.
        options: Keywords of the generator.
        folds: Folds of the cross-validation that tunes.
        tuned_by: Scorer that tunes, where an arm has a grid.

    Raises:
        ValueError: As for `compare`, or an arm has nothing of what is counted.
    """
    names = [of] if isinstance(of, str) else list(of)
    drawing, fitting = streams(seed, 2)
    train, _ = drawn(drawing, data, n_train, 100, dict(options or {}), 0.0)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for arm, pipeline in pipelines(arms, fitting, _tuner(tuned_by, folds), folds).items():
            pipeline.fit(*train)
            for name in names:
                found[arm if len(names) == 1 else f"{arm}_{name}"] = _count(pipeline, name, arm)
    return found


def counts_outcomes(
    *,
    data: str,
    arms: Mapping[str, Mapping[str, Any]],
    of: str | Sequence[str],
    n_train: int = 0,
    options: Mapping[str, Any] | None = None,
    folds: int = 3,
    tuned_by: str = "",
) -> list[str]:
    """Names of what `counts` returns for the same parameters, found without a fit; its errors before the first one."""
    names = [of] if isinstance(of, str) else list(of)
    for name in names:
        if name not in COUNTS:
            raise ValueError(f"of: must be of {', '.join(COUNTS)}, got {name!r}{nearest(str(name), COUNTS)}")
    told = compare_outcomes(
        data=data, arms=arms, n_train=n_train, n_test=100, options=options, folds=folds, tuned_by=tuned_by
    )
    return [arm if len(names) == 1 else f"{arm}_{name}" for arm in told if arm in arms for name in names]


def _count(fitted: Any, name: str, arm: str) -> float:
    try:
        return float(COUNTS[name](fitted))
    except AttributeError:
        raise ValueError(f"of: {arm!r} has no {name}, got {type(_last(fitted)).__name__}; count what it has") from None


def _trees(fitted: Any) -> int:
    model = _last(fitted)
    if hasattr(model, "get_booster"):
        return len(model.get_booster().get_dump())
    return model.booster_.num_trees() if hasattr(model, "booster_") else np.size(model.estimators_)


def _leaves(fitted: Any) -> int:
    model = _last(fitted)
    return sum(tree.get_n_leaves() for tree in ([model] if hasattr(model, "tree_") else np.ravel(model.estimators_)))


def _weights(fitted: Any) -> np.ndarray:
    """Coefficients of a linear model or a network, without the constants."""
    model = _last(fitted)
    return np.concatenate([np.ravel(part) for part in getattr(model, "coefs_", None) or [model.coef_]])


COUNTS: dict[str, Callable[[Any], float]] = {
    "columns": lambda fitted: _last(fitted).n_features_in_,
    "weights": lambda fitted: _weights(fitted).size,
    "nonzero": lambda fitted: np.count_nonzero(_weights(fitted)),
    "leaves": _leaves,
    "trees": _trees,
    "iterations": lambda fitted: np.max(_last(fitted).n_iter_),
    "fits": lambda fitted: len(fitted.cv_results_["params"]) * fitted.n_splits_ + 1,
    "bytes": lambda fitted: len(pickle.dumps(fitted)),
}
"""What can be counted of a fitted arm: columns that the model sees after the steps, weights without constants and those
of them that are not 0, leaves and trees, the most iterations, fits of a grid with the last one, bytes when pickled."""
