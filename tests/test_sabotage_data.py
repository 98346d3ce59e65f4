"""Claims about data, trust and streams whose mechanism is broken, or mended, in the trial: verdicts must change."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

from experiments import (
    calibration,
    features,
    forecasting,
    interpretability,
    label_efficiency,
    leakage,
    missing_data,
    recommenders,
    streams,
)
from tests.sabotage import BLIND, Sabotage, changes_its_verdict, instead, with_parameters

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore"),  # as in a worker: a rough fit that warns is no failed trial
]


class Sigmoid:
    """Platt scaling with the methods of isotonic regression."""

    def __init__(self, **given: Any) -> None:
        self.line = LogisticRegression(C=1e6)

    def fit(self, raw: np.ndarray, y: np.ndarray) -> "Sigmoid":
        self.line.fit(raw[:, None], y)
        return self

    def predict(self, raw: np.ndarray) -> Any:
        return self.line.predict_proba(raw[:, None])[:, 1]


def selected_within(scores: Any) -> Any:
    """The score that had seen the test rows is the one that had not."""

    def sabotaged(*given: Any) -> tuple[float, float, float]:
        _, inside, fresh = scores(*given)
        return inside, inside, fresh

    return sabotaged


def to_other_columns(explaining: Any) -> Any:
    """The weight of the first column goes to the last one, and so on."""

    def sabotaged(*given: Any) -> Callable[[np.ndarray], np.ndarray]:
        guess = explaining(*given)
        return lambda rows: guess(rows[:, ::-1])

    return sabotaged


def of_other_items(similarity: Any) -> Any:
    """Profiles are compared with the descriptions in the opposite order."""
    return lambda rows, others=None: similarity(rows, others if others is None else others[::-1])


def centred(errors: Any) -> Any:
    """Blanks mean "as usual": the item's mean is taken off before the printed calls."""

    @wraps(errors)
    def mended(seed: int, **more: Any) -> dict[str, float]:
        found = errors(seed, **more)
        return found | {"printed": found["centred"]}

    return mended


def drawing(imputer: Any) -> Any:
    """The printed call with the keyword that it lacks."""
    return lambda name, seed: imputer("draws" if name == "as-printed" else name, seed)


SABOTAGED = {
    # Both arms the same
    "a tree cuts the year into months": Sabotage(
        "features/cyclical-encoding-beats-integer-months", ["linear", "elnino-linear"],
        features, "_regressor", instead(lambda model, seed: DecisionTreeRegressor(random_state=seed)),
        "supported", "invalid", reason=BLIND,
    ),
    "two sigmoids": Sabotage(
        "calibration/platt-for-small-isotonic-for-large", ["svm"],
        calibration, "IsotonicRegression", instead(Sigmoid), "supported", "invalid", reason=BLIND,
    ),
    "random queries": Sabotage(
        "label_efficiency/uncertainty-sampling-saves-labels", ["breast-cancer"],
        label_efficiency, "queried_accuracy", with_parameters(strategy="random"),
        "supported", "invalid", reason=BLIND,
    ),
    "nobody goes on learning": Sabotage(
        "streams/online-beats-static-under-drift", ["classes-change-names"],
        streams, "stream_accuracy", with_parameters(updates=False), "supported", "invalid", reason=BLIND,
    ),
    # The leak or the effect removed
    "selected within the folds": Sabotage(
        "leakage/selection-outside-cv-inflates-score", ["diabetes-noise-added"],
        leakage, "_scores", selected_within, "supported", "invalid", reason=BLIND,
    ),
    "folds in the order of time": Sabotage(
        "leakage/shuffled-split-optimistic-on-time-series", ["co2-lags"],
        leakage, "KFold", instead(lambda splits, **given: TimeSeriesSplit(splits)),
        "supported", "invalid", reason=BLIND,
    ),
    "a forest of single splits": Sabotage(
        "features/univariate-filters-miss-interactions", ["pair"],
        features, "RandomForestClassifier", instead(partial(RandomForestClassifier, max_depth=1)),
        "supported", "invalid", reason=BLIND,
    ),
    "weights of other columns": Sabotage(
        "interpretability/lime-recovers-local-slope", ["logistic-numbers", "boosting-numbers"],
        interpretability, "lime_function", to_other_columns, "supported", "invalid", reason=BLIND,
    ),
    "a model that forgets nothing": Sabotage(
        "streams/partial-fit-alone-tracks-drift", ["perceptron"],
        streams.LEARNERS, "perceptron", instead(lambda seed: GaussianNB()), "supported", "invalid", reason=BLIND,
    ),
    "one bin": Sabotage(
        "streams/psi-detects-drift-reliably", ["moderate-window-1000", "clear-window-200", "wider-spread"],
        streams, "_stability_index", with_parameters(bins=1), "supported", "invalid", reason=BLIND,
    ),
    "descriptions of other items": Sabotage(
        "recommenders/collaborative-filtering-cold-start", ["new-items", "new-items-small-shop"],
        recommenders, "cosine_similarity", of_other_items, "supported", "invalid", reason=BLIND,
    ),
    # The two ways exchanged
    "each function read for the other": Sabotage(
        "forecasting/arima-p-from-acf-cutoff", ["one-strong", "three"],
        # the controls are read so too, and object: the order of a moving average no longer shows in what shows it
        forecasting, "_outside", lambda outside: lambda *given: outside(*given)[::-1],
        "refuted", "invalid", "holds", "positive control moving-average",
    ),
    # What the guide has wrong put right
    "blanks that mean as usual": Sabotage(
        "recommenders/svd-of-raw-matrix-predicts-ratings", ["printed-sparse", "printed-fifth", "half-few-values"],
        recommenders, "svd_rating_errors", centred, "refuted", "supported", "holds",
    ),
    "imputations that are drawn": Sabotage(
        "missing_data/iterative-imputer-is-mice", ["few-missing"],
        missing_data, "_imputer", drawing, "refuted", "supported", "holds",
    ),
    "neighbours for the means": Sabotage(
        "missing_data/mcar-any-method-works", ["strongly-related-columns"],
        missing_data, "SimpleImputer", instead(partial(KNNImputer, n_neighbors=5)), "refuted", "supported", "holds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGED)
def test_a_sabotaged_trial_changes_the_verdict(name, tmp_path, monkeypatch):
    changes_its_verdict(SABOTAGED[name], tmp_path, monkeypatch)
