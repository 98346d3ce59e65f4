"""Trials on classes of which few rows, or none, were seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import networks, streams, training
from experiments.common.layers import Noise
from experiments.common.networks import DATA, Weights

PRINTED: Mapping[str, Sequence[int]] = {
    "dog": (1, 0, 0, 1, 0),
    "cat": (1, 0, 0, 1, 0),
    "bird": (0, 1, 0, 0, 1),
    "zebra": (1, 0, 1, 1, 0),
}
"""The guide's table: fur, wings, stripes, mammal, flies. The last class is not trained on."""


def tables(seeds: Sequence[int], attributes: str, classes: int) -> Tensor:
    """Attributes of each class, 0 or 1, (replicates, classes, attributes), the unseen class last.

    Args:
        seeds: One table each.
        attributes: `printed`; `printed-told-apart`, in which cats have a sixth attribute; `many`, the printed table
            after `classes` classes of random attributes, so that stripes vary among those seen.
        classes: Random classes of `many`.
    """
    printed = np.array(list(PRINTED.values()), float)
    found = []
    for seed in seeds:
        if attributes == "printed-told-apart":
            found.append(np.c_[printed, [0, 1, 0, 0]])
        elif attributes == "many":
            rng = np.random.default_rng([streams(seed, 5)[DATA], 1])
            found.append(np.r_[rng.integers(2, size=(classes, 5)), printed])
        else:
            found.append(printed)
    return torch.from_numpy(np.stack(found)).float()


def cosine(raw: Tensor, attributes: Tensor) -> Tensor:
    """Cosines of encoded rows (replicates, attributes, rows) and classes, (replicates, classes, rows)."""
    return functional.normalize(attributes, dim=2) @ functional.normalize(raw, dim=1)


def unseen(
    seeds: Sequence[int],
    *,
    attributes: str = "printed",
    classes: int = 20,
    per_class: int = 100,
    pixels: int = 50,
    noise: float = 0.5,
    told_by: str = "classes",
    hidden: int = 64,
    steps: int = 500,
    shown: bool = True,
) -> dict[str, np.ndarray]:
    """How often the printed zero-shot classifier knows rows of a class that it was not trained on.

    `recall` is the share of the unseen class's rows that are nearest, by cosine, to its attributes among all classes;
    `seen` the share of right answers on fresh rows of the classes trained on, those alike in attributes counted as one.

    Args:
        seeds: Each draws how attributes show in images, rows, weights and minibatches of one replicate.
        attributes: As for `tables`.
        classes: As for `tables`.
        per_class: Training rows of each seen class, and test rows of each class.
        pixels: Columns of an image: a random mixture of its class's attributes, plus noise.
        noise: Standard deviation of that noise; an attribute moves a pixel by one on average.
        told_by: What encoded images are trained towards: `classes`, by cross-entropy of ten times the cosines;
            `attributes`, by the squared distance to those of the class.
        hidden: Units of the encoder's hidden layer.
        steps: Minibatches of 32, Adam.
        shown: Whether an attribute changes images at all in the unseen class.
    """
    table = tables(seeds, attributes, classes)
    known = table.shape[1] - 1
    labels = np.repeat(np.arange(known + 1), per_class)
    parts = []
    for seed, own in zip(seeds, table.numpy(), strict=True):
        rng = np.random.default_rng(streams(seed, 5)[DATA])
        shows = rng.normal(size=(own.shape[1], pixels))
        seen = own if shown else np.r_[own[:-1], own[:-1].mean(0, keepdims=True)]
        parts.append([seen[labels] @ shows + rng.normal(0, noise, (labels.size, pixels)) for _ in range(2)])
    train, test = (torch.from_numpy(np.stack(rows)).float() for rows in zip(*parts, strict=True))
    y = torch.from_numpy(labels).expand(len(seeds), -1)
    own_rows = known * per_class
    start = [tensor.requires_grad_() for tensor in networks.initial(seeds, (pixels, hidden, table.shape[2]))]
    minibatches = networks.batches(seeds, own_rows, 32, steps)

    def loss(raw: Tensor, y: Tensor) -> Tensor:
        if told_by == "classes":
            return networks.cross_entropy(10 * cosine(raw, table[:, :-1]), y)
        wanted = torch.take_along_dim(table, y[:, :, None], 1).mT
        return (raw - wanted).square().sum(1).mean(1)

    (weights,) = training.fit(
        _forward, start, (train[:, :own_rows], y[:, :own_rows]), minibatches, [0.002], loss=loss, optimizer="adam"
    )
    with torch.no_grad():
        near = cosine(networks.outputs(weights, test), table)
    best = near.argmax(1)
    alike = (torch.take_along_dim(table, best[:, :, None], 1) == torch.take_along_dim(table, y[:, :, None], 1)).all(2)
    return {
        "recall": alike[:, own_rows:].double().mean(1).numpy(),
        "seen": alike[:, :own_rows].double().mean(1).numpy(),
    }


def _forward(weights: Weights, x: Tensor, noise: Noise) -> Tensor:
    return networks.outputs(weights, x.mT)
