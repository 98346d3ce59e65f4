"""Trials on sequences: attention and its mask, its speed, positions, recurrent networks."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.common.clocks import least_seconds
from experiments.common.layers import (
    chain,
    embedding,
    encoder,
    initial,
    last,
    linear,
    mean,
    positions,
    recurrent,
    waves,
)
from experiments.common.networks import DATA, Rows, batches, classification, cross_entropy, generators
from experiments.common.training import SCHEDULES, accuracy, fit


def leak_through_mask(seed: int, *, length: int, mask: str = "printed", width: int = 16) -> dict[str, float]:
    """What reaches a position from later ones through attention with a causal mask.

    Args:
        seed: Draws queries, keys and values.
        length: Positions, at least 2.
        mask: `printed` (the calls of lines 3565-3569, handed to those of lines 3484-3501), `lower` (ones on and below
            the diagonal instead), `torch` (scaled_dot_product_attention with is_causal=True) or `absent`.
        width: Columns of queries, keys and values.

    Returns:
        `later_weight`, the largest attention weight on a later position, in [0, 1]; `change`, the largest change of the
        outputs of the first half of the positions when keys and values of the second half are drawn anew.
    """
    rng = torch.Generator().manual_seed(seed)
    q, k, v, new_k, new_v = torch.randn(5, 1, length, width, generator=rng, dtype=torch.float64)
    half = length // 2
    new_k, new_v = (torch.cat([old[:, :half], new[:, half:]], 1) for old, new in ((k, new_k), (v, new_v)))
    masks = {"printed": printed_mask(length), "lower": torch.ones(length, length).tril(), "absent": None}

    def attend(keys: Tensor, values: Tensor) -> Tensor:
        if mask == "torch":
            return functional.scaled_dot_product_attention(q, keys, values, is_causal=True)
        return printed_attention(q, keys, values, masks[mask])

    weights = attend(k, torch.eye(length, dtype=torch.float64)[None])
    change = attend(k, v)[:, :half] - attend(new_k, new_v)[:, :half]
    return {"later_weight": float(weights.triu(1).max()), "change": float(change.abs().max())}


def printed_mask(length: int) -> Tensor:
    """The printed function's calls."""
    mask = torch.triu(torch.ones(length, length), diagonal=1)
    return mask.masked_fill(mask == 1, False)


def printed_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """The printed attention's calls; only the output is given back."""
    sums = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.size(-1))
    if mask is not None:
        sums = sums.masked_fill(mask == 0, -1e9)
    return torch.matmul(functional.softmax(sums, dim=-1), v)


def ordered_tokens(
    seeds: Sequence[int], sizes: Sequence[int], task: str, length: int, flipped: float
) -> tuple[list[Rows], float]:
    """Parts of token sequences (replicates, rows, 1, length) with classes, and how often an order-blind rule is right.

    Args:
        seeds: One draw each.
        sizes: Rows of each part.
        task: `first` (which token comes first) and `before` (whether token 0 comes before token 1), both on orders of
            `length` different tokens, so that only their order tells; or `most` (whether token 0 is more frequent than
            token 1, among sequences of tokens 0 and 1 of odd length).
        length: Positions.
        flipped: Share of the sequences whose class is drawn at random.
    """
    drawn, kinds = [], length if task == "first" else 2
    for rng in generators(seeds, DATA):
        if task == "most":
            tokens = rng.integers(2, size=(sum(sizes), length | 1))
            classes = tokens.mean(1) < 0.5
        else:
            tokens = rng.permuted(np.tile(np.arange(length), (sum(sizes), 1)), axis=1)
            classes = tokens[:, 0] if task == "first" else (tokens == 0).argmax(1) < (tokens == 1).argmax(1)
        classes = np.where(rng.random(len(classes)) < flipped, rng.integers(kinds, size=len(classes)), classes)
        drawn.append((tokens[:, None], classes.astype(np.int64)))
    x, y = (torch.from_numpy(np.stack(part)).split(list(sizes), dim=1) for part in zip(*drawn, strict=True))
    return list(zip(x, y, strict=True)), 1 / kinds


