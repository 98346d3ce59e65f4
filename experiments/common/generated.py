"""Generated data with known truth: each function draws rows from one seed and says what is true about them.

Columns have mean 0 and variance 1 unless said otherwise. `probability` is the true chance of class 1 at each row, so
that the best possible rule, its error, and the calibration of any other rule are known.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit, ndtri

Labelled = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Columns (rows, columns), class 0 or 1 (rows,), true probability of class 1 (rows,)."""


def linear(
    seed: int, rows: int, *, columns: int = 20, informative: int = 5, correlation: float = 0.0, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, target (rows,) and weights (columns,) of a linear model of which only some columns are part.

    Args:
        seed: Draws everything.
        rows: At least 1.
        columns: Gaussian columns.
        informative: How many have a weight, 1 or -1, at random places; the others have exactly 0.
        correlation: Of any two columns, in [0, 1).
        noise: Standard deviation of the noise relative to that of the signal: the best R2 is 1 / (1 + noise^2).
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros(columns)
    weights[rng.choice(columns, informative, replace=False)] = rng.choice([-1.0, 1.0], informative)
    X = _correlated(rng, rows, columns, correlation)
    spread = np.sqrt((1 - correlation) * informative + correlation * weights.sum() ** 2)
    return X, X @ weights + noise * spread * rng.normal(size=rows), weights


def gaussian_classes(
    seed: int, rows: int, *, columns: int = 10, informative: int = 0, correlation: float = 0.0, error: float = 0.1
) -> Labelled:
    """Two equally frequent Gaussian classes of one covariance, where no rule is wrong less often than `error`.

    The best rule is linear. The classes differ by the same amount in each of the first `informative` columns; standard
    deviations within a class are 1.

    Args:
        seed: Draws everything.
        rows: At least 1.
        columns: Columns in all.
        informative: Columns whose means differ; 0 for all.
        correlation: Of any two columns within a class, in [0, 1).
        error: Bayes error, in (0, 0.5).
    """
    rng = np.random.default_rng(seed)
    direction = np.zeros(columns)
    direction[: informative or columns] = 1.0
    # inverse of (1 - c) I + c 11' by Sherman and Morrison
    precise = (direction - correlation * direction.sum() / (1 + (columns - 1) * correlation)) / (1 - correlation)
    shift = direction * -2 * ndtri(error) / np.sqrt(direction @ precise)
    y = rng.integers(0, 2, rows)
    X = _correlated(rng, rows, columns, correlation) + np.outer(y - 0.5, shift)
    return X, y, expit(X @ precise * (shift @ precise) / (direction @ precise))


def interactions(seed: int, rows: int, *, order: int = 2, columns: int = 10, error: float = 0.0) -> Labelled:
    """Class by the parity of the signs of the first `order` columns; no fewer of them say anything about it.

    Args:
        seed: Draws everything.
        rows: At least 1.
        order: Columns that act together; 2 is the exclusive or, 1 a plain effect of one column.
        columns: Gaussian columns in all.
        error: Share of labels turned over, the Bayes error, in [0, 0.5].
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    odd = np.sum(X[:, :order] > 0, axis=1) % 2
    probability = np.where(odd == 1, 1 - error, error)
    return X, (rng.random(rows) < probability).astype(int), probability


def grouped(
    seed: int, groups: int, rows: int, *, columns: int = 10, signal: float = 0.0, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, class and group number of rows that come in groups (people, devices), each of one class.

    Rows of a group resemble each other, so that a group is recognised again; with `signal` 0 nothing can be said about
    new groups, whatever rows of known groups suggest.

    Args:
        seed: Draws everything.
        groups: Groups; half of them are of class 1.
        rows: Rows of each group.
        columns: Gaussian columns.
        signal: Distance of the class means in each column, in standard deviations within a group.
        spread: Standard deviation of the groups' centres in each column, in the same unit.
    """
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.arange(groups) % 2)
    centres = spread * rng.normal(size=(groups, columns)) + signal * (classes[:, None] - 0.5)
    group = np.repeat(np.arange(groups), rows)
    return centres[group] + rng.normal(size=(groups * rows, columns)), classes[group], group


