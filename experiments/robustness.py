"""Trials on what small changes of the inputs do to a trained network."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.common import networks, streams


def accuracy_under_perturbation(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    n_train: int,
    n_test: int = 1000,
    n_features: int = 20,
    n_classes: int = 2,
    hidden: Sequence[int] = (64,),
    size: float,
    attacker: str = "same-network",
    n_steps: int = 400,
) -> dict[str, np.ndarray]:
    """Accuracy on test rows as they are, after random and after chosen changes of the same size, in [0, 1].

    Args:
        seeds: Each draws data, weights, minibatches and random changes of one replicate.
        data: `generated` (scikit-learn's make_classification, half of the columns informative, without wrong labels) or
            a name in `experiments.common.data`.
        n_train: Training rows.
        n_test: Test rows.
        n_features: Columns of generated data.
        n_classes: Classes of the data.
        hidden: Units per hidden layer (ReLU), trained by Adam (learning rate 0.003, minibatches of 32).
        size: Largest change of a column: grey levels of digits span [0, 1], other columns have standard deviation 1.
        attacker: Whose gradient chooses the changes: `same-network`, or `untrained`, a network of the same shape that
            knows neither the trained weights nor the data.
        n_steps: Minibatches of training.

    Returns:
        `clean`; `random`, each column moved up or down by `size`; `fgsm`, moved by one signed gradient (Goodfellow et
        al. 2015); `pgd`, by ten smaller ones (Madry et al. 2018).
    """
    shape = {"n_features": n_features, "n_informative": n_features // 2, "n_classes": n_classes, "flip_y": 0.0}
    train, (x, y) = networks.classification(seeds, (n_train, n_test), data, **shape)
    widths = (x.shape[2], *hidden, n_classes)
    (net,) = networks.trained(
        networks.initial(seeds, widths), train, networks.batches(seeds, n_train, 32, n_steps), [0.003]
    )
    others = [streams(seed, 7)[5:] for seed in seeds]
    guide = net if attacker == "same-network" else networks.initial([weights for weights, _ in others], widths)
    signs = np.stack([np.random.default_rng(noise).choice([-1, 1], x.shape[1:]) for _, noise in others])
    changed = {
        "clean": x,
        "random": within(x + size * torch.from_numpy(signs).float(), x, size, data),
        "fgsm": climbed(guide, x, y, size, size, 1, data),
        "pgd": climbed(guide, x, y, size, size / 4, 10, data),
    }
    return {name: networks.accuracy(net, (rows, y)) for name, rows in changed.items()}


def within(moved: Tensor, x: Tensor, size: float, data: str) -> Tensor:
    """The moved rows, no column further than `size` from `x`; grey levels stay in [0, 1]."""
    near = moved.clamp(x - size, x + size)
    return near.clamp(0, 1) if data == "digits" else near


def climbed(net: networks.Weights, x: Tensor, y: Tensor, size: float, step: float, n_steps: int, data: str) -> Tensor:
    """Rows after signed gradient steps that raise the network's cross-entropy, within `size` of `x`."""
    moved = x.clone()
    for _ in range(n_steps):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(networks.cross_entropy(networks.outputs(net, moved), y).sum(), moved)
        moved = within(moved.detach() + step * gradient.sign(), x, size, data)
    return moved