def learned_order(
    seeds: Sequence[int],
    *,
    task: str,
    causal: bool = False,
    depth: int = 1,
    length: int = 8,
    flipped: float = 0.1,
    encoding: str = "learned",
    n_steps: int = 150,
    rate: float = 0.01,
) -> dict[str, np.ndarray]:
    """What a small transformer learns of a task about order, with and without positions.

    Both read embeddings of 16 columns, have encoder layers of two heads, and take equally many steps of Adam with
    warm-up on minibatches of 32 from 2000 sequences. An encoder is read at the mean of all positions, a decoder
    (causal) at the last.

    Args:
        seeds: Each draws sequences, weights and minibatches of one replicate.
        task: As for `ordered_tokens`.
        causal: Whether positions see earlier ones only.
        depth: Encoder layers.
        length: Positions.
        flipped: Share of training and new sequences whose class is drawn at random.
        encoding: `learned` (a vector per position) or `waves` (fixed sines and cosines).
        n_steps: Minibatches.
        rate: Learning rate.

    Returns:
        `positions` and `none`, the way from the accuracy of the best order-blind guess to 1 that accuracy on 1000 new
        sequences has gone with and without an encoding: 0 if nothing is learned, 1 - flipped if all is.
    """
    (train, test), blind = ordered_tokens(seeds, (2000, 1000), task, length, flipped)
    span, classes = train[0].shape[-1], length if task == "first" else 2
    added = {"positions": {"learned": positions(span, 16), "waves": waves(span, 16)}[encoding], "none": chain()}
    steps, outcomes = batches(seeds, 2000, 32, n_steps), {}
    for arm, layer in added.items():
        blocks = [encoder(16, 2, 32, causal) for _ in range(depth)]
        net = chain(embedding(length, 16), layer, *blocks, last if causal else mean, linear(16, classes))
        start = initial(net, seeds)
        (weights,) = fit(net, start, train, steps, [rate], optimizer="adam", schedule=SCHEDULES["warmup"], clip=1.0)
        outcomes[arm] = (accuracy(net, weights, test) - blind) / (1 - blind)
    return outcomes


SMALLEST = 1e-30  # a gradient that has underflowed is taken for this, so that its logarithm is defined


def recalled(seeds: Sequence[int], rows: int, data: str, length: int) -> Rows:
    """Sequences (replicates, rows, features, length) and classes whose sign stands at the beginning.

    Args:
        seeds: One draw each.
        rows: Sequences.
        data: `recall` (one of four signs, then noise, eight columns in all) or `digits` (images read pixel by pixel
            from the top, of which the last ones are mostly empty; length 64).
        length: Positions.
    """
    if data == "digits":
        ((x, y),) = classification(seeds, (rows,), "digits")
        return x[:, :, None], y
    x, y = [], []
    for rng in generators(seeds, DATA):
        classes = rng.integers(4, size=rows)
        values = np.concatenate([np.zeros((rows, 4, length)), rng.normal(size=(rows, 4, length))], 1)
        values[:, :4, 0] = np.eye(4)[classes]
        x.append(torch.from_numpy(values.astype(np.float32)))
        y.append(torch.from_numpy(classes))
    return torch.stack(x), torch.stack(y)


