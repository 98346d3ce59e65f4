"""Claims about embeddings: categories of many levels as learned vectors and as indicators."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from experiments.common import streams
from experiments.common.data import shares
from experiments.common.layers import Layer, Noise, chain, function, initial, linear, relu, uniform
from experiments.common.networks import DATA, SPLIT, Rows, batches
from experiments.common.real import texts
from experiments.common.training import Best, fit, mean_loss, outputs


def coded(seed: int, rows: int, kind: str, levels: int, skew: float) -> tuple[np.ndarray, np.ndarray]:
    """Codes of one or two categories in the first columns, then three Gaussian columns, and classes.

    Args:
        seed: Draws everything.
        rows: At least 1.
        kind: What the log odds hold beside the numeric columns: `levels`, an effect of each level by itself; `columns`,
            an effect of each level that depends on two of the numeric columns; `pairs`, the product of two vectors of
            length 2, one of a level of each of two categories, as of persons and goods.
        levels: Levels of each category.
        skew: Level k is met in proportion to 1 / k^skew.
    """
    rng = np.random.default_rng(seed)
    met = 1 / np.arange(1, levels + 1) ** skew
    codes = rng.choice(levels, (rows, 1 + (kind == "pairs")), p=met / met.sum())
    X, vectors = rng.normal(size=(rows, 3)), rng.normal(size=(2, levels, 2))
    effect = {
        "levels": lambda: np.sqrt(2) * vectors[0, codes[:, 0], 0],
        "columns": lambda: np.sum(vectors[0, codes[:, 0]] * X[:, :2], axis=1),
        "pairs": lambda: np.sum(vectors[0, codes[:, 0]] * vectors[1, codes[:, -1]], axis=1),
    }[kind]()
    chance = expit(1.5 * effect + 0.5 * X.sum(axis=1))
    return np.c_[codes, X], (rng.random(rows) < chance).astype(int)


@cache
def words() -> tuple[list[np.ndarray], np.ndarray, int]:
    """Words of each text of SciPy's documentation as codes, whether it is of `special` or `stats`, and how many codes.

    Words found in at least ten texts; texts without any are left out.
    """
    found, subjects = texts()
    split = [re.findall(r"[a-z]{2,}", text.lower()) for text in found]
    counts = Counter(word for text in split for word in set(text))
    code = {word: place for place, word in enumerate(sorted(word for word in counts if counts[word] >= 10))}
    coded_texts = [np.array([code[word] for word in text if word in code]) for text in split]
    kept = [place for place, text in enumerate(coded_texts) if len(text)]
    return [coded_texts[place] for place in kept], np.isin(subjects[kept], (6, 7)).astype(int), len(code)


def drawn_words(seed: int, sizes: Sequence[int], columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each size so many rows of `columns` random words of a text, and its class; no text serves two parts."""
    found, y, _ = words()
    drawing, splitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    third = len(y) // 3
    ends = np.cumsum([len(text) for text in found])
    flat, parts = np.concatenate(found), []
    for rows, places in zip(sizes, shares(splitting, len(y), third * 3 // 4, third // 4), strict=True):
        chosen = rng.choice(places, rows)
        lengths = np.diff(ends, prepend=0)[chosen, None]
        at = (lengths * rng.random((rows, columns))).astype(int)
        parts.append((flat[ends[chosen, None] - lengths + at].astype(float), y[chosen]))
    return parts


def lookup(column: int, levels: int, outs: int, spread: float) -> Layer:
    """A vector for each code in a column of the inputs, (replicates, outs, rows), at first uniform within `spread`."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        first = levels * torch.arange(len(x))[:, None]
        return functional.embedding(x[:, column].long() + first, next(weights).flatten(0, 1)).mT

    return Layer(lambda rng: [uniform(rng, spread / 3**0.5, (levels, outs))], apply)


def side_by_side(*layers: Layer, add: bool) -> Layer:
    """What the layers make of the same inputs, added or as further features."""

    def apply(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        made = [layer.apply(weights, x, noise) for layer in layers]
        return sum(made[1:], made[0]) if add else torch.cat(made, 1)

    return Layer(lambda rng: [tensor for layer in layers for tensor in layer.draw(rng)], apply)


def stacked(widths: Sequence[int]) -> Layer:
    """Linear layers of the given widths, inputs first, with ReLU between them and two outputs."""
    layers = [layer for pair in pairwise(widths) for layer in (linear(*pair), relu)]
    return chain(*layers, linear(widths[-1], 2))


def embedded(categories: int, levels: int, numeric: int, width: int, hidden: Sequence[int]) -> Layer:
    """Vectors of `width` numbers for the categories, joined to the numeric columns, under hidden layers."""
    others = function(lambda x: x[:, categories:])
    tables = [lookup(column, levels, width, 0.05) for column in range(categories)]
    return chain(side_by_side(*tables, others, add=False), stacked((categories * width + numeric, *hidden)))


def one_hot(categories: int, levels: int, numeric: int, hidden: Sequence[int]) -> Layer:
    """The same hidden layers on one column of 0 and 1 for each level.

    A product with such columns is a row of the weights, which is how it is computed; initial weights are those of
    nn.Linear with as many inputs.
    """
    outs = hidden[0] if hidden else 2
    spread = (categories * levels + numeric) ** -0.5
    tables = [lookup(column, levels, outs, spread) for column in range(categories)]
    others = chain(function(lambda x: x[:, categories:]), linear(numeric, outs)) if numeric else linear_bias(outs)
    first = side_by_side(*tables, others, add=True)
    return chain(first, relu, stacked(hidden)) if hidden else first


def linear_bias(outs: int) -> Layer:
    """Only a bias, where there are no numeric columns."""
    return Layer(lambda rng: [uniform(rng, 0.0, (outs, 1))], lambda weights, x, noise: next(weights))


def auc_by_encoding(
    seeds: Sequence[int],
    *,
    kind: str,
    levels: int = 500,
    skew: float = 1.0,
    n_train: int = 4000,
    n_test: int = 2000,
    categories: int = 1,
    rates: Sequence[float] = (0.004, 0.02),
    n_steps: int = 200,
) -> dict[str, np.ndarray]:
    """Area under the ROC curve on test rows with learned vectors and with indicators for the categories, in [0, 1].

    Each encoding has the networks of NETWORKS, trained by Adam on the same minibatches of 128, and is taken at the
    network, the rate and the minibatch where its loss on the validation rows was lowest.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        kind: As for `coded`, or `words`: columns of words, drawn at random from a text.
        levels: Levels of each category; words have as many as there are.
        skew: As for `coded`.
        n_train: Training rows; a quarter as many more, 1000 at most, serve for validation, ten times in a training.
        n_test: Test rows.
        categories: Columns of words.
        rates: Learning rates.
        n_steps: Minibatches.

    Returns:
        `embedded` and `one_hot`; `one_hot_linear`, without hidden layers; `embedded_trained` and `one_hot_trained`, the
        share of the minibatches at which the loss was lowest.
    """
    sizes = n_train, min(n_train // 4, 1000), n_test
    if kind == "words":
        levels, numeric = words()[2], 0
        drawn = [drawn_words(streams(seed, 5)[SPLIT], sizes, categories) for seed in seeds]
    else:
        categories, numeric = 1 + (kind == "pairs"), 3
        made = (coded(streams(seed, 5)[DATA], sum(sizes), kind, levels, skew) for seed in seeds)
        ends = np.cumsum(sizes)[:-1]
        drawn = [list(zip(np.split(X, ends), np.split(y, ends), strict=True)) for X, y in made]
    train, valid, test = (
        (torch.from_numpy(np.stack([X for X, _ in part])).float(), torch.from_numpy(np.stack([y for _, y in part])))
        for part in zip(*drawn, strict=True)
    )
    shape = categories, levels, numeric
    nets = {
        "embedded": [embedded(*shape, width, hidden) for width, hidden in NETWORKS],
        "one_hot": [one_hot(*shape, hidden) for _, hidden in NETWORKS],
    }
    steps, found = batches(seeds, n_train, 128, n_steps), {}
    for arm, variants in nets.items():
        tried = [_trained(net, seeds, train, valid, test, steps, rates) for net in variants]
        loss, area, at = (np.concatenate(same) for same in zip(*tried, strict=True))
        first = loss.argmin(0), np.arange(len(seeds))
        found |= {arm: area[first], f"{arm}_trained": at[first]}
    linear_ones = np.s_[-len(rates) :]
    return found | {"one_hot_linear": area[linear_ones][loss[linear_ones].argmin(0), np.arange(len(seeds))]}


NETWORKS: tuple[tuple[int, tuple[int, ...]], ...] = ((8, (16, 16)), (8, ()))
"""Length of the vectors, where there are any, and hidden layers of the networks; one has none, as printed."""


def _trained(
    net: Layer, seeds: Sequence[int], train: Rows, valid: Rows, test: Rows, steps: Tensor, rates: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest validation loss, area under the curve of the test rows, share of the minibatches: (rates, replicates)."""
    best = Best(lambda weights: -mean_loss(net, weights, valid))
    fit(net, initial(net, seeds), train, steps, rates, optimizer="adam", watch=best, every=len(steps) // 10)
    area = []
    for weights in best.weights:
        raw = outputs(net, weights, test[0], 4096)
        ahead = (raw[:, 1] - raw[:, 0]).numpy()
        area.append([roc_auc_score(y, score) for y, score in zip(test[1].numpy(), ahead, strict=True)])
    return -best.scores, np.array(area), best.steps / len(steps)
