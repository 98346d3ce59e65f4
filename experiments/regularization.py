"""Trials on regularisation: penalties and the weights they leave, weight decay in optimizers, dropout and accuracy."""

from collections.abc import Sequence
from itertools import pairwise
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LassoCV, Ridge, RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import PolynomialFeatures, scale
from torch.nn import functional

from experiments.common import layers, networks, streams, training
from experiments.common.data import bundled


def zeroed_shares(
    seed: int,
    *,
    data: str = "generated",
    n_samples: int = 100,
    n_features: int = 20,
    noise: float = 10.0,
    alpha: float | None = None,
) -> dict[str, float]:
    """Share of all weights that are exactly zero under each penalty, in [0, 1].

    Args:
        seed: Draws the data and the folds; both penalties see the same rows.
        data: "generated" (scikit-learn's linear model, 5 of the columns matter, target's standard deviation without
            noise about 130) or "diabetes" (a fresh third of the rows, columns scaled to unit variance).
        n_samples: Rows generated.
        n_features: Columns generated.
        noise: Standard deviation of the generated target's noise.
        alpha: Strength of both penalties as scikit-learn scales them (per row for L1, summed over rows for L2); None
            leaves each to cross-validation over its own grid.
    """
    data_seed, fold_seed = streams(seed, 2)
    if data == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        rows = np.random.default_rng(data_seed).permutation(len(X))[: len(X) // 3]
        X, y = X[rows] / X[rows].std(axis=0), y[rows]
    else:
        X, y = make_regression(n_samples, n_features, n_informative=5, noise=noise, random_state=data_seed)
    if alpha is None:
        folds = KFold(5, shuffle=True, random_state=fold_seed)
        fits = {"lasso": LassoCV(cv=folds, random_state=fold_seed), "ridge": RidgeCV(alphas=np.logspace(-3, 3, 25))}
    else:
        fits = {"lasso": Lasso(alpha, random_state=fold_seed), "ridge": Ridge(alpha)}
    return {name: float(np.mean(fit.fit(X, y).coef_ == 0)) for name, fit in fits.items()}


def dropout_accuracy(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int,
    n_valid: int = 150,
    n_test: int = 1000,
    n_features: int = 20,
    n_informative: int = 10,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (64,),
    dropped: Sequence[float] = (0.0, 0.5),
    n_steps: int = 400,
    rates: Sequence[float] = (0.001, 0.004),
) -> dict[str, np.ndarray]:
    """Accuracy on test and training rows of one network trained without and with dropout, in [0, 1].

    Both arms start at the same weights, see the same minibatches of 32 for the same number of Adam's steps, and are
    judged after the last step; each takes the learning rate that is best for it on the validation rows.

    Args:
        seeds: Each draws data, weights, minibatches and dropout masks of one replicate.
        data: `generated` (scikit-learn's make_classification) or `digits` (grey levels in [0, 1]).
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_features: Columns of generated data.
        n_informative: Columns of generated data that carry the classes; two more are mixtures of them.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, in training and test rows alike.
        hidden: Units per hidden layer (ReLU).
        dropped: Share dropped of the columns, then of each hidden layer's units.
        n_steps: Minibatches.
        rates: Learning rates tried.

    Returns:
        `plain` and `dropout` on the test rows; `plain_train` and `dropout_train` on the training rows, without masks.
    """
    train, valid, test = networks.classification(
        seeds,
        (n_train, n_valid, n_test),
        data,
        n_features=n_features,
        n_informative=n_informative,
        n_classes=n_classes,
        flip_y=flip_y,
    )
    widths = (train[0].shape[2], *hidden, n_classes)
    start, steps = networks.initial(seeds, widths), networks.batches(seeds, n_train, 32, n_steps)
    with_masks = zip(map(layers.dropout, dropped), pairwise(widths), strict=True)
    stack = [layer for mask, pair in with_masks for layer in (layers.relu, mask, layers.linear(*pair))][1:]
    outcomes = {}
    for arm, net in {"plain": networks.dense, "dropout": layers.chain(*stack)}.items():
        fits = training.fit(net, start, train, steps, rates, optimizer="adam", seeds=seeds)
        chosen = networks.best(fits, [training.accuracy(net, fit, valid) for fit in fits])
        outcomes |= {arm: training.accuracy(net, chosen, test), f"{arm}_train": training.accuracy(net, chosen, train)}
    return outcomes


OPTIMIZERS = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
# shapes of the weights, and the loss as a function of weights, features and classes
LOSSES_OF = {
    "linear": ([(10,), (1,)], lambda w, x, y: functional.mse_loss(x @ w[0] + w[1], y.double())),
    "logistic": ([(2, 10), (2,)], lambda w, x, y: functional.cross_entropy(functional.linear(x, *w), y)),
    "network": (
        [(16, 10), (16,), (2, 16), (2,)],
        lambda w, x, y: functional.cross_entropy(functional.linear(functional.linear(x, *w[:2]).relu(), *w[2:]), y),
    ),
    "convolution": (
        [(8, 1, 3, 3), (8,), (10, 288), (10,)],
        lambda w, x, y: functional.cross_entropy(
            functional.linear(functional.conv2d(x, *w[:2]).relu().flatten(1), *w[2:]), y
        ),
    ),
}


def decay_against_penalty(
    seed: int,
    *,
    model: str,
    optimizer: str = "Adam",
    weight_decay: float = 0.01,
    penalty: float = 0.5,
    lr: float = 0.001,
    n_steps: int = 50,
) -> dict[str, float]:
    """Largest distance between the weights under an optimizer's weight_decay and under Adam on a penalised loss.

    Both start at the same weights and take the same minibatches of 32 in double precision; the distance is taken after
    each step, relative to the length of the weight vector (biases included, as `model.parameters()` includes them).

    Args:
        seed: Draws data, weights and minibatches.
        model: `linear` (squared error), `logistic`, `network` (one hidden layer of 16), all on 200 generated rows of 10
            columns, or `convolution` (8 filters and a linear layer) on a fresh third of the digits.
        optimizer: `Adam` or `AdamW`, the one that is given weight_decay.
        weight_decay: As given to the optimizer.
        penalty: The penalised loss is the loss plus penalty * weight_decay * sum of the squared weights.
        lr: Learning rate of both.
        n_steps: Minibatches.

    Returns:
        `distance`, at least 0.
    """
    rng = torch.Generator().manual_seed(seed)
    if model == "convolution":
        pixels, classes = map(torch.from_numpy, load_digits(return_X_y=True))
        rows = torch.randperm(len(pixels), generator=rng)[: len(pixels) // 3]
        x, y = pixels[rows].view(-1, 1, 8, 8) / 16, classes[rows]
    else:
        x = torch.randn(200, 10, generator=rng, dtype=torch.float64)
        y = (x[:, :3].sum(1) + torch.randn(200, generator=rng, dtype=torch.float64) > 0).long()
    shapes, loss_of = LOSSES_OF[model]
    start = [torch.randn(shape, generator=rng, dtype=torch.float64) / 3 for shape in shapes]
    steps = [torch.randint(len(x), (32,), generator=rng) for _ in range(n_steps)]
    paths = []
    for rule, decay, factor in (
        (OPTIMIZERS[optimizer], weight_decay, 0.0),
        (torch.optim.Adam, 0.0, penalty * weight_decay),
    ):
        weights = [tensor.clone().requires_grad_() for tensor in start]
        step_of = rule(weights, lr=lr, weight_decay=decay)
        path = []
        for rows in steps:
            step_of.zero_grad()
            squares = sum(tensor.square().sum() for tensor in weights)
            (loss_of(weights, x[rows], y[rows]) + factor * squares).backward()
            step_of.step()
            path.append(torch.cat([tensor.detach().flatten() for tensor in weights]))
        paths.append(torch.stack(path))
    distances = (paths[0] - paths[1]).norm(dim=1) / paths[1].norm(dim=1)
    return {"distance": float(distances.max())}


def kept_columns(
    seed: int,
    *,
    data: str = "generated",
    n: int = 100,
    columns: int = 20,
    noise: float = 10.0,
    correlation: float = 0.0,
    alpha: float | None = None,
    permuted: bool = False,
) -> dict[str, float]:
    """How well the columns that the lasso keeps agree with the five that the target was made from.

    Args:
        seed: Draws columns or rows, weights and noise.
        data: `generated` (normal columns) or a bundled set, whose columns get a target made from five.
        n: Rows.
        columns: Columns generated.
        noise: Standard deviation of the target's noise; that of the signal is about 130 without correlation.
        correlation: Between any two generated columns, in [0, 1).
        alpha: Penalty; None leaves it to five-fold cross-validation.
        permuted: Whether the target is shuffled.

    Returns:
        `recall`: share of the five that are kept; `false_share`: share of the kept that are not among the five, 0
        where none is kept; both in [0, 1]. `kept`: number of columns kept.
    """
    rng = np.random.default_rng(seed)
    if data == "generated":
        X = np.sqrt(1 - correlation) * rng.normal(size=(n, columns)) + np.sqrt(correlation) * rng.normal(size=(n, 1))
    else:
        X = bundled(data)[0]
        X = X[rng.permutation(len(X))[:n]]
    matter = rng.permutation(X.shape[1])[:5]
    y = X[:, matter] @ (100 * rng.random(5)) + noise * rng.normal(size=n)  # weights as make_regression draws them
    y = rng.permutation(y) if permuted else y
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # correlated columns: as a user would see it, the fit is used
        kept = np.flatnonzero((LassoCV(cv=5) if alpha is None else Lasso(alpha)).fit(X, y).coef_)
    hits = len(np.intersect1d(kept, matter))
    return {"recall": hits / 5, "false_share": (len(kept) - hits) / max(len(kept), 1), "kept": float(len(kept))}


def explained(
    seed: int,
    *,
    data: str,
    n: int,
    columns: int = 30,
    relevant: int = 30,
    correlation: float = 0.9,
    group: int = 0,
    noise: float = 1.0,
    studies: int = 2,
) -> dict[str, float]:
    """Share of the target's variance on new rows that tuned ridge and tuned lasso explain.

    Both are tuned as scikit-learn does it when left to itself: ridge on leave-one-out errors over 25 penalties, lasso
    on five folds over 20.

    Args:
        seed: Draws columns or rows, weights and noise.
        data: `generated`; `diabetes`, with its squares and products (65 columns); or `breast_cancer`, with its class as
            a number.
        n: Rows to fit; 1,000 more, or all others, test.
        columns: Columns generated.
        relevant: Columns with a weight.
        correlation: Between two columns of a group.
        group: Columns of one group; 0 for all in one.
        noise: Its standard deviation over that of the generated signal.
        studies: Data sets of one replicate, over which the shares are averaged.

    Returns:
        `ridge` and `lasso`, at most 1, below 0 where the mean would be better.
    """
    shape = (columns, relevant, correlation, group or columns, noise)
    found = [_explained(np.random.default_rng(one), data, n, *shape) for one in streams(seed, studies)]
    return {name: float(np.mean([one[name] for one in found])) for name in ("ridge", "lasso")}


def _explained(
    rng: np.random.Generator,
    data: str,
    n: int,
    columns: int,
    relevant: int,
    correlation: float,
    size: int,
    noise: float,
) -> dict[str, float]:
    if data == "generated":
        common = rng.normal(size=(n + 1000, columns // size)).repeat(size, axis=1)
        X = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=(n + 1000, columns))
        weights = np.zeros(columns)
        weights[rng.permutation(columns)[:relevant]] = rng.normal(size=relevant)
        signal = X @ weights
        y = signal + noise * signal.std() * rng.normal(size=len(X))
    else:
        X, y = bundled(data)
        X = scale(PolynomialFeatures(include_bias=False).fit_transform(X)) if data == "diabetes" else X
    order = rng.permutation(len(X))
    fitted, test = order[:n], order[n:]
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)
        fits = {
            "ridge": RidgeCV(alphas=np.logspace(-3, 5, 25)),
            "lasso": LassoCV(cv=5, alphas=20, tol=1e-3, precompute=True),
        }
        return {name: float(fit.fit(X[fitted], y[fitted]).score(X[test], y[test])) for name, fit in fits.items()}


def columns_left(seed: int, *, alpha: float, n_informative: int = 5) -> dict[str, float]:
    """Number of weights of 20 that the lasso leaves on the data that the guide prints it for (lines 62-68)."""
    X, y = make_regression(n_samples=100, n_features=20, n_informative=n_informative, noise=10, random_state=seed)
    return {"count": float(np.sum(Lasso(alpha=alpha).fit(X, y).coef_ != 0))}
