"""Building blocks of the trials on small, deep and lifelong networks, graphs and walks, against plain references."""

import networkx
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from experiments import compression, continual, distillation, few_shot, graphs, reinforcement
from experiments.common import backward, networks

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [3, 2**32 - 1, 11]


def one(weights, replicate, dtype=torch.float32):
    """A plain network with one replicate's weights."""
    shapes = [tensor.shape[1:] for tensor in weights[::2]]
    layers = [layer for outs, ins in shapes for layer in (nn.Linear(ins, outs, dtype=dtype), nn.ReLU())]
    net = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, tensor in zip(net.parameters(), weights, strict=True):
            parameter.copy_(tensor[replicate].reshape(parameter.shape))
    return net


# Compression -------------------------------------------------------------------------------------------------------


def test_pruned_networks_have_the_share_of_zeros_and_the_largest_weights():
    model = compression.made("medium", 5)
    before = torch.cat([m.weight.detach().flatten() for m in model if isinstance(m, nn.Linear)])
    after = torch.cat([m.weight.detach().flatten() for m in compression.pruned(model, 0.5) if isinstance(m, nn.Linear)])
    assert (after == 0).double().mean() == pytest.approx(0.5, abs=1e-5)
    assert before[after == 0].abs().max() <= after[after != 0].abs().min()
    assert not any(name.endswith("mask") for name in model.state_dict())


def test_thinned_networks_have_half_the_weights_and_still_answer():
    model = compression.dense(20, 30, 40, 3)
    smaller = compression.thinned(model, 0.5)
    count = [sum(m.weight.numel() for m in net if isinstance(m, nn.Linear)) for net in (model, smaller)]
    assert 0.4 < count[1] / count[0] <= 0.5
    assert smaller(torch.zeros(2, 20)).shape == (2, 3)
    whole = compression.thinned(model, 0.0)
    x = torch.randn(4, 20)
    torch.testing.assert_close(whole(x), model(x))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_sparse_rows_hold_the_same_matrix():
    state = compression.pruned(compression.dense(6, 5, 4), 0.5).state_dict()
    found = compression.by_rows(state)
    for name, tensor in state.items():
        torch.testing.assert_close(found[name].to_dense() if tensor.dim() == 2 else found[name], tensor)


def test_one_matrix_of_eight_bits_is_a_quarter():
    sizes = compression.quantised_size(1, network="wide")
    assert sizes["full"] / sizes["quantised"] == sizes["times_smaller"] == pytest.approx(4, abs=0.05)


# Distillation ------------------------------------------------------------------------------------------------------


def test_distillation_descends_the_printed_loss():
    rng = np.random.default_rng(0)
    student, teacher = (torch.from_numpy(rng.normal(size=(2, 7, 4))) for _ in range(2))
    y = torch.from_numpy(rng.integers(4, size=(2, 7)))
    heat, weight = (torch.full((2, 1, 1), each, dtype=torch.double) for each in (3.0, 0.7))
    constant = distillation.wanted(teacher.mT, y, heat, weight)
    found = distillation.printed(student.mT, heat, weight, constant).mT
    student.requires_grad_()
    for replicate in range(2):
        soft = functional.kl_div(
            functional.log_softmax(student[replicate] / 3, 1),
            functional.softmax(teacher[replicate] / 3, 1),
            reduction="sum",
        )
        hard = functional.cross_entropy(student[replicate], y[replicate], reduction="sum")
        (slope,) = torch.autograd.grad(0.7 * 9 * soft + 0.3 * hard, student)
        np.testing.assert_allclose(found[replicate], slope[replicate])


