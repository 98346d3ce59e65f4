"""Claims about metrics of classifiers: what they reward, and which of them picks the better model."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from experiments.common import streams
from experiments.common.data import bundled
from experiments.common.real import table

Table = tuple[np.ndarray, np.ndarray]


def chosen_by_area(
    seed: int, *, data: str, positives: float, n: int, deployment: str, noise: float = 0.0, draws: int = 6
) -> dict[str, float]:
    """What two choices from one pool of fitted models are worth in use: by validation PR-AUC and by validation ROC-AUC.

    The pool is fitted once; the choice is made on several validation sets drawn from the other rows, each time with all
    rows outside training and validation as test rows, and its worth averaged.

    Args:
        seed: Draws rows and what is random in fitting.
        data: `generated`; `digits`, one digit (drawn per replicate) against the others; or `crossing`, where the pool
            is two given scores of which one finds half of the positives at once, the other orders all rows better.
        positives: Share of positives in training, validation and use, in (0, 1).
        n: Training rows; as many validate.
        deployment: What counts in use, see `_worth`.
        noise: Share of the positive labels of generated data that sit on rows drawn at random.
        draws: Validation sets.

    Returns:
        `by_pr` and `by_roc`: worth in use of the model each area chooses, at most 1.
    """
    drawing, splitting, fitting = streams(seed, 3)
    X, y = _digits(drawing) if data == "digits" else _made(drawing, data, positives, n, noise)
    rng = np.random.default_rng(splitting)
    train, held_out = _stratified(rng, y, np.arange(len(y)), n, positives)
    if data == "crossing":
        scores = X.T
    else:
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a tenth of the time
            scores = np.array([model.fit(X[train], y[train]).predict_proba(X)[:, 1] for model in _pool(fitting)])
    worth = []
    for _ in range(draws):
        validation, test = _stratified(rng, y, held_out, n, positives)
        areas = np.array([_areas(y[validation], ranked[validation], positives) for ranked in scores])
        best = areas.argmax(axis=0)
        of_model = {one: _worth(deployment, y[test], scores[one, test], positives) for one in set(best.tolist())}
        worth.append([of_model[one] for one in best])
    by_pr, by_roc = np.mean(worth, axis=0)
    return {"by_pr": float(by_pr), "by_roc": float(by_roc)}


def _pool(seed: int) -> list[ClassifierMixin]:
    """Models of unlike shape, whose curves cross: some put a few sure positives first, some order all rows well."""
    return [
        LogisticRegression(C=1.0, max_iter=500),
        LogisticRegression(C=0.01, class_weight="balanced", max_iter=500),
        GaussianNB(),
        QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
        DecisionTreeClassifier(max_depth=4, random_state=seed),
        DecisionTreeClassifier(min_samples_leaf=20, random_state=seed),
        ExtraTreesClassifier(20, min_samples_leaf=2, random_state=seed),
    ]


def _areas(y: np.ndarray, scores: np.ndarray, positives: float) -> tuple[float, float]:
    """Average precision and area under the ROC curve, equal to scikit-learn's."""
    false_rate, true_rate = _rates(y, scores)
    flagged = positives * true_rate + (1 - positives) * false_rate
    precision = positives * true_rate[1:] / flagged[1:]
    return float(np.sum(np.diff(true_rate) * precision)), float(np.trapezoid(true_rate, false_rate))


