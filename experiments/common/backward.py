"""Gradients and steps of Adam for stacked dense networks of a few units, written out.

There autograd and torch.optim cost several times the arithmetic. Values agree with theirs to rounding; networks of some
thousand weights are better off with torch's fused step.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from experiments.common.networks import Weights


def gradients(weights: Weights, x: Tensor, slope: Callable[[Tensor], Tensor]) -> Weights:
    """Gradient of a loss by each weight and bias of networks with ReLU between linear layers.

    Args:
        weights: Weight (networks, outputs, inputs) and bias (networks, outputs, 1) of each layer in turn.
        x: Inputs, (networks, columns, rows).
        slope: From raw outputs, (networks, outputs, rows), to the derivatives of each row's loss by them; the loss is
            the mean over rows.
    """
    entering = [x]
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        entering.append(torch.baddbmm(bias, weight, entering[-1]).relu_())
    back, found = slope(torch.baddbmm(weights[-1], weights[-2], entering[-1])) / x.shape[2], []
    for place in reversed(range(0, len(weights), 2)):
        below = entering.pop()
        found = [torch.bmm(back, below.mT), back.sum(2, keepdim=True), *found]
        if place:
            back = torch.bmm(weights[place].mT, back) * (below > 0)
    return found


class Adam:
    """Adam (Kingma & Ba 2015) with torch's default constants, each network at its own learning rate.

    Args:
        start: Initial weights, (networks, outputs, inputs or 1).
        rates: Learning rates, (networks,).

    Attributes:
        weights: Views of one tensor, changed in place by each step.
    """

    def __init__(self, start: Weights, rates: Sequence[float]) -> None:  # noqa: D107 - the class says it
        self.all = torch.cat([tensor.detach().flatten(1) for tensor in start], 1)
        parts = self.all.split([tensor[0].numel() for tensor in start], 1)
        self.weights = [part.unflatten(1, tensor.shape[1:]) for part, tensor in zip(parts, start, strict=True)]
        self.rates = torch.tensor(rates, dtype=self.all.dtype)[:, None]
        self.mean, self.square, self.done = torch.zeros_like(self.all), torch.zeros_like(self.all), 0

    def step(self, grads: Weights) -> None:
        """One step against the gradients."""
        grad = torch.cat([tensor.flatten(1) for tensor in grads], 1)
        self.done += 1
        self.mean.lerp_(grad, 0.1)
        self.square.mul_(0.999).addcmul_(grad, grad, value=0.001)
        spread = self.square.sqrt().div_((1 - 0.999**self.done) ** 0.5).add_(1e-8)
        self.all -= spread.reciprocal_().mul_(self.mean).mul_(self.rates / (1 - 0.9**self.done))
