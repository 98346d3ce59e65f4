"""Building blocks of the trials on networks that were trained on a source first."""

import numpy as np
import pytest
import torch

from experiments import pretraining
from experiments.common.layers import chain, initial, linear, relu

pytestmark = pytest.mark.usefixtures("one_thread")


def explained(X, y, directions):
    """Share of the columns' squared correlation with the classes' second moments that lies in the directions' span."""
    moments = [X[y == c].T @ X[y == c] / (y == c).sum() - np.eye(X.shape[1]) for c in range(5)]
    inside = directions @ directions.T
    return sum(np.linalg.norm(inside @ m @ inside) ** 2 for m in moments) / sum(np.linalg.norm(m) ** 2 for m in moments)


@pytest.mark.parametrize(("shared", "share"), [(3, (0.9, 1.0)), (0, (0.0, 0.5))])
def test_a_target_reads_the_directions_of_its_source_or_its_own(shared, share):
    X, y = pretraining.generated_pair(4, (20000, 20000), shared, 12)
    moments = sum(
        m @ m for m in (X[0][y[0] == c].T @ X[0][y[0] == c] / (y[0] == c).sum() - np.eye(12) for c in range(5))
    )
    source = np.linalg.eigh(moments)[1][:, -3:]
    assert share[0] <= explained(X[1], y[1], source) <= share[1]


def test_source_and_target_have_different_digits():
    X, y = pretraining.digit_pair(1, 2, (300, 200))
    pixels, digit = pretraining.table("digits")
    known = {image.tobytes(): int(label) for image, label in zip(pixels / 16, digit, strict=True)}
    names = [{known[image.tobytes()] for image in part} for part in X]
    assert names[0] | names[1] == set(range(10))
    assert not names[0] & names[1]
    assert [set(part) for part in y] == [set(range(5))] * 2


def test_only_the_known_classes_of_the_target_are_drawn_anew():
    sizes = 40, 10, 300, 300, 200
    clean, noisy, dealt = (
        pretraining.source_and_target(range(100, 110), "generated", sizes, 3, 20, flipped, shuffled)
        for flipped, shuffled in ((0.0, False), (0.5, False), (0.0, True))
    )
    changed = [(a[1] != b[1]).double().mean().item() for a, b in zip(clean, noisy, strict=True)]
    assert changed[0] == changed[1] == changed[4] == 0
    assert changed[2:4] == pytest.approx([0.4, 0.4], abs=0.06)
    assert (clean[0][1] != dealt[0][1]).any()
    assert all((a[1] == b[1]).all() for a, b in zip(clean[2:], dealt[2:], strict=True))


def test_frozen_layers_stay_and_the_last_is_trained():
    parts = pretraining.source_and_target([5, 6], "generated", (40, 10, 40, 40, 20), 3, 20, 0.0, False)
    net = chain(linear(20, 8), relu, linear(8, 5))
    start = [t.detach() for t in initial(net, [5, 6])]
    start = start[:-2] + [t.requires_grad_() for t in start[-2:]]
    minibatches = pretraining.networks.batches([5, 6], 40, 16, 40)
    found = pretraining.stopped(net, start, parts[2], parts[3], minibatches, [0.003, 0.02])
    assert all(torch.equal(a, b) for a, b in zip(found[:2], start[:2], strict=True))
    assert not torch.equal(found[2], start[2])
