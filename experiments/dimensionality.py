"""Claims about high dimension: distances, projections, the number of columns."""

import numpy as np
from scipy.signal import lfilter
from sklearn.datasets import load_sample_images

from experiments.common import streams


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
