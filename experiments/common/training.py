"""Training of stacked networks: any forward function, loss, optimizer and schedule, every replicate for itself.

Rows are (replicates, rows, features, ...); a forward function takes features before rows, as `layers` has them. The
loss is summed over replicates and optimizers of torch.optim act on each element alone, so that every replicate takes
the steps that it would take by itself.

Against a loop over seeds of torch's own modules (row 4 of the benchmarks) a replicate costs an eighth of the CPU with
two normed layers of 32 units or plain recurrent cells, a third with two small convolutions, less than half with long
short-term memory, which torch runs as one kernel, or a transformer's layer, where the work is moving memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import lr_scheduler

from experiments.common.layers import Noise, Weights
from experiments.common.networks import MASKS, Rows, cross_entropy, generators

Forward = Callable[[Weights, Tensor, Noise], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]  # raw outputs and targets to one value per replicate
Schedule = Callable[
    [torch.optim.Optimizer, int], lr_scheduler.LRScheduler
]  # from the optimizer and the number of steps
Watch = Callable[[int, list[Weights]], object]

OPTIMIZERS: Mapping[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
SCHEDULES: dict[str, Schedule] = {
    "constant": lambda rule, steps: lr_scheduler.ConstantLR(rule, 1.0),
    "step": lambda rule, steps: lr_scheduler.StepLR(rule, -(-steps // 3), 0.1),
    "cosine": lambda rule, steps: lr_scheduler.CosineAnnealingLR(rule, steps),
    "one_cycle": lambda rule, steps: lr_scheduler.OneCycleLR(
        rule, [group["lr"] for group in rule.param_groups], steps, cycle_momentum=False
    ),
    "warmup": lambda rule, steps: lr_scheduler.LinearLR(rule, 0.01, 1.0, -(-steps // 10)),
}
"""Schedules of torch over a whole training: a tenth at each third, half a cosine, up and down, linear over a tenth."""


def fit(
    forward: Forward,
    weights: Weights,
    rows: Rows,
    steps: Tensor,
    rates: Sequence[float],
    *,
    loss: Loss = cross_entropy,
    optimizer: str = "sgd",
    schedule: Schedule = SCHEDULES["constant"],
    clip: float = np.inf,
    seeds: Sequence[int] = (),
    watch: Watch | None = None,
    every: int = 1,
    **options: Any,
) -> list[Weights]:
    """Weights after one optimizer step per minibatch, one list per learning rate; the given ones stay as they are.

    Args:
        forward: A `Layer`, or any function of stacked weights, inputs and noise.
        weights: Those that require a gradient are trained, all of them where none does; every learning rate starts
            there and sees the same minibatches and dropout masks.
        rows: Training rows and targets.
        steps: Row numbers of the minibatches, (steps, replicates, size), from `networks.batches`.
        rates: Learning rates, trained side by side: with few replicates several cost hardly more than one.
        loss: Any function of outputs and targets to (replicates,).
        optimizer: A name in OPTIMIZERS.
        schedule: A value of SCHEDULES, or any that makes a scheduler of torch; it steps after each minibatch.
        clip: Largest norm of a replicate's gradient; a longer one is scaled down as torch does.
        seeds: One per replicate, for dropout.
        watch: Called with the number of steps done and the weights per rate, before the first step, after each `every`
            steps, and after the last.
        every: Steps between calls of `watch`.
        options: Further keywords of the optimizer, such as momentum or weight_decay.
    """
    (x, y), replicates = rows, len(rows[0])
    copies = [[tensor.detach().clone() for tensor in weights] for _ in rates]
    frozen = any(tensor.requires_grad for tensor in weights)
    trained = [place for place, tensor in enumerate(weights) if tensor.requires_grad or not frozen]
    leaves = [[copy[place].requires_grad_() for place in trained] for copy in copies]
    groups = [{"params": leaf, "lr": rate} for leaf, rate in zip(leaves, rates, strict=True)]
    rule = OPTIMIZERS[optimizer](groups, fused=True, **options)  # fused: one pass over the memory in place of seven
    plan = schedule(rule, len(steps))
    stacked = [torch.cat(same) for same in zip(*copies, strict=True)]
    for one, copy in enumerate(copies):  # running statistics are changed in place: the copies are views of the stack
        copy[:] = [
            leaf if leaf.requires_grad else whole[one * replicates : (one + 1) * replicates]
            for leaf, whole in zip(copy, stacked, strict=True)
        ]
    flat_x, flat_y = x.flatten(0, 1), y.flatten(0, 1)
    first_row = torch.arange(replicates)[:, None] * x.shape[1]
    noise = generators(seeds, MASKS)
    for done, step in enumerate(steps):
        if watch and done % every == 0:
            watch(done, copies)
        place = (step + first_row).repeat(len(rates), 1)
        # x[replicate, step] is six times slower
        batch, targets = (flat.index_select(0, place.flatten()).unflatten(0, place.shape) for flat in (flat_x, flat_y))
        for tensor, same in zip(trained, zip(*leaves, strict=True), strict=True):
            stacked[tensor] = torch.cat(same) if len(rates) > 1 else same[0]
        rule.zero_grad()
        loss(forward(stacked, batch.movedim(1, 2), noise), targets).sum().backward()
        if clip < np.inf:
            for leaf in leaves:
                clip_each(leaf, clip)
        rule.step()
        plan.step()
    if watch:
        watch(len(steps), copies)
    return copies


def clip_each(leaves: Iterable[Tensor], limit: float) -> None:
    """Scales each replicate's gradient down to the limit where its norm over all tensors is larger."""
    grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
    norms = torch.stack([grad.flatten(1).norm(dim=1) for grad in grads]).norm(dim=0)
    factors = (limit / (norms + 1e-6)).clamp(max=1)
    for grad in grads:
        grad.mul_(factors.view(-1, *[1] * (grad.dim() - 1)))


