"""Trials on automated search over model families, against models made by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from experiments.common import streams
from experiments.common.real import series

Split = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Raw columns, what the expert makes of them, class 0 or 1, numbers of the rows to train on and to test on."""


def hand_made_feature(
    seed: int, *, problem: str, n: int, tries: int = 12, flipped: float = 0.05, told: bool = False
) -> dict[str, float]:
    """Accuracy on other rows, in [0, 1], of an expert's logistic regression and of an automated search.

    `expert`: logistic regression at its defaults on columns that knowledge of the problem gives. `search`: of `tries`
    models drawn at random from five families and their settings the one with the best accuracy in three-fold
    cross-validation, refitted to all n rows; it sees the raw columns, from which the expert's are computed.

    Args:
        seed: Draws rows, models, folds and what is random in fitting.
        problem: A key of PROBLEMS.
        n: Rows to train on; 2,000 more of generated data test.
        tries: Models that the search measures.
        flipped: Share of wrong classes in generated rows, training and test, in [0, 0.5].
        told: Whether the search sees the expert's columns as well.
    """
    drawing, flipping, searching, folding, fitting = streams(seed, 5)
    raw, made, y, train, test = PROBLEMS[problem](np.random.default_rng(drawing), n)
    if told:
        raw = np.c_[raw, made]
    if problem != "co2-season":
        y = y ^ (np.random.default_rng(flipping).random(len(y)) < flipped)
    folds = StratifiedKFold(3, shuffle=True, random_state=folding)
    models = [_drawn_model(np.random.default_rng(one), fitting) for one in streams(searching, tries)]
    scores = [cross_val_score(model, raw[train], y[train], cv=folds).mean() for model in models]
    arms = {"expert": (made, _scaled(LogisticRegression())), "search": (raw, models[int(np.argmax(scores))])}
    return {
        name: float(model.fit(columns[train], y[train]).score(columns[test], y[test]))
        for name, (columns, model) in arms.items()
    }


def _drawn_model(rng: np.random.Generator, seed: int) -> Any:
    """One of five families, with settings over the ranges that tutorials search; one thread."""
    strength, width, rate = 10.0 ** rng.uniform((-2, -3, -2), (3, 2, 0))
    trees, depth, neighbours = int(rng.integers(20, 61)), int(rng.integers(1, 13)), int(rng.integers(1, 31))
    return [
        lambda: _scaled(LogisticRegression(C=strength)),
        lambda: _scaled(KNeighborsClassifier(neighbours)),
        lambda: _scaled(SVC(C=strength, gamma=width)),
        lambda: RandomForestClassifier(trees, max_depth=depth, random_state=seed),
        lambda: LGBMClassifier(
            learning_rate=rate, n_estimators=trees, max_depth=depth, n_jobs=1, verbosity=-1, random_state=seed
        ),
    ][rng.integers(5)]()


def _scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


def _weekdays(rng: np.random.Generator, n: int) -> Split:
    """Days of ten years; weekends are the one class, and the expert takes the day's number modulo seven."""
    days = rng.integers(3650, size=n + 2000)
    return _split(np.c_[days, rng.normal(size=(len(days), 2))], np.eye(7)[days % 7], days % 7 > 4, n)


def _tides(rng: np.random.Generator, n: int) -> Split:
    """High or low water by the hour of 60 days; the expert knows the period of 12.42 hours."""
    hours = rng.uniform(0, 1440, n + 2000)
    turns = 2 * np.pi * hours / 12.42
    return _split(
        np.c_[hours, rng.normal(size=(len(hours), 2))], np.c_[np.cos(turns), np.sin(turns)], np.cos(turns) > 0, n
    )


def _body_mass(rng: np.random.Generator, n: int) -> Split:
    """Weight over height squared above 25, which the expert computes."""
    height, weight = rng.normal(1.72, 0.1, n + 2000), rng.normal(75, 14, n + 2000)
    index = weight / height**2
    return _split(np.c_[height, weight, rng.normal(size=(len(index), 2))], index[:, None], index > 25, n)


def _split(raw: NDArray[Any], made: NDArray[Any], y: NDArray[Any], n: int) -> Split:
    return raw, made, y.astype(int), np.arange(n), np.arange(n, len(y))


def _co2_season(rng: np.random.Generator, n: int) -> Split:
    """Whether a week's carbon dioxide lies above the mean of the year around it; the first half of the weeks trains.

    Raw are the number of the week and the mean of the year; the expert knows that plants have a season.
    """
    values = series("co2")
    year = np.convolve(values, np.ones(53) / 53, mode="valid")
    weeks = np.arange(26, 26 + len(year))
    turns = 2 * np.pi * weeks / 52.18
    raw, made = np.c_[weeks, year], np.c_[np.cos(turns), np.sin(turns)]
    y = (values[26 : 26 + len(year)] > year).astype(int)
    middle = len(y) // 2
    return raw, made, y, rng.permutation(middle)[:n], np.arange(middle, len(y))


PROBLEMS: dict[str, Callable[[np.random.Generator, int], Split]] = {
    "weekdays": _weekdays,
    "tides": _tides,
    "body-mass": _body_mass,
    "co2-season": _co2_season,
}
