"""What an installed library offers and what it does with a call: accepted, deprecated with a warning, or refused.

Names lead where those of `experiments.common.pipelines` lead; what is only looked up, to a few more modules.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from experiments.common import streams
from experiments.common.pipelines import MODULES, SET_HERE, estimator_class, keywords_of, nearest, seeded, value_of

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
    found, asked, fixed = _question(model, keywords, given, to=to, data=data, method=method, said=said)
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
        raise ValueError(f"path: {rule}, got {path!r}{nearest(module, known)}")
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
    _question(model, keywords, given, to=to, data=data, method=method, said=said)
    return [*SAID, "as_said"]


def _question(
    model: str, keywords: Mapping[str, Any] | None, given: Mapping[str, Any] | None, **chosen: str
) -> tuple[type[BaseEstimator], dict[str, Any], dict[str, Any]]:
    """The class, the keywords asked about and the others, once every name in the call is on its list."""
    found = estimator_class(model, "model")
    asked, fixed = _allowed(found, keywords or {}, "keywords"), _allowed(found, given or {}, "given")
    lists = {"to": ("constructor", "fit"), "data": ROWS, "method": ("", *METHODS), "said": SAID}
    for field, value in chosen.items():
        if value not in lists[field]:
            known = ", ".join(filter(None, lists[field]))
            raise ValueError(f"{field}: must be one of {known}, got {value!r}{nearest(value, lists[field])}")
    return found, asked, fixed


def _allowed(found: type, keywords: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The keywords with definitions built; text goes only to keywords that the class names itself.

    What else a library takes through `**kwargs` can be a file or an address.
    """
    for name, value in keywords.items():
        if name in SET_HERE:
            raise ValueError(f"{field}.{name}: cannot be set, {SET_HERE[name]}; leave it out")
        if name not in keywords_of(found) and isinstance(value, str | list | tuple):
            raise ValueError(
                f"{field}.{name}: must be a number or a definition, got {value!r}; the class names no such keyword"
            )
    return {name: value_of(value, f"{field}.{name}") for name, value in keywords.items()}


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
            estimator = seeded(found(**constructor), fitting)
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
