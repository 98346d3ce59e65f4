"""Every stacked layer, optimizer and schedule against torch's own, and each replicate against itself alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments import convolution, forecasting, networks, normalisation, sequences
from experiments.common import layers, training
from experiments.common.layers import Layer, chain, linear, relu
from experiments.common.networks import batches

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [11, 2**32 - 1, 5]
ROWS, STEPS, CLASSES = 24, 20, 3


class Apply(nn.Module):
    """A function of torch as a module."""

    def __init__(self, of: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        return self.of(x)


class Skip(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


class CausalEncoder(nn.TransformerEncoderLayer):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, nn.Transformer.generate_square_subsequent_mask(x.shape[1]), is_causal=True)


def sequence_net(middle: nn.Module) -> nn.Module:
    """From (rows, features, time) to classes, read at the last time."""
    outs = Apply(lambda x: (x[0] if isinstance(x, tuple) else x)[:, -1])
    return nn.Sequential(Apply(lambda x: x.mT), middle, outs, nn.Linear(8, CLASSES))


def block(norm_first: bool, kind: type = nn.TransformerEncoderLayer) -> nn.Module:
    return kind(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)


@dataclass(frozen=True)
class Case:
    """A stacked network, the same of torch, and the shape of one row."""

    ours: Layer
    theirs: Callable[[], nn.Module]
    row: tuple[int, ...]
    tokens: int = 0


def image_case(middle: Sequence[Layer], theirs: Callable[[], Sequence[nn.Module]], features: int) -> Case:
    ours = chain(*middle, layers.flat, linear(features, CLASSES))
    return Case(ours, lambda: nn.Sequential(*theirs(), nn.Flatten(), nn.Linear(features, CLASSES)), (2, 6, 6))


def table_case(middle: Layer, theirs: Callable[[], nn.Module]) -> Case:
    ours = chain(linear(5, 8), middle, relu, linear(8, CLASSES))
    return Case(ours, lambda: nn.Sequential(nn.Linear(5, 8), theirs(), nn.ReLU(), nn.Linear(8, CLASSES)), (5,))


def sequence_case(middle: Layer, theirs: Callable[[], nn.Module], features: int) -> Case:
    return Case(chain(middle, layers.last, linear(8, CLASSES)), lambda: sequence_net(theirs()), (features, 7))


CASES = {
    "linear": table_case(chain(), nn.Identity),
    "batch-norm": table_case(layers.batch_norm(8), lambda: nn.BatchNorm1d(8)),
    "layer-norm": table_case(layers.layer_norm(8), lambda: nn.LayerNorm(8)),
    "group-norm": table_case(layers.group_norm(8, 2), lambda: nn.GroupNorm(2, 8)),
    "residual": table_case(
        layers.residual(chain(linear(8, 8), layers.tanh)), lambda: Skip(nn.Sequential(nn.Linear(8, 8), nn.Tanh()))
    ),
    "convolution": image_case(
        [layers.convolution(2, 4), relu, layers.max_pool(), layers.convolution(4, 5, 2, 0), layers.sigmoid],
        lambda: [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.Sigmoid()],
        20,
    ),
    "image-norms": image_case(
        [layers.convolution(2, 4), layers.batch_norm(4), relu, layers.max_pool(3, 1), layers.group_norm(4, 2)],
        lambda: [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 1), nn.GroupNorm(2, 4)],
        64,
    ),
    "global-mean": Case(
        chain(layers.convolution(2, 4), relu, layers.mean, linear(4, CLASSES)),
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, CLASSES),
        ),
        (2, 6, 6),
    ),
    "rnn": sequence_case(layers.recurrent("rnn", 4, 8), lambda: nn.RNN(4, 8, batch_first=True), 4),
    "lstm": sequence_case(layers.recurrent("lstm", 4, 8), lambda: nn.LSTM(4, 8, batch_first=True), 4),
    "gru": sequence_case(layers.recurrent("gru", 4, 8), lambda: nn.GRU(4, 8, batch_first=True), 4),
    "attention": sequence_case(layers.attention(8, 2), SelfAttention, 8),
    "encoder": sequence_case(layers.encoder(8, 2, 16), lambda: block(True), 8),
    "encoder-norm-last": sequence_case(layers.encoder(8, 2, 16, norm_first=False), lambda: block(False), 8),
    "encoder-causal": sequence_case(layers.encoder(8, 2, 16, causal=True), lambda: block(True, CausalEncoder), 8),
    "embedding": Case(
        chain(layers.embedding(6, 8), layers.recurrent("gru", 8, 8), layers.last, linear(8, CLASSES)),
        lambda: nn.Sequential(
            nn.Flatten(), nn.Embedding(6, 8), Apply(lambda x: x.mT), sequence_net(nn.GRU(8, 8, batch_first=True))
        ),
        (1, 7),
        tokens=6,
    ),
}


def problem(case: Case, seeds: Sequence[int]) -> tuple[layers.Weights, tuple[Tensor, Tensor], Tensor]:
    drawn = [np.random.default_rng(seed) for seed in seeds]
    size = (ROWS, *case.row)
    x = [
        torch.from_numpy(
            rng.integers(case.tokens, size=size) if case.tokens else rng.normal(size=size).astype(np.float32)
        )
        for rng in drawn
    ]
    y = [torch.from_numpy(rng.integers(CLASSES, size=ROWS)) for rng in drawn]
    return layers.initial(case.ours, seeds), (torch.stack(x), torch.stack(y)), batches(seeds, ROWS, 8, STEPS)


def torch_net(case: Case, weights: layers.Weights, replicate: int) -> nn.Module:
    """The network of torch with one replicate's weights, in the order in which both hold them."""
    net = case.theirs()
    with torch.no_grad():
        for theirs, ours in zip(held(net), weights, strict=True):
            theirs.copy_(ours[replicate].reshape(theirs.shape))
    return net


