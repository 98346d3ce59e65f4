"""Claims about streams: telling that a distribution has changed, and models that go on learning when it does."""

import numpy as np
from scipy.stats import ks_2samp

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
