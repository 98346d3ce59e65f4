"""Claims about streams: telling that a distribution has changed, and models that go on learning when it does."""

import numpy as np
from scipy.stats import ks_2samp
from sklearn import config_context
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import StandardScaler

from experiments.common import streams
from experiments.common.data import bundled
from experiments.common.real import table


def shift_detected(
    seed: int,
    *,
    data: str = "normal",
    change: str = "mean",
    size: float,
    reference: int = 5000,
    current: int,
    bins: int = 10,
) -> dict[str, float]:
    """Whether the population stability index is higher for a feature that has changed than for one that has not.

    The index is taken on bins between the reference sample's quantiles, with half a row added to each bin so that an
    empty one gives no infinity.

    Args:
        seed: Draws both features, a reference and a current sample of each.
        data: `normal`, `lognormal`, or a bundled table, of which a random column serves both features; samples are then
            drawn from its rows, with unequal weights where it has changed, so that no new value occurs.
        change: `mean`, shifted by `size` standard deviations; `spread`, multiplied by 1 + `size`, for generated data.
            Lognormal features change on the log scale.
        size: Of the change, at least 0.
        reference: Rows of the reference samples.
        current: Rows of the current samples.
        bins: Bins, fewer where ties make quantiles equal.

    Returns:
        1.0 or 0.0: `ordered`, the index is higher for the changed feature; `ks_ordered`, the Kolmogorov-Smirnov
        statistic is; `alarm` and `false_alarm`, the index of the changed and of the unchanged feature is above 0.1;
        `gross_alarm`, that of the changed one is above 0.25.
    """
    rng = np.random.default_rng(seed)
    index, distance = [], []
    for moved in (size, 0.0):
        if data in ("normal", "lognormal"):
            before, now = rng.normal(size=reference), rng.normal(size=current)
            now = now + moved if change == "mean" else now * (1 + moved)
            if data == "lognormal":
                before, now = np.exp(before), np.exp(now)
        else:
            X = table(data)[0]
            column = X[:, seed % X.shape[1]]
            before, now = rng.choice(column, reference), rng.choice(column, current, p=_tilted(column, moved))
        index.append(_stability_index(before, now, bins))
        distance.append(ks_2samp(before, now, method="asymp").statistic)
    events = {
        "ordered": index[0] > index[1],
        "ks_ordered": distance[0] > distance[1],
        "alarm": index[0] > 0.1,
        "false_alarm": index[1] > 0.1,
        "gross_alarm": index[0] > 0.25,
    }
    return {name: float(event) for name, event in events.items()}


def _tilted(column: np.ndarray, shift: float) -> np.ndarray:
    """Weights of the rows, summing to 1, under which the mean lies `shift` standard deviations higher.

    Exponential in the value, which turns a normal distribution into the same one shifted; found by bisection.
    """
    z = (column - column.mean()) / column.std()
    low, high = 0.0, 20.0
    for _ in range(40):
        weights = np.exp((low + high) / 2 * (z - z.max()))
        weights /= weights.sum()
        low, high = ((low + high) / 2, high) if weights @ z < shift else (low, (low + high) / 2)
    return weights


