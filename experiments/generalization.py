"""Claims about complexity, overfitting and what training error says about test error."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebvander
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeRegressor

from experiments.common import networks, streams, training
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
    grown, node, single, found = tree.tree_, np.zeros(len(X), int), X.astype(np.float32), []
    left, right, feature, threshold = grown.children_left, grown.children_right, grown.feature, grown.threshold
    for depth in range(1, int(depths[-1]) + 1):
        inner = np.flatnonzero(left[node] >= 0)
        at = node[inner]
        node[inner] = np.where(single[inner, feature[at]] <= threshold[at], left[at], right[at])
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
        outer = (back * hidden).sum(axis=0)
        back *= weights[1]
        back *= hidden > 0
        slopes = [X.T @ back, outer, 2 * residual.mean(axis=0)]
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


def bias_and_variance(
    seed: int, *, steps: list[int], family: str, data: str, n: int, noise: float = 0.0, sets: int = 12, trees: int = 1
) -> dict[str, list[float]]:
    """Squared bias and variance of one family of models from simple to complex, in units of the target's variance.

    Every setting is fitted to the same disjoint training sets and predicts the same fixed rows. The mean of a bundled
    set's target is not known, so its noise counts as bias there: the same number at every step.

    Args:
        seed: Draws rows, noise and what is random in fitting.
        steps: Steps of the family's ladder, from 1 (simplest) to 10.
        family: A key of PREDICTORS.
        data: As for `error_by_complexity`; for networks the name of a bundled set with classes, coded as 0 and 1.
        n: Rows of each training set.
        noise: Standard deviation of the noise of generated targets.
        sets: Training sets, at least 2.
        trees: Trees of a forest.

    Returns:
        `bias`: mean over the predicted rows of the squared distance of the mean prediction from the target, without
        what the finite number of training sets adds; may be slightly negative. `variance`: of the prediction across
        training sets. Both per step.
    """
    drawing, fitting = streams(seed, 2)
    trainings, X, target = _repeated(drawing, data, n, noise, sets)
    settings = [LADDERS[family][step - 1] for step in steps]
    predicted = PREDICTORS[family](fitting, settings, trainings, X, trees)  # (settings, sets, rows) or (..., outputs)
    unit = target.var(axis=0).sum()
    variance = predicted.var(axis=1, ddof=1)
    bias = (predicted.mean(axis=1) - target) ** 2 - variance / sets
    per_row = [np.reshape(part, (len(steps), len(X), -1)).sum(axis=2).mean(axis=1) / unit for part in (bias, variance)]
    return {"bias": per_row[0].tolist(), "variance": per_row[1].tolist()}


def _repeated(seed: int, data: str, n: int, noise: float, sets: int) -> tuple[list[Table], np.ndarray, np.ndarray]:
    """Training sets, and the rows to predict with their target: its mean where that is known."""
    rng = np.random.default_rng(seed)
    if data in ("sine", "friedman"):
        X = rng.random((sets * n + 400, 1 if data == "sine" else 10))
        mean = np.sin(2 * np.pi * X[:, 0]) if data == "sine" else _friedman(X)
        y = mean + noise * rng.normal(size=len(X))
        X = X if data == "sine" else np.sqrt(12) * (X - 0.5)
        drawn = np.split(np.arange(sets * n), sets)
        return [(X[rows], y[rows]) for rows in drawn], X[sets * n :], mean[sets * n :]
    X, y = bundled(data)
    target = (y[:, None] == np.unique(y)).astype(float) if data == "digits" else (y - y.mean()) / y.std()
    *drawn, fixed = shares(seed, len(X), *[n] * sets)
    return [(X[rows], target[rows]) for rows in drawn], X[fixed], target[fixed]


def _friedman(X: np.ndarray) -> np.ndarray:
    """Mean of the target of scikit-learn's make_friedman1 (Friedman 1991)."""
    return 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]


def _polynomials(seed: int, degrees: Sequence[float], trainings: list[Table], X: np.ndarray, trees: int) -> np.ndarray:
    def fitted(degree: int, train: Table) -> np.ndarray:
        basis, basis_test = (chebvander(2 * rows[:, 0] - 1, degree) for rows in (train[0], X))
        return basis_test @ np.linalg.lstsq(basis, train[1])[0]

    return np.array([[fitted(int(degree), train) for train in trainings] for degree in degrees])