def gradient_through_time(
    seeds: Sequence[int],
    *,
    length: int,
    data: str = "recall",
    forget: float | None = None,
    hidden: int = 16,
    n_steps: int = 0,
) -> dict[str, np.ndarray]:
    """Gradient of the loss with respect to the first input, relative to that with respect to the last.

    A class is read from the last output. All cells have torch's default initial weights.

    Args:
        seeds: Each draws sequences, weights and minibatches of one replicate.
        length: Positions; 64 for digits.
        data: As for `recalled`.
        forget: The long short-term memory's forget gate starts with this bias in place of torch's, which is near 0.
        hidden: Units.
        n_steps: Steps of Adam at rate 0.003 on minibatches of 32 of 512 sequences, gradients clipped to norm 1, before
            the gradient is measured on the first 64.

    Returns:
        `lstm`, `rnn` and `gru`: norms over rows and columns at the first position divided by those at the last, at
        least 1e-30.
    """
    x, y = recalled(seeds, 512 if n_steps else 64, data, length)
    classes, outcomes = 10 if data == "digits" else 4, {}
    for kind in ("lstm", "rnn", "gru"):
        net = chain(recurrent(kind, x.shape[2], hidden), last, linear(hidden, classes))
        weights = initial(net, seeds)
        if kind == "lstm" and forget is not None:
            weights[2].detach()[:, hidden : 2 * hidden] = forget
            weights[3].detach()[:, hidden : 2 * hidden] = 0
        if n_steps:
            steps = batches(seeds, 512, 32, n_steps)
            (weights,) = fit(net, weights, (x, y), steps, [0.003], optimizer="adam", clip=1.0)
        inputs = x[:, :64].double().movedim(1, 2).requires_grad_()
        raw = net([tensor.detach().double() for tensor in weights], inputs)
        (slope,) = torch.autograd.grad(cross_entropy(raw, y[:, :64]).sum(), inputs)
        norms = slope.flatten(1, 2).norm(dim=1)
        outcomes[kind] = (norms[:, 0] / norms[:, -1]).clamp(min=SMALLEST).numpy()
    return outcomes


def seconds_of_a_pass(
    seed: int, *, length: int, rows: int = 32, width: int = 64, kind: str = "lstm", loop: bool = False, repeats: int = 3
) -> dict[str, float]:
    """Seconds that a transformer's encoder layer and a recurrent layer take forward and backward over one minibatch.

    Both are torch's own, have as many weights but for biases and norms, and get gradients for weights and inputs, as
    a layer inside a network does. Per arm the least of `repeats` passes, which take turns after one to warm up.

    Args:
        seed: Draws inputs and weights; its first bit decides which arm begins.
        length: Positions.
        rows: Sequences of the minibatch.
        width: Columns in and out; a multiple of 4, the number of heads.
        kind: `lstm` or `gru`.
        loop: The recurrent layer is a loop over its cell instead of torch's single call.
        repeats: Timed passes.

    Returns:
        `attention_s` and `recurrent_s`, elapsed seconds; with `_cpu_s` CPU seconds of all threads; `weights`, the
        transformer's number of weights over the recurrent layer's.
    """
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, length, width, generator=rng).requires_grad_()
    whole, cell, inner = {"lstm": (nn.LSTM, nn.LSTMCell, 2 * width), "gru": (nn.GRU, nn.GRUCell, width)}[kind]
    nets = {
        "attention": nn.TransformerEncoderLayer(width, 4, inner, dropout=0.0, batch_first=True),
        "recurrent": cell(width, width) if loop else whole(width, width, batch_first=True),
    }
    for net in nets.values():
        for weights in net.parameters():
            weights.data.normal_(0, width**-0.5, generator=rng)
    passes = nets | ({"recurrent": _looped(nets["recurrent"])} if loop else {})

    def once(name: str) -> None:
        out = passes[name](x)
        (out if isinstance(out, Tensor) else out[0]).square().mean().backward()

    for name in passes:
        once(name)
    least = least_seconds({name: partial(once, name) for name in passes}, repeats, backwards=bool(seed % 2))
    counts = {name: sum(weights.numel() for weights in net.parameters()) for name, net in nets.items()}
    found = {f"{name}_{to}": least[f"{name}_{of}"] for name in nets for to, of in (("s", "wall_s"), ("cpu_s", "s"))}
    return found | {"weights": counts["attention"] / counts["recurrent"]}


def _looped(cell: nn.Module) -> Callable[[Tensor], Tensor]:
    """A recurrent layer that calls its cell once per position."""

    def forward(x: Tensor) -> Tensor:
        state, outs = None, []
        for one in x.unbind(1):
            state = cell(one, state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs, 1)

    return forward
