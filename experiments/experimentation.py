"""Claims about online experiments: intervals, tests, sample sizes."""

import numpy as np

from experiments.common import streams
from experiments.common.data import bundled

BUYERS = 0.05  # share of users who spend anything
TAIL = 0.95  # the quantile that is watched for latencies


def bootstrap_coverage(
    seed: int,
    *,
    metric: str,
    control: int,
    treatment: int,
    visits: int = 1,
    experiments: int = 100,
    resamples: int = 999,
) -> dict[str, float]:
    """Share of 95 % percentile bootstrap intervals that contain the true difference between two arms.

    One replicate runs many experiments. They share the resampling weights of an arm, which differ from replicate to
    replicate: an interval is what it would be with weights of its own, at a hundredth of the cost.

    Args:
        seed: Draws users and resamples.
        metric: What is compared, see `_users`.
        control: Rows in the control arm.
        treatment: Rows in the treatment arm.
        visits: Rows per user; above 1 rows of one user resemble each other, and are resampled as if they did not.
        experiments: Experiments per replicate.
        resamples: Bootstrap resamples per interval.

    Returns:
        `coverage`, in [0, 1].
    """
    data, resampling = (np.random.default_rng(part) for part in streams(seed, 2))
    values, truths = [], []
    for rows, lift in ((control, 1.0), (treatment, 1.1)):
        users, truth = _users(data, metric, rows, visits, experiments, lift)
        draws = resampling.integers(rows, size=(resamples, rows)) + rows * np.arange(resamples)[:, None]
        counts = np.bincount(draws.ravel(), minlength=resamples * rows).reshape(resamples, rows)
        values.append(_resampled(metric, users, counts))
        truths.append(truth)
    low, high = np.quantile(values[1] - values[0], [0.025, 0.975], axis=0)
    truth = truths[1] - truths[0]
    rounding = 1e-9  # differences of shares fall on a lattice, and the truth may be a point of it
    return {"coverage": float(np.mean((low - rounding <= truth) & (truth <= high + rounding)))}


def _users(
    rng: np.random.Generator, metric: str, rows: int, visits: int, experiments: int, lift: float
) -> tuple[np.ndarray, float]:
    """Rows of one arm in many experiments, (1 or 2, rows, experiments), and the metric's true value.

    Args:
        rng: Source of all randomness.
        metric: `conversion`, share of users, some 5 %; `accuracy`, share of right answers, some 90 %; `revenue`, mean
            per user where 5 % spend a log-normal sum; `duration`, mean of a log-normal time; `latency`, its 95 %
            quantile; `clicks`, clicks per view where users differ in both; `tumour`, mean of a strongly skewed column
            of the bundled breast cancer data (variation of a tumour's area), whose 569 rows are the population.
        rows: Rows of the arm, a multiple of visits.
        visits: Rows per user; only for `duration`, half of the variance of its logarithm between users.
        experiments: Experiments.
        lift: Factor on the metric's true value; for `accuracy` the share of wrong answers is divided by it.
    """
    size = (rows, experiments)
    if metric in ("conversion", "accuracy"):
        share = 0.05 * lift if metric == "conversion" else 1 - 0.1 / lift
        return (rng.random(size) < share)[None].astype(float), share
    if metric == "revenue":
        spent = rng.lognormal(0, 1, size) * (rng.random(size) < BUYERS)
        return lift * spent[None], lift * BUYERS * np.exp(0.5)
    if metric == "clicks":
        views = 1 + rng.poisson(rng.gamma(1, 5, size))
        clicks = rng.binomial(views, rng.beta(1, 19 / lift, size))
        return np.stack([clicks, views]).astype(float), 1 / (1 + 19 / lift)
    if metric == "tumour":
        column = bundled("breast_cancer")[0][:, 13]
        return rng.choice(column, (1, *size)), float(column.mean())
    logarithm = rng.normal(size=size)
    if visits > 1:
        between = np.repeat(rng.normal(size=(rows // visits, experiments)), visits, axis=0)
        logarithm = np.sqrt(0.5) * (logarithm + between)
    times = lift * np.exp(logarithm)[None]
    return times, lift * float(np.exp(0.5 if metric == "duration" else 1.6448536269514722))


def _resampled(metric: str, users: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The metric in each resample, (resamples, experiments); `counts` says how often a resample holds each row."""
    if metric == "latency":
        ranks = (counts.cumsum(axis=1) >= TAIL * counts.shape[1]).argmax(axis=1)
        return np.sort(users[0], axis=0)[ranks]
    totals = counts.astype(float) @ users
    return totals[0] / (totals[1] if metric == "clicks" else counts.shape[1])
