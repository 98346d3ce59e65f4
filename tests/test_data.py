"""Generated data are what they say they are; bundled data are as the table of their module lists them."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from experiments.common import generated, real


def listed():
    rows = re.findall(r"^\| (\w+) \| (\d+) x (\d+) \| (.+?) \| (\S+) \| (.+?) \|$", real.__doc__, re.M)
    return {name: (int(n), int(columns), what) for name, n, columns, what, _, _ in rows}


def test_the_table_lists_every_data_set_as_it_is():
    assert set(listed()) == {*real.CLASSES, *real.NUMBERS}
    for name, (rows, columns, what) in listed().items():
        X, y = real.table(name)
        assert X.shape == (rows, columns)
        assert y.shape == (rows,)
        assert np.isfinite(X).all()
        assert not X.flags.writeable
        if name in real.NUMBERS:
            assert y.dtype == float
            continue
        counts = np.bincount(y)
        assert {"two": 2, "three": 3, "seven": 7, "ten": 10}[re.search(r"\((\w+) classes", what)[1]] == len(counts)
        for share in re.findall(r"(\d+) %", what):
            assert abs(100 * counts[1] / rows - int(share)) <= 0.5
        for low, high in re.findall(r"of (\d+)(?: to (\d+))? rows", what):
            assert (counts.min(), counts.max()) == (int(low), int(high or low))


def test_names_that_lead_nowhere_say_so():
    for loader in (real.table, real.series, real.graph):
        with pytest.raises(ValueError, match=r"must be one of .*, got 'boston'"):
            loader("boston")


def test_texts_series_graphs_and_the_randomised_trial():
    texts, subjects = real.texts()
    assert len(texts) == len(set(texts)) == len(subjects) > 1000
    assert np.bincount(subjects).min() >= 50
    assert not any("scipy" in text.lower().split() for text in texts)
    lengths = {"co2": 2284, "sunspots": 309, "nile": 100, "elnino": 732, "gdp": 202}
    assert {name: len(real.series(name)) for name in lengths} == lengths
    assert all(np.isfinite(real.series(name)).all() for name in lengths)
    adjacency, club = real.graph("karate")
    assert (adjacency == adjacency.T).all()
    assert adjacency.sum() == 2 * 78
    assert np.bincount(club).tolist() == [17, 17]
    covariates, free, visits = real.randomised()
    assert covariates.shape == (20190, 5)
    assert set(free) == {0, 1}
    # free care led to more visits, the finding of the experiment
    assert visits[free == 1].mean() - visits[free == 0].mean() > 0.4


def test_one_class_against_the_rest_has_the_share_asked_for():
    y = real.table("digits")[1]
    for positives in (0.01, 0.05, 0.4):
        rows, rare = real.rarer(3, y, positives)
        assert abs(rare.mean() - positives) < 0.003
        assert len(set(rows)) == len(rows)
        assert len(set(y[rows][rare == 1])) == 1
        assert not set(y[rows][rare == 1]) & set(y[rows][rare == 0])
        assert len(rows) > (1500 if positives < 0.1 else 420)
    assert len({real.table("digits")[1][real.rarer(seed, y, 0.05)[0]][-1] for seed in range(20)}) > 3


@pytest.mark.parametrize(("correlation", "informative"), [(0.0, 0), (0.8, 0), (0.8, 1)])
def test_gaussian_classes_have_the_bayes_error_they_are_given(correlation, informative):
    options = {"columns": 5, "informative": informative, "correlation": correlation, "error": 0.2}
    X, y, p = generated.gaussian_classes(1, 40_000, **options)
    assert abs(np.mean((p > 0.5) != y) - 0.2) < 0.008  # four standard errors
    assert abs(np.mean(np.minimum(p, 1 - p)) - 0.2) < 0.004
    assert abs(np.mean(LinearDiscriminantAnalysis().fit(X, y).predict(X) != y) - 0.2) < 0.008
    assert np.allclose(np.cov(X[y == 1].T), np.where(np.eye(5) == 1, 1, correlation), atol=0.04)


def test_probabilities_are_those_of_the_labels():
    drawn = {
        "categories": generated.categories(1, 20_000)[1:],
        "words": generated.words(1, 20_000, vocabulary=1000, telling=30)[1:],
        "interactions": generated.interactions(1, 20_000, error=0.2)[1:],
    }
    for name, (y, p) in drawn.items():
        for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1)):
            part = (p > low) & (p <= high)
            if part.any():
                assert abs(y[part].mean() - p[part].mean()) < 5 * 0.5 / np.sqrt(part.sum()), name


def test_linear_data_have_the_r2_and_the_zeros_they_are_given():
    for correlation in (0.0, 0.7):
        X, y, weights = generated.linear(2, 50_000, columns=12, informative=3, correlation=correlation, noise=0.5)
        assert np.count_nonzero(weights) == 3
        fit = LinearRegression().fit(X, y)
        assert abs(fit.score(X, y) - 1 / 1.25) < 0.01
        assert np.allclose(fit.coef_, weights, atol=0.05)


def test_interactions_show_in_no_fewer_columns_than_act_together():
    X, y, _ = generated.interactions(3, 5000, order=2, columns=4)
    assert LogisticRegression().fit(X, y).score(X, y) < 0.54
    assert (y == ((X[:, 0] > 0) != (X[:, 1] > 0))).all()


def test_groups_are_known_again_but_say_nothing_of_new_ones():
    X, y, group = generated.grouped(4, 60, 20, spread=2.0)
    mixed = np.random.default_rng(0).permutation(len(y))
    new = group >= 30
    neighbours = KNeighborsClassifier(3)
    assert neighbours.fit(X[mixed[:600]], y[mixed[:600]]).score(X[mixed[600:]], y[mixed[600:]]) > 0.75
    scores = []
    for seed in range(20):
        X, y, group = generated.grouped(seed, 60, 20, spread=2.0)
        scores.append(neighbours.fit(X[~new], y[~new]).score(X[new], y[new]))
    assert abs(np.mean(scores) - 0.5) < 0.05


@pytest.mark.parametrize("mechanism", ["mcar", "mar", "mnar"])
def test_holes_depend_on_what_the_mechanism_says(mechanism):
    X = generated.linear(5, 20_000, columns=3, correlation=0.0, informative=1)[0]
    missing = generated.holes(6, X, 0.2, mechanism)
    holed = [1, 2] if mechanism == "mar" else [0, 1, 2]
    assert np.allclose(missing[:, holed].mean(axis=0), 0.2, atol=0.012)
    assert not missing[:, sorted({0, 1, 2} - set(holed))].any()
    by_itself = np.corrcoef(X[:, 1], missing[:, 1])[0, 1]
    by_first = np.corrcoef(X[:, 0], missing[:, 1])[0, 1]
    assert (abs(by_itself) > 0.1) == (mechanism == "mnar")
    assert (abs(by_first) > 0.1) == (mechanism == "mar")


def test_rare_levels_are_rare():
    code = generated.categories(8, 50_000, levels=100)[0][:, 0]
    counts = np.sort(np.bincount(code.astype(int), minlength=100))[::-1]
    assert abs(counts[0] / counts[9] - 10) < 2


def test_texts_are_the_same_in_every_process():
    code = "from experiments.common import real; print(repr(list(real.texts()[0])))"
    root = Path(__file__).resolve().parents[1]
    told = {
        hashlib.sha256(
            subprocess.check_output([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed})
        ).hexdigest()
        for seed in ("1", "2")
    }
    assert len(told) == 1
