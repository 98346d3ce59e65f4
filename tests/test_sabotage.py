"""Claims about models and their training whose mechanism is broken, or mended, in the trial: verdicts must change."""

from functools import partial, wraps
from typing import Any

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE
from sklearn import linear_model

from experiments import (
    calibration,
    clustering,
    convolution,
    dimensionality,
    ensembles,
    generalization,
    generic,
    missing_data,
    networks,
    optimization,
    regression_metrics,
    regularization,
    sequences,
    tuning,
)
from experiments.common import layers, pipelines
from tests.sabotage import BLIND, Sabotage, changes_its_verdict, instead, with_parameters

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def same_arms(compare: Any) -> Any:
    """Every arm is the first one."""

    @wraps(compare)
    def sabotaged(seed: int, *, arms: dict[str, Any], **more: Any) -> Any:
        return compare(seed, arms=dict.fromkeys(arms, next(iter(arms.values()))), **more)

    return sabotaged


def shuffled_labels(drawn: Any) -> Any:
    """Training rows have each other's classes."""

    def sabotaged(seed: int, *given: Any) -> Any:
        (X, y), test = drawn(seed, *given)
        return (X, np.random.default_rng(seed).permutation(y)), test

    return sabotaged


def in_five_dimensions(points: Any) -> Any:
    """All columns are mixtures of five."""

    def sabotaged(rng: np.random.Generator, source: str, n: int, d: int) -> Any:
        return points(rng, source, n, 5) @ rng.normal(size=(5, d))

    return sabotaged


def one_size(fitted: Any) -> Any:
    """Every model of the family is the third of the ladder, whatever its complexity is said to be."""
    return lambda seed, settings, *given: fitted(seed, [settings[2]] * len(settings), *given)


def instead_of_ridge(found: Any) -> Any:
    """Whoever asks for ridge regression gets the lasso."""

    def sabotaged(path: str, field: str) -> Any:
        return found(path.replace("linear_model.Ridge", "linear_model.Lasso"), field)

    return sabotaged


def fully_connected(side: int, classes: int, *given: Any) -> layers.Layer:
    """The rival in the place of the convolutional network."""
    return layers.chain(layers.flat, layers.linear(side**2, 32), layers.relu, layers.linear(32, classes))


def guarded(whole: Any) -> Any:
    """What the comment promises: rows whose target is zero are left out."""

    @wraps(whole)
    def mended(seed: int, *, rows: int = 50, zeros: int = 0, missing: int = 0, **more: Any) -> dict[str, float]:
        return {"finite": float(missing == 0 and rows > zeros)}

    return mended


def patient(rule: Any) -> Any:
    """The same rule with a full step, and until it is done."""
    return lambda parameters, lr: rule(parameters, lr=1.0, max_iter=200, line_search_fn="strong_wolfe")


def plain_cells(recurrent: Any) -> Any:
    """Every cell is that of a plain recurrent network."""
    return lambda kind, *given: recurrent("rnn", *given)