class Best:
    """Early stopping after the fact: as `watch` of `fit` it keeps each replicate's weights at their best.

    Args:
        score: Of stacked weights, (replicates,), such as accuracy on validation rows; higher is better.

    Attributes:
        weights: Per learning rate, each replicate as it was at its highest score, the first of equals.
        scores: That score, (rates, replicates); NaN loses against any number.
        steps: The number of steps done then, (rates, replicates).
    """

    def __init__(self, score: Callable[[Weights], np.ndarray]) -> None:  # noqa: D107 - the class says it
        self.score = score

    def __call__(self, done: int, fits: list[Weights]) -> None:
        """Compares the weights of now with the best so far."""
        scores = np.nan_to_num(np.stack([self.score(fit) for fit in fits]), nan=-np.inf)
        if done == 0:
            self.weights = [[tensor.detach().clone() for tensor in fit] for fit in fits]
            self.scores, self.steps = scores, np.zeros(scores.shape, int)
            return
        for kept, now, better in zip(self.weights, fits, scores > self.scores, strict=True):
            for old, new in zip(kept, now, strict=True):
                old[better] = new.detach()[better]
        self.steps[scores > self.scores] = done
        self.scores = np.maximum(scores, self.scores)


@torch.no_grad()
def outputs(forward: Forward, weights: Weights, x: Tensor, together: int = 256) -> Tensor:
    """Outputs outside training, (replicates, outputs, rows, ...), `together` rows at a time."""
    return torch.cat([forward(weights, part.movedim(1, 2), None) for part in x.split(together, 1)], 2)


def accuracy(forward: Forward, weights: Weights, rows: Rows) -> np.ndarray:
    """Share of targets that are the largest output, (replicates,), in [0, 1]."""
    hits = outputs(forward, weights, rows[0]).argmax(1) == rows[1]
    return hits.flatten(1).double().mean(1).numpy()


def mean_loss(forward: Forward, weights: Weights, rows: Rows, loss: Loss = cross_entropy) -> np.ndarray:
    """Loss over the rows, (replicates,), unit and range as the loss has them; not finite where training diverged."""
    return loss(outputs(forward, weights, rows[0]), rows[1]).double().numpy()
