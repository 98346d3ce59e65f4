"""Building blocks of the trials on self-supervised pretraining, against plain references."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from experiments import pretexts
from experiments import self_supervision as ssl
from experiments.common import networks, training
from experiments.common.layers import initial

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = [3, 2**32 - 1, 11]


class Fixed:
    """A generator whose uniform numbers are all the same row."""

    def __init__(self, row):
        self.row = row

    def uniform(self, low, high, shape):
        return np.broadcast_to(self.row, shape)


def rngs():
    return [np.random.default_rng(seed) for seed in SEEDS]


def test_the_first_rows_are_rounds_of_all_classes():
    y = np.random.default_rng(0).choice(4, 200, p=[0.1, 0.2, 0.3, 0.4])
    order = ssl.balanced(np.random.default_rng(1), y, 5)
    assert sorted(order) == list(range(200))
    assert all(sorted(part) == [0, 1, 2, 3] for part in y[order[:20]].reshape(5, 4))


def test_the_surface_has_the_dimensions_and_classes_told():
    x, z = ssl.surface(np.random.default_rng(2), 2000, 2, 0.0)
    np.testing.assert_allclose(x.std(0), 1)
    near = np.square(z - z[0]).sum(1).argsort()[1:4]
    assert np.square(x[near] - x[0]).mean() < 0.1 * np.square(x - x[0]).mean()
    assert (np.bincount(ssl.nearest(np.random.default_rng(3), z, 6), minlength=6) >= 100).all()


def test_distorted_images_are_moved_by_what_is_drawn():
    image = torch.rand(1, 64, 1, generator=torch.Generator().manual_seed(0))
    still = pretexts.distorted(image, [Fixed(np.zeros(5))], 8)
    torch.testing.assert_close(still, image)
    moved = pretexts.distorted(
        image, [Fixed(np.array([0, 0, 0, 0.25 / 0.15, 0]))], 8
    )  # a pixel is a quarter of half a side
    before, after = (rows.view(8, 8) for rows in (image, moved))
    torch.testing.assert_close(after[:, :7], before[:, 1:], atol=1e-5, rtol=0)
    assert after[:, 7].abs().max() < 1e-5


def test_swapped_cells_come_from_the_same_column():
    x = torch.arange(3 * 4 * 500.0).view(3, 4, 500)
    found = pretexts.swapped(x, rngs(), 0.4)
    assert ((found - x).abs() < 500).all()
    assert (found != x).double().mean() == pytest.approx(0.4, abs=0.03)


def test_agreement_is_the_published_loss():
    raw = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    found = pretexts.agreement(raw, torch.zeros(2, 4))
    for replicate in range(2):
        z = functional.normalize(raw[replicate].T, dim=1)
        terms = []
        for i in range(8):
            others = [float(z[i] @ z[k] / 0.5) for k in range(8) if k != i]
            terms.append(-float(z[i] @ z[(i + 4) % 8] / 0.5) + np.log(np.exp(others).sum()))
        assert float(found[replicate]) == pytest.approx(np.mean(terms), rel=1e-5)


def test_masked_prediction_sees_no_hidden_cell_and_is_judged_by_them_alone():
    net, _ = pretexts.pretext("masked", 6, 0)
    weights = initial(net, SEEDS)
    x = torch.randn(3, 6, 40, generator=torch.Generator().manual_seed(0))
    hidden = pretexts.chosen(x, rngs(), 0.5)
    errors = net(weights, x, rngs())
    assert ((errors != 0) == hidden).all()
    other = torch.where(hidden, x + 1, x)
    torch.testing.assert_close(net(weights, other, rngs()) + hidden, errors, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["contrastive", "masked", "autoencoder"])
@pytest.mark.parametrize("side", [0, 4])
def test_pretraining_lowers_its_own_loss_from_the_weights_that_scratch_has(kind, side):
    x = torch.from_numpy(np.stack([ssl.surface(rng, 96, 2, 0.1)[0][:, :16] for rng in rngs()])).float()
    net, loss = pretexts.pretext(kind, 16, side)
    steps = networks.batches(SEEDS, 96, 32, 60)
    start = initial(net, SEEDS)
    (end,) = training.fit(net, start, (x, x[..., 0]), steps, [0.003], loss=loss, optimizer="adam", seeds=SEEDS)
    before, after = (loss(net(weights, x.mT, rngs()), x[..., 0]) for weights in (start, end))
    assert (after < before).all()
    for tensor, kept in zip(start, pretexts.untrained(SEEDS, 16)[:4], strict=False):
        torch.testing.assert_close(tensor.detach(), kept)


def test_features_of_trained_encoders_are_standardised():
    x = torch.from_numpy(np.stack([ssl.surface(rng, 96, 2, 0.1)[0] for rng in rngs()])).float()
    for weights in pretexts.trained(SEEDS, (x, x[..., 0]), *pretexts.pretext("masked", 30, 0), 40):
        features = (training.outputs(pretexts.encoder(30), weights[:4], x) - weights[4]) * weights[5]
        assert features.mean(2).abs().max() < 1e-4
        assert features.std(2).max() < 1


@pytest.mark.parametrize("kind", ["contrastive", "masked", "autoencoder"])
def test_labels_and_pretext_tasks_have_as_many_layers_above_the_encoder(kind):
    with_labels, without = pretexts.supervised(16, 5, 4)[0], pretexts.pretext(kind, 16, 4)[0]
    assert (
        len(initial(with_labels, SEEDS))
        == len(initial(without, SEEDS))
        == len(initial(pretexts.encoder(16), SEEDS)) + 4
    )


SMALL = {"n_test": 200, "steps": 40}


@pytest.mark.parametrize(
    ("trial", "parameters"),
    [
        (ssl.labels, {"data": "digits", "kind": "contrastive", "few": 1, "many": 3}),
        (ssl.labels, {"kind": "masked", "few": 1, "many": 3, "scrambled": True}),
        (ssl.transferred, {"data": "digits", "kind": "contrastive", "source": 100, "task": "finer", "few": 2}),
        (ssl.transferred, {"kind": "masked", "source": 100, "task": "apart", "labelled": 0.5, "few": 2}),
    ],
)
def test_batched_trial_gives_a_seed_what_it_gives_it_alone(trial, parameters):
    together = trial(SEEDS[:2], **parameters, **SMALL)
    alone = [trial([seed], **parameters, **SMALL) for seed in SEEDS[:2]]
    for name, values in together.items():
        np.testing.assert_allclose(values, [outcomes[name][0] for outcomes in alone], atol=0.011, err_msg=name)


def test_a_target_that_asks_what_the_source_told_is_known_before():
    found = ssl.transferred(SEEDS, data="digits", kind="contrastive", source=400, task="same", few=2, n_test=300)
    assert found["supervised"].mean() > found["self_supervised"].mean() + 0.05
