"""Claims about clustering: how many groups, what shape, which method."""

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans

from experiments.common import streams
from experiments.common.data import bundled


def elbow_hit(
    seed: int,
    *,
    data: str,
    clusters: int,
    candidates: list[int],
    n: int = 0,
    columns: int = 2,
    gap: float = 0.0,
    uneven: float = 1.0,
    share: float = 1 / 3,
) -> dict[str, float]:
    """Whether the elbow of K-means' inertia curve is at the true number of clusters, the elbow read in two ways.

    `chord`: the point farthest below the straight line between the curve's ends, both axes scaled to [0, 1] (Kneedle,
    Satopaa and others 2011). `kink`: the point where the drop before is largest relative to the drop after, which also
    sees a corner late on the curve. Neither can be at an end of the axis.

    Args:
        seed: Draws the rows and K-means' starts.
        data: `blobs`, spherical Gaussian groups of variance 1, or a bundled set of classes, of which a random share of
            the rows is clustered.
        clusters: True number; of a bundled set the first so many classes are used.
        candidates: Numbers of clusters on the curve's axis.
        n: Rows of generated data.
        columns: Columns of generated data.
        gap: Least distance between two centres, in standard deviations of a group; 0 puts all centres in one place.
        uneven: Size of the largest group relative to the smallest.
        share: Share of the bundled rows; nothing is held out, as there is nothing to test on.

    Returns:
        `chord` and `kink`: 1 where that reading gives the true number, else 0.
    """
    drawing, starting = streams(seed, 2)
    X = _blobs(drawing, clusters, n, columns, gap, uneven) if data == "blobs" else _part(drawing, data, clusters, share)
    rng = np.random.default_rng(starting)
    fits = [KMeans(k, n_init=10, random_state=int(rng.integers(2**31))).fit(X) for k in candidates]
    inertia = np.array([fit.inertia_ for fit in fits])
    along = np.linspace(0, 1, len(candidates))
    below = 1 - along - (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    drops = inertia[:-1] - inertia[1:]
    corner = drops[:-1] / np.maximum(drops[1:], 1e-3 * inertia[0])  # no drop, or a failed search, is no infinite corner
    found = {"chord": candidates[int(np.argmax(below))], "kink": candidates[1 + int(np.argmax(corner))]}
    return {reading: float(elbow == clusters) for reading, elbow in found.items()}


def _blobs(seed: int, clusters: int, n: int, columns: int, gap: float, uneven: float) -> np.ndarray:
    """Rows (n, columns) around centres drawn uniformly from a cube as small as their least distance allows."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((clusters, columns))
    if gap:
        side = gap
        while pdist(centres).min() < gap:
            centres = rng.uniform(0, side, (clusters, columns))
            side *= 1.01
    sizes = np.geomspace(1, uneven, clusters)
    members = np.repeat(np.arange(clusters), np.round(n * sizes / sizes.sum()).astype(int))
    return centres[members] + rng.normal(size=(len(members), columns))


def _part(seed: int, name: str, classes: int, share: float) -> np.ndarray:
    X, y = bundled(name)
    rows = np.flatnonzero(y < classes)
    return X[np.random.default_rng(seed).choice(rows, int(share * len(rows)), replace=False)]
