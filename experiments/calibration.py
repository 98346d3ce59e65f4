"""Claims about calibration: whether stated probabilities are the frequencies that come, measured on fresh rows."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from experiments.common import networks, streams, training
from experiments.common.data import bundled, shares

Rows = tuple[np.ndarray, np.ndarray]


def lower_brier_better_calibrated(
    seed: int,
    *,
    first: str,
    second: str,
    metric: str = "brier",
    data: str = "generated",
    n: int = 500,
    noise: float = 0.1,
) -> dict[str, float]:
    """Whether the one of two models that a metric prefers on test rows is the better calibrated one, as an event.

    Calibration error is the mean squared distance of stated probabilities from frequencies in 20 bins of equally many
    rows (Murphy 1973, reliability), on the same rows as the metric.

    Args:
        seed: Draws rows and what is random in fitting.
        first: A model, see `_classifier`.
        second: The other one.
        metric: `brier` (lower is preferred) or `auc` (higher is).
        data: `generated`, with `noise` wrong labels, or `digits`, 5 to 9 against 0 to 4.
        n: Training rows.
        noise: Share of the generated labels that are wrong.
    """
    drawing, fitting = streams(seed, 2)
    (X, y), (X_test, y_test) = _two_parts(drawing, data, n, noise)
    preferred, errors = [], []
    for name in (first, second):
        stated = _classifier(name, fitting).fit(X, y).predict_proba(X_test)[:, 1]
        score = brier_score_loss(y_test, stated) if metric == "brier" else -roc_auc_score(y_test, stated)
        preferred.append(score)
        errors.append(_reliability(y_test, stated))
    return {"agrees": float(np.argmin(preferred) == np.argmin(errors))}


def _two_parts(seed: int, data: str, n: int, noise: float, fresh: int = 4000) -> tuple[Rows, Rows]:
    """Training rows, and fresh ones: `fresh` generated rows, or all the others."""
    if data == "generated":
        shape = {"n_features": 12, "n_informative": 6, "n_redundant": 2, "n_clusters_per_class": 3}
        X, y = make_classification(n + fresh, flip_y=2 * noise, class_sep=1.0, random_state=seed, **shape)
        return (X[:n], y[:n]), (X[n:], y[n:])
    X, y = bundled(data)
    y = (y > 4).astype(int) if data == "digits" else y
    train, test = shares(seed, len(y), n)
    return (X[train], y[train]), (X[test], y[test])


def _classifier(name: str, seed: int) -> ClassifierMixin:
    """A model by name; `platt-` and `isotonic-` before it calibrate it by five folds."""
    if name.startswith(("platt-", "isotonic-")):
        way, _, base = name.partition("-")
        return CalibratedClassifierCV(_classifier(base, seed), method="sigmoid" if way == "platt" else way, cv=5)
    return {
        "logistic": LogisticRegression(max_iter=500),
        "bayes": GaussianNB(),
        "svm": LinearSVC(random_state=seed),
        "tree": DecisionTreeClassifier(random_state=seed),
        "forest": RandomForestClassifier(30, random_state=seed),
        "stiff-forest": RandomForestClassifier(30, min_samples_leaf=0.1, random_state=seed),
        "boosting": HistGradientBoostingClassifier(max_iter=100, max_depth=3, early_stopping=False, random_state=seed),
    }[name]


def _reliability(y: np.ndarray, stated: np.ndarray) -> float:
    bins = np.array_split(np.argsort(stated, kind="stable"), 20)
    return float(np.average([(stated[b].mean() - y[b].mean()) ** 2 for b in bins], weights=[len(b) for b in bins]))


def confidence_of_forest(
    seed: int, *, model: str = "forest", data: str = "generated", n: int = 500, noise: float = 0.1
) -> dict[str, float]:
    """Mean stated probability of the answer given, less the share of right answers, on fresh rows.

    Args:
        seed: Draws rows and the forest.
        model: See `_classifier`.
        data: As for `lower_brier_better_calibrated`; `breast_cancer` too.
        n: Training rows.
        noise: Share of the generated labels that are wrong.

    Returns:
        `overconfidence`: in [-0.5, 0.5]; above 0 where more is stated than comes true.
    """
    drawing, fitting = streams(seed, 2)
    (X, y), (X_test, y_test) = _two_parts(drawing, data, n, noise, fresh=3000)
    stated = _classifier(model, fitting).fit(X, y).predict_proba(X_test)
    return {"overconfidence": float(np.mean(stated.max(axis=1)) - np.mean(stated.argmax(axis=1) == y_test))}


def platt_and_isotonic(
    seed: int, *, model: str, data: str = "generated", small: int = 100, large: int = 5000, noise: float = 0.1
) -> dict[str, float]:
    """Brier score on fresh rows after Platt scaling and after isotonic regression, by few and by many calibration rows.

    Args:
        seed: Draws rows and what is random in fitting.
        model: See `_classifier`; fitted to 500 rows (300 of digits), none of which calibrate.
        data: As for `lower_brier_better_calibrated`.
        small: Calibration rows of the one size.
        large: Calibration rows of the other size.
        noise: Share of the generated labels that are wrong.

    Returns:
        `platt_small`, `isotonic_small`, `platt_large`, `isotonic_large`: in [0, 1].
    """
    drawing, fitting, order = streams(seed, 3)
    n = 500 if data == "generated" else 300
    (X, y), (X_rest, y_rest) = _two_parts(drawing, data, n, noise, fresh=large + 10_000)
    fitted = _classifier(model, fitting).fit(X, y)
    raw = fitted.decision_function(X_rest) if model == "svm" else fitted.predict_proba(X_rest)[:, 1]
    calibrating, test = shares(order, len(raw), large)
    found = {}
    for size, rows in (("small", calibrating[:small]), ("large", calibrating)):
        platt = LogisticRegression(C=1e6).fit(raw[rows, None], y_rest[rows]).predict_proba(raw[test, None])[:, 1]
        isotonic = IsotonicRegression(out_of_bounds="clip").fit(raw[rows], y_rest[rows]).predict(raw[test])
        for name, stated in (("platt", platt), ("isotonic", isotonic)):
            found[f"{name}_{size}"] = float(np.mean((stated - y_rest[test]) ** 2))
    return found


def confidence_of_networks(
    seeds: Sequence[int], *, data: str = "generated", n_train: int, hidden: Sequence[int] = (64,), n_steps: int = 600,
    rate: float = 0.003, n_classes: int = 2, flip_y: float = 0.05, n_features: int = 20,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Mean stated probability of the answer given, less the share of right answers, of a network trained by Adam.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` (scikit-learn's make_classification) or `digits`.
        n_train: Training rows.
        hidden: Units of the hidden layers.
        n_steps: Steps with minibatches of 32.
        rate: Learning rate.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated labels drawn afresh.
        n_features: Generated columns, half of them informative.

    Returns:
        `overconfidence`, in [-1, 1], on fresh rows, and `train`, the share of training rows it gets right.
    """
    shape = {"n_features": n_features, "n_informative": n_features // 2, "n_redundant": 2, "flip_y": flip_y}
    made = {**shape, "n_classes": n_classes} if data == "generated" else {}
    fresh = 1000 if data == "generated" else 900
    train, test = networks.classification(seeds, (n_train, fresh), data, **made)
    widths = (train[0].shape[2], *hidden, n_classes)
    steps = networks.batches(seeds, n_train, min(32, n_train), n_steps)
    start = networks.initial(seeds, widths)
    (weights,) = training.fit(networks.dense, start, train, steps, [rate], optimizer="adam")
    with torch.no_grad():
        stated = networks.dense(weights, test[0].mT).softmax(1).amax(1).double().mean(1).numpy()
    right, known = (training.accuracy(networks.dense, weights, rows) for rows in (test, train))
    return {"overconfidence": stated - right, "train": known}


def fitted_temperature(
    seed: int, *, sharpened: float, n: int = 1000, classes: int = 10, spread: float = 2.0, shuffled: bool = False
) -> dict[str, float]:
    """Temperature from the calls of the guide's lines 2829-2844, relative to the one with the least loss.

    Args:
        seed: Draws logits and labels.
        sharpened: Factor on logits from whose softmax the labels were drawn: the true temperature.
        n: Validation rows.
        classes: Classes.
        spread: Standard deviation of the true logits.
        shuffled: Labels that have nothing to do with the logits.

    Returns:
        `ratio`: fitted over best temperature, the latter by a bounded search from 0.05 to 50.
    """
    rng = np.random.default_rng(seed)
    true = rng.normal(0, spread, (n, classes))
    labels = (true + rng.gumbel(size=true.shape)).argmax(axis=1)  # a draw from the softmax
    target = torch.from_numpy(rng.permutation(labels) if shuffled else labels)
    logits = torch.from_numpy(sharpened * true)
    divisor = nn.Parameter(torch.ones(1, dtype=torch.float64))
    rule = torch.optim.LBFGS([divisor], lr=0.01)

    def loss() -> torch.Tensor:
        rule.zero_grad()
        value = nn.CrossEntropyLoss()(logits / divisor, target)
        value.backward()
        return value

    rule.step(loss)
    best = minimize_scalar(
        lambda t: float(nn.functional.cross_entropy(logits / t, target)), bounds=(0.05, 50), method="bounded"
    )
    return {"ratio": divisor.item() / float(best.x)}
