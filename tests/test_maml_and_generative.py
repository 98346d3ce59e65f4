"""Building blocks of the trials on MAML and on generative models, against plain references."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from experiments import few_shot
from experiments.common import networks

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [3, 2**32 - 1, 11]


def by_itself(trial, **parameters):
    """That the last seed alone gives what it gives among the others."""
    together, alone = trial(SEEDS, **parameters), trial(SEEDS[2:], **parameters)
    for name, values in alone.items():
        np.testing.assert_allclose(values[0], together[name][2], rtol=1e-4)


# MAML --------------------------------------------------------------------------------------------------------------


def test_inner_loop_is_five_steps_of_gradient_descent():
    x, waves = (part[:, 0] for part in few_shot.sines(networks.generators(SEEDS, networks.DATA), 1, 10))
    y = few_shot.heights(x, waves)
    start = [tensor.requires_grad_() for tensor in networks.initial(SEEDS, (1, 40, 40, 1))]
    found = few_shot.adapted(start, x, y)
    net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    with torch.no_grad():
        for parameter, tensor in zip(net.parameters(), start, strict=True):
            parameter.copy_(tensor[1].reshape(parameter.shape))
    rule = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(5):
        rule.zero_grad()
        functional.mse_loss(net(x[1]), y[1]).backward()
        rule.step()
    for parameter, tensor in zip(net.parameters(), found, strict=True):
        torch.testing.assert_close(tensor[1].reshape(parameter.shape), parameter.detach(), rtol=1e-4, atol=1e-6)


def test_meta_gradient_goes_through_the_inner_steps():
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.normal(size=(2, 1, 20, 1))) for _ in range(2))
    start = [t.double().requires_grad_() for t in networks.initial(SEEDS[:1], (1, 6, 6, 1))]
    way = [torch.from_numpy(rng.normal(size=tensor.shape)) for tensor in start]

    def loss(weights, graph=False):
        return few_shot.squared(networks.outputs(few_shot.adapted(weights, x[0], y[0], graph), x[1]), y[1]).sum()

    grads = torch.autograd.grad(loss(start, True), start)
    found = float(sum((grad * along).sum() for grad, along in zip(grads, way, strict=True)))
    ends = [
        [(t + sign * 1e-6 * along).requires_grad_() for t, along in zip(start, way, strict=True)] for sign in (1, -1)
    ]
    assert found == pytest.approx((loss(ends[0]) - loss(ends[1])).item() / 2e-6, rel=1e-5)


def test_new_sines_are_as_asked():
    x, waves = few_shot.sines(networks.generators(SEEDS, networks.DATA), 200, 5, amplitude=2.0)
    assert x.abs().max() <= 5
    assert (waves[:, :, 0] == 2).all()
    assert 0 <= waves[:, :, 1].min() < 0.1
    assert 3.0 < waves[:, :, 1].max() <= np.pi
    torch.testing.assert_close(few_shot.heights(x, waves)[1, 7], 2 * torch.sin(x[1, 7] + waves[1, 7, 1]))


def test_maml_learns_for_each_seed_by_itself():
    by_itself(few_shot.maml, iterations=10)
