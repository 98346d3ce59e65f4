"""Claims about fairness: what becomes of differences between groups when inputs or decision rules change."""

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.common import streams
from experiments.common.real import table

People = tuple[np.ndarray, np.ndarray, np.ndarray]  # columns without the attribute, group 0 or 1, class 0 or 1

REAL = {
    # over 50 years of age; progression of diabetes above its median
    "diabetes_high": (0, 50.0),
    # fairly or strongly religious; any affair
    "affairs": (4, 2.5),
    # physically limited; any visit to a doctor in a year
    "any_visit": (4, 0.0),
}
"""Bundled tables: the sensitive column, and the value above which a person is of group 1."""


def people(
    seed: int,
    rows: int,
    data: str = "generated",
    *,
    proxies: int = 0,
    strength: float = 0.5,
    merit_gap: float = 0.0,
    minority: float = 0.5,
    bias: float = 1.0,
) -> People:
    """Persons of two groups; in generated data the past decisions that are the classes were harsher on group 1.

    Args:
        seed: Draws the persons; of a bundled table the order of all its rows.
        rows: Persons, if generated.
        data: `generated`, with four columns of merit and noise of half the merit's spread in the decisions, or a key of
            REAL.
        proxies: Columns that say nothing about merit but something about the group.
        strength: How far their means lie apart between the groups, in standard deviations within a group.
        merit_gap: How much lower group 1 lies in each column of merit, in the same unit.
        minority: Share of group 1.
        bias: What group 1 was marked down by, in standard deviations of merit.
    """
    rng = np.random.default_rng(seed)
    if data == "generated":
        group = (rng.random(rows) < minority).astype(int)
        merit = rng.normal(size=(rows, 4)) - merit_gap * group[:, None]
        telling = rng.normal(size=(rows, proxies)) + strength * group[:, None]
        decided = merit.sum(axis=1) / 2 + 0.5 * rng.normal(size=rows) - bias * group > 0
        return np.c_[merit, telling], group, decided.astype(int)
    X, y = table(data)
    column, cut = REAL[data]
    order = rng.permutation(len(y))
    return np.delete(X, column, axis=1)[order], (X[order, column] > cut).astype(int), y[order]


def gap_without_attribute(
    seed: int,
    *,
    data: str = "generated",
    n_train: int = 1000,
    n_test: int = 4000,
    model: str = "logistic",
    care: float = 0.3,
    **world: float,
) -> dict[str, float]:
    """Difference of the groups' positive rates, for a model with the sensitive attribute and for two without it.

    As many persons are decided upon positively as there are positive classes in the training rows. Gaps are positive
    where the group that has the higher rate of positive classes in all rows has the higher rate of positive decisions.

    Args:
        seed: Draws persons and fit.
        data: As for `people`.
        n_train: Training rows.
        n_test: Test rows; of a bundled table all that are left.
        model: `logistic` (standardised columns) or `boosting`.
        care: With care, columns are left out too whose correlation with the attribute in the training rows is above
            this in absolute value.
        world: Further keywords of `people`.

    Returns:
        Gaps of positive rates in [-1, 1]: `kept` with the attribute, `bare` without it, `careful` without it and the
        columns that tell of it; `half` and `minus_half` of `kept`; `kept_tpr`, `bare_tpr` and `careful_tpr`, gaps among
        those of the positive class; `kept_accuracy`, `bare_accuracy` and `careful_accuracy`, agreement with the classes
        of the test rows; `columns`, how many are left with care.
    """
    drawing, fitting = streams(seed, 2)
    X, group, y = people(drawing, n_train + n_test, data, **world)
    towards = 1 if y[group == 0].mean() > y[group == 1].mean() else -1
    train, test = np.arange(n_train), np.arange(n_train, len(y))
    tells = np.abs(np.corrcoef(X[train].T, group[train])[-1, :-1])
    arms = {"kept": np.c_[X, group], "bare": X, "careful": X[:, tells <= care]}
    found = {"columns": float(np.sum(tells <= care))}
    for name, columns in arms.items():
        fitted = MODELS[model](fitting).fit(columns[train], y[train])
        chance = [fitted.predict_proba(columns[part])[:, 1] for part in (train, test)]
        chosen = chance[1] > np.quantile(chance[0], 1 - y[train].mean())
        rate, hits = ([chosen[who & (group[test] == g)].mean() for g in (0, 1)] for who in (y[test] >= 0, y[test] == 1))
        found |= {name: towards * (rate[0] - rate[1]), f"{name}_tpr": towards * (hits[0] - hits[1])}
        found[f"{name}_accuracy"] = np.mean(chosen == y[test])
    found |= {"half": found["kept"] / 2, "minus_half": -found["kept"] / 2}
    return {name: float(value) for name, value in found.items()}


