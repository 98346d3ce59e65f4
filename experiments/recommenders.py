"""Trials about recommending: ratings from a matrix with blanks, new items and new users."""

from functools import cache

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.metrics.pairwise import cosine_similarity

from experiments.common import streams
from experiments.common.data import bundled, shares
from experiments.common.real import texts


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
    """Root mean squared errors of ratings predicted as in lines 1301-1302, on blank cells, in the ratings' unit.

    Args:
        seed: Draws the ratings and which are seen.
        seen: Share of the cells that are seen, in (0, 1); zeros stand for the others.
        k: Singular values that are kept; the guide prints 50.
        data: `ratings`, whole numbers from 1 to 5 with user and item effects, tastes and noise, all of like size; or
            `digits`, images for users, pixels from 0 to 16 for ratings.
        users: Rows; of digits a third of the images.
        items: Columns.
        rank: Tastes that users and items differ in; 0 leaves nothing but noise, no effects either.
        skew: How much more popular items are seen: item j in proportion to 1 / (j + 10)^skew.

    Returns:
        `printed`; `global_mean`, of what is seen; `item_mean`; `clipped`, the printed prediction moved into the range
        of ratings; `centred`, the same calls with the item's mean taken off before and added after; `correlation` of
        the printed prediction with the ratings, in [-1, 1].
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


def cold_start_auc(
    seed: int,
    *,
    cold: str,
    items: int = 300,
    users: int = 200,
    seen: float = 0.2,
    data: str = "features",
    telling: float = 0.7,
    columns: int = 5,
    held: float = 0.2,
) -> dict[str, float]:
    """How well interactions, and descriptions of items, rank what was never seen together.

    Each user saw some items and liked some of these. Ranked are the held-out items, for each user those not seen.

    Args:
        seed: Draws items, users, what was seen, and initial weights.
        cold: Without interactions: `items` (held-out), `users` (a fifth, judged on the held-out items) or `none`.
        items: Items; of texts a third of them.
        users: Users.
        seen: Share of the items that a user saw; likes of these are what is known.
        data: `features`, columns of items, and users with a direction of taste; or `texts`, SciPy's documentation as by
            the printed TfidfVectorizer, and users who like 4 in 5 of two of its eight subjects, 1 in 5 of the others.
        telling: Correlation of `features` with what users judge by, in [0, 1].
        columns: Columns that users judge by, and of features.
        held: Share of the items that is ranked.

    Returns:
        Area under the ROC curve, mean over users, in [0, 1], ties count half: `neighbours` (items liked by the same
        users, lines 1297-1298), `factors` (the printed SVD), `embeddings` (alternating least squares, initial weights
        where there are no interactions), `content` (lines 1324-1331).
    """
    drawing, seeing, starting = (np.random.default_rng(part) for part in streams(seed, 3))
    if data == "texts":
        described, liked = _readers(drawing, users)
    else:
        judged_by = drawing.normal(size=(items, columns))
        described = telling * judged_by + np.sqrt(1 - telling**2) * drawing.normal(size=judged_by.shape)
        tastes = drawing.normal(size=(users, columns)) @ judged_by.T / np.sqrt(columns)
        liked = tastes + 0.5 * drawing.normal(size=tastes.shape) > 0
    items = liked.shape[1]
    known = seeing.random(liked.shape) < seen
    ranked = np.arange(round(held * items))
    who = np.arange(users // 5 if cold == "users" else users)
    if cold == "items":
        known[:, ranked] = False
    if cold == "users":
        known[who] = False
    likes = (known & liked).astype(float)
    U, sigma, Vt = svds(likes, k=20, rng=starting)
    profiles = likes @ described / np.maximum(likes.sum(axis=1, keepdims=True), 1)
    scores = {
        "neighbours": likes @ cosine_similarity(likes.T),
        "factors": np.dot(np.dot(U, np.diag(sigma)), Vt),
        "embeddings": _embedded(starting, np.where(liked, 1.0, -1.0), known),
        "content": cosine_similarity(profiles, described),
    }
    places = np.ix_(who, ranked)
    return {name: _mean_auc(score[places], liked[places], ~known[places]) for name, score in scores.items()}


@cache
def _counted() -> tuple[csr_matrix, np.ndarray]:
    """Words of all texts, counted once as TfidfVectorizer counts them, (texts, words), and subjects."""
    words, subjects = texts()
    return CountVectorizer(stop_words="english").fit_transform(words), subjects


def _readers(rng: np.random.Generator, users: int) -> tuple[csr_matrix, np.ndarray]:
    """TF-IDF of a third of the texts, sparse (texts, words), and which of them each user would like, (users, texts)."""
    words, subjects = _counted()
    mine = rng.permutation(len(subjects))[: len(subjects) // 3]
    described = TfidfTransformer().fit_transform(words[mine])  # a word of other texts only is nought in each of these
    preferred = rng.permuted(np.tile(np.arange(8) < 2, (users, 1)), axis=1)[:, subjects[mine]]
    return described, rng.random(preferred.shape) < np.where(preferred, 0.8, 0.2)


def _embedded(rng: np.random.Generator, ratings: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Products of user and item vectors fitted to the known cells in ten rounds of alternating least squares."""
    width, penalty = 5, 2.0
    vectors = [rng.normal(0, 0.3, (size, width)) for size in ratings.shape]
    for turn in range(20):
        own, other = vectors[turn % 2], vectors[1 - turn % 2]
        values, cells = (ratings, known) if turn % 2 == 0 else (ratings.T, known.T)
        told = cells.any(axis=1)  # the others keep their initial vectors
        grams = np.einsum("ij,jk,jl->ikl", cells[told], other, other, optimize=True) + penalty * np.eye(width)
        own[told] = np.linalg.solve(grams, ((cells * values)[told] @ other)[..., None])[..., 0]
    return vectors[0] @ vectors[1].T


def _mean_auc(scores: np.ndarray, liked: np.ndarray, counted: np.ndarray) -> float:
    """Area under the ROC curve of the counted cells, mean over the rows that have a liked and another one."""
    areas = []
    for score, like, count in zip(scores.round(9), liked, counted, strict=True):
        apart = np.sign(score[like & count][:, None] - score[~like & count])
        if apart.size:
            areas.append((1 + apart.mean()) / 2)
    return float(np.mean(areas))
