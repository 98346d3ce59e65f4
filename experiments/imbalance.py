"""Claims about rare classes: what a moved threshold and a loss for hard rows do for them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_curve
from torch import Tensor
from torch.nn import functional

from experiments.common import layers, networks, streams
from experiments.common.generated import gaussian_classes
from experiments.common.real import rarer, table
from experiments.common.training import Forward, fit, outputs

Table = tuple[np.ndarray, np.ndarray]


def f1_by_threshold(
    seed: int,
    *,
    data: str,
    positives: float,
    model: str = "logistic",
    error: float = 0.1,
    n_train: int = 1000,
    n_valid: int = 500,
    n_test: int = 2000,
    shuffled: bool = False,
) -> dict[str, float]:
    """F1 on test rows at the threshold with the best F1 on validation rows and at a half, in [0, 1].

    Args:
        seed: Draws rows and what is random in fitting.
        data: See `_rare`.
        positives: Share of positives in training, validation and test rows, in (0, 1).
        model: `logistic`, `forest` or `boosting`, as their libraries have them.
        error: As for `_rare`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        shuffled: Choose the threshold by shuffled validation labels.

    Returns:
        `moved` and `half`, of the same fitted model; `half_of_all`, at a half, trained on the validation rows as well.
    """
    drawing, fitting, shuffling = streams(seed, 3)
    train, (X_valid, y_valid), (X_test, y_test) = _rare(drawing, data, positives, (n_train, n_valid, n_test), error)
    fitted = _model(model, fitting).fit(*train)
    labels = np.random.default_rng(shuffling).permutation(y_valid) if shuffled else y_valid
    best = _best_threshold(labels, fitted.predict_proba(X_valid)[:, 1])
    stated = fitted.predict_proba(X_test)[:, 1]
    more = _model(model, fitting).fit(np.r_[train[0], X_valid], np.r_[train[1], y_valid])
    return {
        "moved": float(f1_score(y_test, stated >= best)),
        "half": float(f1_score(y_test, stated >= 0.5, zero_division=0.0)),
        "half_of_all": float(f1_score(y_test, more.predict_proba(X_test)[:, 1] >= 0.5, zero_division=0.0)),
    }


def _model(name: str, seed: int) -> ClassifierMixin:
    return {
        "logistic": LogisticRegression(),
        "forest": RandomForestClassifier(random_state=seed),
        "boosting": LGBMClassifier(random_state=seed, n_jobs=1, verbosity=-1),
    }[name]


def _best_threshold(y: np.ndarray, stated: np.ndarray) -> float:
    """The stated probability at which answering yes has the best F1, as the guide's lines 5315-5322 find it."""
    precision, recall, thresholds = precision_recall_curve(y, stated)
    return float(thresholds[np.argmax(2 * precision * recall / (precision + recall + 1e-8))])


def _rare(seed: int, data: str, positives: float, sizes: Sequence[int], error: float = 0.1) -> list[Table]:
    """Disjoint parts with exactly this share of positives each, columns standardised by the first part.

    Args:
        seed: Draws the rows.
        data: `gaussians`, ten columns, two classes that a plane separates as well as can be; `clusters`, twenty
            columns, of which eight tell three clusters of each class apart; or a table of `experiments.common.real`,
            one class of which (1 of two, drawn of more) is against the rest.
        positives: In (0, 1).
        sizes: Rows of each part.
        error: What the best rule would get wrong with even classes, for `gaussians`; for `clusters` the share of
            the labels that are wrong before positives are made rare.
    """
    drawing, thinning, splitting = streams(seed, 3)
    pool = 300 + round(2.2 * sum(sizes))
    if data == "gaussians":
        X, y, _ = gaussian_classes(drawing, pool, columns=10, error=error)
    elif data == "clusters":
        shape = {"n_features": 20, "n_informative": 8, "n_redundant": 0, "n_clusters_per_class": 3}
        X, y = make_classification(pool, flip_y=2 * error, random_state=drawing, **shape)
    else:
        X, y = table(data)
    rows, y = rarer(thinning, y, positives)
    rng = np.random.default_rng(splitting)
    ones, zeros = rng.permutation(rows[y == 1]), rng.permutation(rows[y == 0])
    ends = np.cumsum([(round(positives * size), size - round(positives * size)) for size in sizes], axis=0)
    parts = zip(np.split(ones, ends[:, 0])[:-1], np.split(zeros, ends[:, 1])[:-1], strict=True)
    parts = [(X[np.r_[one, zero]], np.repeat([1, 0], [len(one), len(zero)])) for one, zero in parts]
    mean, spread = parts[0][0].mean(axis=0), parts[0][0].std(axis=0)
    return [((X - mean) / np.where(spread > 0, spread, 1.0), y) for X, y in parts]


