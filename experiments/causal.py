"""Trials about causes and effects: instruments, whom to treat."""

import numpy as np

from experiments.common import streams
from experiments.common.real import randomised

LIMITED, DISEASES = 0, 1  # columns of the bundled insurance experiment: physical limitations, chronic diseases


def instrument_errors(
    seed: int,
    *,
    size: int = 5000,
    relevance: float = 0.5,
    shared: float = 0.0,
    direct: float = 0.0,
    data: str = "generated",
    permuted: bool = False,
) -> dict[str, float]:
    """What is wrong with the effect of a treatment as estimated by an instrument, and by plain regression.

    The treatment, a number, raises the outcome by 1 per unit for everybody. A hidden cause acts on both. Another cause
    acts on the outcome, and may go together with the instrument.

    Args:
        seed: Draws everything.
        size: Rows; of bundled data a third.
        relevance: How much the instrument raises the treatment, per standard deviation.
        shared: Correlation of the instrument with the other cause of the outcome, in [0, 1).
        direct: How much the instrument itself raises the outcome.
        data: `generated`, or `health`: the instrument is a person's number of chronic diseases and the other cause a
            physical limitation, both as they go together in the bundled insurance experiment.
        permuted: Whether the instrument is dealt to rows at random.

    Returns:
        `instrument` (two-stage least squares with one instrument, which is a ratio of covariances) and `regression`
        (ordinary least squares of outcome on treatment), estimate minus 1, of any sign.
    """
    drawing, dealing = (np.random.default_rng(part) for part in streams(seed, 2))
    if data == "health":
        people = randomised()[0]
        rows = drawing.permutation(len(people))[: len(people) // 3]
        instrument, other = (
            (column - column.mean()) / column.std() for column in people[rows][:, [DISEASES, LIMITED]].T
        )
    else:
        other = drawing.normal(size=size)
        instrument = shared * other + np.sqrt(1 - shared**2) * drawing.normal(size=size)
    if permuted:
        instrument = dealing.permutation(instrument)
    hidden, chance, noise = drawing.normal(size=(3, len(other)))
    treatment = relevance * instrument + hidden + chance
    outcome = treatment + hidden + other + direct * instrument + noise
    return {
        "instrument": float(np.cov(instrument, outcome)[0, 1] / np.cov(instrument, treatment)[0, 1] - 1),
        "regression": float(np.cov(treatment, outcome)[0, 1] / np.var(treatment, ddof=1) - 1),
    }
