"""Trials that need no Python: a claim file names data, arms and outcomes, and what is named is looked up here.

`compare` trains estimators or pipelines on the same rows and measures them on fresh ones; `counts` says how large they
are once fitted; `offers` and `accepts` ask an installed library for a name, and what it does with a call. Names lead to
estimators (samplers and transformers included), scorers and metric functions of scikit-learn, imbalanced-learn, XGBoost
and LightGBM, and to nothing else: no other code can be reached from a claim file, and nothing is fetched.
"""

import difflib
import inspect
import itertools
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn import datasets, metrics
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline

from experiments.common import streams
from experiments.common.generated import categories, gaussian_classes, holes, interactions, linear, words
from experiments.common.real import CLASSES, NUMBERS, rarer, table, texts

if TYPE_CHECKING:  # loaded only where a name asks for them; written here, their versions are part of every key
    import imblearn  # noqa: F401
    import lightgbm  # noqa: F401
    import xgboost  # noqa: F401

Table = tuple[Any, np.ndarray]
Scorer = Callable[[Any, Any, np.ndarray], float]

MODULES = (
    *(f"sklearn.{name}" for name in ("calibration", "cluster", "compose", "covariance", "cross_decomposition")),
    *(f"sklearn.{name}" for name in ("decomposition", "discriminant_analysis", "dummy", "ensemble")),
    *(f"sklearn.{name}" for name in ("feature_extraction.text", "feature_selection", "gaussian_process", "impute")),
    *(f"sklearn.{name}" for name in ("isotonic", "kernel_approximation", "kernel_ridge", "linear_model", "manifold")),
    *(f"sklearn.{name}" for name in ("mixture", "model_selection", "multiclass", "multioutput", "naive_bayes")),
    *(f"sklearn.{name}" for name in ("neighbors", "neural_network", "pipeline", "preprocessing", "random_projection")),
    *(f"sklearn.{name}" for name in ("semi_supervised", "svm", "tree")),
    *(f"imblearn.{name}" for name in ("combine", "ensemble", "over_sampling", "pipeline", "under_sampling")),
    *("lightgbm", "xgboost"),
)
"""Where estimators may come from: the public modules, under the names by which they are documented."""

SET_HERE = {
    "random_state": "the replicate's seed decides it",
    "n_jobs": "a replicate has one thread",
    "memory": "a trial writes no files",
    **dict.fromkeys(("input", "init_model", "xgb_model"), "a trial reads no files"),
    "callbacks": "a claim file names no code",
}
"""Keywords that a claim file may not set, each with the reason."""

GENERATED: dict[str, Callable[..., tuple[Any, ...]]] = {
    "blobs": lambda seed, rows, **options: datasets.make_blobs(rows, random_state=seed, **options),
    "categories": categories,
    "circles": lambda seed, rows, **options: datasets.make_circles(rows, random_state=seed, **options),
    "classification": lambda seed, rows, **options: datasets.make_classification(
        rows, random_state=seed, **{"n_informative": 5, "n_redundant": 0, "flip_y": 0.0, **options}
    ),
    "friedman": lambda seed, rows, **options: datasets.make_friedman1(rows, random_state=seed, **options),
    "gaussians": gaussian_classes,
    "interactions": interactions,
    "linear": linear,
    "moons": lambda seed, rows, **options: datasets.make_moons(rows, random_state=seed, **options),
    "words": words,
}
"""Generators by name: seed, rows and options to columns and target (what else is true of the rows is left out)."""


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
        data: A key of GENERATED; a table of `experiments.common.real`, or `texts`, of which rows are drawn.
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
        built = _pipelines(arms, fitting, tuner, folds)
        train, test = _drawn(drawing, data, max(sizes), n_test, dict(options or {}), positives)
        train, test = _damaged(damaging, train, test, noise_columns, flipped, (missing, mechanism))
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
    if data not in (*GENERATED, *CLASSES, *NUMBERS, "texts"):
        _real(data)  # which says what there is
    measures = [_short(name) for name in names if _measure(name)]
    if tuned_by and tuned_by not in metrics.get_scorer_names():
        raise ValueError(
            f"tuned_by: must be a scorer, got {tuned_by!r}{_nearest(tuned_by, metrics.get_scorer_names())}"
        )
    for name, arm in arms.items():
        _check_lists(arm, f"arms.{name}")
    _pipelines(arms, 0, _tuner(tuned_by or names[0], folds), folds)
    if data != "mnist":  # which takes a second to load
        rows = _drawn(0, data, max(sizes), n_test, dict(options or {}), positives)
        _damaged(0, *rows, noise_columns, flipped, (missing, mechanism))
    found = [arm if len(measures) == 1 else f"{arm}_{name}" for arm in arms for name in measures]
    pairs = itertools.permutations(arms, 2) if len(measures) == 1 and not isinstance(n_train, int) else ()
    return [*found, "unconverged", *(f"{a}_minus_{b}" for a, b in pairs)]


