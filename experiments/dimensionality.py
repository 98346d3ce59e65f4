"""Claims about high dimension: distances, projections, the number of columns."""

import numpy as np
from scipy.signal import lfilter
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from sklearn.datasets import load_sample_images, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from experiments.common import streams
from experiments.common.data import bundled


def neighbour_ratio(
    seed: int, *, dimensions: list[int], source: str, n: int, shared: float = 0.0, intrinsic: int = 0
) -> dict[str, float | list[float]]:
    """How far the nearest of the other points lies relative to the farthest, as columns are added to one data set.

    The data are drawn once at the largest dimension; the smaller ones are the first columns. Euclidean distance.

    Args:
        seed: Draws the points.
        dimensions: Numbers of columns, growing.
        source: How columns are drawn, see `_points`.
        n: Points, at least 3.
        shared: Share of each column's variance that stems from one factor common to all columns, in [0, 1).
        intrinsic: Where above 0, every column is a random linear mixture of this many columns.

    Returns:
        `ratio`: nearest over farthest distance, mean over points, per dimension, in [0, 1]. `closing`: decades by which
        1 - ratio shrinks over the last step; 0 where the ratio has come to rest, half a decade per tenfold dimension
        where it goes to 1 as for independent columns.
    """
    rng = np.random.default_rng(streams(seed, 1)[0])
    X = _points(rng, source, n, intrinsic or dimensions[-1])
    if intrinsic:
        X = X @ rng.normal(size=(intrinsic, dimensions[-1]))
    X = np.sqrt(1 - shared) * X + np.sqrt(shared) * rng.normal(size=(n, 1))
    ratios = [_nearest_over_farthest(X[:, :d]) for d in dimensions]
    return {"ratio": ratios, "closing": float(np.log10((1 - ratios[-2]) / (1 - ratios[-1])))}


def _nearest_over_farthest(X: np.ndarray) -> float:
    centred = X - X.mean(axis=0)
    products = centred @ centred.T
    lengths = np.diag(products)
    squared = lengths[:, None] + lengths - 2 * products
    np.fill_diagonal(squared, np.nan)
    return float(np.mean(np.sqrt(np.nanmin(squared, axis=1).clip(0) / np.nanmax(squared, axis=1))))


def _points(rng: np.random.Generator, source: str, n: int, d: int) -> np.ndarray:
    """Points (n, d) whose columns have mean 0 and variance 1, but for `photo`.

    Args:
        rng: Source of all randomness.
        source: `gaussian`, `uniform`, `exponential`: independent columns; `chained`: Gaussian, each column correlated
            0.9 with the one before; `clusters`: ten Gaussian groups, half of each column's variance between them;
            `photo`: disjoint square patches of scikit-learn's two sample photographs (CC BY, 427 x 640, in colour),
            columns in order of their distance from the patch's centre.
        n: Points; 150 at most for `photo` at 10 000 columns.
        d: Columns.
    """
    if source == "photo":
        return _patches(rng, n, d)
    if source == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), (n, d))
    if source == "exponential":
        return rng.exponential(size=(n, d)) - 1
    X = rng.normal(size=(n, d))
    if source == "chained":
        X[:, 1:] *= np.sqrt(1 - 0.9**2)
        return lfilter([1], [1, -0.9], X)
    if source == "clusters":
        return np.sqrt(0.5) * (X + rng.normal(size=(10, d))[rng.integers(10, size=n)])
    return X


