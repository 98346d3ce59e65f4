"""Building blocks of the trials on MAML and on generative models, against plain references."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from torch import distributions, nn
from torch.nn import functional

from experiments import few_shot, generative
from experiments.common import layers, networks

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
    start = networks.initial(SEEDS, (1, 40, 40, 1))
    found, _ = few_shot.adapted(start, x, y)
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
    x, y = (torch.from_numpy(rng.normal(size=(2, 3, 20, 1))) for _ in range(2))
    start = [tensor.double().requires_grad_() for tensor in networks.initial(SEEDS, (1, 6, 6, 1))]
    found = few_shot.meta_gradient(start, (x[0], y[0]), (x[1], y[1]))
    weights = start
    for _ in range(5):
        grads = torch.autograd.grad(
            few_shot.squared(networks.dense(weights, x[0].mT), y[0]).sum(), weights, create_graph=True
        )
        weights = [tensor - 0.01 * grad for tensor, grad in zip(weights, grads, strict=True)]
    loss = few_shot.squared(networks.dense(weights, x[1].mT), y[1]).sum()
    for one, other in zip(found, torch.autograd.grad(loss, start), strict=True):
        torch.testing.assert_close(one, other)


def test_new_sines_are_as_asked():
    x, waves = few_shot.sines(networks.generators(SEEDS, networks.DATA), 200, 5, amplitude=2.0)
    assert x.abs().max() <= 5
    assert (waves[:, :, 0] == 2).all()
    assert 0 <= waves[:, :, 1].min() < 0.1
    assert 3.0 < waves[:, :, 1].max() <= np.pi
    torch.testing.assert_close(few_shot.heights(x, waves)[1, 7], 2 * torch.sin(x[1, 7] + waves[1, 7, 1]))


def test_maml_learns_for_each_seed_by_itself():
    by_itself(few_shot.maml, iterations=10)


# Adversarial networks ----------------------------------------------------------------------------------------------


def test_collapse_is_of_rows_near_the_data():
    _, points, own, near = generative.rows_of([0], "ring", 0.05)
    one_mode = points[:, :1].mT.repeat(1, 1, 100)
    every_mode = points.mT.repeat(1, 1, 20)
    found = [generative.reached(made, points, own, near) for made in (one_mode, every_mode, 0.5 * one_mode)]
    assert [float(kind["reached"][0]) for kind in found] == [1 / 8, 1, 1 / 8]
    assert [float(kind["near"][0]) for kind in found] == [1, 1, 0]
    assert [float(kind["collapsed"][0]) for kind in found] == [1, 0, 0]


def test_a_stray_row_in_two_hundred_reaches_no_mode():
    _, points, own, near = generative.rows_of([0], "grid", 0.03)
    made = torch.cat([points[:, :1].repeat(1, 199, 1), points[:, 7:8]], 1).mT
    assert generative.reached(made, points, own, near)["reached"][0] == 1 / 25


@pytest.mark.parametrize(("modes", "near"), [("ring", np.sin(np.pi / 8) / 2), ("grid", 1 / 8)])
def test_near_is_a_quarter_of_the_way_to_the_next_mode(modes, near):
    rows, points, own, found = generative.rows_of([0, 1], modes, 0.01)
    np.testing.assert_allclose(found, near, rtol=1e-6)
    assert (generative.reached(rows, points, own, found)["near"] == 1).all()


def test_digits_trained_on_are_not_those_that_stand_for_classes():
    rows, points, own, near = generative.rows_of([5], "digits", 0.0)
    assert (rows.shape, points.shape) == ((1, 64, 599), (1, 599, 64))
    found = generative.reached(rows, points, own, near)
    assert found["reached"] == 1
    assert found["near"] == pytest.approx(0.95, abs=0.01)


def test_energy_distance_leaves_out_pairs_of_a_row_with_itself():
    made, real = torch.randn(2, 2, 3, 5, generator=torch.Generator().manual_seed(0))
    a, b = made[1].T.numpy(), real[1].T.numpy()
    wanted = 2 * cdist(a, b).mean() - pdist(a).mean() - pdist(b).mean()
    assert float(generative.energy(made, real)[1]) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"adversary": False}, {"modes": "digits", "per_judge": 2}])
def test_a_generator_does_not_depend_on_its_neighbours(settings):
    by_itself(generative.variety, steps=10, **settings)


# Variational autoencoders ------------------------------------------------------------------------------------------


def estimated(arm, copies=3000):
    """Bounds of four images, and gradients of their mean for one small network from as many draws of noise."""
    rng = np.random.default_rng(0)
    net = [
        layers.chain(layers.linear(3, 4), layers.relu, layers.linear(4, 4)),
        layers.chain(layers.linear(2, 4), layers.relu, layers.linear(4, 3)),
    ]
    start = [t.detach().double() for part in net for t in layers.initial(part, [5])]
    weights = [(2 * t).repeat(copies, 1, 1).requires_grad_() for t in start]
    x = torch.from_numpy(rng.integers(2, size=(1, 3, 4)).astype(float)).repeat(copies, 1, 1)
    eps = torch.from_numpy(rng.normal(size=(copies, 2, 4, 4)))
    kind = torch.tensor(generative.ESTIMATES[arm]).double().view(3, 1, 1, 1).repeat(1, copies, 1, 1)
    bound, ascended = generative.bounds(net, weights, x, eps, kind)
    grads = torch.autograd.grad(ascended.mean(1).sum(), weights, allow_unused=True)
    return net, weights, x, eps, bound.detach(), [grad.flatten(1).numpy() for grad in grads]


def test_bound_is_that_of_the_distributions():
    net, weights, x, eps, bound, _ = estimated("baseline", copies=3)
    mean, spread = net[0](weights[:4], x).chunk(2, 1)
    code = distributions.Normal(mean, (spread / 2).exp())
    divergence = distributions.kl_divergence(code, distributions.Normal(0.0, 1.0)).sum(1)
    odds = [net[1](weights[4:], code.mean + code.stddev * eps[:, :, draw]) for draw in range(4)]
    likelihood = torch.stack([distributions.Bernoulli(logits=one).log_prob(x).sum(1) for one in odds]).mean(0)
    torch.testing.assert_close(bound, (likelihood - divergence).detach())


@pytest.mark.parametrize("arm", ["plain", "baseline"])
def test_score_functions_have_the_gradient_of_the_trick_on_average(arm):
    *_, wanted = estimated("reparameterised")
    *_, found = estimated(arm)
    for one, other in zip(wanted, found, strict=True):
        error = np.sqrt((one.var(0) + other.var(0)) / len(one))
        assert (np.abs(one.mean(0) - other.mean(0)) <= 5 * error + 1e-12).all()


def test_baseline_makes_the_gradient_less_noisy_and_a_direct_draw_has_none_of_it():
    first = {arm: estimated(arm)[-1][0] for arm in ("reparameterised", "baseline", "plain", "none")}
    noise = {arm: grad.var(0).sum() for arm, grad in first.items()}
    assert noise["reparameterised"] < noise["baseline"] < noise["plain"] / 2
    assert noise["none"] < 1e-20


def test_autoencoders_do_not_depend_on_their_neighbours():
    by_itself(generative.code_worth, data="factors", latent=2, steps=20)
