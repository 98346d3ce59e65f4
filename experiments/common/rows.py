"""Rows by the name of their data: generated or real, split into training and test, damaged where that is asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import datasets
from sklearn.model_selection import train_test_split

from experiments.common import streams
from experiments.common.generated import categories, gaussian_classes, holes, interactions, linear, words
from experiments.common.pipelines import nearest
from experiments.common.real import CLASSES, NUMBERS, rarer, table, texts

Table = tuple[Any, np.ndarray]

GENERATED: dict[str, Callable[..., tuple[Any, ...]]] = {
    "blobs": lambda seed, rows, **options: datasets.make_blobs(rows, random_state=seed, **options),
    "categories": categories,
    "circles": lambda seed, rows, **options: datasets.make_circles(rows, random_state=seed, **options),
    "classification": lambda seed, rows, **options: datasets.make_classification(
        rows, random_state=seed, **{"n_informative": 5, "n_redundant": 0, "flip_y": 0.0, **options}
    ),
    "friedman": lambda seed, rows, **options: datasets.make_friedman1(rows, random_state=seed, **options),
    "gaussians": gaussian_classes,
    "interactions": interactions,
    "linear": linear,
    "moons": lambda seed, rows, **options: datasets.make_moons(rows, random_state=seed, **options),
    "words": words,
}
"""Generators by name: seed, rows and options to columns and target (what else is true of the rows is left out)."""


def drawn(
    seed: int, data: str, n_train: int, n_test: int, options: dict[str, Any], positives: float
) -> tuple[Table, Table]:
    """Training and test rows; shares of classes are the same in both."""
    drawing, thinning, splitting = streams(seed, 3)
    known = [*GENERATED, *CLASSES, *NUMBERS, "texts"]
    if data not in known:
        raise ValueError(f"data: must be one of {', '.join(known)}, got {data!r}{nearest(data, known)}")
    if data in GENERATED:
        if n_train < 1:
            raise ValueError(f"n_train: must be at least 1 for generated data, got {n_train}; say how many rows")
        pool = (n_train + n_test) * (3 if positives else 1)  # enough for all rows to come from one of two classes
        X, y = _generated(drawing, data, pool, options)
    else:
        if options:
            raise ValueError(f"options: belong to generated data, got {options} for {data!r}; leave them out")
        X, y = texts() if data == "texts" else table(data)
    classes = np.issubdtype(y.dtype, np.integer)
    if positives:
        if not classes or not 0 < positives < 1:
            raise ValueError(f"positives: must be a share between 0 and 1 of rows with classes, got {positives}")
        rows, y = rarer(thinning, y, positives)
        X = X[rows]
    most = len(y) - 1 if data in GENERATED else len(y) // 3
    if n_train > most:
        raise ValueError(f"n_train: must be at most {most}, a third of the rows of {data!r}, got {n_train}")
    sizes = {"train_size": n_train or most, "test_size": min(n_test, len(y) - (n_train or most))}
    strata = y if classes else None
    train, test = train_test_split(np.arange(len(y)), **sizes, stratify=strata, random_state=splitting)
    return (X[train], y[train]), (X[test], y[test])


def _generated(seed: int, data: str, rows: int, options: dict[str, Any]) -> Table:
    try:
        X, y = GENERATED[data](seed, rows, **options)[:2]
    except TypeError as error:
        raise ValueError(f"options: {data!r} does not take {options} ({error}); see its docstring") from None
    return X, y


def damaged(
    seed: int, train: Table, test: Table, noise_columns: int, flipped: float, missing: tuple[float, str]
) -> tuple[Table, Table]:
    """The rows with useless columns added, training labels turned over and holes cut."""
    adding, flipping, *cutting = streams(seed, 4)
    (X, y), (X_test, y_test) = train, test
    if (noise_columns or missing[0]) and (issparse(X) or X.ndim == 1):
        raise ValueError("noise_columns, missing: belong to tables of numbers; leave them out for texts and counts")
    if noise_columns:
        rng = np.random.default_rng(adding)
        both = np.concatenate([X, X_test])
        copies = [rng.permutation(both[:, column % X.shape[1]]) for column in range(noise_columns)]
        X, X_test = np.split(np.column_stack([both, *copies]), [len(X)])
    if flipped:
        if not np.issubdtype(y.dtype, np.integer):
            raise ValueError(f"flipped: belongs to data with classes, got {flipped} for a numeric target; leave it out")
        rng = np.random.default_rng(flipping)
        wrong = rng.choice(len(y), round(flipped * len(y)), replace=False)
        y = y.copy()
        y[wrong] = (y[wrong] + rng.integers(1, y.max() + 1, len(wrong))) % (y.max() + 1)
    if missing[0]:
        X, X_test = (
            np.where(holes(part_seed, part, *missing), np.nan, part)
            for part_seed, part in zip(cutting, (X, X_test), strict=True)
        )
    return (X, y), (X_test, y_test)
