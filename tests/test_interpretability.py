"""The interaction statistic against functions whose interaction is known."""

import numpy as np
import pytest

from experiments.interpretability import h_statistic


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
