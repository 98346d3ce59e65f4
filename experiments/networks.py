"""Trials on how networks are built and trained."""

from collections.abc import Sequence

import numpy as np

from experiments.common import networks


def accuracy_by_loss(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int = 1000,
    n_valid: int = 300,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (64,),
    gain: float = 1.0,
    optimizer: str = "sgd",
    rates: Sequence[float] = (0.01, 0.04, 0.16, 0.64, 2.5, 10.0),
    n_steps: int = 300,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows of one network trained for its classes with three losses, in [0, 1].

    All start at the same weights and see the same minibatches of 32; each takes the learning rate that is best for
    it on the validation rows.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` (scikit-learn's make_classification, 10 of 20 columns informative) or `digits`.
        n_train: Training rows.
        n_valid: Validation rows.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, in training and test rows alike.
        hidden: Units per hidden layer (ReLU).
        gain: Factor on torch's default initial weights; at 8 the first softmax is sure of wrong classes.
        optimizer: `sgd` (without momentum) or `adam`.
        rates: Learning rates tried, the same for each loss: the best rate of each should lie inside.
        n_steps: Minibatches.

    Returns:
        `cross_entropy`, `mse_softmax` and `mse_linear`; the last two are squared distances of softmax and of raw
        outputs from one-hot classes.
    """
    shape = {"n_features": 20, "n_informative": 10, "n_classes": n_classes, "flip_y": flip_y}
    train, valid, test = networks.classification(seeds, (n_train, n_valid, n_test), data, **shape)
    start = networks.initial(seeds, (train[0].shape[2], *hidden, n_classes), gain=gain)
    steps = networks.batches(seeds, n_train, 32, n_steps)
    outcomes = {}
    for loss in networks.LOSSES:
        fits = networks.trained(start, train, steps, rates, loss=loss, optimizer=optimizer)
        chosen = networks.best(fits, [networks.accuracy(fit, valid) for fit in fits])
        outcomes[loss] = networks.accuracy(chosen, test)
    return outcomes