def rare_class_by_loss(
    seeds: Sequence[int],
    *,
    data: str,
    positives: float,
    measure: str,
    n_train: int = 1000,
    n_valid: int = 1000,
    n_test: int = 3000,
    error: float = 0.02,
    gammas: Sequence[float] = (1.0, 2.0, 5.0),
    alpha: float | None = None,
    hidden: Sequence[int] = (32,),
    rates: Sequence[float] = (0.002, 0.012),
    n_steps: int = 400,
) -> dict[str, np.ndarray]:
    """How good one network becomes at a rare class with focal loss and with cross-entropy.

    Both losses start at the same weights and see the same minibatches of 32 under Adam. Each takes the setting that is
    best for it by the same measure on the validation rows, out of equally many: focal loss of all pairs of exponent and
    learning rate, cross-entropy of learning rates that lie closer in the same range.

    Args:
        seeds: Each draws rows, weights and minibatches of one replicate.
        data: See `_rare`.
        positives: Share of positives in training, validation and test rows, in (0, 1).
        measure: `average_precision`; `f1_best`, F1 at the threshold that is best on the validation rows; or `f1_half`,
            F1 at a threshold of a half. All in [0, 1].
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        error: As for `_rare`.
        gammas: Exponents of the focal term; 0 takes it away.
        alpha: Weight of positives, against 1 - alpha of negatives; without it all rows weigh alike.
        hidden: Units per hidden layer (ReLU).
        rates: Learning rates, tried with each exponent.
        n_steps: Minibatches.

    Returns:
        `focal` and `cross_entropy`.
    """
    drawn = [_rare(streams(seed, 5)[0], data, positives, (n_train, n_valid, n_test), error) for seed in seeds]
    train, valid, test = (_stacked(part) for part in zip(*drawn, strict=True))
    bends = [part for width, units in zip((train[0].shape[2], *hidden), hidden, strict=False)
             for part in (layers.linear(width, units), layers.relu)]  # fmt: skip
    net = layers.chain(*bends, layers.linear(hidden[-1], 2))
    start = layers.initial(net, seeds)
    steps = networks.batches(seeds, n_train, 32, n_steps)
    settings = len(rates) * len(gammas)  # trained side by side, exponent by exponent
    arms = {
        "focal": (_focal(gammas, alpha), [*rates] * len(gammas)),
        "cross_entropy": (networks.cross_entropy, np.geomspace(min(rates), max(rates), settings).tolist()),
    }
    found = {}
    for arm, (loss, tried) in arms.items():
        fits = fit(net, start, train, steps, tried, loss=loss, optimizer="adam")
        chosen = networks.best(fits, [_judged(measure, *_stated(net, w, valid)) for w in fits])
        found[arm] = _judged(measure, *_stated(net, chosen, test), *_stated(net, chosen, valid))
    return found


def _stacked(parts: Sequence[Table]) -> networks.Rows:
    X, y = (np.stack(same) for same in zip(*parts, strict=True))
    return torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y.astype(np.int64))


def _focal(gammas: Sequence[float], alpha: float | None) -> Callable[[Tensor, Tensor], Tensor]:
    """Focal loss as the guide's lines 5275-5290 compute it, mean over rows: (replicates,), a part for each exponent.

    Without alpha as lines 627-637 do, whose alpha weighs all rows alike and only scales the loss.
    """

    def loss(raw: Tensor, y: Tensor) -> Tensor:
        entropy = functional.cross_entropy(raw, y, reduction="none")
        weight = 0.25 if alpha is None else torch.where(y == 1, alpha, 1 - alpha)
        missed = (1 - torch.exp(-entropy)).chunk(len(gammas))
        focus = torch.cat([part**gamma for part, gamma in zip(missed, gammas, strict=True)])
        return (weight * focus * entropy).mean(1)

    return loss


def _stated(net: Forward, weights: layers.Weights, rows: networks.Rows) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and stated probability of class 1: (replicates, rows) each."""
    return rows[1].numpy(), outputs(net, weights, rows[0]).softmax(1)[:, 1].numpy()


def _judged(
    measure: str,
    y: np.ndarray,
    stated: np.ndarray,
    y_valid: np.ndarray | None = None,
    stated_valid: np.ndarray | None = None,
) -> np.ndarray:
    """The measure of each replicate, (replicates,); `f1_best` has its threshold from the validation rows, if given."""
    if measure == "average_precision":  # without the checks of scikit-learn's, which took a fifth of the time
        hits = np.take_along_axis(y, np.argsort(-stated, axis=1), axis=1)
        return np.sum(hits * hits.cumsum(axis=1) / np.arange(1, y.shape[1] + 1), axis=1) / hits.sum(axis=1)
    cuts = np.full(len(y), 0.5)
    if measure == "f1_best":
        choosing = (y, stated) if y_valid is None else (y_valid, stated_valid)
        cuts = np.array([_best_threshold(*one) for one in zip(*choosing, strict=True)])
    yes = stated >= cuts[:, None]
    found = np.sum(yes & (y == 1), axis=1)
    return 2 * found / np.maximum(yes.sum(axis=1) + y.sum(axis=1), 1)