def _check_lists(arm: Any, field: str) -> None:
    """Steps and grid of an arm, where a slip is told less clearly once they are taken apart."""
    arm = arm if isinstance(arm, Mapping) else {}
    if not isinstance(arm.get("steps", []), list | tuple):
        raise ValueError(f"{field}.steps: must be a list, got {arm['steps']!r}; write [{arm['steps']}]")
    if not isinstance(arm.get("grid") or {}, Mapping):
        raise ValueError(f"{field}.grid: must map keywords to lists, got {arm['grid']!r}; write {{keyword: [1, 2]}}")
    for keyword in arm.get("grid") or ():
        known = _keywords(_class(arm["model"], f"{field}.model")) if "model" in arm else {keyword}
        if "__" not in keyword and keyword not in known:
            rule = "must be a keyword of the model or <step>__<keyword>"
            raise ValueError(f"{field}.grid.{keyword}: {rule}, got {keyword!r}{_nearest(keyword, known)}")


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


def _drawn(
    seed: int, data: str, n_train: int, n_test: int, options: dict[str, Any], positives: float
) -> tuple[Table, Table]:
    """Training and test rows; shares of classes are the same in both."""
    drawing, thinning, splitting = streams(seed, 3)
    if data in GENERATED:
        if n_train < 1:
            raise ValueError(f"n_train: must be at least 1 for generated data, got {n_train}; say how many rows")
        pool = (n_train + n_test) * (3 if positives else 1)  # enough for all rows to come from one of two classes
        X, y = _generated(drawing, data, pool, options)
    else:
        if options:
            raise ValueError(f"options: belong to generated data, got {options} for {data!r}; leave them out")
        X, y = _real(data)
    classes = np.issubdtype(y.dtype, np.integer)
    if positives:
        if not classes or not 0 < positives < 1:
            raise ValueError(f"positives: must be a share between 0 and 1 of rows with classes, got {positives}")
        rows, y = rarer(thinning, y, positives)
        X = X[rows]
    most = len(y) - 1 if data in GENERATED else len(y) // 3
    if n_train > most:
        raise ValueError(f"n_train: must be at most {most}, a third of the rows of {data!r}, got {n_train}")
    sizes = {"train_size": n_train or most, "test_size": min(n_test, len(y) - (n_train or most))}
    strata = y if classes else None
    train, test = train_test_split(np.arange(len(y)), **sizes, stratify=strata, random_state=splitting)
    return (X[train], y[train]), (X[test], y[test])


def _generated(seed: int, data: str, rows: int, options: dict[str, Any]) -> Table:
    try:
        X, y = GENERATED[data](seed, rows, **options)[:2]
    except TypeError as error:
        raise ValueError(f"options: {data!r} does not take {options} ({error}); see its docstring") from None
    return X, y


def _real(data: str) -> Table:
    if data == "texts":
        return texts()
    known = [*GENERATED, *CLASSES, *NUMBERS, "texts"]
    if data not in known:
        raise ValueError(f"data: must be one of {', '.join(known)}, got {data!r}{_nearest(data, known)}")
    return table(data)