@pytest.mark.parametrize("widths", [(6, 3), (6, 5, 3), (6, 5, 4, 3)])
def test_written_out_steps_are_those_of_torch(widths):
    """One network per seed by autograd and torch.optim, both at once written out, each at its own rate."""
    start = [tensor.double() for tensor in networks.initial((1, 2), widths)]
    rng = np.random.default_rng(3)
    x, y = torch.from_numpy(rng.normal(size=(2, 6, 7))), torch.from_numpy(rng.integers(3, size=(2, 7)))
    rule = backward.Adam(start, (0.01, 0.1))
    leaves = [tensor.clone().requires_grad_() for tensor in start]
    theirs = torch.optim.Adam([{"params": leaves}], 0.1)
    hard = functional.one_hot(y, 3).mT
    for _ in range(20):
        rule.step(backward.gradients(rule.weights, x, lambda raw: raw.softmax(1) - hard))
        theirs.zero_grad()
        networks.cross_entropy(networks.dense(leaves, x), y).sum().backward()
        theirs.step()
    for own, other in zip(rule.weights, leaves, strict=True):
        np.testing.assert_allclose(own[1], other[1].detach())
        assert not np.allclose(own[0], other[0].detach())


def test_ranks_of_wrong_classes_ignore_the_right_one():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    one_, other = rng.normal(size=(2, 1, 5, 6))
    y = rng.integers(6, size=(1, 5))
    wanted = [spearmanr(np.delete(a, c), np.delete(b, c))[0] for a, b, c in zip(one_[0], other[0], y[0], strict=True)]
    found = distillation.ranked_alike(*map(torch.from_numpy, (one_, other, y)))
    assert found[0] == pytest.approx(np.mean(wanted))
    assert distillation.ranked_alike(*map(torch.from_numpy, (one_, one_ * 3 + 1, y)))[0] == 1


# Continual learning ------------------------------------------------------------------------------------------------


def test_importances_and_penalty_are_those_of_the_printed_class():
    (train, _), *_ = continual.tasks(SEEDS, "generated", 1, 96, 10)
    weights = networks.initial(SEEDS, (20, 8, 3))
    minibatches = networks.batches(SEEDS, 96, 32, 3)
    forward = continual.Anchored()
    forward.anchor(weights, train, minibatches)
    moved = [tensor + 0.1 for tensor in weights]
    forward(moved, train[0].mT, None)
    for replicate in range(len(SEEDS)):
        net = one(weights, replicate)
        fisher = [torch.zeros_like(p) for p in net.parameters()]
        for places in minibatches[:, replicate]:
            net.zero_grad()
            functional.cross_entropy(net(train[0][replicate, places]), train[1][replicate, places]).backward()
            for total, p in zip(fisher, net.parameters(), strict=True):
                total += p.grad**2
        wanted = sum(float((total / 96 * 0.01).sum()) for total in fisher)
        assert float(forward.penalty[replicate]) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("kind", ["generated", "split", "mirrored"])
def test_tasks_have_other_rows_each(kind):
    found = continual.tasks(SEEDS, kind, 2, 100, 50)
    rows = [np.round(part[0][0].numpy(), 6) for task in found for part in task]
    seen = [{row.tobytes() for row in part} for part in rows]
    assert all(not (a & b) for i, a in enumerate(seen) for b in seen[:i])
    classes = {"generated": 3, "split": 5, "mirrored": 10}[kind]
    assert all(int(part[1].max()) == classes - 1 for task in found for part in task)


def test_no_penalty_is_naive_training():
    found = continual.forgetting(SEEDS[:2], n_train=96, n_test=50, epochs=2, later_epochs=2, strength=0.0)
    np.testing.assert_array_equal(found["ewc_mean"], found["naive_mean"])
    firm = continual.forgetting(SEEDS[:2], n_train=96, n_test=50, epochs=2, later_epochs=2, strength=1e7)
    assert (firm["ewc_mean"] != firm["naive_mean"]).any()


# Graphs ------------------------------------------------------------------------------------------------------------


