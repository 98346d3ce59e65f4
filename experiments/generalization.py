"""Claims about complexity, overfitting and what training error says about test error."""

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeRegressor

from experiments.common import streams
from experiments.common.data import bundled, shares

Table = tuple[np.ndarray, np.ndarray]

LADDERS: dict[str, list[float]] = {
    "polynomial": [1, 2, 3, 4, 5, 6, 8, 10, 12, 14],  # degree
    "tree": [1, 2, 3, 4, 5, 6, 8, 10, 14, 30],  # greatest depth; leaves are pure long before 30
    "forest": [1, 2, 3, 4, 5, 6, 8, 10, 14, 30],  # the same for each of 30 trees
    "neighbours": [100, 60, 35, 20, 12, 8, 5, 3, 2, 1],  # rows averaged, from all of 100 to the nearest
    "features": [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 15],  # random features per training row
    "network": [1, 2, 3, 4, 6, 10, 16, 26, 50, 100],  # hidden units
}
"""Per family ten settings from the simplest to the most complex that is used."""


def error_by_complexity(
    seed: int, *, steps: list[int], family: str, data: str, n: int, noise: float = 0.0
) -> dict[str, float | list[float]]:
    """Test error of one family of models from simple to complex, all fitted to the same training rows.

    Two training sets are drawn. Which complexities are picked as the bottom and the later peak of one curve is decided
    on the other, so that picking the extremes of a noisy curve does not make a fall out of noise.

    Args:
        seed: Draws rows, noise and what is random in fitting.
        steps: Steps of the family's ladder, from 1 (simplest) to 10.
        family: A key of LADDERS.
        data: `sine` (one column, one period), `friedman` (make_friedman1, five columns that matter and five that do
            not), or a bundled set with a numeric target.
        n: Rows of each training set.
        noise: Standard deviation of the noise of generated targets; the signals' are 0.7 and about 4.9.

    Returns:
        `log_error`: logarithm of the mean squared error on noisy test rows, per step, mean of both training sets.
        `fall`: by how much the logarithm has come down at the last step from its highest point after the bottom.
    """
    drawing, fitting = streams(seed, 2)
    first, second, test = _tables(drawing, data, n, noise)
    settings = [LADDERS[family][step - 1] for step in steps]
    rng = np.random.default_rng(fitting)
    curves = [np.log(FAMILIES[family](rng, settings, train, test)) for train in (first, second)]
    falls = [_fall(picking, measured) for picking, measured in (curves, curves[::-1])]
    return {"log_error": [float(value) for value in np.mean(curves, axis=0)], "fall": float(np.mean(falls))}


def _fall(picking: np.ndarray, measured: np.ndarray) -> float:
    bottom = int(np.argmin(picking))
    peak = bottom + int(np.argmax(picking[bottom:]))
    return float(measured[peak] - measured[-1])


def _tables(seed: int, data: str, n: int, noise: float) -> tuple[Table, Table, Table]:
    """Two training sets of n rows and a test set: 1000 rows, or all other rows of a bundled set."""
    rng = np.random.default_rng(seed)
    if data == "sine":
        X = rng.random((2 * n + 1000, 1))
        y = np.sin(2 * np.pi * X[:, 0]) + noise * rng.normal(size=len(X))
    elif data == "friedman":
        X, y = make_friedman1(2 * n + 1000, noise=noise, random_state=seed)
        X = np.sqrt(12) * (X - 0.5)
    else:
        X, y = bundled(data)
    rows = shares(seed, len(X), n, n)
    return tuple((X[part], (y[part] - y.mean()) / y.std()) for part in rows)  # type: ignore[return-value]


def _error(predicted: np.ndarray, test: Table) -> float:
    return float(np.mean((test[1] - predicted) ** 2))


def _polynomial(rng: np.random.Generator, degrees: Sequence[float], train: Table, test: Table) -> list[float]:
    """Least squares without penalty; in Chebyshev's basis, as the same curve comes out with smaller rounding errors."""
    basis, basis_test = (chebvander(2 * X[:, 0] - 1, int(degrees[-1])) for X, _ in (train, test))
    sizes = [int(degree) + 1 for degree in degrees]
    return [_error(basis_test[:, :p] @ np.linalg.lstsq(basis[:, :p], train[1])[0], test) for p in sizes]