def _stability_index(before: np.ndarray, now: np.ndarray, bins: int) -> float:
    """Sum over bins of the difference of the shares times that of their logarithms, at least 0."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1) + 0.5 for x in (before, now)
    ]
    expected, actual = (count / count.sum() for count in counts)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def stream_accuracy(
    seed: int,
    *,
    learner: str = "sgd",
    data: str = "counts",
    drift: str = "flip",
    turned: float = 0.4,
    before: int = 60,
    after: int = 60,
    batch: int = 50,
    columns: int = 20,
    wrong: float = 0.05,
    updates: bool = True,
    scaled: bool = False,
) -> dict[str, float]:
    """Accuracy on each new batch of a model that then learns it, and of one fitted to all rows before the change.

    Counts have a mean of 2, or of 4 where their class raises them; each class raises one half of the columns.

    Args:
        seed: Draws stream and fits.
        learner: A key of LEARNERS.
        data: `counts`, or `digits`, whose rows (even against odd digits) are drawn with replacement.
        drift: What changes: `flip`, the classes change names; `turn`, columns change sides; `inputs`, all counts become
            half as many again and all images darker by a half, whatever the class; `balance`, from even classes to one
            positive in ten; `none`.
        turned: Share of the columns that change sides, in tenths.
        before: Batches before the change.
        after: Batches after it.
        batch: Rows of a batch.
        columns: Columns of counts, a multiple of 10.
        wrong: Share of the labels that are wrong, in [0, 0.5).
        updates: Whether the model goes on learning after the change.
        scaled: Whether columns are standardised, by what the rows before the change say; counts are centred otherwise.

    Returns:
        Accuracies in [0, 1]: `earlier`, mean of the last 20 batches before the change; `online` and `static`, over all
        batches after it; `late`, of the model that goes on learning over the last 20 of these.
    """
    drawing, fitting, refitting = streams(seed, 3)
    rng = np.random.default_rng(drawing)
    stream = [_batch(rng, data, "none", batch, columns, wrong, turned) for _ in range(before)]
    stream += [_batch(rng, data, drift, batch, columns, wrong, turned) for _ in range(after)]
    if scaled:
        scaler = StandardScaler().fit(np.concatenate([X for X, _ in stream[:before]]))
        stream = [(scaler.transform(X), y) for X, y in stream]
    elif data == "counts" and learner != "naive-bayes":  # which takes no negative numbers; the others want centred ones
        stream = [(X - 3.0, y) for X, y in stream]
    model = LEARNERS[learner](fitting)
    scores = [np.nan]
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took two fifths of the time
        for step, (X, y) in enumerate(stream):
            if step:
                scores.append(np.mean(model.predict(X) == y))
            if step < before or updates:
                model.partial_fit(X, y, classes=[0, 1])
        seen, coming = (
            [np.concatenate(part) for part in zip(*some, strict=True)] for some in (stream[:before], stream[before:])
        )
        static = LEARNERS[learner](refitting).fit(*seen)
        right = static.predict(coming[0]) == coming[1]
    return {
        "earlier": float(np.mean(scores[before - 20 : before])),
        "online": float(np.mean(scores[before:])),
        "static": float(np.mean(right)),
        "late": float(np.mean(scores[before:][-20:])),
    }


LEARNERS = {
    "sgd": lambda seed: SGDClassifier(loss="log_loss", random_state=seed),
    # the rate of the guide's own online model, which is the class's default too where the rate is constant
    "sgd-constant": lambda seed: SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=seed),
    "perceptron": lambda seed: Perceptron(random_state=seed),
    # what PassiveAggressiveClassifier, which is going out of use, is documented to be
    "passive-aggressive": lambda seed: SGDClassifier(
        loss="hinge", penalty=None, learning_rate="pa1", eta0=1.0, random_state=seed
    ),
    "naive-bayes": lambda seed: MultinomialNB(),
}
"""Classifiers that the guide lists for learning from a stream, with their defaults where nothing else is said."""


def _batch(
    rng: np.random.Generator, data: str, drift: str, rows: int, columns: int, wrong: float, turned: float
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and classes, 0 or 1, of one batch."""
    if data == "digits":
        X, digit = bundled("digits")
        weights = np.where(digit % 2 == 1, 0.1, 0.9) if drift == "balance" else np.ones(len(digit))
        drawn = rng.choice(len(digit), rows, p=weights / weights.sum())
        X, y = X[drawn], digit[drawn] % 2
        X = X / 2 if drift == "inputs" else X
    else:
        y = (rng.random(rows) < (0.1 if drift == "balance" else 0.5)).astype(int)
        side = np.arange(columns) % 2
        if drift == "turn":
            some = round(turned * columns)
            side[:some] = 1 - side[:some]
        X = rng.poisson(np.where(side == y[:, None], 4.0, 2.0) * (1.5 if drift == "inputs" else 1.0)).astype(float)
    y = y ^ (rng.random(rows) < wrong) ^ (drift == "flip")
    return X, y.astype(int)