def _damaged(
    seed: int, train: Table, test: Table, noise_columns: int, flipped: float, missing: tuple[float, str]
) -> tuple[Table, Table]:
    """The rows with useless columns added, training labels turned over and holes cut."""
    adding, flipping, *cutting = streams(seed, 4)
    (X, y), (X_test, y_test) = train, test
    if (noise_columns or missing[0]) and (issparse(X) or X.ndim == 1):
        raise ValueError("noise_columns, missing: belong to tables of numbers; leave them out for texts and counts")
    if noise_columns:
        rng = np.random.default_rng(adding)
        both = np.concatenate([X, X_test])
        copies = [rng.permutation(both[:, column % X.shape[1]]) for column in range(noise_columns)]
        X, X_test = np.split(np.column_stack([both, *copies]), [len(X)])
    if flipped:
        if not np.issubdtype(y.dtype, np.integer):
            raise ValueError(f"flipped: belongs to data with classes, got {flipped} for a numeric target; leave it out")
        rng = np.random.default_rng(flipping)
        wrong = rng.choice(len(y), round(flipped * len(y)), replace=False)
        y = y.copy()
        y[wrong] = (y[wrong] + rng.integers(1, y.max() + 1, len(wrong))) % (y.max() + 1)
    if missing[0]:
        X, X_test = (
            np.where(holes(part_seed, part, *missing), np.nan, part)
            for part_seed, part in zip(cutting, (X, X_test), strict=True)
        )
    return (X, y), (X_test, y_test)


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
            f"{_nearest(path, known)}"
        )
    shelf = import_module(module)
    found = getattr(shelf, name, None) if name in shelf.__all__ else None
    if not inspect.isfunction(found) or list(inspect.signature(found).parameters)[:1] != ["y_true"]:
        raise ValueError(f"outcomes: {module} has no metric function {name!r}{_nearest(name, shelf.__all__)}")
    return found


def _response(path: str) -> tuple[str, ...]:
    second = list(inspect.signature(_metric(path)).parameters)[1]
    return {"y_proba": ("predict_proba",), "y_score": ("decision_function", "predict_proba")}.get(second, ("predict",))


def _last(fitted: Any) -> Any:
    """The model at the end of a pipeline, or of what tuning found."""
    fitted = getattr(fitted, "best_estimator_", fitted)
    return fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted


# Building what a claim file names ----------------------------------------------------------------------------------


def _pipelines(arms: Mapping[str, Mapping[str, Any]], seed: int, tuner: str, folds: int) -> dict[str, BaseEstimator]:
    """Unfitted arms by name, each with randomness of its own, whatever their order."""
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"arms: must map names to definitions, got {arms!r}; write {{plain: {{model: ...}}}}")
    grids = {name: arm["grid"] for name, arm in arms.items() if isinstance(arm, Mapping) and arm.get("grid")}
    budgets = {name: int(np.prod([len(values) for values in grid.values()])) for name, grid in grids.items()}
    if len(set(budgets.values())) > 1:
        raise ValueError(f"arms: grids must have as many settings each, got {budgets}; give all arms the same budget")
    if budgets and not tuner:
        raise ValueError("tuned_by: must be a scorer where the first outcome is none; name one, such as accuracy")
    built = {}
    for name, arm_seed in zip(sorted(arms), streams(seed, len(arms)), strict=True):
        fitting, folding = streams(arm_seed, 2)
        definition = dict(arms[name]) if isinstance(arms[name], Mapping) else arms[name]
        grid = definition.pop("grid", None) if isinstance(definition, dict) else None
        pipeline = _seeded(_built(definition, f"arms.{name}"), fitting)
        if grid:
            kind = KFold if is_regressor(pipeline) else StratifiedKFold
            cv = kind(folds, shuffle=True, random_state=folding)
            pipeline = GridSearchCV(pipeline, _grid(pipeline, grid, f"arms.{name}.grid"), scoring=tuner, cv=cv)
        built[name] = pipeline
    return built


def _built(definition: Any, field: str) -> Any:
    """The object that a definition describes: an estimator, or a pipeline where it has steps."""
    if isinstance(definition, str):
        definition = {"model": definition}
    if not isinstance(definition, Mapping) or "model" not in definition:
        raise ValueError(f"{field}: must be {{model: path, keyword: value, ...}}, got {definition!r}; name a model")
    found = _class(definition["model"], f"{field}.model")
    keywords = {}
    for keyword, value in definition.items():
        if keyword not in ("model", "steps"):
            _check_keyword(found, keyword, f"{field}.{keyword}")
            keywords[keyword] = _value(value, f"{field}.{keyword}")
    model = found(**keywords)
    steps = [_built(step, f"{field}.steps[{i}]") for i, step in enumerate(definition.get("steps", ()))]
    if not steps:
        return model
    if any(hasattr(step, "fit_resample") for step in steps):
        from imblearn.pipeline import make_pipeline as make_resampling_pipeline

        return make_resampling_pipeline(*steps, model)
    return make_pipeline(*steps, model)