def _tree(rng: np.random.Generator, depths: Sequence[float], train: Table, test: Table) -> list[float]:
    tree = DecisionTreeRegressor(random_state=int(rng.integers(2**31))).fit(*train)
    return [_error(predicted, test) for predicted in _cut(tree, depths, test[0])]


def _forest(rng: np.random.Generator, depths: Sequence[float], train: Table, test: Table) -> list[float]:
    forest = RandomForestRegressor(30, random_state=int(rng.integers(2**31))).fit(*train)
    each = [_cut(tree, depths, test[0]) for tree in forest.estimators_]
    return [_error(predicted, test) for predicted in np.mean(each, axis=0)]


def _cut(tree: DecisionTreeRegressor, depths: Sequence[float], X: np.ndarray) -> list[np.ndarray]:
    """What a full-grown tree predicts when cut at each depth: a tree grown to that depth, up to ties between splits."""
    grown, node, found = tree.tree_, np.zeros(len(X), int), []
    for depth in range(1, int(depths[-1]) + 1):
        inner = grown.children_left[node] >= 0
        left = X[np.arange(len(X)), grown.feature[node]].astype(np.float32) <= grown.threshold[node]
        node = np.where(inner, np.where(left, grown.children_left[node], grown.children_right[node]), node)
        if depth in depths:
            found.append(grown.value[node, 0, 0])
    return found


def _neighbours(rng: np.random.Generator, sizes: Sequence[float], train: Table, test: Table) -> list[float]:
    nearest = NearestNeighbors(n_neighbors=int(sizes[0])).fit(train[0]).kneighbors(test[0], return_distance=False)
    running = train[1][nearest].cumsum(axis=1)
    return [_error(running[:, int(k) - 1] / k, test) for k in sizes]


def _features(rng: np.random.Generator, ratios: Sequence[float], train: Table, test: Table) -> list[float]:
    """Rectified random directions, output weights by least squares: the smallest of all that fit best."""
    n, columns = train[0].shape
    W, b = rng.normal(size=(columns, int(ratios[-1] * n))) / np.sqrt(columns), rng.normal(size=int(ratios[-1] * n))
    hidden, hidden_test = (np.maximum(X @ W + b, 0) for X, _ in (train, test))
    sizes = [max(1, round(ratio * n)) for ratio in ratios]
    return [_error(hidden_test[:, :p] @ np.linalg.lstsq(hidden[:, :p], train[1])[0], test) for p in sizes]


def _network(rng: np.random.Generator, widths: Sequence[float], train: Table, test: Table) -> list[float]:
    """One hidden layer of rectified units, full-batch Adam; all widths train side by side as blocks of one layer."""
    sizes = [int(width) for width in widths]
    single = np.float32  # twice as fast
    member = np.repeat(np.eye(len(sizes), dtype=single), sizes, axis=0)  # (units, networks): whose unit it is
    X, X_test = (np.c_[columns, np.ones(len(columns))].astype(single) for columns in (train[0], test[0]))
    y = train[1][:, None].astype(single)
    first = rng.normal(size=(X.shape[1], len(member))) * np.sqrt(2 / (X.shape[1] - 1))
    first[-1] = 0
    drawn = [first, rng.normal(size=len(member)) / np.sqrt(member @ sizes), np.zeros(len(sizes))]
    weights = [w.astype(single) for w in drawn]
    mean, square = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for step in range(1, 2001):
        hidden = np.maximum(X @ weights[0], 0)
        residual = (hidden * weights[1]) @ member + weights[2] - y
        back = single(2 / len(X)) * residual @ member.T
        slopes = [X.T @ (back * weights[1] * (hidden > 0)), (back * hidden).sum(axis=0), 2 * residual.mean(axis=0)]
        for w, m, s, slope in zip(weights, mean, square, slopes, strict=True):
            m += 0.1 * (slope - m)
            s += 0.001 * (slope**2 - s)
            w -= 0.01 / (1 - 0.9**step) * m / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
    predicted = (np.maximum(X_test @ weights[0], 0) * weights[1]) @ member + weights[2]
    return [_error(column, test) for column in predicted.T]


FAMILIES = {
    "polynomial": _polynomial,
    "tree": _tree,
    "forest": _forest,
    "neighbours": _neighbours,
    "features": _features,
    "network": _network,
}