def _rates(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives and of positives at or above each distinct score, from none to all.

    What scikit-learn's roc_curve gives, whose checks of small inputs took half of the trial's time.
    """
    order = np.argsort(-scores)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(y) - 1)
    found = np.append(0, y[order].cumsum()[last])
    flagged = np.append(0, last + 1)
    return (flagged - found) / (len(y) - found[-1]), found / found[-1]


def _worth(deployment: str, y: np.ndarray, scores: np.ndarray, positives: float) -> float:
    """Worth of a ranking at its best threshold, if `positives` were the share of positives among the test rows.

    Args:
        deployment: `f1`, in [0, 1]; `alerts`, share of positives found when twice as many rows can be looked at as
            there are positives, in [0, 1]; `savings`, share of the cost of missing all positives that is saved when a
            miss costs ten false alarms, in [0, 1]; `balanced`, balanced accuracy, in [0.5, 1].
        y: 1 for positives, 0 for negatives.
        scores: Higher for likelier positives.
        positives: In (0, 1).
    """
    false_rate, true_rate = _rates(y, scores)
    found, alarms = positives * true_rate, (1 - positives) * false_rate
    if deployment == "alerts":
        return float(np.interp(min(2 * positives, 1), found + alarms, true_rate))
    if deployment == "f1":
        return float(np.max(2 * found / (found + alarms + positives)))
    if deployment == "savings":
        return float(np.max(true_rate - alarms / (10 * positives)))
    return float(np.max(1 + true_rate - false_rate) / 2)


def _made(seed: int, data: str, positives: float, n: int, noise: float) -> Table:
    """Columns and classes of `generated` or `crossing` rows: n to train on and 10 000 more."""
    rng = np.random.default_rng(seed)
    rows = n + 10_000
    if data == "crossing":
        y = (rng.random(rows) < positives).astype(int)
        sure = 5.0 * y * (rng.random(rows) < 0.5) + rng.normal(size=rows)
        return np.c_[sure, 1.5 * y + rng.normal(size=rows)], y
    shape = {"n_features": 20, "n_informative": 6, "n_redundant": 4, "n_clusters_per_class": 3}
    X, y = make_classification(rows, weights=[1 - positives], flip_y=0, random_state=seed, **shape)
    moved = rng.choice(np.flatnonzero(y), round(noise * y.sum()), replace=False)
    y[moved] = 0
    y[rng.choice(np.flatnonzero(y == 0), len(moved), replace=False)] = 1
    return X, y


def _digits(seed: int) -> Table:
    X, classes = bundled("digits")
    return X, (classes == np.random.default_rng(seed).integers(10)).astype(int)


def _stratified(
    rng: np.random.Generator, y: np.ndarray, rows: np.ndarray, n: int, positives: float
) -> tuple[np.ndarray, np.ndarray]:
    """A draw of n of the given rows with exactly the given share of positives, and the other given rows."""
    order = rng.permutation(rows)
    ones, zeros = order[y[order] == 1], order[y[order] == 0]
    count = round(positives * n)
    return np.concatenate([ones[:count], zeros[: n - count]]), np.concatenate([ones[count:], zeros[n - count :]])


def chosen_by_label_metric(
    seed: int,
    *,
    data: str = "generated",
    positives: float,
    n: int,
    metric: str,
    miss_price: float = 10.0,
    noise: float = 0.0,
    draws: int = 8,
) -> dict[str, float]:
    """What the model that is best by one metric of its yes-or-no answers is worth in use, beside other choices.

    Eight fitted models, half of them with balanced class weights, answer at their default threshold. The choices are
    made on n validation rows and judged on the rows left, several times with other rows, and averaged.

    Args:
        seed: Draws rows and what is random in fitting.
        data: `generated`, or `digits`, one digit (drawn per replicate) against the others.
        positives: Share of positives in training, validation and use, in (0, 1).
        n: Training rows; as many validate.
        metric: The metric on trial: `accuracy`, `mcc`, `f1`, `balanced` or `mean-of-both`, of the last two.
        miss_price: What a missed positive costs, in false alarms.
        noise: Share of the positive labels of generated data that sit on rows drawn at random.
        draws: Validation sets.

    Returns:
        Of the model that `metric` chooses: `accuracy`, `f1`, `balanced` (balanced accuracy), all in [0, 1], and
        `saved`, the share of the cost of missing all positives that it saves, at most 1; `f1_saved`, the same of the
        choice by F1; `lost`, the larger of what it loses by F1 and by balanced accuracy against the choice by that
        metric, at most 1; and `over_f1`, `over_balanced`: by how much that exceeds the loss of those two choices.
    """
    y, answers = _answers(seed, _answering, data, positives, n, noise)
    rng, _, held_out = _training_rows(seed, y, n, positives)
    found = []
    for _ in range(draws):
        validation, test = _stratified(rng, y, held_out, n, positives)
        valid = [_label_metrics(y[validation], a[validation], positives, miss_price) for a in answers]
        used = [_label_metrics(y[test], a[test], positives, miss_price) for a in answers]
        by = {name: used[int(np.argmax([v[name] for v in valid]))] for name in (metric, "f1", "balanced")}
        own = {name: by[metric][name] for name in ("accuracy", "f1", "balanced", "saved")}
        best = {name: by[name][name] for name in ("f1", "balanced")}
        lost = {name: max(best[by_] - used_[by_] for by_ in best) for name, used_ in by.items()}
        over = {f"over_{rival}": lost[metric] - lost[rival] for rival in best}
        found.append(own | over | {"lost": lost[metric], "f1_saved": by["f1"]["saved"]})
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


@lru_cache(maxsize=256)  # conditions share their seeds, and some differ in a price alone
def _answers(
    seed: int, pool: Callable[[int, float], list[ClassifierMixin]], data: str, positives: float, n: int, noise: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels of all rows and what each fitted model of the pool answers."""
    drawing, _, fitting = streams(seed, 3)
    if data == "affairs":
        X, y = table("affairs")
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    else:
        X, y = _digits(drawing) if data == "digits" else _made(drawing, data, positives, n, noise)
    _, train, _ = _training_rows(seed, y, n, positives)
    models = pool(fitting, (1 - positives) / positives)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a tenth of the time
        return y, [model.fit(X[train], y[train]).predict(X).astype(bool) for model in models]


def _training_rows(
    seed: int, y: np.ndarray, n: int, positives: float
) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """The generator that draws rows after it drew n to train on, these, and the rows held out."""
    rng = np.random.default_rng(streams(seed, 3)[1])
    return rng, *_stratified(rng, y, np.arange(len(y)), n, positives)


def _answering(seed: int, _: float) -> list[ClassifierMixin]:
    """Each of four models as it comes, and with errors on the rare class made dearer."""
    kinds = (LogisticRegression, DecisionTreeClassifier, DecisionTreeClassifier, ExtraTreesClassifier)
    options = (
        {"max_iter": 500},
        {"max_depth": 4, "random_state": seed},
        {"min_samples_leaf": 10, "random_state": seed},
        {"n_estimators": 10, "min_samples_leaf": 2, "random_state": seed},
    )
    weights = (None, "balanced")
    return [k(class_weight=w, **o) for k, o in zip(kinds, options, strict=True) for w in weights]


def _label_metrics(y: np.ndarray, answers: np.ndarray, positives: float, miss_price: float) -> dict[str, float]:
    """Metrics of yes-or-no answers if `positives` were the share of positives; undefined ones are 0."""
    true_rate, false_rate = float(np.mean(answers[y == 1])), float(np.mean(answers[y == 0]))
    found, alarms = positives * true_rate, (1 - positives) * false_rate
    flagged = found + alarms
    spread = np.sqrt(positives * (1 - positives) * flagged * (1 - flagged))
    return {
        "accuracy": found + (1 - positives) * (1 - false_rate),
        "f1": 2 * found / (flagged + positives),
        "balanced": (1 + true_rate - false_rate) / 2,
        "mean-of-both": found / (flagged + positives) + (1 + true_rate - false_rate) / 4,
        "mcc": float((found - positives * flagged) / spread) if spread > 0 else 0.0,
        "saved": true_rate - alarms / (miss_price * positives),
    }


def youden_regret(
    seed: int,
    *,
    data: str = "generated",
    positives: float,
    n: int = 1000,
    miss_price: float = 1.0,
    shuffled: bool = False,
) -> dict[str, float]:
    """What the threshold of Youden's J costs beyond the threshold made for the cost of errors.

    Both are chosen on n validation rows by the scores of one logistic regression, and judged on the rows left.

    Args:
        seed: Draws the rows.
        data: `generated`, or `digits`, one digit (drawn per replicate) against the others.
        positives: Share of positives in training, validation and use, in (0, 1).
        n: Training rows; as many validate.
        miss_price: What a missed positive costs, in false alarms; 1 makes the cost the share of wrong answers.
        shuffled: Take Youden's threshold from shuffled validation labels.

    Returns:
        `regret`: how much more Youden's threshold costs in use, as a share of the cost of the better of two rules that
        need no model, flagging all rows and flagging none; below 0 where it is the cheaper one.
    """
    drawing, splitting = streams(seed, 2)
    X, y = _digits(drawing) if data == "digits" else _made(drawing, data, positives, n, 0.0)
    rng = np.random.default_rng(splitting)
    train, held_out = _stratified(rng, y, np.arange(len(y)), n, positives)
    validation, test = _stratified(rng, y, held_out, n, positives)
    scores = LogisticRegression(max_iter=500).fit(X[train], y[train]).predict_proba(X)[:, 1]
    labels = rng.permutation(y[validation]) if shuffled else y[validation]
    false_rate, true_rate, thresholds = roc_curve(labels, scores[validation], drop_intermediate=False)
    best = thresholds[np.argmax(true_rate - false_rate)]
    false_rate, true_rate, thresholds = roc_curve(y[validation], scores[validation], drop_intermediate=False)
    cheapest = thresholds[np.argmin(miss_price * positives * (1 - true_rate) + (1 - positives) * false_rate)]
    cost = []
    for threshold in (best, cheapest):
        flagged = scores[test] >= threshold
        missed, alarms = np.mean(~flagged[y[test] == 1]), np.mean(flagged[y[test] == 0])
        cost.append(miss_price * positives * missed + (1 - positives) * alarms)
    return {"regret": float((cost[0] - cost[1]) / min(miss_price * positives, 1 - positives))}


def regret_by_label_metric(
    seed: int,
    *,
    data: str = "generated",
    positives: float,
    n: int,
    dearness: float,
    noise: float = 0.0,
    metric: str = "mcc",
    shuffled: bool = False,
    draws: int = 12,
) -> dict[str, float]:
    """What the model chosen by one metric of its yes-or-no answers costs in use beyond the model chosen for the cost.

    Four kinds of models, each with three weights of the rare class, answer at their default threshold. Both choices are
    made on n validation rows and judged on the rows left, several times with other rows, and averaged.

    Args:
        seed: Draws rows and what is random in fitting.
        data: `generated`; `digits`, one digit (drawn per replicate) against the others; or `affairs`.
        positives: Share of positives in training, validation and use, in (0, 0.5].
        n: Training rows; as many validate.
        dearness: What a miss costs, in false alarms, as the power of the number of negatives for each positive that it
            is: at 0 all errors count alike, as for accuracy, at 1 both classes do, as for balanced accuracy.
        noise: Share of the positive labels of generated data that sit on rows drawn at random.
        metric: The metric on trial, of `_label_metrics`.
        shuffled: The metric on trial sees shuffled validation labels.
        draws: Validation sets.

    Returns:
        Costs more, as shares of the cost of missing all positives, below 0 where they are less: `regret`, of the choice
        by the metric against that for the cost; `over_f1`, `over_balanced`, against those by F1 and balanced accuracy.
    """
    y, answers = _answers(seed, _weighing, data, positives, n, noise)
    rng, _, held_out = _training_rows(seed, y, n, positives)
    miss_price = ((1 - positives) / positives) ** dearness
    rivals = {"regret": "saved", "over_f1": "f1", "over_balanced": "balanced"}
    found = []
    for _ in range(draws):
        validation, test = _stratified(rng, y, held_out, n, positives)
        labels = rng.permutation(y[validation]) if shuffled else y[validation]
        tried = [_label_metrics(labels, a[validation], positives, miss_price)[metric] for a in answers]
        seen = [_label_metrics(y[validation], a[validation], positives, miss_price) for a in answers]
        saved = [_label_metrics(y[test], a[test], positives, miss_price)["saved"] for a in answers]
        picks = {name: int(np.argmax([one[rival] for one in seen])) for name, rival in rivals.items()}
        found.append([saved[pick] - saved[int(np.argmax(tried))] for pick in picks.values()])
    return dict(zip(rivals, np.mean(found, axis=0).tolist(), strict=True))


def _weighing(seed: int, ratio: float) -> list[ClassifierMixin]:
    """Each of four models with errors on the rare class as dear as others, at the root of `ratio`, and at `ratio`."""
    kinds = (LogisticRegression, DecisionTreeClassifier, DecisionTreeClassifier, ExtraTreesClassifier)
    options = (
        {"max_iter": 500},
        {"max_depth": 4, "random_state": seed},
        {"min_samples_leaf": 10, "random_state": seed},
        {"n_estimators": 10, "min_samples_leaf": 2, "random_state": seed},
    )
    weights = [{0: 1.0, 1: weight} for weight in (1.0, ratio**0.5, ratio)]
    return [k(class_weight=w, **o) for k, o in zip(kinds, options, strict=True) for w in weights]