def _patches(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    side = int(np.ceil(np.sqrt(d / 3)))
    found = []
    for photo in load_sample_images().images:
        rows, columns = (rng.integers(size % side + 1) for size in photo.shape[:2])
        cut = photo[rows : rows + photo.shape[0] // side * side, columns : columns + photo.shape[1] // side * side]
        tiles = cut[: len(cut) // side * side, : cut.shape[1] // side * side]
        tiles = tiles.reshape(len(tiles) // side, side, -1, side, 3).swapaxes(1, 2).reshape(-1, side * side, 3)
        found.append(tiles)
    grid = np.arange(side) - (side - 1) / 2
    order = np.argsort(np.hypot(grid[:, None], grid).ravel(), kind="stable")
    patches = np.concatenate(found)[:, order].reshape(-1, 3 * side * side)
    return rng.choice(patches, n, replace=False)[:, :d] / 255


def filled_cells(seed: int, *, columns: int, source: str, shared: float = 0.0) -> dict[str, float]:
    """How well rows cover the cells of a grid of fifths, with 5 rows in one column and 5 ** columns in all of them.

    Each column is cut at its own quintiles, so that one column alone is equally dense whatever its distribution.
    Outcomes are shares, in [0, 1], of other rows whose cell holds a row: `line`, of a single column with five rows,
    mean over columns and over up to twenty draws of five; `rule`, of all columns with 5 ** columns rows; `half`, with
    half as many.

    Args:
        seed: Draws the table and which rows are which.
        columns: Columns, 1 to 6.
        source: As for `_points`, or breast_cancer or wine, of which random columns are taken.
        shared: Share of each generated column's variance that stems from one factor common to all, in [0, 1].
    """
    drawing, splitting = streams(seed, 2)
    rng, n = np.random.default_rng(drawing), 5**columns
    if source in ("breast_cancer", "wine"):
        X = bundled(source)[0]
        X = X[:, rng.choice(X.shape[1], columns, replace=False)]
    else:
        X = _points(rng, source, n + 2000, columns)
        X = np.sqrt(1 - shared) * X + np.sqrt(shared) * rng.normal(size=(len(X), 1))
    quintiles = np.quantile(X, [0.2, 0.4, 0.6, 0.8], axis=0)
    fifths = np.sum(quintiles[:, None] <= X, axis=0)
    cells = fifths @ 5 ** np.arange(columns)
    rows = np.random.default_rng(splitting).permutation(len(X))
    others = rows[n:]

    def covered(codes: np.ndarray, filled: np.ndarray) -> float:
        return float(np.isin(codes[others], codes[filled]).mean())

    fives = np.split(rows[: min(n, 100)], min(n, 100) // 5)
    line = np.mean([[covered(column, five) for column in fifths.T] for five in fives])
    return {"line": float(line), "rule": covered(cells, rows[:n]), "half": covered(cells, rows[: n // 2])}


def map_quality(seed: int, *, data: str, n: int, noise: float = 0.0, perplexity: float = 30.0) -> dict[str, float]:
    """How well a map in two dimensions, by PCA and by t-SNE, keeps the neighbours and the distances of all columns.

    Per map `_local`, the share of each row's ten nearest rows that are among its ten nearest on the map, mean over
    rows, in [0, 1]; and `_global`, Spearman's rank correlation between all distances before and on the map, in [-1, 1].

    Args:
        seed: Draws the rows and what t-SNE does at random.
        data: A bundled set of `experiments.common.data`; "blobs", ten Gaussian groups in 50 columns; "roll", a rolled
            sheet in three columns; "cloud", Gaussian rows without structure in ten columns; "plane", a plane in ten.
        n: Rows.
        noise: Standard deviation of noise added to every generated column.
        perplexity: Of t-SNE, which takes 500 steps and else runs at scikit-learn's defaults, as the guide prints it.
    """
    drawing, fitting = streams(seed, 2)
    X = _rows(np.random.default_rng(drawing), data, n, noise)
    maps = {"pca": PCA(2), "tsne": TSNE(2, perplexity=perplexity, max_iter=500, random_state=fitting)}
    before, outcomes = pdist(X), {}
    for name, method in maps.items():
        after = pdist(method.fit_transform(X))
        kept = [np.intersect1d(*near).size for near in zip(_ten_nearest(before), _ten_nearest(after), strict=True)]
        outcomes |= {f"{name}_local": np.mean(kept) / 10, f"{name}_global": spearmanr(before, after).statistic}
    return {name: float(value) for name, value in outcomes.items()}


def _ten_nearest(distances: np.ndarray) -> np.ndarray:
    square = squareform(distances)
    np.fill_diagonal(square, np.inf)
    return np.argpartition(square, 10, axis=1)[:, :10]


def _rows(rng: np.random.Generator, data: str, n: int, noise: float) -> np.ndarray:
    if data == "blobs":
        X = 3 * rng.normal(size=(10, 50))[rng.integers(10, size=n)] + rng.normal(size=(n, 50))
    elif data == "roll":
        X = make_swiss_roll(n, random_state=int(rng.integers(2**31)))[0]
    elif data == "cloud":
        X = rng.normal(size=(n, 10))
    elif data == "plane":
        X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 10))
    else:
        X = bundled(data)[0]
        return X[rng.choice(len(X), n, replace=False)]
    return X + noise * rng.normal(size=X.shape)
