"""Encoders pretrained by tasks that are made of the rows themselves, or by labels, all replicates at once."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import training
from experiments.common.layers import Layer, Noise, Weights, chain, initial, linear, relu
from experiments.common.networks import Rows, batches, cross_entropy

HIDDEN, FEATURES = 64, 32
"""Units of the encoder's two layers."""
RATE = 0.003  # of pretraining


def distorted(x: Tensor, noise: Sequence[np.random.Generator], side: int) -> Tensor:
    """Images, (networks, pixels, rows), turned, scaled, sheared and moved, each by itself.

    Uniformly within 0.3 radians, 15 %, 20 % and a 13th of a side: what leaves a digit the same digit.
    """
    drawn = np.stack([rng.uniform(-1, 1, (x.shape[2], 5)) for rng in noise]) * (0.3, 0.15, 0.2, 0.15, 0.15)
    turn, scale, shear, right, down = torch.from_numpy(drawn.astype(np.float32)).flatten(0, 1).unbind(1)
    along, across = (1 + scale) * turn.cos(), (1 + scale) * turn.sin()
    maps = torch.stack([along, shear - across, right, across, along, down], 1).view(-1, 2, 3)
    images = x.mT.reshape(-1, 1, side, side)
    # functional.affine_grid with one product in place of one for each image
    centres = (2 * torch.arange(side) + 1) / side - 1
    places = torch.stack([centres.repeat(side), centres.repeat_interleave(side), torch.ones(side * side)])
    grid = (maps.flatten(0, 1) @ places).view(-1, 2, side, side).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, align_corners=False).view(x.mT.shape).mT


def chosen(x: Tensor, noise: Sequence[np.random.Generator], share: float) -> Tensor:
    """Which cells of x, (networks, columns, rows), are to be changed: each with chance `share`."""
    drawn = np.stack([rng.integers(256, size=x.shape[1:], dtype=np.uint8) for rng in noise])
    return torch.from_numpy(drawn < 256 * share)


def swapped(x: Tensor, noise: Sequence[np.random.Generator], share: float) -> Tensor:
    """A share of the cells of x, (networks, columns, rows), in each row taken from other rows of the minibatch."""
    donors = np.stack([rng.integers(x.shape[2], size=x.shape[1:]) for rng in noise])
    return torch.where(chosen(x, noise, share), x.gather(2, torch.from_numpy(donors)), x)


def encoder(columns: int) -> Layer:
    """The part that is kept: two dense layers with ReLU."""
    return chain(linear(columns, HIDDEN), relu, linear(HIDDEN, FEATURES), relu)


def agreement(raw: Tensor, targets: Tensor) -> Tensor:
    """InfoNCE as SimCLR has it (Chen and others 2020), temperature 0.5, one value per network.

    Args:
        raw: Embeddings, (networks, features, 2 x rows); the second half are other views of the first half's rows.
        targets: Not looked at.
    """
    z = functional.normalize(raw, dim=1)
    views = z.shape[2]
    cosines = (z.mT @ z).masked_fill(torch.eye(views, dtype=torch.bool), -1e4)
    return cross_entropy(cosines / 0.5, torch.arange(views).roll(views // 2).expand(len(z), -1))


def pretext(kind: str, columns: int, side: int) -> tuple[Layer, training.Loss]:
    """Network and loss of a task without labels; the network's first layers are the encoder.

    Args:
        kind: `contrastive`, two views of a row agree more than views of different rows: images distorted, tables with
            two fifths of the cells from other rows; `masked`, half of the cells are hidden and predicted from the rest;
            `autoencoder`, a row is given back from its features.
        columns: Columns.
        side: Of images; 0 for tables.
    """
    net = chain(encoder(columns), linear(FEATURES, FEATURES if kind == "contrastive" else HIDDEN), relu)
    net = chain(net, linear(FEATURES, FEATURES) if kind == "contrastive" else linear(HIDDEN, columns))

    def views(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        pair = torch.cat([x, x], 2)
        return net.apply(
            weights, distorted(pair, noise or (), side) if side else swapped(pair, noise or (), 0.4), noise
        )

    def error(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        if kind == "autoencoder":
            return net.apply(weights, x, noise) - x
        hidden = chosen(x, noise or (), 0.5)
        return (net.apply(weights, x.masked_fill(hidden, 0.0), noise) - x) * hidden

    if kind == "contrastive":
        return Layer(net.draw, views), agreement
    return Layer(net.draw, error), lambda raw, y: raw.square().mean((1, 2))


def supervised(columns: int, classes: int, side: int) -> tuple[Layer, training.Loss]:
    """Network and loss of the task that labels make, images distorted as above; as many layers above the encoder."""
    net = chain(encoder(columns), linear(FEATURES, FEATURES), relu, linear(FEATURES, classes))

    def told(weights: Iterator[Tensor], x: Tensor, noise: Noise) -> Tensor:
        return net.apply(weights, distorted(x, noise or (), side) if side else x, noise)

    return Layer(net.draw, told), cross_entropy


def scaled(body: Weights, x: Tensor) -> Weights:
    """The encoder, with mean and inverse spread of its features over rows x."""
    features = training.outputs(encoder(x.shape[2]), body[:4], x)
    # a feature that hardly varies is not blown up
    spread = features.std(2, keepdim=True) + 0.1 * features.std((1, 2), keepdim=True)
    return [*body[:4], features.mean(2, keepdim=True), 1 / spread]


def unscaled(body: Weights) -> Weights:
    """The encoder, its features as they are."""
    return [*body[:4], torch.zeros(len(body[0]), FEATURES, 1), torch.ones(len(body[0]), FEATURES, 1)]


def trained(seeds: Sequence[int], rows: Rows, net: Layer, loss: training.Loss, steps: int) -> list[Weights]:
    """The encoder after a quarter and after all minibatches of 32, its features scaled."""
    found: list[Weights] = []

    def keep(done: int, fits: list[Weights]) -> None:
        if done not in (steps // 4, steps):
            return
        found.append(scaled([tensor.detach().clone() for tensor in fits[0][:4]], rows[0]))

    plan = {"loss": loss, "optimizer": "adam", "seeds": seeds, "watch": keep, "every": steps // 4}
    training.fit(net, initial(net, seeds), rows, batches(seeds, rows[0].shape[1], 32, steps), [RATE], **plan)
    return found


def untrained(seeds: Sequence[int], columns: int) -> Weights:
    """An encoder as it is drawn, its features unscaled."""
    return unscaled([tensor.detach() for tensor in initial(encoder(columns), seeds)])
