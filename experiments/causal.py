"""Trials about causes and effects: instruments, and whom to treat."""

import numpy as np
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingRegressor

from experiments.common import streams
from experiments.common.real import randomised

LIMITED, DISEASES = 0, 1  # columns of the bundled insurance experiment: physical limitations, chronic diseases


def instrument_errors(
    seed: int,
    *,
    size: int = 5000,
    relevance: float = 0.5,
    shared: float = 0.0,
    direct: float = 0.0,
    data: str = "generated",
    permuted: bool = False,
    samples: int = 25,
) -> dict[str, float]:
    """What is wrong with the effect of a treatment as estimated by an instrument, and by plain regression.

    The treatment, a number, raises the outcome by 1 per unit for everybody. A hidden cause acts on both. Another cause
    acts on the outcome, and may go together with the instrument.

    Args:
        seed: Draws everything.
        size: Rows; of bundled data a third.
        relevance: How much the instrument raises the treatment, per standard deviation.
        shared: Correlation of the instrument with the other cause of the outcome, in [0, 1).
        direct: How much the instrument itself raises the outcome.
        data: `generated`, or `health`: the instrument is a person's number of chronic diseases and the other cause a
            physical limitation, both as they go together in the bundled insurance experiment.
        permuted: Whether the instrument is dealt to rows at random.
        samples: Samples of that size; a ratio of covariances need not have a mean, and one alone is no steady outcome.

    Returns:
        `instrument` (two-stage least squares with one instrument, which is a ratio of covariances) and `regression`
        (ordinary least squares of outcome on treatment), medians over samples of the estimate minus 1, of any sign.
    """
    errors = []
    for sample in streams(seed, samples):
        drawing, dealing = (np.random.default_rng(part) for part in streams(sample, 2))
        if data == "health":
            people = randomised()[0]
            rows = drawing.permutation(len(people))[: len(people) // 3]
            instrument, other = (
                (column - column.mean()) / column.std() for column in people[rows][:, [DISEASES, LIMITED]].T
            )
        else:
            other = drawing.normal(size=size)
            instrument = shared * other + np.sqrt(1 - shared**2) * drawing.normal(size=size)
        if permuted:
            instrument = dealing.permutation(instrument)
        hidden, chance, noise = drawing.normal(size=(3, len(other)))
        treatment = relevance * instrument + hidden + chance
        outcome = treatment + hidden + other + direct * instrument + noise
        two_stage = np.cov(instrument, outcome)[0, 1] / np.cov(instrument, treatment)[0, 1]
        errors.append((two_stage - 1, np.cov(treatment, outcome)[0, 1] / np.var(treatment, ddof=1) - 1))
    by_instrument, by_regression = np.median(errors, axis=0)
    return {"instrument": float(by_instrument), "regression": float(by_regression)}


def targeted_effects(
    seed: int,
    *,
    size: int = 2500,
    spread: float = 1.0,
    related: float = 0.0,
    data: str = "number",
    mixed_up: bool = False,
    share: float = 0.2,
    tests: int = 10_000,
) -> dict[str, float]:
    """How much a treatment does for those who are chosen for it, by predicted effect and by predicted outcome.

    From a randomised experiment of even arms the effect is learned as the difference of two models, of treated and of
    untreated rows (T-learner), the outcome as the first; both are gradient boosted trees of the same size.

    Args:
        seed: Draws rows, treatment, outcomes and fits.
        size: Rows of the experiment.
        spread: Standard deviation of the effect relative to its mean, 0.3.
        related: Correlation of the effect with what the outcome is without treatment, in [-1, 1].
        data: `number`, ten columns and noise of standard deviation 1; `purchase`, the same as log odds of an event of
            some seven in a hundred; or `doctor`, yearly visits and free care in the bundled insurance experiment: a
            third to learn from, effects as differences of means in the others.
        mixed_up: Whether who was treated is dealt anew to the rows that are learned from.
        share: Share of the test rows that are chosen.
        tests: Rows to choose from, other than those learned from; ignored by `doctor`.

    Returns:
        Mean effect on the chosen rows divided by that on all, 1 by chance: `uplift`, `response` (highest predicted
        outcome with treatment), `need` (the same without), `possible` (by true effects; 1 where they are not known).
    """
    drawing, fitting, dealing = streams(seed, 3)
    rng = np.random.default_rng(drawing)
    size, X, treated, outcome, effect = experiment(rng, size, tests, data=data, spread=spread, related=related)
    told = treated[:size]
    if mixed_up:
        told = np.random.default_rng(dealing).permutation(told)
    with_it, without = (
        HistGradientBoostingRegressor(
            learning_rate=0.05, max_iter=60, max_leaf_nodes=8, min_samples_leaf=20, random_state=fitting
        )
        .fit(X[:size][told == arm], outcome[:size][told == arm])
        .predict(X[size:])
        for arm in (1, 0)
    )

    def gained(order: np.ndarray) -> float:
        """Mean effect on the test rows that stand first, relative to that on all; ties are broken at random."""
        chosen = np.lexsort((rng.random(len(order)), -order))[: round(share * len(order))] + size
        if effect is not None:
            return float(effect[chosen].mean() / effect[size:].mean())
        means = [outcome[rows][treated[rows] == arm].mean() for rows in (chosen, slice(size, None)) for arm in (1, 0)]
        return float((means[0] - means[1]) / (means[2] - means[3]))

    return {
        "uplift": gained(with_it - without),
        "response": gained(with_it),
        "need": gained(without),
        "possible": gained(effect[size:]) if effect is not None else 1.0,
    }


def experiment(
    rng: np.random.Generator, size: int, tests: int, *, data: str, spread: float, related: float
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """A randomised experiment as `targeted_effects` describes it: rows to learn from, then rows to choose from.

    Returns:
        Number of the former, and of all rows columns, treated (0 or 1), outcome, and true effect where it is known.
    """
    if data == "doctor":
        order = rng.permutation(len(randomised()[0]))
        return len(order) // 3, *(values[order] for values in randomised()), None
    X = rng.normal(size=(size + tests, 10))
    usual = (X[:, 0] + X[:, 1]) / np.sqrt(2)
    gain = 0.3 * (1 + spread * (related * usual + np.sqrt(1 - related**2) * X[:, 2]))
    treated = rng.integers(2, size=len(X))
    if data == "purchase":
        effect = expit(usual - 3 + gain) - expit(usual - 3)
        return size, X, treated, rng.random(len(X)) < expit(usual - 3 + gain * treated), effect
    return size, X, treated, usual + gain * treated + rng.normal(size=len(X)), gain
