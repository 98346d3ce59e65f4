"""Trials on regularisation: what penalties do to the weights of a model."""

import numpy as np
from sklearn.datasets import load_diabetes, make_regression
from sklearn.linear_model import Lasso, LassoCV, Ridge, RidgeCV
from sklearn.model_selection import KFold

from experiments.common import streams


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
        fits = {"lasso": LassoCV(cv=folds), "ridge": RidgeCV(alphas=np.logspace(-3, 3, 25))}
    else:
        fits = {"lasso": Lasso(alpha), "ridge": Ridge(alpha)}
    return {name: float(np.mean(fit.fit(X, y).coef_ == 0)) for name, fit in fits.items()}
