"""Trials on fairness, robustness, embeddings, federated learning and deployment against what is known about them."""

import os
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from experiments import deployment, embeddings, fairness, federated, robustness
from experiments.common.layers import chain, initial, linear, relu
from experiments.common.networks import cross_entropy

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [3, 2**31, 4_000_000_000]
SIZES = {"n_train": 60, "n_valid": 40, "n_test": 50, "n_steps": 24}
IMAGES = {"data": "digits", "n_classes": 10, "structure": "cnn", "size": 0.1, **SIZES}
FEW = {"clients": 4, "rows": 20, "n_valid": 50, "most": 5}


@pytest.mark.parametrize(
    ("trial", "parameters"),
    [
        (robustness.accuracy_under_small_changes, {"size": 0.25, **SIZES}),
        (robustness.accuracy_under_small_changes, IMAGES),
        (robustness.accuracy_of_hardened, {"size": 0.25, **SIZES}),
        (robustness.accuracy_of_hardened, {"data": "weak_and_strong", "size": 0.4, **SIZES}),
        (embeddings.auc_by_encoding, {"kind": "pairs", "levels": 20, "n_train": 200, "n_test": 100, "n_steps": 20}),
        (embeddings.auc_by_encoding, {"kind": "words", "categories": 2, "n_train": 200, "n_test": 100, "n_steps": 20}),
        (federated.rounds_of_averaging, {"split": "by_class", "taking_part": 2, **FEW}),
        (federated.rounds_of_averaging, {"split": "half_by_class", "structure": "mlp", **FEW}),
        (federated.rows_told_by_update, {"rows": 2, "n_steps": 20, "noise": 0.01}),
        (federated.rows_told_by_update, {"data": "breast_cancer", "rows": 6, "epochs": 2, "size": 3, "n_steps": 5}),
    ],
)
def test_batched_trial_gives_a_seed_what_it_gives_it_alone(trial, parameters) -> None:
    block = trial(SEEDS, **parameters)
    alone = [trial([seed], **parameters) for seed in SEEDS]
    for name, values in block.items():
        assert values.shape == (3,), name
        np.testing.assert_allclose(values, [outcomes[name][0] for outcomes in alone], rtol=1e-3, err_msg=name)


def drawn(rows: int = 12, columns: int = 5, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.uniform(size=(2, rows, columns))).float()
    return x, torch.from_numpy(rng.integers(classes, size=(2, rows)))


def test_chosen_changes_of_a_linear_classifier_of_two_are_the_worst_there_are() -> None:
    net, (x, y) = linear(5, 2), drawn(classes=2)
    weights = [tensor.detach() for tensor in initial(net, SEEDS[:2])]
    gradient = partial(robustness.of_dense, weights)
    assert torch.equal(gradient(x, y), robustness.of_network(net, weights, x, y))
    moved = robustness.chosen(gradient, (x, y), 0.1, 5)
    assert float((moved - x).abs().max()) <= 0.1 + 1e-6
    difference = (weights[0][:, 1] - weights[0][:, 0]).abs().sum(1, keepdim=True)
    lost = robustness.lead(net(weights, x.mT), y) - robustness.lead(net(weights, moved.mT), y)
    assert torch.allclose(lost, 0.1 * difference.expand_as(lost), atol=1e-5)
    inside = robustness.chosen(gradient, (x, y), 0.5, 5, (0.0, 1.0))
    assert float(inside.min()) >= 0
    assert float(inside.max()) <= 1


def test_the_written_out_gradient_of_hidden_layers_is_that_of_torch() -> None:
    net, (x, y) = chain(linear(5, 7), relu, linear(7, 6), relu, linear(6, 3)), drawn()
    weights = initial(net, SEEDS[:2])
    found, wanted = robustness.of_dense(weights, x, y), robustness.of_network(net, weights, x, y)
    assert torch.allclose(found, wanted, atol=1e-6)
    assert float(wanted.abs().max()) > 0.01


