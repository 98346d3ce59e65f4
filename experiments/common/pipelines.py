"""Estimators and pipelines built from what a claim file names, seeded and held to one thread.

Names lead to estimators (samplers and transformers included) of scikit-learn, imbalanced-learn, XGBoost and LightGBM,
and to nothing else: no other code can be reached from a claim file, and nothing is fetched.
"""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, is_regressor
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from experiments.common import streams

if TYPE_CHECKING:  # loaded only where a name asks for them; written here, their versions are part of every key
    import imblearn  # noqa: F401
    import lightgbm  # noqa: F401
    import xgboost  # noqa: F401

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


def pipelines(arms: Mapping[str, Any], seed: int, tuner: str, folds: int) -> dict[str, BaseEstimator]:
    """Unfitted arms by name, each with randomness of its own, whatever their order.

    Args:
        arms: Definitions by name: `{model: path, steps: [...], grid: {...}, keyword: value, ...}`, or a model's path.
        seed: What all fits draw from.
        tuner: Scorer that picks from an arm's grid.
        folds: Folds of the cross-validation that tunes.

    Raises:
        ValueError: A name or keyword that cannot be, or grids of different sizes.
    """
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"arms: must map names to definitions, got {arms!r}; write {{plain: {{model: ...}}}}")
    found, budgets = {}, {}
    for name, arm_seed in zip(sorted(arms), streams(seed, len(arms)), strict=True):
        fitting, folding = streams(arm_seed, 2)
        definition = dict(arms[name]) if isinstance(arms[name], Mapping) else arms[name]
        grid = definition.pop("grid", None) if isinstance(definition, dict) else None
        pipeline = seeded(built(definition, f"arms.{name}"), fitting)
        if grid:
            settings = _grid(pipeline, grid, f"arms.{name}.grid")
            budgets[name] = math.prod(map(len, settings.values()))
            kind = KFold if is_regressor(pipeline) else StratifiedKFold
            cv = kind(folds, shuffle=True, random_state=folding)
            pipeline = GridSearchCV(pipeline, settings, scoring=tuner, cv=cv)
        found[name] = pipeline
    if len(set(budgets.values())) > 1:
        raise ValueError(f"arms: grids must have as many settings each, got {budgets}; give all arms the same budget")
    if budgets and not tuner:
        raise ValueError("tuned_by: must be a scorer where the first outcome is none; name one, such as accuracy")
    return found


def built(definition: Any, field: str) -> Any:
    """The object that a definition describes: an estimator, or a pipeline where it has steps."""
    if isinstance(definition, str):
        definition = {"model": definition}
    if not isinstance(definition, Mapping) or "model" not in definition:
        raise ValueError(f"{field}: must be {{model: path, keyword: value, ...}}, got {definition!r}; name a model")
    found = estimator_class(definition["model"], f"{field}.model")
    keywords = {}
    for keyword, value in definition.items():
        if keyword not in ("model", "steps"):
            _check_keyword(found, keyword, f"{field}.{keyword}")
            keywords[keyword] = value_of(value, f"{field}.{keyword}")
    model = found(**keywords)
    listed = definition.get("steps", ())
    if not isinstance(listed, list | tuple):
        raise ValueError(f"{field}.steps: must be a list, got {listed!r}; write [{listed}]")
    steps = [built(step, f"{field}.steps[{i}]") for i, step in enumerate(listed)]
    if not steps:
        return model
    if any(hasattr(step, "fit_resample") for step in steps):
        from imblearn.pipeline import make_pipeline as make_resampling_pipeline

        return make_resampling_pipeline(*steps, model)
    return make_pipeline(*steps, model)


def value_of(value: Any, field: str) -> Any:
    """A keyword's value, with definitions inside it built; ranges are pairs, which libraries want as tuples."""
    if isinstance(value, Mapping):
        return built(value, field) if "model" in value else dict(value)
    if isinstance(value, list | tuple):
        made = [value_of(item, f"{field}[{i}]") for i, item in enumerate(value)]
        return tuple(made) if field.endswith("_range") else made
    return value


def estimator_class(path: Any, field: str) -> type[BaseEstimator]:
    """The estimator class that a dotted path names."""
    module, _, name = str(path).rpartition(".")
    if module not in MODULES:
        raise ValueError(
            f"{field}: must name an estimator of scikit-learn, imbalanced-learn, XGBoost or LightGBM by its documented "
            f"path, got {path!r}{nearest(module, MODULES)}"
        )
    if module == "sklearn.impute":
        import_module("sklearn.experimental.enable_iterative_imputer")
    shelf = import_module(module)
    classes = [n for n in dir(shelf) if n[0].isupper() and not n.startswith("Dask") and _is_estimator(shelf, n)]
    if name not in classes:
        raise ValueError(f"{field}: {module} has no estimator {name!r}{nearest(name, classes)}")
    return getattr(shelf, name)


def _is_estimator(shelf: Any, name: str) -> bool:
    found = getattr(shelf, name, None)
    return inspect.isclass(found) and issubclass(found, BaseEstimator) and not inspect.isabstract(found)


def _check_keyword(found: type[BaseEstimator], keyword: Any, field: str) -> None:
    if keyword in SET_HERE:
        raise ValueError(f"{field}: cannot be set, {SET_HERE[keyword]}; leave it out")
    if keyword not in keywords_of(found):
        raise ValueError(f"{field}: {found.__name__} takes no such keyword{nearest(keyword, keywords_of(found))}")


def keywords_of(found: type) -> set[str]:
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
    if not isinstance(grid, Mapping):
        raise ValueError(f"{field}: must map keywords to lists, got {grid!r}; write {{keyword: [1, 2]}}")
    prefix = f"{pipeline.steps[-1][0]}__" if hasattr(pipeline, "steps") else ""
    known, found = pipeline.get_params(), {}
    for keyword, values in grid.items():
        name = keyword if keyword in known and "__" in keyword else f"{prefix}{keyword}"
        if name not in known:
            near = nearest(keyword, [one.removeprefix(prefix) for one in known])
            raise ValueError(f"{field}.{keyword}: must be a keyword of the model or <step>__<keyword>{near}")
        if not isinstance(values, list | tuple):
            raise ValueError(f"{field}.{keyword}: must be a list of values to try, got {values!r}; write [{values}]")
        if name.rpartition("__")[2] in SET_HERE:
            raise ValueError(f"{field}.{keyword}: cannot be tuned, {SET_HERE[name.rpartition('__')[2]]}; leave it out")
        found[name] = [value_of(value, f"{field}.{keyword}") for value in values]
    return found


def seeded(pipeline: Any, seed: int) -> Any:
    """The estimator with one thread and every random state inside it set from the seed."""
    known = pipeline.get_params()
    states = sorted(name for name in known if name.rpartition("__")[2] == "random_state")
    for part in (pipeline, *known.values()):
        library = type(part).__module__.partition(".")[0]
        if library in ("lightgbm", "xgboost"):  # where nothing is said they take all cores, scikit-learn takes one
            part.set_params(n_jobs=1, verbosity=-1 if library == "lightgbm" else None)
    return pipeline.set_params(**dict(zip(states, streams(seed, len(states)), strict=True)))


def nearest(word: object, known: Iterable[str]) -> str:
    """The end of a message that suggests the known word most like this one; empty where none is."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
