"""Claims about federated learning: rounds of communication, and what updates tell about the rows behind them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from experiments.common import streams
from experiments.common.data import bundled
from experiments.common.layers import Layer, Weights, chain, initial, linear, relu
from experiments.common.networks import Rows, batches, classification, cross_entropy
from experiments.common.real import table
from experiments.common.training import SCHEDULES, Best, accuracy, fit
from experiments.convolution import pictures, quartered


def shared_out(rows: Rows, clients: int, split: str, seeds: Sequence[int]) -> Rows:
    """Equally many rows for each client: (replicates, clients, rows, ...) and classes (replicates, clients, rows).

    Args:
        rows: Training rows, as many as can be shared out evenly, in random order.
        clients: Clients.
        split: `random`, or `by_class`: rows are put in the order of their classes and cut into two parts for each
            client, which gets two of them at random and so few classes (McMahan et al. 2017), or `half_by_class`.
        seeds: Each draws who gets which parts.
    """
    x, y = rows
    if split == "random":
        return x.unflatten(1, (clients, -1)), y.unflatten(1, (clients, -1))
    ordered = y.shape[1] // (1 if split == "by_class" else 2)
    place = np.argsort(y[:, :ordered].numpy(), axis=1, kind="stable").reshape(len(seeds), 2 * clients, -1)
    mixed = [np.random.default_rng(seed).permutation(part) for seed, part in zip(seeds, place, strict=True)]
    others = np.tile(np.arange(ordered, y.shape[1]).reshape(clients, -1), (len(seeds), 1, 1))
    mine = torch.from_numpy(np.concatenate([np.reshape(mixed, (len(seeds), clients, -1)), others], axis=2))
    each = torch.arange(len(seeds))[:, None, None]
    return x[each, mine], y[each, mine]


def after_local_steps(net: Layer, weights: Weights, rows: Sequence[Tensor], steps: Tensor, rate: Tensor) -> Weights:
    """Weights of each client after its steps of SGD, one on each minibatch.

    Args:
        net: The network.
        weights: Of each client at the start, first axis (networks,).
        rows: Each client's rows and classes.
        steps: Row numbers of the minibatches, (networks, steps, size).
        rate: Learning rates, (networks,).
    """
    flat_rows, first = [part.flatten(0, 1) for part in rows], rows[1].shape[1] * torch.arange(len(steps))[:, None]
    leaves, down = [tensor.detach().clone().requires_grad_() for tensor in weights], -rate.view(-1, 1, 1)
    for step in (steps + first[..., None]).unbind(1):
        x, y = (part.index_select(0, step.flatten()).unflatten(0, step.shape) for part in flat_rows)
        grads = torch.autograd.grad(cross_entropy(net(leaves, x.movedim(1, 2)), y).sum(), leaves)
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.detach().addcmul_(grad, down)
    return [leaf.detach() for leaf in leaves]


def rounds_to_target(
    net: Layer,
    start: Weights,
    held: Rows,
    valid: Rows,
    target: np.ndarray,
    seeds: Sequence[int],
    rates: Sequence[float],
    *,
    taking_part: int,
    epochs: int,
    size: int,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Rounds until the averaged network reaches the target at the best of the learning rates, and that rate.

    Args:
        net: The network.
        start: Initial weights, (replicates, ...).
        held: Rows by client, from `shared_out`.
        valid: Rows on which the averaged network's accuracy is measured after each round.
        target: Accuracy to be reached, (replicates,).
        seeds: Each draws who takes part and the minibatches.
        rates: Tried side by side on the same clients and minibatches.
        taking_part: Clients in each round.
        epochs: Passes of a client over its rows in each round.
        size: Rows of a minibatch; 0 for all rows of a client.
        most: Rounds after which the search ends; what is not reached by then counts as `most`. The target is reached
            where accuracy is there in this round and the next.
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    replicates, clients, rows = held[1].shape
    size = size or rows
    found, best = np.full(replicates, float(most)), np.full(replicates, rates[0])
    weights = [tensor.detach().repeat_interleave(len(rates), 0) for tensor in start]
    judged = [valid[0].movedim(1, 2).repeat_interleave(len(rates), 0), valid[1].repeat_interleave(len(rates), 0)]
    left, before = np.arange(replicates), np.zeros((replicates, len(rates)), bool)  # those that have not arrived
    for number in range(most):
        who = np.stack([rngs[one].permutation(clients)[:taking_part] for one in left])
        orders = [[[rngs[one].permutation(rows) for _ in range(epochs)] for _ in range(taking_part)] for one in left]
        steps = np.reshape(orders, (len(left), taking_part, epochs, rows))[..., : rows // size * size]
        steps = torch.from_numpy(steps.reshape(len(left), taking_part, -1, size))
        local = [part[left[:, None], who] for part in held]
        *local, steps = (part.repeat_interleave(len(rates), 0).flatten(0, 1) for part in (*local, steps))
        rate = torch.tensor(rates).repeat_interleave(taking_part).repeat(len(left))
        sent = after_local_steps(net, [w.repeat_interleave(taking_part, 0) for w in weights], local, steps, rate)
        weights = [tensor.unflatten(0, (-1, taking_part)).mean(1) for tensor in sent]
        raw = net(weights, judged[0])  # compared with the largest, as a search for its place takes longer
        hits = raw.gather(1, judged[1][:, None]) == raw.amax(1, keepdim=True)
        now = hits.double().mean((1, 2)).numpy().reshape(len(left), -1) >= target[left, None]
        reached, before = now & before, now
        new = reached.any(1)
        if new.any():
            found[left[new]], best[left[new]] = number, np.array(rates)[reached.argmax(1)][new]
            left, before, kept = left[~new], before[~new], torch.from_numpy(np.repeat(~new, len(rates)))
            weights, judged = ([tensor[kept] for tensor in part] for part in (weights, judged))
        if not len(left):
            break
    return found, best


RATES = {
    "linear": ((0.83, 1.7, 3.4, 6.9), (0.25, 0.7, 2.0, 5.7)),
    "mlp": ((0.41, 0.83, 1.7, 3.4), (0.086, 0.25, 0.7, 2.0)),
}
"""Learning rates by structure, for one step a round and for several."""


def rounds_of_averaging(
    seeds: Sequence[int],
    *,
    data: str = "generated",
    structure: str = "linear",
    split: str = "random",
    clients: int = 10,
    rows: int = 56,
    taking_part: int | None = None,
    epochs: int = 5,
    size: int = 10,
    one_rates: Sequence[float] | None = None,
    several_rates: Sequence[float] | None = None,
    short: float = 0.03,
    most: int = 400,
    n_valid: int = 1000,
    flip_y: float = 0.0,
) -> dict[str, np.ndarray]:
    """Rounds of communication until a federated network is nearly as accurate as one trained on all rows together.

    Each round the server sends its network to some clients and averages what they send back: after one step on all
    their rows, or after several on minibatches. Each way has four learning rates and takes the one at which it
    needs the fewest rounds.

    Args:
        seeds: Each draws data, initial weights, clients and minibatches of one replicate.
        data: `digits` or `mnist`, or `generated` (20 columns, half of them informative, four classes).
        structure: `linear` or `mlp` (16 hidden units).
        split: As for `shared_out`.
        clients: Clients.
        rows: Rows of each.
        taking_part: Clients in each round; all if none is given.
        epochs: Passes over a client's rows in each round, where it takes several steps.
        size: Rows of their minibatches; 0 for all rows of the client.
        one_rates: Learning rates for one step a round; those of RATES for the structure if none are given.
        several_rates: Learning rates for several; likewise.
        short: How far below the accuracy of central training the target lies.
        most: Rounds after which an arm gives up.
        n_valid: Rows on which accuracy is measured.
        flip_y: Share of generated classes drawn anew at random.

    Returns:
        Rounds from 1 to `most`: `one` and `several`; `one_stopped` and `several_stopped`, 1.0 where the target was not
        reached; `one_rate` and `several_rate`, the learning rates; `central`, the accuracy of central training in
        [0, 1].
    """
    sizes = clients * rows, n_valid
    shape = {"n_features": 20, "n_informative": 10, "n_redundant": 0, "n_classes": 4, "flip_y": flip_y}
    images = data != "generated"
    parts = pictures(seeds, sizes, data) if images else classification(seeds, sizes, data, **shape)
    train, valid = ((x.flatten(2), y) for x, y in parts)
    inputs, outs = train[0].shape[2], 10 if images else 4
    layers = [linear(inputs, 16), relu, linear(16, outs)] if structure == "mlp" else [linear(inputs, outs)]
    net = chain(*layers)
    start = initial(net, seeds)
    best = Best(lambda weights: accuracy(net, weights, valid))
    steps, options = batches(seeds, sizes[0], 32, 400), {"optimizer": "adam", "schedule": SCHEDULES["cosine"]}
    fit(net, start, train, steps, [0.01], watch=best, every=20, **options)
    sharing, drawing = zip(*(streams(seed, 7)[5:] for seed in seeds), strict=True)
    held = shared_out(train, clients, split, sharing)
    settings = {"taking_part": taking_part or clients, "most": most}
    counted = partial(rounds_to_target, net, start, held, valid, best.scores[0] - short, drawing, **settings)
    found = {"central": best.scores[0]}
    one_rates, several_rates = one_rates or RATES[structure][0], several_rates or RATES[structure][1]
    for name, rates, passes, rows_each in (("one", one_rates, 1, 0), ("several", several_rates, epochs, size)):
        count, rate = counted(rates, epochs=passes, size=rows_each)
        found |= {name: count, f"{name}_stopped": (count == most).astype(float), f"{name}_rate": rate}
    return found


def rebuilt_by_ratio(sent: Weights) -> Tensor:
    """Rows told by the first layer, (replicates, units, columns): a unit's weight update divided by its bias update.

    Each is a mean of the client's rows weighted by how the loss depends on the unit, and so a row itself where one row
    alone moves the unit (Phong et al. 2018).
    """
    weight, bias = sent[0], sent[1]
    return torch.where(bias.abs() > 1e-9, weight / bias, torch.inf)


def rebuilt_by_matching(
    net: Layer, weights: Weights, sent: Weights, start: Tensor, outs: int, box: tuple[float, float], n_steps: int
) -> Tensor:
    """Rows whose gradient comes near the one that was sent, (replicates, rows, columns), found along with labels.

    Deep leakage from gradients (Zhu et al. 2019): Adam on rows and soft labels lowers the squared distance of the
    gradients, as a share of the squared length of what was sent.

    Args:
        net: The network.
        weights: Those at which the client began.
        sent: Its mean gradient.
        start: Rows to begin with, as many as the client is thought to have.
        outs: Classes.
        box: Range of the columns.
        n_steps: Steps of Adam, at a rate that falls from 0.1 to 0 along a cosine.
    """
    leaves = [tensor.detach().requires_grad_() for tensor in weights]
    x, labels = start.clone().requires_grad_(), torch.zeros(*start.shape[:2], outs, requires_grad=True)
    rule = torch.optim.Adam([x, labels], 0.1, fused=True)
    plan = SCHEDULES["cosine"](rule, n_steps)
    length = sum(tensor.square().flatten(1).sum(1) for tensor in sent)
    for _ in range(n_steps):
        surprise = -net(leaves, x.movedim(1, 2)).log_softmax(1).movedim(1, 2)
        loss = (labels.softmax(2) * surprise).sum(2).mean(1).sum()
        grads = torch.autograd.grad(loss, leaves, create_graph=True)
        apart = sum((grad - told).square().flatten(1).sum(1) for grad, told in zip(grads, sent, strict=True))
        rule.zero_grad()
        (apart / length).sum().backward()
        rule.step()
        plan.step()
        with torch.no_grad():
            x.clamp_(*box)
    return x.detach()


def update_sent(
    net: Layer,
    weights: Weights,
    held: Rows,
    rngs: Sequence[np.random.Generator],
    epochs: int,
    size: int,
    noise: float,
) -> Weights:
    """What each client sends: its weights' change over its steps, as a mean gradient, plus noise.

    Args:
        net: The network.
        weights: At the start.
        held: Rows of one client per replicate.
        rngs: Each draws minibatches and noise.
        epochs: Passes over the rows.
        size: Rows of a minibatch.
        noise: Standard deviation of what is added to each number, as a share of the length of the whole.
    """
    rows = held[1].shape[1]
    orders = np.stack([[rng.permutation(rows)[: rows // size * size] for _ in range(epochs)] for rng in rngs])
    steps, rate = torch.from_numpy(orders.reshape(len(rngs), -1, size)), torch.full((len(rngs),), 0.1)
    after = after_local_steps(net, weights, held, steps, rate)
    sent = [(old.detach() - new) / (0.1 * steps.shape[1]) for old, new in zip(weights, after, strict=True)]
    length = sum(tensor.square().flatten(1).sum(1) for tensor in sent).sqrt().view(-1, 1, 1)
    drawn = [np.stack([rng.normal(size=tensor.shape[1:]) for rng in rngs]) for tensor in sent]
    return [
        tensor + noise * length * torch.from_numpy(added).float() for tensor, added in zip(sent, drawn, strict=True)
    ]


def rows_told_by_update(
    seeds: Sequence[int],
    *,
    data: str = "digits",
    structure: str = "mlp",
    rows: int,
    epochs: int = 1,
    size: int = 0,
    trained: int = 0,
    noise: float = 0.0,
    sends_rows: bool = False,
    n_steps: int = 250,
) -> dict[str, np.ndarray]:
    """Share of a client's rows that a server rebuilds from the update that it was sent, in [0, 1].

    The server knows network, learning rate and numbers of rows and steps, and takes the update for one gradient. A row
    counts as told if something rebuilt is less than half as far from it as the nearest other row of the whole table.

    Args:
        seeds: Each draws the client's rows, the weights and where the search begins.
        data: `digits` or `mnist` (grey levels in [0, 1]) or `breast_cancer` (columns of mean 0 and variance 1).
        structure: `linear` or `mlp` (64 hidden units).
        rows: Rows of the client.
        epochs: Its passes over them.
        size: Rows of its minibatches; 0 for all.
        trained: Steps of central training on other rows before; 0 for initial weights.
        noise: Standard deviation of what is added to each number of the update, as a share of the update's length: the
            noise multiplier of differential privacy where updates are clipped to that length.
        sends_rows: The client sends its rows instead.
        n_steps: Steps of the search for rows that match.

    Returns:
        `told`, by either way; `by_ratio`, `by_matching`; `guessed`, by as many other rows as these rebuild.
    """
    images, outs = data != "breast_cancer", 10 if data != "breast_cancer" else 2
    sizes = (rows, 200, 300) if images else (rows, 100, 200)
    parts = pictures(seeds, sizes, data) if images else classification(seeds, sizes, data)
    held, others, public = ((x.flatten(2), y) for x, y in parts)
    inputs = held[0].shape[2]
    hidden = chain(linear(inputs, 64), relu, linear(64, outs))
    net = hidden if structure == "mlp" else linear(inputs, outs)
    weights = initial(net, seeds)
    if trained:
        (weights,) = fit(net, weights, public, batches(seeds, sizes[2], 32, trained), [0.01], optimizer="adam")
    rngs = [np.random.default_rng(streams(seed, 7)[6]) for seed in seeds]
    sent = update_sent(net, weights, held, rngs, epochs, size or rows, noise)
    box = (0.0, 1.0) if images else (-4.0, 4.0)
    start = np.stack([rng.uniform(size=(rows, inputs)) if images else rng.normal(size=(rows, inputs)) for rng in rngs])
    found = {
        "by_ratio": rebuilt_by_ratio(sent).clamp(*box),
        "by_matching": rebuilt_by_matching(net, weights, sent, torch.from_numpy(start).float(), outs, box, n_steps),
    }
    if sends_rows:
        found = dict.fromkeys(found, held[0])
    found["told"] = torch.cat(list(found.values()), 1)
    found["guessed"] = others[0][:, : found["told"].shape[1]]
    everyone = torch.from_numpy(np.array(whole(data))).float().expand(len(seeds), -1, -1)
    nearest = torch.cdist(held[0], everyone).topk(2, 2, largest=False).values[..., 1]
    near = {name: torch.cdist(held[0], rebuilt).amin(2) < nearest / 2 for name, rebuilt in found.items()}
    return {name: told.double().mean(1).numpy() for name, told in near.items()}


def whole(data: str) -> np.ndarray:
    """All rows of a table as clients hold them."""
    if data == "breast_cancer":
        return bundled(data)[0]
    pixels = table(data)[0]
    return pixels / 16 if data == "digits" else quartered(pixels).reshape(len(pixels), -1) / 255