RIDGE = partial(linear_model.RidgeCV, alphas=np.logspace(-3, 3, 25))
SABOTAGED = {
    # Both arms the same
    "the lasso is a ridge": Sabotage(
        "regularization/l1-zeroes-weights-l2-does-not", ["cross-validated", "noisy", "wide"],
        regularization, "LassoCV", instead(lambda **given: RIDGE()), "supported", "refuted",
    ),
    "no shortcut": Sabotage(
        "networks/skip-connections-keep-gradients-alive", ["linear-default-50", "hundred-layers"],
        networks, "gradient_through_blocks", with_parameters(shortcut=0.0), "supported", "invalid", reason=BLIND,
    ),
    "no memory": Sabotage(
        "sequences/lstm-solves-vanishing-gradients", ["forget-bias-five"],
        sequences, "recurrent", plain_cells, "supported", "invalid", reason=BLIND,
    ),
    "no momentum": Sabotage(
        "optimization/momentum-speeds-convergence", ["valley"],
        optimization, "steps_to_loss", with_parameters(momentum=0.0), "supported", "invalid", reason="same-rate",
    ),
    "a forest for boosting": Sabotage(
        "ensembles/boosting-more-prone-to-overfit-than-bagging", ["clean-loss", "noisy-loss"],
        ensembles, "late_rise", with_parameters(booster="forest"), "supported", "invalid", reason=BLIND,
    ),
    "no convolutions": Sabotage(
        "convolution/cnn-beats-mlp-on-images", ["shapes"],
        convolution, "convolutional", instead(fully_connected), "supported", "invalid", reason=BLIND,
    ),
    "one tree twice": Sabotage(
        "trees/prepruning-settings-prevent-overfitting", ["wrong-labels", "diabetes"],
        generic, "compare", same_arms, "supported", "invalid", reason=BLIND,
    ),
    # The effect removed
    "nothing oversampled": Sabotage(
        "imbalance/smote-improves-minority-detection", ["affairs-f1-at-half"],
        # the arms are then the same to the last digit, and 16 replicates that all agree tell nothing
        SMOTE, "_fit_resample", instead(lambda self, X, y: (X, y)), "supported", "inconclusive", "undecided",
    ),
    "all axes count": Sabotage(
        "tuning/random-search-beats-grid-search", ["one-of-two", "one-of-four", "two-of-five"],
        tuning, "_lost_on_bowl", with_parameters(minor=1.0), "supported", "invalid", reason=BLIND,
    ),
    "no groups": Sabotage(
        "clustering/elbow-finds-the-right-k", ["eight-in-ten-columns"],
        clustering, "_blobs", with_parameters(gap=0.0), "supported", "invalid", reason=BLIND,
    ),
    "one complexity": Sabotage(
        "generalization/bias-falls-variance-rises-with-complexity", ["polynomial"],
        generalization.PREDICTORS, "polynomial", one_size, "supported", "invalid", reason=BLIND,
    ),
    "five dimensions": Sabotage(
        "dimensionality/distances-concentrate-with-dimension", ["gaussian", "chained"],
        dimensionality, "_points", in_five_dimensions, "supported", "invalid", reason=BLIND,
    ),
    "values missing where they are high": Sabotage(
        "missing_data/deletion-safe-below-5-percent", ["three-columns", "ten-columns"],
        missing_data, "_holes", with_parameters(holes="highest-cells"), "supported", "invalid", reason=BLIND,
    ),
    "a forest sure of nothing": Sabotage(
        "calibration/random-forest-is-overconfident", ["very-noisy"],
        calibration, "_classifier", with_parameters(name="stiff-forest"), "supported", "invalid", reason="single-tree",
    ),
    "shuffled labels": Sabotage(
        "trees/prepruning-settings-prevent-overfitting", ["wrong-labels"],
        generic, "drawn", shuffled_labels, "supported", "invalid", reason=BLIND,
    ),
    # What the guide has wrong put right
    "the mask as attention wants it": Sabotage(
        "sequences/causal-mask-blocks-future", ["two-positions", "ten-positions", "hundred-positions"],
        sequences, "printed_mask", instead(lambda length: torch.ones(length, length).tril()),
        "refuted", "supported", "holds",
    ),
    "zeros left out": Sabotage(
        "metrics/mape-code-handles-zeros", ["one-zero", "one-zero-in-many", "half-zeros", "zero-predicted-right"],
        regression_metrics, "mape_line", guarded, "refuted", "supported", "holds",
    ),
    "a patient optimizer": Sabotage(
        "calibration/temperature-fit-finds-optimum", ["overconfident", "underconfident", "two-classes"],
        torch.optim, "LBFGS", patient, "refuted", "supported", "holds",
    ),
    "the lasso for the ridge": Sabotage(
        "features/ridge-is-a-feature-selector", ["by-default", "correlated", "wide"],
        pipelines, "estimator_class", instead_of_ridge, "refuted", "supported", "holds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGED)
def test_a_sabotaged_trial_changes_the_verdict(name, tmp_path, monkeypatch):
    changes_its_verdict(SABOTAGED[name], tmp_path, monkeypatch)
