"""Claims about online experiments: intervals, tests, sample sizes, bandits."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from experiments.common import streams
from experiments.common.data import bundled
from experiments.common.real import randomised

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


def false_alarms(
    seed: int,
    *,
    control: int,
    treatment: int,
    rate: float = 0.05,
    data: str = "generated",
    visits: int = 1,
    experiments: int = 4000,
) -> dict[str, float]:
    """Share of experiments without any difference in which the printed two-proportion test finds one at 5 %.

    Lines 1256-1265. Where nobody or everybody converts in both arms the printed division fails, and nothing is found.

    Args:
        seed: Draws all experiments of the replicate.
        control: Visits in the control arm.
        treatment: Visits in the treatment arm.
        rate: Share of visits that convert.
        data: `generated`, or `doctor`: person years of the bundled insurance experiment with a visit to a doctor, of
            which each replicate draws as many as both arms hold and each experiment parts them anew.
        visits: Visits of a user, all of which convert or none; above 1 they are taken for as many users all the same.
        experiments: Experiments in a replicate.

    Returns:
        `found`, in [0, 1]; `exact`, the same for Fisher's exact test (twice the smaller tail) in a tenth of the
        experiments; `undefined`, the share of experiments in which the printed division fails.
    """
    rng = np.random.default_rng(streams(seed, 1)[0])
    if data == "doctor":
        converting = int(np.sum(rng.choice(randomised()[2], control + treatment, replace=False) > 0))
        a = rng.hypergeometric(converting, control + treatment - converting, control, experiments)
        b = converting - a
    else:
        a, b = (visits * rng.binomial(rows // visits, rate, experiments) for rows in (control, treatment))
    pooled = (a + b) / (control + treatment)
    se = (pooled * (1 - pooled) * (1 / control + 1 / treatment)) ** 0.5
    z = np.divide(b / treatment - a / control, se, out=np.zeros(experiments), where=se > 0)
    p_value = 2 * (1 - stats.norm.cdf(np.abs(z)))
    some = a[: experiments // 10]
    known = stats.hypergeom(control + treatment, (a + b)[: len(some)], control)
    exact = 2 * np.minimum(known.cdf(some), known.sf(some - 1))
    return {
        "found": float(np.mean(p_value < 0.05)),
        "exact": float(np.mean(exact < 0.05)),
        "undefined": float(np.mean(se == 0)),
    }


def allocation_regret(
    seed: int,
    *,
    rates: Sequence[float],
    users: int = 4000,
    policy: str = "thompson",
    batch: int = 1,
    fading: bool = False,
    data: str = "generated",
    experiments: int = 50,
) -> dict[str, float]:
    """Conversions lost for want of showing everybody the better arm, by a bandit and by a fixed even split.

    What is counted is the expected loss of each choice, not the luck of the users who got it.

    Args:
        seed: Draws choices and conversions of all experiments of the replicate.
        rates: Share of users that converts in each arm; ignored where data are bundled.
        users: Users in an experiment.
        policy: `thompson` (Beta posteriors from a uniform prior), `greedy` (a tenth at random, else the best so far),
            `ucb` (UCB1), or `random`, which learns nothing.
        batch: Users after whom what happened becomes known.
        fading: Whether the arms change places after a quarter of the users, as when novelty wears off.
        data: `generated`, or `doctor`: a visit to a doctor in a year with and without free care, rates as in a third of
            the person years of the bundled insurance experiment.
        experiments: Experiments in a replicate.

    Returns:
        `bandit` and `split`, conversions lost per 1000 users, mean over experiments, at least 0; `tested`, the same
        where a fixed split of the first half decides what the second half gets.
    """
    drawing, population = (np.random.default_rng(part) for part in streams(seed, 2))
    if data == "doctor":
        _, free, visited = randomised()
        rows = population.permutation(len(free))[: len(free) // 3]
        rates = [float(np.mean(visited[rows][free[rows] == arm] > 0)) for arm in (0, 1)]
    truth = np.tile(np.array(rates, float), (users, 1))
    if fading:
        truth[users // 4 :] = truth[users // 4 :, ::-1]
    loss = truth.max(axis=1, keepdims=True) - truth
    shown, won = np.zeros((2, experiments, truth.shape[1]))
    lost, each = 0.0, np.arange(experiments)
    for first in range(0, users, batch):
        told = []
        for user in range(first, min(first + batch, users)):
            arm = _chosen(drawing, policy, shown, won, user)
            lost += loss[user, arm].mean()
            told.append((arm, drawing.random(experiments) < truth[user, arm]))
        for arm, converted in told:
            shown[each, arm] += 1
            won[each, arm] += converted
    half = users // 2
    seen = drawing.binomial(half // truth.shape[1], truth[:half].mean(axis=0), (experiments, truth.shape[1]))
    tested = loss[:half].mean(axis=1).sum() + loss[half:].sum(axis=0)[seen.argmax(axis=1)].mean()
    return {
        "bandit": 1000 * float(lost) / users,
        "split": 1000 * float(loss.mean()),
        "tested": 1000 * float(tested) / users,
    }


def _chosen(rng: np.random.Generator, policy: str, shown: np.ndarray, won: np.ndarray, user: int) -> np.ndarray:
    """Arm for the next user of each experiment, from how often arms were shown and converted, (experiments, arms)."""
    experiments, arms = shown.shape
    if policy == "random":
        return rng.integers(arms, size=experiments)
    if policy == "thompson":
        return rng.beta(1 + won, 1 + shown - won).argmax(axis=1)
    ties = 1e-9 * rng.random(shown.shape)
    mean = np.divide(won, shown, out=np.full(shown.shape, 2.0), where=shown > 0)  # each arm is tried once first
    if policy == "ucb":
        return (mean + np.sqrt(2 * np.log(user + 1) / np.maximum(shown, 1)) + ties).argmax(axis=1)
    at_random = rng.random(experiments) < 0.1
    return np.where(at_random, rng.integers(arms, size=experiments), (mean + ties).argmax(axis=1))
