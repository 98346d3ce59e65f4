"""Trials on optimizers and step sizes."""

from collections.abc import Sequence

import numpy as np

from experiments.common import networks


def optimizers_as_printed(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int,
    n_valid: int = 150,
    n_test: int = 1000,
    n_classes: int = 2,
    flip_y: float = 0.01,
    hidden: Sequence[int] = (64,),
    n_epochs: int = 10,
    sgd_rates: Sequence[float] = (0.01,),
) -> dict[str, np.ndarray]:
    """Accuracy on test rows and loss on training rows of one network after as many steps of three optimizers.

    All start at the same weights and see the same minibatches of 32.

    Args:
        seeds: Each draws data, weights and minibatches of one replicate.
        data: `generated` (scikit-learn's make_classification, 10 of 20 columns informative) or `digits`.
        n_train: Training rows.
        n_valid: Validation rows, which choose among `sgd_rates` and do nothing else.
        n_test: Test rows.
        n_classes: Classes; 10 for digits.
        flip_y: Share of generated rows whose class is drawn at random, in training and test rows alike.
        hidden: Units per hidden layer (ReLU).
        n_epochs: Passes over the training rows.
        sgd_rates: Learning rates tried for plain SGD.

    Returns:
        `adam` (learning rate 0.001), `sgd` (`sgd_rates`) and `momentum` (learning rate 0.01, momentum 0.9): accuracy on
        test rows, in [0, 1]; the same names with `_loss`: cross-entropy over the training rows in nats.
    """
    shape = {"n_features": 20, "n_informative": 10, "n_classes": n_classes, "flip_y": flip_y}
    train, valid, test = networks.classification(seeds, (n_train, n_valid, n_test), data, **shape)
    start = networks.initial(seeds, (train[0].shape[2], *hidden, n_classes))
    steps = networks.batches(seeds, n_train, 32, n_epochs * (n_train // 32))
    plain = networks.trained(start, train, steps, sgd_rates, optimizer="sgd")
    fits = {
        "adam": networks.trained(start, train, steps, [0.001], optimizer="adam")[0],
        "sgd": networks.best(plain, [networks.accuracy(fit, valid) for fit in plain]),
        "momentum": networks.trained(start, train, steps, [0.01], optimizer="sgd", momentum=0.9)[0],
    }
    accuracies = {name: networks.accuracy(fit, test) for name, fit in fits.items()}
    return accuracies | {f"{name}_loss": networks.mean_loss(fit, train) for name, fit in fits.items()}
