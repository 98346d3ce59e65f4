"""Replicate-batched training against plain torch, against itself one seed at a time, and against hidden state."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.common import layers, networks, training
from experiments.imbalance import rare_class_by_loss
from experiments.networks import accuracy_by_loss
from experiments.regularization import dropout_accuracy
from experiments.transfer import joint_and_single

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [11, 2**32 - 1, 5]
WIDTHS = (20, 16, 8, 3)
SIZES = (48, 30)
SIZE = 10


def problem(seeds: Sequence[int], steps: int = 20) -> tuple[networks.Weights, list[networks.Rows], Tensor]:
    parts = networks.classification(seeds, SIZES, "generated", n_classes=3, n_informative=6)
    return networks.initial(seeds, WIDTHS), parts, networks.batches(seeds, SIZES[0], SIZE, steps)


def network(rates: Sequence[float] = (), widths: Sequence[int] = WIDTHS) -> training.Forward:
    """The dense forward function, with dropout of these rates before the first layers."""
    if not rates:
        return networks.dense
    pairs = zip(map(layers.dropout, [*rates, 0.0, 0.0]), pairwise(widths), strict=False)
    return layers.chain(*[layer for mask, pair in pairs for layer in (layers.relu, mask, layers.linear(*pair))][1:])


class Plain(nn.Module):
    """The network of one replicate as anyone would write it, started from that replicate's weights."""

    def __init__(self, weights: networks.Weights, replicate: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            layer = nn.Linear(weight.shape[2], weight.shape[1])
            layer.load_state_dict({"weight": weight[replicate], "bias": bias[replicate, :, 0]})
            self.layers.append(layer)

    def forward(self, x: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        for number, (layer, mask) in enumerate(zip(self.layers, masks, strict=True)):
            x = x if number == 0 else x.relu()
            x = layer(x if mask is None else x * mask)
        return x


def plain_loss(name: str, raw: Tensor, y: Tensor) -> Tensor:
    hot = nn.functional.one_hot(y, raw.shape[1]).float()
    return {
        "cross_entropy": lambda: nn.CrossEntropyLoss()(raw, y),
        "mse_linear": lambda: raw.shape[1] * nn.MSELoss()(raw, hot),
        "mse_softmax": lambda: raw.shape[1] * nn.MSELoss()(raw.softmax(1), hot),
    }[name]()


def adam(*problem: Any) -> list[networks.Weights]:
    """`training.fit` of plain dense networks by Adam."""
    return training.fit(networks.dense, *problem, optimizer="adam")


@torch.no_grad()
def relative_error(ours: networks.Weights, theirs: Sequence[Tensor]) -> float:
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("optimizer", "rule", "options"),
    [
        ("sgd", torch.optim.SGD, {"lr": 0.1}),
        ("sgd", torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        ("adam", torch.optim.Adam, {"lr": 0.01}),
        ("adamw", torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
@pytest.mark.parametrize("loss", list(networks.LOSSES))
@pytest.mark.parametrize("rates", [(), (0.2, 0.5, 0.3), (0.0, 0.5)])
def test_block_trains_as_plain_torch_does(optimizer, rule, options, loss, rates) -> None:
    weights, (train, _), steps = problem(SEEDS)
    stack, others = network(rates), {name: value for name, value in options.items() if name != "lr"}
    others |= {"loss": networks.LOSSES[loss], "optimizer": optimizer, "seeds": SEEDS}
    (ours,) = training.fit(stack, weights, train, steps, [options["lr"]], **others)
    drawn = [networks.generators([seed], networks.MASKS) for seed in SEEDS]
    for replicate in range(len(SEEDS)):
        net = Plain(weights, replicate)
        step_of = rule(net.parameters(), **options)
        for step in steps:
            inputs = [torch.ones(1, width, SIZE) for width in WIDTHS]
            masks = [layers.dropout(rate) for rate in rates]
            factors = [mask([], x, drawn[replicate])[0].T for mask, x in zip(masks, inputs, strict=False)]
            factors += [None] * (len(net.layers) - len(factors))
            x, y = (part[replicate][step[replicate]] for part in train)
            step_of.zero_grad()
            plain_loss(loss, net(x, factors), y).backward()
            step_of.step()
        theirs = [tensor.detach() for layer in net.layers for tensor in (layer.weight, layer.bias[:, None])]
        assert relative_error([tensor[replicate] for tensor in ours], theirs) < 1e-4


@pytest.mark.parametrize("data", ["generated", "digits"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_seed_does_not_depend_on_its_neighbours(data, optimizer) -> None:
    def run(seeds: Sequence[int]) -> networks.Weights:
        train, _ = networks.classification(seeds, SIZES, data, n_classes=3, n_informative=6)
        widths = (train[0].shape[2], 16, 10)
        start, steps = networks.initial(seeds, widths), networks.batches(seeds, SIZES[0], SIZE, 20)
        stack = network((0.2, 0.5), widths)
        return training.fit(stack, start, train, steps, [0.01, 0.1], optimizer=optimizer, seeds=seeds)[1]

    seeds = list(range(40))
    block = run(seeds)
    for place in (0, 17, 39):
        alone = run(seeds[place : place + 1])
        assert relative_error([tensor[place : place + 1] for tensor in block], alone) < 1e-4


def test_learning_rates_trained_together_give_what_they_give_alone() -> None:
    weights, (train, _), steps = problem(SEEDS)
    rates = [0.001, 0.01, 0.1]
    together = adam(weights, train, steps, rates)
    for rate, done in zip(rates, together, strict=True):
        assert relative_error(done, adam(weights, train, steps, [rate])[0]) < 1e-4


def test_same_seeds_same_bits_and_global_generators_untouched() -> None:
    def run() -> list[Tensor]:
        weights, (train, test), steps = problem(SEEDS, 50)
        (done,) = training.fit(network((0.2, 0.5)), weights, train, steps, [0.01], optimizer="adam", seeds=SEEDS)
        return [*done, torch.from_numpy(training.mean_loss(networks.dense, done, test))]

    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = run()
    clutter = torch.empty(12345)  # moves later allocations: results must not depend on addresses
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))
    assert clutter.numel() == 12345
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])
    np.random.seed(7)
    torch.rand(1)
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


def test_given_weights_stay_as_they_are() -> None:
    weights, (train, _), steps = problem(SEEDS)
    before = [tensor.clone() for tensor in weights]
    adam(weights, train, steps, [0.1])
    assert all(torch.equal(a, b) for a, b in zip(before, weights, strict=True))


def test_replicate_that_diverges_leaves_the_others_alone() -> None:
    weights, (train, test), steps = problem(SEEDS)
    broken = [tensor.clone() for tensor in weights]
    broken[0][1] = torch.inf
    sound, one_broken = (adam(start, train, steps, [0.1])[0] for start in (weights, broken))
    assert not np.isfinite(training.mean_loss(networks.dense, one_broken, test)[1])
    for replicate in (0, 2):
        assert all(torch.equal(a[replicate], b[replicate]) for a, b in zip(sound, one_broken, strict=True))


def test_batches_are_epochs_without_repetition() -> None:
    steps = networks.batches(SEEDS, 48, 10, 10)
    assert steps.shape == (10, 3, 10)
    for replicate in range(3):
        for epoch in (steps[:4, replicate], steps[4:8, replicate]):
            assert len(set(epoch.flatten().tolist())) == 40
    assert not torch.equal(steps[:, 0], steps[:, 1])


def test_masks_have_the_rate_and_keep_the_expected_input() -> None:
    rngs = networks.generators(SEEDS, networks.MASKS)
    step = [layers.dropout(rate)([], torch.ones(3, width, 33), rngs) for rate, width in ((0.2, 301), (0.5, 203))]
    for factors, rate in zip(step, (0.2, 0.5), strict=True):
        values = factors.unique()
        assert torch.allclose(values, torch.tensor([0.0, 1 / (1 - rate)]))
        assert float((factors == 0).double().mean()) == pytest.approx(rate, abs=0.01)
        assert float(factors.double().mean()) == pytest.approx(1, abs=0.02)
    assert not torch.equal(step[0][0], step[0][1])


def test_parts_are_disjoint_and_generated_ones_scaled_by_the_first() -> None:
    (x, y), _ = networks.classification(SEEDS, (60, 40), "generated")
    assert torch.allclose(x.mean(1), torch.zeros(()), atol=1e-5)
    assert torch.allclose(x.std(1, correction=0), torch.ones(()), atol=1e-4)
    assert y.dtype == torch.int64
    (held, _), (new, _) = networks.classification(SEEDS, (900, 897), "digits")
    for replicate in range(3):
        together = torch.cat([held, new], 1)[replicate]
        assert len(torch.unique(together, dim=0)) == 1797
        assert float(together.max()) == 1.0


def test_accuracy_and_loss_are_those_of_torch() -> None:
    weights, (_, test), _ = problem(SEEDS)
    for replicate in range(3):
        raw = Plain(weights, replicate)(test[0][replicate], [None] * 3)
        hits = (raw.argmax(1) == test[1][replicate]).double().mean().item()
        assert training.accuracy(networks.dense, weights, test)[replicate] == pytest.approx(hits)
        loss = nn.functional.cross_entropy(raw, test[1][replicate]).item()
        assert training.mean_loss(networks.dense, weights, test)[replicate] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(("init", "spread"), [("torch", (1 / 1200) ** 0.5), ("he", (2 / 400) ** 0.5), ("glorot", 0.05)])
def test_initial_weights_have_the_declared_spread(init, spread) -> None:
    weight, bias = networks.initial([1, 2], (400, 400), init)
    assert float(weight.std()) == pytest.approx(spread, rel=0.02)
    assert bool((bias != 0).any()) == (init == "torch")
    assert torch.equal(networks.initial([1, 2], (400, 400), init, gain=3.0)[0], 3 * weight)
    with pytest.raises(ValueError, match="init must be torch, he or glorot, not 'none'"):
        networks.initial([1], (2, 2), "none")


def test_best_takes_the_highest_score_per_replicate_and_never_nan() -> None:
    one, two = ([torch.full((3, 1, 1), value)] for value in (1.0, 2.0))
    (chosen,) = networks.best([one, two], [np.array([0.5, np.nan, 0.5]), np.array([0.6, 0.1, 0.5])])
    assert chosen.flatten().tolist() == [2.0, 2.0, 1.0]


SIZES_OF = {"n_train": 100, "n_valid": 50, "n_test": 60}
SHORT = {"n_steps": 20, **SIZES_OF}


@pytest.mark.parametrize(
    ("trial", "parameters"),
    [
        (accuracy_by_loss, {"data": "digits", "n_classes": 10, "n_steps": 20, **SIZES_OF}),
        (accuracy_by_loss, {"n_classes": 4, "optimizer": "adam", "rates": [0.003, 0.03], "n_steps": 20, **SIZES_OF}),
        (dropout_accuracy, {"data": "digits", "n_classes": 10, "n_steps": 20, **SIZES_OF}),
        (dropout_accuracy, {"hidden": [16, 8], "dropped": [0.2, 0.5, 0.3], "n_steps": 20, **SIZES_OF}),
        (rare_class_by_loss, {"data": "clusters", "positives": 0.2, "measure": "average_precision", **SHORT}),
        (rare_class_by_loss, {"data": "digits", "positives": 0.1, "measure": "f1_best", "alpha": 0.9, **SHORT}),
        (joint_and_single, {"n_train": 40, "n_test": 60, "n_steps": 40}),
    ],
)
def test_batched_trial_gives_a_seed_what_it_gives_it_alone(trial, parameters) -> None:
    seeds = [3, 2**31, 4_000_000_000, 77, 8]
    block = trial(seeds, **parameters)
    alone = [trial([seed], **parameters) for seed in seeds]
    for name, values in block.items():
        assert values.shape == (5,), name
        np.testing.assert_allclose(values, [outcomes[name][0] for outcomes in alone], rtol=1e-4, err_msg=name)
