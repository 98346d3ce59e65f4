"""Claims about explanations: whether they name what truly matters."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from experiments.common import streams
from experiments.common.data import bundled, shares


def relevant_on_top(
    seed: int,
    *,
    data: str = "numbers",
    model: str = "forest",
    n: int = 300,
    relevant: int = 5,
    irrelevant: int = 15,
    strength: float = 1.0,
    copied: float = 0.0,
    permuted: bool = False,
) -> dict[str, float]:
    """Whether as many columns as are relevant, taken from the top of the impurity importances, are all relevant.

    Args:
        seed: Draws rows and fit.
        data: `numbers`, all columns normal; `mixed`, the relevant ones of two values and the irrelevant ones normal; or
            `wine`, all of whose columns are taken for relevant, beside a shuffled copy of each.
        model: `forest`, with scikit-learn's defaults; `tree` or `boosting` (XGBoost, by gain), as printed.
        n: Training rows.
        relevant: Generated columns that the class depends on, all alike.
        irrelevant: Generated columns that it does not depend on.
        strength: Logit for each standard deviation of a relevant column; small values make a noisy class.
        copied: Correlation of the first irrelevant columns with one relevant column each, in [0, 1).
        permuted: Whether the classes are shuffled before fitting.

    Returns:
        `clean`: 1.0 or 0.0. `right`: share of the columns so taken that are relevant, in [0, 1].
    """
    drawing, fitting = streams(seed, 2)
    rng = np.random.default_rng(drawing)
    if data == "wine":
        rows = shares(drawing, 178, n)[0]
        real, y = bundled("wine")[0][rows], bundled("wine")[1][rows]
        relevant = real.shape[1]
        X = np.c_[real, rng.permuted(real, axis=0)]
    else:
        X = rng.normal(size=(n, relevant + irrelevant))
        if data == "mixed":
            X[:, :relevant] = np.sign(X[:, :relevant])
        twins = min(relevant, irrelevant)
        own = X[:, relevant : relevant + twins]
        X[:, relevant : relevant + twins] = np.sqrt(1 - copied**2) * own + copied * X[:, :twins]
        y = (rng.random(n) < 1 / (1 + np.exp(-strength * X[:, :relevant].sum(axis=1)))).astype(int)
    if permuted:
        y = rng.permutation(y)
    fits = {
        "forest": RandomForestClassifier(random_state=fitting),
        "tree": DecisionTreeClassifier(max_depth=5, min_samples_split=20, min_samples_leaf=10, random_state=fitting),
        "boosting": XGBClassifier(
            n_estimators=100,
            max_depth=6,
            learning_rate=0.1,
            subsample=0.8,
            colsample_bytree=0.8,
            reg_alpha=0.1,
            reg_lambda=1.0,
            n_jobs=1,
            random_state=fitting,
        ),
    }
    importances = fits[model].fit(X, y).feature_importances_
    top = np.argsort(importances)[::-1][:relevant]
    return {"clean": float(np.all(top < relevant)), "right": float(np.mean(top < relevant))}