def held(net: nn.Module) -> list[Tensor]:
    """A network's tensors in the order of its calls: norms that come first in the block are defined last in torch's."""
    found = []
    for module in net.children():
        if isinstance(module, nn.TransformerEncoderLayer):
            parts = [held(nn.Sequential(module.self_attn)), held(nn.Sequential(module.linear1, module.linear2))]
            norms = [held(nn.Sequential(norm)) for norm in (module.norm1, module.norm2)]
            for norm, part in zip(norms, parts, strict=True):
                found += norm + part if module.norm_first else part + norm
        elif list(module.children()) and not isinstance(module, nn.MultiheadAttention):
            found += held(module)
        else:
            found += [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.dim())]
    return found


def relative_error(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    # the bias of queries and keys, and of layers before a norm, moves by rounding alone: judged against all weights
    size = torch.cat([tensor.detach().flatten() for tensor in theirs]).square().mean().sqrt()
    return max(
        float((a.detach().flatten() - b.detach().flatten()).square().mean().sqrt() / size)
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("name", CASES)
def test_layer_gives_and_learns_what_that_of_torch_does(name: str) -> None:
    case = CASES[name]
    weights, rows, steps = problem(case, SEEDS)
    (ours,) = training.fit(case.ours, weights, rows, steps, [0.1], momentum=0.9)
    assert max(float((a - b).detach().norm()) for a, b in zip(ours, weights, strict=True)) > 0.1
    for replicate in range(len(SEEDS)):
        x, y = (part[replicate] for part in rows)
        net = torch_net(case, weights, replicate)
        first = training.outputs(case.ours, weights, rows[0])[replicate].T
        torch.testing.assert_close(first, net.eval()(x), rtol=1e-4, atol=1e-5)
        rule = torch.optim.SGD(net.train().parameters(), 0.1, momentum=0.9)
        for step in steps:
            rule.zero_grad()
            nn.functional.cross_entropy(net(x[step[replicate]]), y[step[replicate]]).backward()
            rule.step()
        assert relative_error([tensor[replicate] for tensor in ours], held(net)) < 1e-4
        after = training.outputs(case.ours, ours, rows[0])[replicate].T
        torch.testing.assert_close(after, net.eval()(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_seed_does_not_depend_on_its_neighbours(name: str) -> None:
    case, seeds = CASES[name], list(range(20))

    def run(seeds: Sequence[int]) -> layers.Weights:
        net = chain(layers.dropout(0.2), case.ours) if not case.tokens else case.ours
        weights, rows, steps = problem(case, seeds)
        # not adam: it makes whole steps of the rounding in a bias whose gradient is 0, such as one before a norm
        return training.fit(net, weights, rows, steps, [0.01, 0.1], momentum=0.9, seeds=seeds, clip=1.0)[1]

    block = run(seeds)
    for place in (0, 7, 19):
        alone = run([seeds[place]])
        assert relative_error([tensor[place : place + 1] for tensor in block], alone) < 1e-4


TORCH_SCHEDULES = {
    "constant": lambda rule: torch.optim.lr_scheduler.LambdaLR(rule, lambda done: 1.0),
    "step": lambda rule: torch.optim.lr_scheduler.MultiStepLR(rule, [7, 14]),
    "cosine": lambda rule: torch.optim.lr_scheduler.LambdaLR(rule, lambda done: (1 + np.cos(np.pi * done / STEPS)) / 2),
    "one_cycle": lambda rule: torch.optim.lr_scheduler.OneCycleLR(rule, 0.1, STEPS, cycle_momentum=False),
    "warmup": lambda rule: torch.optim.lr_scheduler.LambdaLR(rule, lambda done: min(1.0, 0.01 + 0.99 * done / 2)),
}


@pytest.mark.parametrize("schedule", training.SCHEDULES)
@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
@pytest.mark.parametrize("clip", [np.inf, 0.3])
def test_schedules_and_clipping_are_those_of_torch(schedule: str, optimizer: str, kind: type, clip: float) -> None:
    case = CASES["linear"]
    weights, rows, steps = problem(case, SEEDS)
    settings = {"optimizer": optimizer, "schedule": training.SCHEDULES[schedule], "clip": clip}
    ours = training.fit(case.ours, weights, rows, steps, [0.02, 0.1], **settings)[1]
    for replicate in range(len(SEEDS)):
        x, y = (part[replicate] for part in rows)
        net = torch_net(case, weights, replicate)
        rule = kind(net.parameters(), 0.1)
        plan = TORCH_SCHEDULES[schedule](rule)
        for step in steps:
            rule.zero_grad()
            nn.functional.cross_entropy(net(x[step[replicate]]), y[step[replicate]]).backward()
            if clip < np.inf:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            rule.step()
            plan.step()
        assert relative_error([tensor[replicate] for tensor in ours], list(net.parameters())) < 1e-4


def test_dropout_keeps_the_expected_value_in_training_and_everything_otherwise() -> None:
    x, layer = torch.ones(4, 50, 40, 3), layers.dropout(0.3)
    out = layer([], x, [np.random.default_rng(seed) for seed in (1, 2)])
    assert torch.allclose(out.unique(), torch.tensor([0.0, 1 / 0.7]))
    assert float((out == 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    assert torch.equal(out[0], out[2])  # the same masks for every learning rate
    assert not torch.equal(out[0], out[1])
    assert torch.equal(layer([], x), x)
    with pytest.raises(ValueError, match="one generator per replicate"):
        layer([], x, ())


def test_norm_of_a_single_row_is_an_error() -> None:
    net = layers.batch_norm(4)
    with pytest.raises(ValueError, match="more than one value per feature"):
        net(layers.initial(net, [1]), torch.ones(1, 4, 1), ())


def test_frozen_weights_stay_and_given_ones_too() -> None:
    case = CASES["batch-norm"]
    weights, rows, steps = problem(case, SEEDS)
    weights[0].requires_grad_(False)
    before = [tensor.detach().clone() for tensor in weights]
    (after,) = training.fit(case.ours, weights, rows, steps, [0.1])
    assert all(torch.equal(a, b) for a, b in zip(before, weights, strict=True))
    assert torch.equal(after[0], weights[0])
    assert all(not torch.equal(a, b) for a, b in zip(after[2:], weights[2:], strict=True))


def test_best_is_each_replicate_at_its_highest_score() -> None:
    case = CASES["batch-norm"]
    weights, rows, steps = problem(case, SEEDS)
    path, scores = {}, {}

    def score(fit: layers.Weights) -> np.ndarray:
        return -training.mean_loss(case.ours, fit, rows)

    def watch(done: int, fits: list[layers.Weights]) -> None:
        path[done] = [[tensor.detach().clone() for tensor in fit] for fit in fits]
        scores[done] = np.stack([score(fit) for fit in fits])
        best(done, fits)

    best = training.Best(score)
    settings = {"watch": watch, "every": 6, "optimizer": "adam"}
    last = training.fit(case.ours, weights, rows, steps, [0.01, 0.3, 1e3], **settings)
    assert list(path) == [0, 6, 12, 18, 20]
    assert all(torch.equal(a, b) for a, b in zip(path[20][1], last[1], strict=True))
    table = np.stack(list(scores.values()))
    np.testing.assert_array_equal(best.scores, table.max(axis=0))
    assert (best.steps < 20).any()
    assert (best.steps > 0).any()
    for rate, replicate in np.ndindex(3, 3):
        then = path[best.steps[rate, replicate]][rate]
        assert all(torch.equal(a[replicate], b[replicate]) for a, b in zip(best.weights[rate], then, strict=True))


def test_replicate_that_diverges_leaves_the_others_alone() -> None:
    case = CASES["image-norms"]
    weights, rows, steps = problem(case, SEEDS)
    broken = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in weights]
    broken[0].detach()[1] = torch.inf
    sound, one_broken = (training.fit(case.ours, start, rows, steps, [0.1], clip=1.0)[0] for start in (weights, broken))
    assert not np.isfinite(training.mean_loss(case.ours, one_broken, rows)[1])
    for replicate in (0, 2):
        assert all(torch.equal(a[replicate], b[replicate]) for a, b in zip(sound, one_broken, strict=True))


@pytest.mark.parametrize(("init", "spread"), [("torch", (1 / 1200) ** 0.5), ("he", (2 / 400) ** 0.5), ("glorot", 0.05)])
def test_initial_weights_have_the_declared_spread(init: str, spread: float) -> None:
    weight, bias = layers.initial(linear(400, 400, init), [1, 2])
    assert float(weight.detach().std()) == pytest.approx(spread, rel=0.02)
    assert bool((bias != 0).any()) == (init == "torch")
    kernel, _ = layers.initial(layers.convolution(16, 16, 5, init=init), [1, 2])
    assert float(kernel.detach().std()) == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize("name", CASES)
def test_default_initial_weights_spread_as_those_of_torch(name: str) -> None:
    case = CASES[name]
    ours = layers.initial(case.ours, range(200))
    torch.manual_seed(1)
    theirs = [held(case.theirs()) for _ in range(200)]
    for place, tensor in enumerate(ours):
        same = torch.stack([tensors[place].detach() for tensors in theirs])
        assert float(tensor.detach().std()) == pytest.approx(float(same.std()), rel=0.15, abs=1e-6)


@pytest.mark.parametrize(
    ("trial", "parameters"),
    [
        (networks.gradient_by_depth, {"depth": 4, "init": "he", "n_steps": 20}),
        (networks.gradient_through_blocks, {"blocks": 3, "layer": "convolution", "norm": True, "width": 4}),
        (normalisation.largest_rate, {"images": True, "hidden": [2, 4], "rates": [0.05, 0.2], "n_steps": 20}),
        (normalisation.accuracy_by_norm, {"size": 4, "n_train": 100, "n_steps": 20}),
        (normalisation.learning_under_jolts, {"hidden": [16, 8], "n_steps": 20, "rates": [0.03]}),
        (
            convolution.accuracy_by_structure,
            {"data": "shapes", "n_train": 64, "n_test": 50, "n_steps": 20},
        ),
        (convolution.agreement_under_shift, {"shift": 1, "n_train": 64, "n_test": 50, "n_steps": 20}),
        (sequences.learned_order, {"task": "before", "causal": True, "length": 5, "n_steps": 20}),
        (sequences.gradient_through_time, {"length": 12, "forget": 1.0, "n_steps": 20}),
        (forecasting.forecast_errors, {"data": "sunspots", "length": 60, "n_steps": 20, "tests": 10}),
    ],
)
def test_batched_trial_gives_a_seed_what_it_gives_it_alone(trial: Callable, parameters: dict[str, object]) -> None:
    seeds = [3, 2**31, 4_000_000_000]
    block = trial(seeds, **parameters)
    alone = [trial([seed], **parameters) for seed in seeds]
    for name, values in block.items():
        assert values.shape == (3,), name
        np.testing.assert_allclose(values, [outcomes[name][0] for outcomes in alone], rtol=1e-3, err_msg=name)