def _forests(seed: int, depths: Sequence[float], trainings: list[Table], X: np.ndarray, trees: int) -> np.ndarray:
    """One tree per training set, or a forest."""
    grown = []
    for train, one in zip(trainings, streams(seed, len(trainings)), strict=True):
        forest = RandomForestRegressor(trees, bootstrap=trees > 1, random_state=one).fit(*train)
        grown.append(np.mean([_cut(tree, depths, X) for tree in forest.estimators_], axis=0))
    return np.stack(grown, axis=1)


def _nearest(seed: int, sizes: Sequence[float], trainings: list[Table], X: np.ndarray, trees: int) -> np.ndarray:
    means = []
    for columns, y in trainings:
        rows = NearestNeighbors(n_neighbors=int(sizes[0])).fit(columns).kneighbors(X, return_distance=False)
        means.append([y[rows[:, : int(size)]].mean(axis=1) for size in sizes])
    return np.stack(means, axis=1)


def _random_features(
    seed: int, ratios: Sequence[float], trainings: list[Table], X: np.ndarray, trees: int
) -> np.ndarray:
    """Cosines of random directions, drawn anew for each training set as a network's initial weights are."""
    predicted = []
    for (columns, y), one in zip(trainings, streams(seed, len(trainings)), strict=True):
        rng, most = np.random.default_rng(one), int(ratios[-1] * len(y))
        W, b = rng.normal(size=(X.shape[1], most)) / np.sqrt(X.shape[1]), rng.uniform(0, 2 * np.pi, most)
        hidden, hidden_test = (np.cos(rows @ W + b) for rows in (columns, X))
        sizes = [max(1, round(ratio * len(y))) for ratio in ratios]
        predicted.append([hidden_test[:, :p] @ np.linalg.lstsq(hidden[:, :p], y)[0] for p in sizes])
    return np.stack(predicted, axis=1)


def _networks(seed: int, widths: Sequence[float], trainings: list[Table], X: np.ndarray, trees: int) -> np.ndarray:
    """One hidden layer, Adam on the squared error of its outputs, one per class; all training sets at once."""
    seeds = streams(seed, len(trainings))
    columns = torch.from_numpy(np.stack([rows for rows, _ in trainings]).astype(np.float32))
    classes = torch.from_numpy(np.stack([target.argmax(axis=1) for _, target in trainings]))
    steps = networks.batches(seeds, columns.shape[1], 20, 300)
    rows = torch.from_numpy(X.astype(np.float32)).expand(len(seeds), -1, -1)
    predicted = []
    for width in widths:
        start = networks.initial(seeds, (X.shape[1], int(width), trainings[0][1].shape[1]))
        plan = {"loss": networks.mse_linear, "optimizer": "adam"}
        (fit,) = training.fit(networks.dense, start, (columns, classes), steps, [0.01], **plan)
        predicted.append(training.outputs(networks.dense, fit, rows).mT.numpy())
    return np.array(predicted, dtype=float)


PREDICTORS = {
    "polynomial": _polynomials,
    "tree": _forests,
    "forest": _forests,
    "neighbours": _nearest,
    "features": _random_features,
    "network": _networks,
}


def oversized_error(seed: int, *, family: str, data: str, n: int, noise: float = 0.0) -> dict[str, float]:
    """Test error of a model of the right size and of one far larger than the data ask for.

    The right size is the step of the family's ladder with the lowest test error on another training set.

    Args:
        seed: Draws rows, noise and what is random in fitting.
        family: A key of LADDERS.
        data: As for `error_by_complexity`.
        n: Rows of the training set.
        noise: Standard deviation of the noise of generated targets; the signals' are 0.7 and about 4.9.

    Returns:
        `right` and `oversized` (the ladder's last step): mean squared error on noisy test rows, in units of the
        target's variance.
    """
    drawing, fitting = streams(seed, 2)
    first, second, test = _tables(drawing, data, n, noise)
    picking, measured = (
        FAMILIES[family](np.random.default_rng(one), LADDERS[family], train, test)
        for one, train in zip(streams(fitting, 2), (first, second), strict=True)
    )
    right = measured[int(np.argmin(picking))]
    return {"right": right, "oversized": measured[-1]}