def test_the_written_out_gradient_of_training_is_that_of_torch() -> None:
    net, (x, y) = chain(linear(5, 7), relu, linear(7, 6), relu, linear(6, 3)), drawn()
    weights = [tensor.detach().requires_grad_() for tensor in initial(net, SEEDS[:2])]
    wanted = torch.autograd.grad(cross_entropy(net(weights, x.mT), y).sum(), weights)
    for one, other in zip(robustness.cross_entropy_gradients(weights, x, y), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_lead_is_that_of_the_right_class_over_the_next() -> None:
    net, (x, y) = linear(5, 3), drawn()
    weights = [tensor.detach() for tensor in initial(net, SEEDS[:2])]
    raw = net(weights, x.movedim(1, 2))
    for replicate in range(2):
        for row in range(12):
            values = raw[replicate, :, row].tolist()
            right = values.pop(int(y[replicate, row]))
            assert float(robustness.lead(raw, y)[replicate, row]) == pytest.approx(right - max(values), abs=1e-6)


def test_indicators_are_a_linear_layer_on_zeros_and_ones() -> None:
    net = embeddings.one_hot(1, 4, 2, (3,))
    weights = [tensor.detach() for tensor in initial(net, [7])]
    codes, numbers = torch.tensor([[0.0, 3.0, 1.0]]), torch.rand(1, 2, 3, generator=torch.Generator().manual_seed(1))
    table, columns, bias, head, head_bias = weights
    hot = functional.one_hot(codes.long(), 4).float()
    hidden = torch.relu(hot @ table + (columns @ numbers + bias).mT).mT
    assert torch.allclose(net(weights, torch.cat([codes[:, None], numbers], 1)), head @ hidden + head_bias, atol=1e-6)


def test_one_step_of_every_client_is_a_step_on_all_rows() -> None:
    net, (x, y) = linear(5, 3), drawn()
    weights = [tensor.detach() for tensor in initial(net, SEEDS[:2])]
    held = federated.shared_out((x, y), 3, "by_class", SEEDS[:2])
    rows = tuple(part.flatten(0, 1) for part in held)
    steps = torch.arange(4).repeat(6, 1, 1)
    sent = federated.after_local_steps(
        net, [w.repeat_interleave(3, 0) for w in weights], rows, steps, torch.full((6,), 0.5)
    )
    leaves = [tensor.clone().requires_grad_() for tensor in weights]
    grads = torch.autograd.grad(cross_entropy(net(leaves, x.movedim(1, 2)), y).sum(), leaves)
    for averaged, old, grad in zip(sent, weights, grads, strict=True):
        assert torch.allclose(averaged.unflatten(0, (2, 3)).mean(1), old - 0.5 * grad, atol=1e-6)


@pytest.mark.parametrize("split", ["random", "by_class", "half_by_class"])
def test_rows_are_shared_out_once(split) -> None:
    x, y = drawn(rows=40, classes=4)
    shared_x, shared_y = federated.shared_out((x, y), 5, split, SEEDS[:2])
    assert shared_x.shape == (2, 5, 8, 5)
    for replicate in range(2):
        pairs = zip(shared_x[replicate].flatten(0, 1).tolist(), shared_y[replicate].flatten().tolist(), strict=True)
        assert sorted(pairs) == sorted(zip(x[replicate].tolist(), y[replicate].tolist(), strict=True))
    if split == "by_class":
        assert max(len(held.unique()) for held in shared_y.flatten(0, 1)) <= 4


def test_a_single_row_is_in_its_update() -> None:
    net, (x, y) = linear(5, 3), drawn(rows=1)
    weights = [tensor.detach() for tensor in initial(net, SEEDS[:2])]
    after = federated.after_local_steps(
        net, weights, (x, y), torch.zeros(2, 1, 1, dtype=torch.int64), torch.full((2,), 0.1)
    )
    rebuilt = federated.rebuilt_by_ratio([old - new for old, new in zip(weights, after, strict=True)])
    assert torch.allclose(rebuilt, x.expand(-1, 3, -1), atol=1e-3)


def test_no_rule_beats_the_cube_root_of_the_shares() -> None:
    for seed in SEEDS:
        found = fairness.smallest_worst_ratio(seed, rates=[0.5, 0.2], n_test=500)
        assert found["worst"] >= found["rates"] ** (1 / 3) - 1e-9
        assert fairness.smallest_worst_ratio(seed, rates=[0.3, 0.3], n_test=500)["worst"] == pytest.approx(1, abs=0.01)


def test_decisions_without_attribute_or_proxies_do_not_depend_on_the_group() -> None:
    found = [fairness.gap_without_attribute(seed, n_test=20_000) for seed in SEEDS]
    assert np.mean([outcome["kept"] for outcome in found]) > 0.3
    assert abs(np.mean([outcome["bare"] for outcome in found])) < 0.02
    clear = fairness.gap_without_attribute(SEEDS[0], proxies=1, strength=2.0)
    assert clear["columns"] == 4
    assert clear["bare"] > clear["careful"] + 0.1


def test_logging_leaves_environment_and_folder_as_they_were(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    refused = deployment.logged_as_printed(1, model="forest")
    assert refused == {"works": 0.0, "refused": 1.0, "deprecated": 1.0}
    assert deployment.logged_as_printed(1, model="forest", logs=False)["works"] == 0
    assert dict(os.environ) == before
    assert not list(tmp_path.iterdir())
