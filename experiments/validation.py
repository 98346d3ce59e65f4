"""Claims about cross-validation: what its estimates are off by, when it tunes and with how many folds."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from experiments.common import streams
from experiments.common.data import bundled

Hits = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Grid = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], Hits]


def nested_estimates(
    seed: int,
    *,
    data: str,
    n: int,
    model: str,
    columns: int = 20,
    flipped: float = 0.1,
    candidates: int = 0,
    studies: int = 4,
) -> dict[str, float]:
    """Accuracy that cross-validation gives for a tuned model, and its accuracy on other rows, in [0, 1].

    All are means over a few independent studies, each with data of its own.

    Args:
        seed: Draws rows and folds; all five folds are stratified.
        data: `generated` (make_classification, three columns carry the classes), `noise` (the same without any relation
            to the classes), `breast_cancer`, or `diabetes` (progression above its median).
        n: Rows to tune and to fit with; of generated data 500 more are drawn to test.
        model: A key of GRIDS.
        columns: Columns of generated data.
        flipped: Share of wrong labels in generated data, rows for testing included.
        candidates: Settings tried, drawn from the grid; 0 for all of it.
        studies: Studies of one replicate.

    Returns:
        `searched`: the best mean score of the search. `nested`: the mean score of five searches, each on four folds,
        on the fold it has not seen. `truth`: the chosen setting, fitted to all n rows, on rows for testing.
        `searched_excess`, `nested_excess`: by how much the two are above the truth.
    """
    found = [_study(one, data, n, *GRIDS[model], columns, flipped, candidates) for one in streams(seed, studies)]
    searched, nested, truth = np.mean(found, axis=0).tolist()
    excess = {"searched_excess": searched - truth, "nested_excess": nested - truth}
    return {"searched": searched, "nested": nested, "truth": truth} | excess


def _study(
    seed: int, data: str, n: int, grid: Grid, settings: int, columns: int, flipped: float, candidates: int
) -> tuple[float, float, float]:
    """Best score of the search, score of the nested one, truth."""
    drawing, splitting, choosing = streams(seed, 3)
    X, y, X_test, y_test = _two_classes(drawing, data, n, columns, flipped)
    hits = grid(X, y, np.r_[X, X_test], np.r_[y, y_test])
    all_rows, test = np.arange(n), np.arange(n, n + len(y_test))
    tried = np.random.default_rng(choosing).permutation(settings)[: candidates or None]

    def scores(part: np.ndarray, fold_seed: int) -> np.ndarray:
        folds = _folds(y[part], 5, fold_seed)
        return np.mean([hits(part[folds != k], part[folds == k], tried).mean(axis=1) for k in range(5)], axis=0)

    outer_seed, *inner_seeds = streams(splitting, 6)
    searched, outer = scores(all_rows, outer_seed), _folds(y, 5, outer_seed)
    nested = []
    for k, inner_seed in enumerate(inner_seeds):
        fitted, held = all_rows[outer != k], all_rows[outer == k]
        best = tried[[np.argmax(scores(fitted, inner_seed))]]
        nested.append(hits(fitted, held, best).mean())
    truth = hits(all_rows, test, tried[[np.argmax(searched)]]).mean()
    return float(searched.max()), float(np.mean(nested)), float(truth)


def _by_class(y: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers, class by class, in random order within each."""
    order = np.random.default_rng(seed).permutation(len(y))
    return order[np.argsort(y[order], kind="stable")]


