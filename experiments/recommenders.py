"""Trials about recommending: ratings from a matrix with blanks."""

import numpy as np
from scipy.sparse.linalg import svds

from experiments.common import streams
from experiments.common.data import bundled, shares


def svd_rating_errors(
    seed: int,
    *,
    seen: float,
    k: int = 50,
    data: str = "ratings",
    users: int = 500,
    items: int = 200,
    rank: int = 5,
    skew: float = 0.0,
) -> dict[str, float]:
    """Root mean squared errors of predicted ratings on the cells that were blank, in the ratings' unit.

    The printed calls of lines 1301-1302 on a matrix with zeros for blanks.

    Args:
        seed: Draws the ratings and which are seen.
        seen: Share of the cells that are seen, in (0, 1).
        k: Singular values that are kept; the guide prints 50.
        data: `ratings`, whole numbers from 1 to 5 with user and item effects, tastes and noise, all of like size; or
            `digits`, images for users, pixels from 0 to 16 for ratings.
        users: Rows; of digits a third of the images.
        items: Columns.
        rank: Tastes that users and items differ in; 0 leaves nothing but noise, no effects either.
        skew: How much more popular items are seen: item j in proportion to 1 / (j + 10)^skew.

    Returns:
        `printed`; `global_mean`, the mean of what is seen; `item_mean`; `clipped`, the printed prediction moved into
        the range of ratings; `centred`, the same calls where the item's mean has been taken off before and added again
        after; `correlation` of the printed prediction with the ratings, in [-1, 1].
    """
    drawing, hiding, starting = streams(seed, 3)
    rng = np.random.default_rng(drawing)
    if data == "digits":
        X, y = bundled("digits")
        ratings = 16 * X[shares(drawing, len(y), len(y) // 3)[0]]
    else:
        tastes = rng.normal(size=(users, rank)) @ rng.normal(size=(rank, items)) / np.sqrt(max(rank, 1))
        effects = rng.normal(size=(users, 1)) + rng.normal(size=items)
        raw = (tastes + effects) * (rank > 0) + rng.normal(size=(users, items))
        ratings = np.clip(np.round(3.5 + 0.6 * raw), 1, 5)
    popular = 1 / (np.arange(ratings.shape[1]) + 10.0) ** skew
    chance = np.minimum(seen * popular / popular.mean(), 0.95)
    known = np.random.default_rng(hiding).random(ratings.shape) < chance

    def predicted(matrix: np.ndarray) -> np.ndarray:
        U, sigma, Vt = svds(matrix, k=k, rng=np.random.default_rng(starting))
        return np.dot(np.dot(U, np.diag(sigma)), Vt)

    overall = ratings[known].mean()
    means = (np.where(known, ratings, 0).sum(axis=0) + overall) / (known.sum(axis=0) + 1)
    printed = predicted(np.where(known, ratings, 0.0))
    arms = {
        "printed": printed,
        "clipped": np.clip(printed, ratings.min(), ratings.max()),
        "centred": means + predicted(np.where(known, ratings - means, 0.0)),
        "item_mean": np.broadcast_to(means, ratings.shape),
        "global_mean": np.full(ratings.shape, overall),
    }
    errors = {name: float(np.sqrt(np.mean((arm - ratings)[~known] ** 2))) for name, arm in arms.items()}
    return errors | {"correlation": float(np.corrcoef(printed[~known], ratings[~known])[0, 1])}