def categories(
    seed: int, rows: int, *, levels: int = 200, skew: float = 1.0, numeric: int = 3, effect: float = 1.0
) -> Labelled:
    """A categorical column of many levels, each with an effect of its own, beside numeric columns.

    Column 0 holds the level's code, whose order says nothing; the numeric columns have an effect of 0.5 each.

    Args:
        seed: Draws everything.
        rows: At least 1.
        levels: Levels of the category; rare ones may be absent.
        skew: Level k is met in proportion to 1 / k^skew (1: Zipf's law, 0: all alike).
        numeric: Gaussian columns.
        effect: Standard deviation of the levels' effects on the log odds.
    """
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, levels + 1) ** skew
    code = rng.permutation(levels)[rng.choice(levels, rows, p=shares / shares.sum())]
    X = rng.normal(size=(rows, numeric))
    probability = expit((effect * rng.normal(size=levels))[code] + 0.5 * X.sum(axis=1))
    return np.column_stack([code, X]), (rng.random(rows) < probability).astype(int), probability


def words(
    seed: int, rows: int, *, vocabulary: int = 10_000, telling: int = 1000, length: int = 100, tilt: float = 1.0
) -> Labelled:
    """Word counts of texts of two equally frequent classes, a sparse array (rows, vocabulary).

    Words are drawn one by one by Zipf's law; a few telling ones come more often in one class than in the other. The
    probability of class 1 is that of Bayes' rule with all frequencies known; as drawn by default it errs on one text
    in nine.

    Args:
        seed: Draws everything, the telling words included.
        rows: Texts.
        vocabulary: Words there are.
        telling: Words that tell the classes apart, anywhere in the vocabulary.
        length: Mean number of words of a text.
        tilt: Log of the factor by which a telling word is more frequent in its class.
    """
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, vocabulary + 1)
    lean = np.zeros(vocabulary)
    lean[rng.choice(vocabulary, telling, replace=False)] = rng.choice([-tilt, tilt], telling)
    shares = np.stack([frequency * np.exp(-lean / 2), frequency * np.exp(lean / 2)])
    shares /= shares.sum(axis=1, keepdims=True)
    y, lengths = rng.integers(0, 2, rows), 1 + rng.poisson(length - 1, rows)
    drawn = [rng.choice(vocabulary, lengths[y == k].sum(), p=shares[k]) for k in (0, 1)]
    text = np.concatenate([np.repeat(np.flatnonzero(y == k), lengths[y == k]) for k in (0, 1)])
    cells = text.astype(np.int32), np.concatenate(drawn).astype(np.int32)  # scikit-learn takes no wider indices
    counts = csr_array((np.ones(len(text)), cells), shape=(rows, vocabulary))
    return counts, y, expit(counts @ np.log(shares[1] / shares[0]))


def holes(seed: int, X: np.ndarray, share: float, mechanism: str) -> np.ndarray:
    """Which cells are missing, boolean, shaped as X.

    Args:
        seed: Draws the cells.
        X: A complete table.
        share: Expected share of missing cells of each column that has any, in [0, 0.5].
        mechanism: `mcar`, completely at random; `mar`, likelier in rows where column 0, itself complete, is high;
            `mnar`, likelier where the value itself is high. From the lowest to the highest the chance rises in
            equal steps from 0 to twice the share.
    """
    rng = np.random.default_rng(seed)
    if mechanism == "mcar":
        chance = np.full(X.shape, share)
    else:
        ranks = X.argsort(axis=0).argsort(axis=0) / max(len(X) - 1, 1)
        chance = 2 * share * (ranks if mechanism == "mnar" else np.repeat(ranks[:, :1], X.shape[1], axis=1))
    missing = rng.random(X.shape) < chance
    if mechanism == "mar":
        missing[:, 0] = False
    return missing


def _correlated(rng: np.random.Generator, rows: int, columns: int, correlation: float) -> np.ndarray:
    """Gaussian columns of variance 1, any two with the same correlation."""
    return np.sqrt(1 - correlation) * rng.normal(size=(rows, columns)) + np.sqrt(correlation) * rng.normal(
        size=(rows, 1)
    )
