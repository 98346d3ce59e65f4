"""How long explanations take; apart from what they are worth, so that only claims about time depend on SHAP."""

from functools import partial

import numpy as np
import shap
from lime.lime_tabular import LimeTabularExplainer
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from xgboost import XGBClassifier

from experiments.common import streams
from experiments.common.clocks import least_seconds
from experiments.common.data import bundled, shares
from experiments.common.generated import gaussian_classes


def seconds_to_explain(
    seed: int,
    *,
    model: str,
    explainer: str,
    data: str = "gaussians",
    columns: int = 30,
    n: int = 500,
    rows: int = 1,
    background: int = 100,
    repeats: int = 3,
) -> dict[str, float]:
    """Seconds from a fitted classifier to explanations of rows that it did not train on, by SHAP and by LIME.

    Timed is what a user has to run: making the explainer and explaining, by SHAP all rows at once, by LIME one after
    the other, with the packages' defaults and ten columns in LIME's answer, as printed. `shap_s` and `lime_s` are CPU
    seconds, `shap_wall_s` and `lime_wall_s` elapsed ones, each the least of `repeats` runs after one to warm up; the
    two take turns in an order that is reversed from one round to the next and from one seed to the next.

    Args:
        seed: Draws rows, fit, background and LIME's samples; the first bit decides who begins.
        model: `boosting` (XGBoost) or `forest`, a hundred trees each; `logistic`; `network`, 32 hidden units; or
            `neighbours`, five.
        explainer: SHAP's: `tree`, `linear`, `kernel`, or `chosen`, the one that the package picks for a function.
        data: `gaussians`, ten of whose columns tell; or `breast_cancer`, thirty columns, scaled.
        columns: Generated columns, at least 10.
        n: Training rows.
        rows: Rows explained.
        background: Training rows over which SHAP averages what a column could have been, but for trees.
        repeats: Timed runs per method.
    """
    drawing, fitting, sampling = streams(seed, 3)
    if data == "breast_cancer":
        order = shares(drawing, 569, n, rows)
        X, y = (values[np.concatenate(order[:2])] for values in bundled(data))
    else:
        X, y, _ = gaussian_classes(drawing, n + rows, columns=columns, informative=10)
    train, explained = X[:n], X[n:]
    fitted = classifiers(fitting)[model].fit(train, y[:n])
    shapley, lime = partial(by_shap, fitted, explainer, sampling), partial(by_lime, fitted, sampling)
    runs = {"lime": partial(lime, train, explained), "shap": partial(shapley, train[:background], explained)}
    state = np.random.get_state()  # noqa: NPY002  SHAP draws from the global generator, which is left as it was
    np.random.seed(sampling)  # noqa: NPY002  the same
    try:
        lime(train[:20], explained[:1], samples=100)
        shapley(train[:2], explained[:1])
        return least_seconds(runs, repeats, backwards=bool(seed % 2))
    finally:
        np.random.set_state(state)  # noqa: NPY002  the same


def classifiers(seed: int) -> dict[str, ClassifierMixin]:
    """The kinds of model that are explained, by name, each to be fitted with this seed."""
    return {
        "boosting": XGBClassifier(n_jobs=1, random_state=seed),
        "forest": RandomForestClassifier(random_state=seed),
        "logistic": LogisticRegression(),
        "network": MLPClassifier((32,), max_iter=50, early_stopping=True, random_state=seed),
        "neighbours": KNeighborsClassifier(),
    }


def by_shap(fitted: ClassifierMixin, explainer: str, seed: int, known: np.ndarray, asked: np.ndarray) -> None:
    """Explains all rows asked about at once, against known ones."""
    if explainer == "chosen":
        shap.Explainer(fitted.predict_proba, known, seed=seed)(asked)
    else:
        explainers = {
            "tree": lambda: shap.TreeExplainer(fitted),
            "linear": lambda: shap.LinearExplainer(fitted, known),
            "kernel": lambda: shap.KernelExplainer(fitted.predict_proba, known),
        }
        explainers[explainer]().shap_values(asked, **({"silent": True} if explainer == "kernel" else {}))


def by_lime(fitted: ClassifierMixin, seed: int, known: np.ndarray, asked: np.ndarray, samples: int = 5000) -> None:
    """Explains the rows asked about one after the other, from samples around each."""
    lime = LimeTabularExplainer(known, random_state=seed)
    for row in asked:
        lime.explain_instance(row, fitted.predict_proba, num_features=10, num_samples=samples)