def _value(value: Any, field: str) -> Any:
    """A keyword's value, with definitions inside it built; ranges are pairs, which libraries want as tuples."""
    if isinstance(value, Mapping):
        return _built(value, field) if "model" in value else dict(value)
    if isinstance(value, list | tuple):
        made = [_value(item, f"{field}[{i}]") for i, item in enumerate(value)]
        return tuple(made) if field.endswith("_range") else made
    return value


def _class(path: Any, field: str) -> type[BaseEstimator]:
    """The estimator class that a dotted path names."""
    module, _, name = str(path).rpartition(".")
    if module not in MODULES:
        raise ValueError(
            f"{field}: must name an estimator of scikit-learn, imbalanced-learn, XGBoost or LightGBM by its documented "
            f"path, got {path!r}{_nearest(module, MODULES)}"
        )
    if module == "sklearn.impute":
        import_module("sklearn.experimental.enable_iterative_imputer")
    shelf = import_module(module)
    classes = [n for n in dir(shelf) if n[0].isupper() and not n.startswith("Dask") and _is_estimator(shelf, n)]
    if name not in classes:
        raise ValueError(f"{field}: {module} has no estimator {name!r}{_nearest(name, classes)}")
    return getattr(shelf, name)


def _is_estimator(shelf: Any, name: str) -> bool:
    found = getattr(shelf, name, None)
    return inspect.isclass(found) and issubclass(found, BaseEstimator) and not inspect.isabstract(found)


def _check_keyword(found: type[BaseEstimator], keyword: Any, field: str) -> None:
    if keyword in SET_HERE:
        raise ValueError(f"{field}: cannot be set, {SET_HERE[keyword]}; leave it out")
    if keyword not in _keywords(found):
        raise ValueError(f"{field}: {found.__name__} takes no such keyword{_nearest(keyword, _keywords(found))}")


def _keywords(found: type) -> set[str]:
    """Keywords that a class and its parents name; what `**kwargs` would let through is left out."""
    named = [
        parameter
        for parent in found.__mro__
        if "__init__" in vars(parent) and parent is not object
        for parameter in inspect.signature(parent.__init__).parameters.values()
    ]
    return {p.name for p in named if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}