def _folds(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which of the stratified folds each row is in: rows are dealt to them like cards, class by class."""
    folds = np.empty(len(y), int)
    folds[_by_class(y, seed)] = np.arange(len(y)) % count
    return folds


def _two_classes(
    seed: int, data: str, n: int, columns: int, flipped: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns and classes of n rows to fit, then of the others to test."""
    if data in ("generated", "noise"):
        X, y = make_classification(
            n + 500, columns, n_informative=3, n_redundant=0, flip_y=2 * flipped, random_state=seed
        )
        y = np.random.default_rng(seed).permutation(y) if data == "noise" else y
    else:
        X, y = bundled(data)
        y = y if data == "breast_cancer" else (y > np.median(y)).astype(int)
    # drawn by class: stratified folds of a sample with a majority of its own flatter whoever bets on the majority
    by_class = _by_class(y, seed)
    fitted = np.isin(np.arange(len(y)), by_class[np.arange(n) * len(y) // n])
    return X[fitted], y[fitted], X[~fitted], y[~fitted]


def _kernels(X: np.ndarray, y: np.ndarray, X_judged: np.ndarray, y_judged: np.ndarray) -> Hits:
    """Least-squares support vectors (Suykens & Vandewalle 1999), Gaussian kernels: 5 penalties by 5 widths."""
    widths = np.array([0.01, 0.03, 0.1, 0.3, 1.0])[:, None, None] * 10 / X.shape[1]
    kernels = np.exp(-widths * cdist(X_judged, X, "sqeuclidean"))
    penalties = np.array([0.01, 0.1, 1.0, 10.0, 100.0])[:, None, None]

    def hits(fitted: np.ndarray, judged: np.ndarray, tried: np.ndarray) -> np.ndarray:
        signs = 2.0 * y[fitted] - 1
        penalty, width = np.divmod(tried, len(widths))
        within, across = (kernels[:, rows[:, None], fitted][width] for rows in (fitted, judged))
        weights = np.linalg.solve(within + penalties[penalty] * np.eye(len(fitted)), (signs - signs.mean())[:, None])
        outputs = (across @ weights)[..., 0] + signs.mean()
        return (outputs > 0) == y_judged[judged]

    return hits


def _voters(X: np.ndarray, y: np.ndarray, X_judged: np.ndarray, y_judged: np.ndarray) -> Hits:
    """Nearest neighbours: 1, 3, ... 19 of them by two distances."""
    orders = [cdist(X_judged, X, distance).argsort(axis=1) for distance in ("euclidean", "cityblock")]

    def hits(fitted: np.ndarray, judged: np.ndarray, tried: np.ndarray) -> np.ndarray:
        used, found = np.zeros(len(X), bool), []
        used[fitted] = True
        for order in orders:
            nearest = order[judged]
            votes = y[nearest[used[nearest]].reshape(len(judged), -1)[:, :19]].cumsum(axis=1)[:, ::2]
            found.append(((votes / np.arange(1, 20, 2) > 0.5) == y_judged[judged][:, None]).T)
        return np.concatenate(found)[tried]

    return hits


GRIDS: dict[str, tuple[Grid, int]] = {"kernels": (_kernels, 25), "neighbours": (_voters, 20)}
"""Per model, from rows to fit with and from the same rows followed by others to judge with (columns and classes): a
function of two lists of row numbers and one of settings that tells, for each of these fitted to the first, whether it
is right on the second, shape (settings, rows); and how many settings its grid has."""


def fold_errors(
    seed: int, *, data: str, n: int, model: str, columns: int = 10, flipped: float = 0.05, studies: int = 24
) -> dict[str, float]:
    """Root mean squared error of cross-validated accuracy with 5 and with 10 folds, over a few independent studies.

    The error is the distance from the accuracy of the model fitted to all n rows, on rows for testing.

    Args:
        seed: Draws rows and folds; both numbers of folds see the same rows.
        data: As for `nested_estimates`.
        n: Rows that are cross-validated.
        model: A key of CLASSIFIERS.
        columns: Columns of generated data, three of which carry the classes.
        flipped: Share of wrong labels in generated data.
        studies: Data sets of one replicate; both numbers of folds are used on each.

    Returns:
        `five` and `ten`: root mean squared errors, in [0, 1]; `five_bias` and `ten_bias`: means of the signed errors.
    """
    errors = np.array([_fold_errors(one, data, n, model, columns, flipped) for one in streams(seed, studies)])
    spread = np.sqrt(np.mean(errors**2, axis=0)).tolist()
    bias = errors.mean(axis=0).tolist()
    return {"five": spread[0], "ten": spread[1], "five_bias": bias[0], "ten_bias": bias[1]}


def _fold_errors(seed: int, data: str, n: int, model: str, columns: int, flipped: float) -> list[float]:
    drawing, *splitting = streams(seed, 3)
    X, y, X_test, y_test = _two_classes(drawing, data, n, columns, flipped)
    predicted, counts = CLASSIFIERS[model], (5, 10)
    truth = np.mean(predicted(X, y, np.ones((1, n), bool), X_test)[0] == y_test)
    held = [_folds(y, count, one) == np.arange(count)[:, None] for count, one in zip(counts, splitting, strict=True)]
    hits = predicted(X, y, ~np.concatenate(held), X) == y
    parts = np.split(np.mean(hits, axis=1, where=np.concatenate(held)), [counts[0]])
    return [float(part.mean() - truth) for part in parts]


def _bayes(X: np.ndarray, y: np.ndarray, used: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """Gaussian naive Bayes: changes little when a row is taken away."""
    scores = []
    for label in (0, 1):
        part = used * (y == label)
        count = part.sum(axis=1, keepdims=True)
        mean = part @ X / count
        spread = part @ X**2 / count - mean**2 + 1e-9
        distance = (
            X_new**2 @ (1 / spread).T - 2 * X_new @ (mean / spread).T + (mean**2 / spread + np.log(spread)).sum(1)
        )
        scores.append(np.log(count) - distance.T / 2)
    return (scores[1] > scores[0]).astype(int)


def _nearest_row(X: np.ndarray, y: np.ndarray, used: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """The nearest neighbour's class: goes on improving with every row."""
    away = cdist(X_new, X, "sqeuclidean")
    return y[np.where(used[:, None], away, np.inf).argmin(axis=2)]


def _least_squares(X: np.ndarray, y: np.ndarray, used: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """Linear discriminant by least squares, hardly penalised."""
    count = used.sum(axis=1, keepdims=True)
    centre, share = used @ X / count, used @ y / count[:, 0]
    apart = (X - centre[:, None]) * used[:, :, None]  # (fits, rows, columns)
    inner = apart.mT @ apart + 1e-3 * np.eye(X.shape[1])
    weights = np.linalg.solve(inner, apart.mT @ y[:, None].astype(float))[..., 0]
    return (X_new @ weights.T + (share - (centre * weights).sum(axis=1)) > 0.5).T.astype(int)


def _full_tree(X: np.ndarray, y: np.ndarray, used: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """An unpruned tree: may turn over when a row is taken away."""
    X, X_new = X.astype(np.float32), X_new.astype(np.float32)
    trees = (DecisionTreeClassifier(random_state=0).fit(X[rows], y[rows], check_input=False) for rows in used)
    return np.stack([tree.tree_.predict(X_new)[:, :2].argmax(axis=1) for tree in trees])


def _untrained(X: np.ndarray, y: np.ndarray, used: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """The sign of the first column."""
    return np.tile(X_new[:, 0] > 0, (len(used), 1)).astype(int)


CLASSIFIERS = {
    "untrained": _untrained,
    "bayes": _bayes,
    "nearest": _nearest_row,
    "linear": _least_squares,
    "tree": _full_tree,
}
"""Classes, 0 or 1, of new rows, (fits, new rows), by a model fitted several times, each time to the rows that are used:
(fits, rows)."""
