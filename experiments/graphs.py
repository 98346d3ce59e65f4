"""Trials on graph networks: the printed example on the karate club, and what many layers do."""

from collections.abc import Sequence

import networkx
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.common import networks, streams
from experiments.common.networks import DATA, SPLIT, Weights
from experiments.common.real import graph


def normalised(adjacency: np.ndarray, neighbours: bool = True) -> Tensor:
    """Self-loops added, rows and columns divided by roots of degrees (Kipf and Welling 2017); or the identity."""
    whole = adjacency + np.eye(len(adjacency)) if neighbours else np.eye(len(adjacency))
    root = 1 / np.sqrt(whole.sum(1))
    return torch.from_numpy(root[:, None] * whole * root).float()


def hidden(weights: Weights, x: Tensor, spread: Tensor, masks: Sequence[Tensor], mix: float = 0.0) -> Tensor:
    """Representations before the last layer, (replicates, features, nodes).

    Args:
        weights: Of each layer (replicates, outs, ins), then biases (replicates, outs, 1).
        x: Columns of the nodes, (replicates, columns, nodes).
        spread: From `normalised`, (nodes, nodes) or one for each replicate.
        masks: Factors of dropout for each hidden layer, none for evaluation.
        mix: Share of the first layer's output that is added to each later one (Chen et al. 2020).
    """
    first: Tensor | None = None
    for layer in range(0, len(weights) - 2, 2):
        x = torch.baddbmm(weights[layer + 1], weights[layer], x @ spread).relu()
        first = x if first is None else first
        if mix:
            x = (1 - mix) * x + mix * first
        if masks:
            x = x * masks[layer // 2]
    return x


def classes(weights: Weights, x: Tensor, spread: Tensor, rectified: bool) -> Tensor:
    """Raw outputs of the last layer, (replicates, classes, nodes); the printed one rectifies them too."""
    raw = torch.baddbmm(weights[-1], weights[-2], x @ spread)
    return raw.relu() if rectified else raw


def learned(
    seeds: Sequence[int], x: Tensor, y: Tensor, known: Tensor, spread: Tensor, widths: Sequence[int], *,
    epochs: int, init: str = "torch", dropped: float = 0.5, rectified: bool = False, mix: float = 0.0,
) -> Weights:  # fmt: skip
    """Weights after as many steps of Adam (0.01, weight decay 0.0005) on all known nodes at once.

    Args:
        seeds: One network each.
        x: As for `hidden`.
        y: Classes, (replicates, nodes).
        known: Bools, the nodes whose classes are trained on, as many in each replicate.
        spread: As for `hidden`.
        widths: Columns, hidden layers, classes.
        epochs: Steps.
        init: As for `networks.initial`.
        dropped: Share of each hidden layer's outputs that is dropped.
        rectified: As for `classes`.
        mix: As for `hidden`.
    """
    start = networks.initial(seeds, widths, init)
    # one tensor for Adam in place of two for each layer: its step costs as much as the rest where there are many
    everything = torch.cat([tensor.flatten(1) for tensor in start], 1).requires_grad_()
    rule = torch.optim.Adam([everything], lr=0.01, weight_decay=5e-4)
    noise = networks.generators(seeds, networks.MASKS)
    for _ in range(epochs):
        parts = everything.split([tensor[0].numel() for tensor in start], 1)
        weights = [part.unflatten(1, tensor.shape[1:]) for part, tensor in zip(parts, start, strict=True)]
        masks = []
        if dropped:
            drawn = [[rng.random((size, x.shape[2])) >= dropped for rng in noise] for size in widths[1:-1]]
            masks = [torch.from_numpy(np.stack(kept).astype(np.float32)) / (1 - dropped) for kept in drawn]
        raw = classes(weights, hidden(weights, x, spread, masks, mix), spread, rectified)
        rule.zero_grad()
        losses = functional.cross_entropy(raw, y, reduction="none")
        ((losses * known).sum(1) / known.sum(1)).sum().backward()
        rule.step()
    return [tensor.detach() for tensor in weights]  # views of what was trained, so that they have the last step too


def karate(
    seeds: Sequence[int],
    *,
    share: float = 0.6,
    epochs: int = 200,
    width: int = 16,
    columns: str = "printed",
    weighted: bool = True,
    shuffled: bool = False,
    rectified: bool = True,
) -> dict[str, np.ndarray]:
    """`accuracy` of the printed two-layer network on the members of the karate club whose faction it was not told.

    `majority` is that of the larger faction among those it was told.

    Args:
        seeds: Each draws who is told, weights and dropout of one replicate.
        share: Of the 34 members whose faction is told.
        epochs: Steps of Adam as printed.
        width: Units of the hidden layer.
        columns: `printed` (degree, clustering, closeness), `scaled` (the same with mean 0 and variance 1), or
            `members`, one column for each member.
        weighted: Edges by the number of contexts that two members share, as networkx returns them; or 0 and 1.
        shuffled: Factions dealt out anew, so that neither graph nor columns tell of them.
        rectified: Whether outputs are rectified, as printed.
    """
    loaded = networkx.karate_club_graph()
    adjacency = networkx.to_numpy_array(loaded, weight="weight" if weighted else None)
    places = networkx.clustering(loaded), networkx.closeness_centrality(loaded)
    given = np.array([[degree, places[0][node], places[1][node]] for node, degree in loaded.degree()])
    if columns == "scaled":
        given = (given - given.mean(0)) / given.std(0)
    elif columns == "members":
        given = np.eye(len(adjacency))
    factions, told = [], []
    for seed in seeds:
        rng = np.random.default_rng(streams(seed, 5)[SPLIT])
        factions.append(rng.permutation(graph("karate")[1]) if shuffled else graph("karate")[1])
        told.append(rng.permutation(len(adjacency)) < int(share * len(adjacency)))
    y, known = torch.from_numpy(np.stack(factions)).long(), torch.from_numpy(np.stack(told))
    x = torch.from_numpy(given.T).float().expand(len(seeds), -1, -1)
    spread = normalised(adjacency)
    weights = learned(seeds, x, y, known, spread, (x.shape[1], width, 2), epochs=epochs, rectified=rectified)
    found = classes(weights, hidden(weights, x, spread, ()), spread, rectified).argmax(1)
    larger = ((y * known).sum(1) * 2 > known.sum(1)).long()[:, None]
    return {
        name: (((guess == y) & ~known).sum(1) / (~known).sum(1)).double().numpy()
        for name, guess in (("accuracy", found), ("majority", larger.expand_as(y)))
    }


def blocks(seed: int, nodes: int, groups: int, inside: float, between: float) -> tuple[np.ndarray, np.ndarray]:
    """Adjacency (nodes, nodes) of a random graph and the group of each node (Holland, Laskey and Leinhardt 1983).

    Edges join two nodes of a group with probability `inside`, of two groups with `between`.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(nodes) % groups
    chance = np.where(y[:, None] == y, inside, between)
    upper = np.triu(rng.random((nodes, nodes)) < chance, 1)
    return (upper | upper.T).astype(float), y


def depth(
    seeds: Sequence[int],
    *,
    layers: int = 32,
    network: str = "blocks",
    nodes: int = 64,
    groups: int = 4,
    inside: float = 0.25,
    between: float = 0.025,
    noise: float = 2.0,
    neighbours: bool = True,
    mix: float = 0.0,
    epochs: int = 120,
) -> dict[str, np.ndarray]:
    """How far apart a graph network of two layers, `shallow`, and one of many, `deep`, put nodes of different classes.

    It is 1 minus the cosine of the last hidden representations of two nodes of different classes, mean over all such
    pairs, from 0 (all the same) to 1. `shallow_accuracy` and `deep_accuracy` are shares of right answers on the half of
    the nodes whose classes were not told.

    Args:
        seeds: Each draws graph, columns, told nodes and weights of one replicate.
        layers: Of the deep network, the output's included.
        network: `blocks`, or a name of `experiments.common.real.graph`, with one column for each node.
        nodes: Nodes of a block graph.
        groups: Classes of a block graph.
        inside: Chance of an edge within a class.
        between: Chance of an edge between classes.
        noise: Standard deviation about the unit vector of the class that is a node's columns in a block graph.
        neighbours: Whether layers see them; else they are those of a network without graph.
        mix: Share of the first layer's output in each later one.
        epochs: Steps of Adam.
    """
    drawn = [streams(seed, 5)[DATA : SPLIT + 1] for seed in seeds]
    real = None if network == "blocks" else graph(network)
    made = [blocks(data, nodes, groups, inside, between) if real is None else real for data, _ in drawn]
    y = torch.from_numpy(np.stack([labels for _, labels in made])).long()
    spread = torch.stack([normalised(adjacency, neighbours) for adjacency, _ in made])
    count, own = y.shape[1], int(y.max()) + 1
    draws = [[np.random.default_rng([seed, 1]) for seed in pair] for pair in drawn]
    columns = [
        np.eye(own)[labels] + rng.normal(0, noise, (count, own)) if real is None else np.eye(count)
        for (rng, _), (_, labels) in zip(draws, made, strict=True)
    ]
    x = torch.from_numpy(np.stack(columns)).float().mT
    known = torch.from_numpy(np.stack([rng.permutation(count) < count // 2 for _, rng in draws]))
    outcomes = {}
    for name, count in {"shallow": 2, "deep": layers}.items():
        widths = (x.shape[1], *[16] * (count - 1), own)
        weights = learned(seeds, x, y, known, spread, widths, epochs=epochs, init="he", dropped=0.0, mix=mix)
        inner = hidden(weights, x, spread, (), mix)
        along = functional.normalize(inner, dim=1, eps=1e-12)
        different = y[:, :, None] != y[:, None, :]
        cosines = torch.where((inner == 0).all(1)[:, :, None], 1.0, along.mT @ along)
        outcomes[name] = (((1 - cosines) * different).sum((1, 2)) / different.sum((1, 2))).double().numpy()
        hits = classes(weights, inner, spread, rectified=False).argmax(1) == y
        outcomes[f"{name}_accuracy"] = ((hits & ~known).sum(1) / (~known).sum(1)).double().numpy()
    return outcomes