def _grid(pipeline: Any, grid: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A grid with the model's keywords under the names that they have inside the pipeline."""
    prefix = f"{pipeline.steps[-1][0]}__" if hasattr(pipeline, "steps") else ""
    known, found = pipeline.get_params(), {}
    for keyword, values in grid.items():
        name = keyword if keyword in known and "__" in keyword else f"{prefix}{keyword}"
        if name not in known or not isinstance(values, list | tuple):
            raise ValueError(f"{field}.{keyword}: must be a keyword of the model or <step>__<keyword>, with a list")
        if name.rpartition("__")[2] in SET_HERE:
            raise ValueError(f"{field}.{keyword}: cannot be tuned, {SET_HERE[name.rpartition('__')[2]]}; leave it out")
        found[name] = [_value(value, f"{field}.{keyword}") for value in values]
    return found


def _seeded(pipeline: Any, seed: int) -> Any:
    """The estimator with one thread and every random state inside it set from the seed."""
    known = pipeline.get_params()
    states = sorted(name for name in known if name.rpartition("__")[2] == "random_state")
    for part in (pipeline, *known.values()):
        library = type(part).__module__.partition(".")[0]
        if library in ("lightgbm", "xgboost"):  # where nothing is said they take all cores, scikit-learn takes one
            part.set_params(n_jobs=1, verbosity=-1 if library == "lightgbm" else None)
    return pipeline.set_params(**dict(zip(states, streams(seed, len(states)), strict=True)))


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    train, _ = _drawn(drawing, data, n_train, 100, dict(options or {}), 0.0)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for arm, pipeline in _pipelines(arms, fitting, _tuner(tuned_by, folds), folds).items():
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
            raise ValueError(f"of: must be of {', '.join(COUNTS)}, got {name!r}{_nearest(str(name), COUNTS)}")
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


# Asking a library --------------------------------------------------------------------------------------------------

METHODS = (
    *("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples"),
    *("transform", "inverse_transform", "partial_fit"),
)
"""Methods that can be asked for after fitting."""

SHELVES = (
    *("sklearn.base", "sklearn.datasets", "sklearn.exceptions", "sklearn.inspection", "sklearn.metrics"),
    *("sklearn.utils", "imblearn.metrics"),
)
"""Modules beside MODULES whose names can be looked up; what they hold is built by no claim file."""

SAID = ("accepted", "deprecated", "taken", "refused")


def accepts(
    seed: int,
    *,
    model: str,
    keywords: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    to: str = "constructor",
    data: str = "numbers",
    method: str = "",
    said: str = "accepted",
) -> dict[str, float]:
    """What the installed library does with a call: build the estimator, fit it to 60 rows, call a method.

    The same call without what is asked about (with numbers for data, and fitting only) is made first and must succeed,
    so that a failure is the library's answer and not the trial's. Outcomes, 1.0 or 0.0: `accepted`, it ran without a
    word; `deprecated`, it ran and warned that this will go or has no effect; `refused`, it raised an error; `taken`,
    one of the first two; `as_said`, it came out as `said`.

    Args:
        seed: Draws rows and fit.
        model: Path of an estimator.
        keywords: What is asked about, keyword to value; values can be definitions as in `compare`.
        given: Keywords of the constructor that are not asked about.
        to: `constructor` or `fit`, which gets `keywords`.
        data: `numbers`; `categories`, with a column of pandas categories beside them; `strings`, with a column of
            text; `missing`, a tenth of the cells missing; `string-labels`, numbers with classes as text.
        method: Called on the same rows after fitting, one of METHODS; nothing where empty.
        said: What the claim says of the call, one of SAID.

    Raises:
        ValueError: A name that is on no list.
        RuntimeError: The call fails without what is asked about.
    """
    found = _class(model, "model")
    asked, fixed = _allowed(found, keywords or {}, "keywords"), _allowed(found, given or {}, "given")
    for name, value, known in (
        ("to", to, ("constructor", "fit")),
        ("data", data, ROWS),
        ("method", method, ("", *METHODS)),
        ("said", said, SAID),
    ):
        if value not in known:
            raise ValueError(f"{name}: must be one of {', '.join(filter(None, known))}, got {value!r}")
    before = _answer(seed, found, fixed, {}, "numbers", "")
    if isinstance(before, Exception):
        raise RuntimeError(f"{model} fails without what is asked about: {type(before).__name__}: {before}")
    constructor, fit = ({}, asked) if to == "fit" else (asked, {})
    answer = _answer(seed, found, fixed | constructor, fit, data, method)
    refused = isinstance(answer, Exception)
    warned = not refused and bool({one for one in answer if _concerns(one, asked)} - set(before))
    told = {"refused": refused, "deprecated": warned, "accepted": not refused and not warned, "taken": not refused}
    return {name: float(value) for name, value in {**told, "as_said": told[said]}.items()}


def offers(seed: int, *, path: str) -> dict[str, float]:
    """Whether the installed library has what an import line asks for; the name is looked up and never called.

    Outcomes, 1.0 or 0.0, are those of `accepts`: `accepted`, `deprecated` where looking warns, `refused` where there is
    no such name, `taken` for one of the first two.

    Args:
        seed: Decides nothing.
        path: A module of MODULES or SHELVES and a public name of it, as in `sklearn.ensemble.RandomForestClassifier`.

    Raises:
        ValueError: The module is on no list, or the name is private.
    """
    module, name = _import_line(path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = hasattr(import_module(module), name)
        except ImportError:  # how scikit-learn says that a data set was removed
            found = False
    answers = {"accepted": found and not told, "deprecated": found and bool(told), "refused": not found, "taken": found}
    return {answer: float(value) for answer, value in answers.items()}


def offers_outcomes(*, path: str) -> list[str]:
    """Names of what `offers` returns, and its errors."""
    _import_line(path)
    return list(SAID)


def _import_line(path: str) -> tuple[str, str]:
    module, _, name = path.rpartition(".")
    known = (*MODULES, *SHELVES)
    if module not in known or not name.isidentifier() or name.startswith("_"):
        rule = "must be a public name in a documented module of scikit-learn, imbalanced-learn, XGBoost or LightGBM"
        raise ValueError(f"path: {rule}, got {path!r}{_nearest(module, known)}")
    return module, name


def accepts_outcomes(
    *,
    model: str,
    keywords: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    to: str = "constructor",
    data: str = "numbers",
    method: str = "",
    said: str = "accepted",
) -> list[str]:
    """Names of what `accepts` returns for the same parameters, found without asking the library; its other errors."""
    found = _class(model, "model")
    for field, value in (("keywords", keywords), ("given", given)):
        _allowed(found, value or {}, field)
    lists = {"to": ("constructor", "fit"), "data": ROWS, "method": ("", *METHODS), "said": SAID}
    for field, value in {"to": to, "data": data, "method": method, "said": said}.items():
        if value not in lists[field]:
            known = ", ".join(filter(None, lists[field]))
            raise ValueError(f"{field}: must be one of {known}, got {value!r}{_nearest(value, lists[field])}")
    return [*SAID, "as_said"]


def _allowed(found: type, keywords: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The keywords with definitions built; text goes only to keywords that the class names itself.

    What else a library takes through `**kwargs` can be a file or an address.
    """
    for name, value in keywords.items():
        if name in SET_HERE:
            raise ValueError(f"{field}.{name}: cannot be set, {SET_HERE[name]}; leave it out")
        if name not in _keywords(found) and isinstance(value, str | list | tuple):
            raise ValueError(
                f"{field}.{name}: must be a number or a definition, got {value!r}; the class names no such keyword"
            )
    return {name: _value(value, f"{field}.{name}") for name, value in keywords.items()}


def _concerns(told: tuple[type[Warning], str], asked: Iterable[str]) -> bool:
    """Whether a warning is about what goes out of use, or names a keyword asked about."""
    category, text = told
    old = issubclass(category, FutureWarning | DeprecationWarning | PendingDeprecationWarning)
    return old or any(name in text for name in asked)


def _answer(
    seed: int, found: type[BaseEstimator], constructor: dict[str, Any], fit: dict[str, Any], data: str, method: str
) -> Exception | list[tuple[type[Warning], str]]:
    """The error that the call ends with, or its warnings."""
    drawing, fitting = streams(seed, 2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            estimator = _seeded(found(**constructor), fitting)
            X, y = ROWS[data](np.random.default_rng(drawing), is_regressor(estimator))
            estimator.fit(X, y, **fit)
            if method:
                getattr(estimator, method)(*((X, y) if method == "partial_fit" else (X,)))
        except Exception as error:
            return error
    return [(one.category, str(one.message)) for one in told]


def _numbers(rng: np.random.Generator, regression: bool) -> tuple[Any, np.ndarray]:
    X = rng.normal(size=(60, 4))
    signal = X[:, 0] + rng.normal(size=60)
    return X, signal if regression else (signal > 0).astype(int)


def _with_column(column: str) -> Callable[[np.random.Generator, bool], tuple[Any, np.ndarray]]:
    """Numbers beside a column of three colours, held as pandas categories or as text."""

    def rows(rng: np.random.Generator, regression: bool) -> tuple[Any, np.ndarray]:
        import pandas as pd

        X, y = _numbers(rng, regression)
        colours = pd.Series(rng.choice(["blue", "green", "red"], len(X)), dtype=column)
        return pd.DataFrame(X, columns=list("abcd")).assign(colour=colours), y

    return rows


def _missing(rng: np.random.Generator, regression: bool) -> tuple[Any, np.ndarray]:
    X, y = _numbers(rng, regression)
    return np.where(rng.random(X.shape) < 0.1, np.nan, X), y


def _string_labels(rng: np.random.Generator, regression: bool) -> tuple[Any, np.ndarray]:
    X, y = _numbers(rng, False)
    return X, np.array(["no", "yes"])[y]


ROWS = {
    "numbers": _numbers,
    "categories": _with_column("category"),
    "strings": _with_column("object"),
    "missing": _missing,
    "string-labels": _string_labels,
}