MODELS = {
    "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression()),
    "boosting": lambda seed: HistGradientBoostingClassifier(max_iter=50, random_state=seed),
}


def smallest_worst_ratio(
    seed: int,
    *,
    data: str = "generated",
    rates: Sequence[float] = (0.5, 0.3),
    quality: Sequence[float] = (1.5, 1.5),
    n_train: int = 2000,
    n_test: int = 2000,
    between: Sequence[float] = (0.05, 0.5),
    alike: bool = False,
) -> dict[str, float]:
    """How near a decision rule with thresholds of its own for each group can come to meeting all fairness criteria.

    A rule decides positively for those of a group whose score is above the group's threshold, and may then draw lots
    among those of one group, which lowers its positive rate, true and false positive rate by one factor. Of all pairs
    of thresholds and all such lots the rule is taken whose worst ratio between the groups is the smallest. Criteria
    are judged on the test persons themselves, so that no criterion is missed by chance.

    Args:
        seed: Draws persons and fit.
        data: `generated`, where the score is the log odds of one Gaussian column, or a key of REAL, where it is that of
            logistic regression on the columns and the group.
        rates: Share of the positive class in groups 0 and 1 of generated data.
        quality: How far the means of the classes lie apart in each group, in standard deviations; at 40 no score errs.
        n_train: Training rows of a bundled table.
        n_test: Test persons of each group of generated data; of a bundled table all rows that are left.
        between: Smallest and largest share of a group above its threshold: nobody or everybody is no decision.
        alike: Group 1 is given as many of each class as group 0, drawn with replacement from its own.

    Returns:
        `worst`, the worst of the ratios (larger to smaller, at least 1) of positive rates (demographic parity), true
        positive rates (equal opportunity), false positive rates (with these, equalised odds) and precisions (predictive
        parity); `without_parity`, the same for the best rule by the last three; `rates`, the ratio of the shares of
        positive classes; `four_fifths`, 1.0 where every ratio of the best rule is at most 1.25.
    """
    drawing, choosing = streams(seed, 2)
    groups = _scored_groups(drawing, data, rates, quality, n_train, n_test)
    if alike:
        (_, like), (score, y) = groups
        rng = np.random.default_rng(choosing)
        drawn = np.concatenate([rng.choice(np.flatnonzero(y == k), np.sum(like == k)) for k in (False, True)])
        groups[1] = score[drawn], y[drawn]
    # log ratio of group 0 to group 1 for each pair of thresholds, (thresholds, thresholds)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = ([np.log(rate) for rate in _rates(*group, *between)] for group in groups)
        parity, true, false, precision = (a[:, None] - b for a, b in zip(first, second, strict=True))
    false = np.where(np.isnan(false), true, false)  # no false positives in either group ask for nothing more
    worst = []
    for criteria in ((parity, true, false), (true, false)):
        spread = np.max(criteria, axis=0) - np.min(criteria, axis=0)  # what the best lots leave, half to either side
        worst.append(float(np.exp(np.min(np.maximum(spread / 2, np.abs(precision))))))
    shares = [y.mean() for _, y in groups]
    return {
        "worst": worst[0],
        "without_parity": worst[1],
        "rates": float(max(shares) / min(shares)),
        "four_fifths": float(worst[0] <= 1.25),
    }


def _scored_groups(
    seed: int, data: str, rates: Sequence[float], quality: Sequence[float], n_train: int, n_test: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores, and whether the class is positive, of the test persons of each group; as for `smallest_worst_ratio`."""
    if data == "generated":
        rng = np.random.default_rng(seed)
        classes = [np.arange(n_test) < round(rate * n_test) for rate in rates]
        return [(rng.normal(size=n_test) + distance * y, y) for y, distance in zip(classes, quality, strict=True)]
    X, group, y = people(seed, 0, data)
    columns, test = np.c_[X, group], group[n_train:]
    model = MODELS["logistic"](0).fit(columns[:n_train], y[:n_train])
    score, positive = model.decision_function(columns[n_train:]), y[n_train:] == 1
    return [(score[test == g], positive[test == g]) for g in (0, 1)]


def _rates(score: np.ndarray, y: np.ndarray, least: float, most: float, steps: int = 400) -> tuple[np.ndarray, ...]:
    """Positive rate, true and false positive rate and precision at up to `steps` thresholds, one value each."""
    cuts = np.unique(np.quantile(score, np.linspace(1 - most, 1 - least, steps), method="inverted_cdf"))
    chosen = score >= cuts[:, None]
    true, false = (chosen & y).sum(axis=1), (chosen & ~y).sum(axis=1)
    return (true + false) / len(y), true / y.sum(), false / (~y).sum(), true / (true + false)
