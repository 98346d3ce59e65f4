"""Trials on regularisation: penalties and the weights they leave, weight decay in optimizers, dropout and accuracy."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits, make_regression
from sklearn.linear_model import Lasso, LassoCV, Ridge, RidgeCV
from sklearn.model_selection import KFold
from torch.nn import functional

from experiments.common import networks, streams


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
    hidden: Sequence[int] = (128,),
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
    start = networks.initial(seeds, widths)
    steps = networks.batches(seeds, n_train, 32, n_steps)
    outcomes = {}
    for arm, masks in {"plain": None, "dropout": networks.dropout_masks(seeds, dropped, widths, 32)}.items():
        fits = networks.trained(start, train, steps, rates, masks=masks)
        chosen = networks.best(fits, [networks.accuracy(fit, valid) for fit in fits])
        outcomes |= {arm: networks.accuracy(chosen, test), f"{arm}_train": networks.accuracy(chosen, train)}
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
    n_steps: int = 100,
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