def test_the_stacked_graph_network_is_the_printed_one():
    adjacency = networkx.to_numpy_array(networkx.karate_club_graph())
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 34)).astype(np.float32)).expand(3, -1, -1)
    y = torch.from_numpy(np.random.default_rng(1).integers(2, size=(3, 34)))
    known = torch.from_numpy(np.random.default_rng(2).random((3, 34)) < 0.6)
    spread = graphs.normalised(adjacency)
    weights = graphs.learned(SEEDS, x, y, known, spread, (3, 8, 2), epochs=15, dropped=0.0, rectified=True)
    start = networks.initial(SEEDS, (3, 8, 2))
    whole = torch.from_numpy(adjacency + np.eye(34)).float()
    root = torch.diag(whole.sum(1).pow(-0.5))
    for replicate in range(3):
        first, _, last = one(start, replicate)
        rule = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01, weight_decay=5e-4)
        for _ in range(15):
            rule.zero_grad()
            inner = first(root @ whole @ root @ x[replicate].T).relu()
            out = last(root @ whole @ root @ inner).relu()
            functional.cross_entropy(out[known[replicate]], y[replicate][known[replicate]]).backward()
            rule.step()
        torch.testing.assert_close(weights[0][replicate], first.weight.detach(), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(weights[2][replicate], last.weight.detach(), rtol=1e-3, atol=1e-4)


def test_block_graphs_have_edges_as_told():
    adjacency, y = graphs.blocks(7, 400, 4, 0.2, 0.02)
    inside = (y[:, None] == y) & ~np.eye(400, dtype=bool)
    assert (adjacency == adjacency.T).all()
    assert np.trace(adjacency) == 0
    assert adjacency[inside].mean() == pytest.approx(0.2, abs=0.01)
    assert adjacency[y[:, None] != y].mean() == pytest.approx(0.02, abs=0.003)


# Walks -------------------------------------------------------------------------------------------------------------


def test_moves_in_a_grid_stop_at_walls():
    states, actions = np.array([0, 0, 0, 0, 8, 8]), np.array([0, 1, 2, 3, 1, 0])
    assert reinforcement.moves(3, corridor=False)[states, actions].tolist() == [0, 3, 0, 1, 8, 5]


def test_q_learning_follows_the_printed_update():
    """A learner without chance, written as the guide has it, ends with the same values."""
    size, walks = 4, 40
    values, after = np.zeros((16, 4)), reinforcement.moves(size, corridor=False)
    for _ in range(walks):
        at = 0
        for _ in range(100):
            action = int(values[at].argmax())
            then = int(after[at, action])
            done = then == 15
            target = 1.0 if done else -0.01 + 0.99 * values[then].max()
            values[at, action] += 0.1 * (target - values[at, action])
            at = then
            if done:
                break
    settings = {"episodes": walks, "start": 0.0, "penalty": 0.01, "slip": 0.0, "prize": 0.0}
    found = reinforcement.q_learning(SEEDS, 0.0, after, **settings)
    for replicate in range(3):
        np.testing.assert_allclose(found[replicate], values, rtol=1e-12)


# Few rows ----------------------------------------------------------------------------------------------------------


def test_the_printed_classes_share_their_attributes():
    assert few_shot.table("printed").tolist() == [[1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [1, 0, 1, 1, 0]]


def test_the_unseen_class_is_the_only_one_of_many_with_its_attributes():
    rows = [tuple(row) for row in few_shot.table("many").tolist()]
    assert len(rows) == 32
    assert len(set(rows)) == 31
    assert rows[-4:] == [tuple(row) for row in few_shot.PRINTED.values()]
    assert rows.count((1, 0, 1, 1, 0)) == 1


def test_scores_are_minus_distances_to_means_of_the_support_rows():
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 7, 4)))
    found = few_shot.scores(rows, 5)
    assert found.shape == (2, 3, 6)
    wanted = -(rows[1, 2, :5].mean(0) - rows[1, 0, 6]).norm()
    assert float(found[1, 2, 1]) == pytest.approx(float(wanted))


def test_an_episode_has_each_row_once():
    places = few_shot.episode([np.random.default_rng(seed) for seed in SEEDS], 6, 30, 4, 5, 15)
    assert places.shape == (3, 4, 20)
    for replicate in places.numpy():
        assert len(set(replicate.flatten())) == 80
        assert all(len(set(own // 30)) == 1 for own in replicate)
