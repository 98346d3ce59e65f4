"""The interaction statistic against functions whose interaction is known, LIME's function against the package's own."""

import numpy as np
import pytest
from lime.lime_tabular import LimeTabularExplainer
from scipy.special import expit
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from experiments.interpretability import h_statistic, lime_function, shuffling_costs


@pytest.mark.parametrize(
    ("main", "product", "expected"), [(1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1 / np.sqrt(3))]
)
def test_h_is_the_share_of_the_joint_effect_that_is_no_sum_of_two(main: float, product: float, expected: float) -> None:
    # both columns take -1 and 1 in all four combinations, so that effects and interaction are orthogonal
    X = np.array([[u, v, w] for u in (-1.0, 1.0) for v in (-1.0, 1.0) for w in (0.0, 2.0, 7.0)])

    def predict(rows: np.ndarray) -> np.ndarray:
        return main * (rows[:, 0] + rows[:, 1]) + product * rows[:, 0] * rows[:, 1] + rows[:, 2] ** 2

    assert h_statistic(predict, X, 0, 1) == pytest.approx(expected, abs=1e-12)
    assert h_statistic(predict, X, 0, 2) == pytest.approx(0.0, abs=1e-12)


def test_shuffling_costs_are_the_permutation_importances_of_scikit_learn() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = X @ [1.0, -2.0, 0.0]
    model = LinearRegression().fit(X[:, ::-1], y)  # columns in the wrong order, so that it errs
    theirs = permutation_importance(model, X, y, scoring="neg_mean_squared_error", random_state=5).importances_mean
    assert shuffling_costs(model.predict, X, y, 5) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("discretize", [True, False])
def test_limes_function_gives_what_the_package_predicts_at_the_row(discretize: bool) -> None:
    X = np.random.default_rng(0).normal(3.0, 2.0, size=(200, 5))

    def predict(rows: np.ndarray) -> np.ndarray:
        one = expit(rows @ [1.0, -0.5, 0.2, 0.0, 0.3])
        return np.column_stack([1 - one, one])

    explainer = LimeTabularExplainer(X, discretize_continuous=discretize, random_state=1)
    explanation = explainer.explain_instance(X[7], predict, num_features=3)
    assert lime_function(explainer, explanation, X[7])(X[7:8]) == pytest.approx(explanation.local_pred, abs=1e-9)
