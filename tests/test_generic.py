"""Generic trials: what they compute is what the same calls by hand compute, and names lead nowhere else."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from claims.fingerprint import reached_code, versions
from experiments import generic
from experiments.common import real, streams
from experiments.generic import compare, compare_outcomes, counts, counts_outcomes
from experiments.interfaces import accepts, accepts_outcomes

LOGISTIC = "sklearn.linear_model.LogisticRegression"
FOREST = "sklearn.ensemble.RandomForestClassifier"
PLAIN = {"plain": {"model": LOGISTIC}}


def split_by_hand(seed, name):
    """The rows as the documentation of compare says they are drawn: a third to train on, shares of classes kept."""
    X, y = real.table(name)
    splitting = streams(streams(streams(seed, 1)[0], 3)[0], 3)[2]
    strata = y if y.dtype == int else None
    return train_test_split(X, y, train_size=len(y) // 3, stratify=strata, random_state=splitting)


def test_comparing_gives_what_scikit_learn_gives_by_hand():
    X, X_test, y, y_test = split_by_hand(5, "wine")
    by_hand = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X, y)
    arms = {"scaled": {"model": LOGISTIC, "C": 0.1, "steps": ["sklearn.preprocessing.StandardScaler"]}}
    outcomes = ["accuracy", "neg_log_loss", "train_accuracy", "sklearn.metrics.log_loss"]
    assert compare(5, data="wine", arms=arms, outcomes=outcomes) == {
        "scaled_accuracy": by_hand.score(X_test, y_test),
        "scaled_neg_log_loss": -log_loss(y_test, by_hand.predict_proba(X_test)),
        "scaled_train_accuracy": by_hand.score(X, y),
        "scaled_log_loss": log_loss(y_test, by_hand.predict_proba(X_test)),
        "unconverged": 0.0,
    }


def test_a_metric_function_keeps_its_unit_and_one_outcome_its_arms_name():
    X, X_test, y, y_test = split_by_hand(6, "diabetes")
    by_hand = mean_squared_error(y_test, Ridge().fit(X, y).predict(X_test))
    arms = {"ridge": {"model": "sklearn.linear_model.Ridge"}}
    assert compare(6, data="diabetes", arms=arms, outcomes="sklearn.metrics.mean_squared_error") == {
        "ridge": pytest.approx(by_hand),
        "unconverged": 0.0,
    }


def test_a_seed_decides_everything_and_nothing_else_does():
    forest = {"model": FOREST, "n_estimators": 5, "steps": [{"model": "imblearn.over_sampling.SMOTE"}]}
    call = {"data": "classification", "n_train": 200, "n_test": 300, "positives": 0.2, "flipped": 0.1}
    before = np.random.get_state()[1].copy()
    first = compare(1, arms={"a": forest, "b": forest}, **call)
    np.random.seed(99)
    state = np.random.get_state()[1].copy()
    assert compare(1, arms={"b": forest, "a": forest}, **call) == first
    assert (np.random.get_state()[1] == state).all()
    assert len(before) == len(state)
    assert compare(2, arms={"a": forest, "b": forest}, **call) != first
    # equal definitions are two draws of the same random procedure
    assert first["a"] != first["b"]


def test_draws_make_a_replicate_steadier():
    call = {"data": "linear", "arms": {"ridge": "sklearn.linear_model.Ridge"}, "outcomes": "r2"}
    many = [compare(seed, n_train=20, draws=8, **call)["ridge"] for seed in range(12)]
    few = [compare(seed, n_train=20, **call)["ridge"] for seed in range(12)]
    assert np.std(many) < 0.7 * np.std(few)


def test_a_learning_curve_grows_on_the_same_rows():
    arms = {"ridge": {"model": "sklearn.linear_model.Ridge"}, "mean": {"model": "sklearn.dummy.DummyRegressor"}}
    call = {"data": "linear", "arms": arms, "outcomes": "r2", "options": {"noise": 0.5}}
    curve = compare(3, n_train=[30, 100, 1000], **call)
    assert curve["ridge"][-1] == compare(3, n_train=1000, **call)["ridge"]
    assert curve["ridge"] == sorted(curve["ridge"])
    assert np.allclose(curve["ridge_minus_mean"], np.subtract(curve["ridge"], curve["mean"]))


def test_samplers_touch_the_training_rows_only():
    prior = {"model": "sklearn.dummy.DummyClassifier", "strategy": "prior"}
    sampler = {"model": "imblearn.over_sampling.RandomOverSampler"}
    arms = {"plain": prior, "even": {**prior, "steps": [sampler]}}
    found = compare(
        4, data="digits", positives=0.05, arms=arms, outcomes=["sklearn.metrics.brier_score_loss", "neg_log_loss"]
    )
    assert found["plain_brier_score_loss"] == pytest.approx(0.05 * 0.95, abs=0.002)
    assert found["even_brier_score_loss"] == pytest.approx(0.25)


def test_damage_is_what_was_asked_for(monkeypatch):
    seen = {}

    def kept(pipeline, X, y):
        seen["X"], seen["y"] = X, y
        return 0.0

    monkeypatch.setattr(generic, "_measure", lambda name: kept)
    arms = {"any": {"model": "sklearn.dummy.DummyClassifier"}}
    compare(7, data="breast_cancer", arms=arms, outcomes="train_accuracy")
    X, y = seen["X"], seen["y"]
    compare(7, data="breast_cancer", arms=arms, outcomes="train_accuracy", noise_columns=40, flipped=0.2, missing=0.1)
    assert np.sum(y != seen["y"]) == round(0.2 * len(y))
    holes = np.isnan(seen["X"])
    assert 0.09 < holes.mean() < 0.11
    assert (np.where(holes[:, :30], X, seen["X"][:, :30]) == X).all()
    copies = np.nan_to_num(seen["X"][:, 30:])
    assert copies.shape[1] == 40
    assert set(np.unique(copies[:, 0])) - {0.0} <= set(real.table("breast_cancer")[0][:, 0])
    signal = [abs(np.corrcoef(copies[:, j], y)[0, 1]) for j in range(40)]
    assert np.mean(signal) < 0.12


def test_tuning_picks_from_the_grid_with_equal_budgets():
    weak, strong = {"alpha": [1e6, 1e7]}, {"alpha": [1.0, 1e6]}
    ridge = {"model": "sklearn.linear_model.Ridge", "steps": ["sklearn.preprocessing.StandardScaler"]}
    found = compare(
        8, data="diabetes", outcomes="r2", arms={"weak": {**ridge, "grid": weak}, "tuned": {**ridge, "grid": strong}}
    )
    assert found["weak"] < 0.05 < 0.3 < found["tuned"]
    scaled = {"standardscaler__with_mean": [True, False], "alpha": [1.0]}
    assert compare(8, data="diabetes", outcomes="r2", arms={"a": {**ridge, "grid": scaled}})["a"] > 0.3
    arms = {"a": {**ridge, "grid": weak}, "b": {**ridge, "grid": {"alpha": [1, 2, 3]}}}
    with pytest.raises(ValueError, match=r"as many settings each, got \{'a': 2, 'b': 3\}"):
        compare(8, data="diabetes", outcomes="r2", arms=arms)


def test_what_is_counted_is_what_the_fitted_models_hold():
    """Against numbers that follow from the arguments: 178 wines in 3 classes with 13 columns, of which 5 are kept."""
    kept = {"model": "sklearn.feature_selection.SelectKBest", "k": 5}
    boosted = "sklearn.ensemble.GradientBoostingClassifier"
    arms = {
        "few": {"model": LOGISTIC, "steps": ["sklearn.preprocessing.StandardScaler", kept]},
        "all": {"model": LOGISTIC},
        "network": {"model": "sklearn.neural_network.MLPClassifier", "hidden_layer_sizes": [7], "max_iter": 4},
    }
    found = counts(1, data="wine", arms=arms, of=["columns", "weights", "nonzero", "iterations"])
    assert {name: found[f"{name}_columns"] for name in arms} == {"few": 5, "all": 13, "network": 13}
    assert {name: found[f"{name}_weights"] for name in arms} == {"few": 15, "all": 39, "network": 13 * 7 + 7 * 3}
    assert found["all_nonzero"] == 39
    assert found["network_iterations"] == 4
    trees = {
        "forest": {"model": FOREST, "n_estimators": 6, "max_leaf_nodes": 4},
        "boosted": {"model": boosted, "n_estimators": 6, "max_leaf_nodes": 2},
    }
    assert counts(1, data="wine", arms=trees, of="trees") == {"forest": 6, "boosted": 18}
    assert counts(1, data="wine", arms=trees, of="leaves") == {"forest": 24, "boosted": 36}
    boosters = {
        name: {"model": name, "n_estimators": 6} for name in ("xgboost.XGBClassifier", "lightgbm.LGBMClassifier")
    }
    assert set(counts(1, data="wine", arms=boosters, of="trees").values()) == {18}
    assert counts(1, data="breast_cancer", arms=boosters, of="trees") == dict.fromkeys(boosters, 6)
    tuned = {"model": LOGISTIC, "grid": {"C": [0.1, 1.0], "tol": [0.1, 0.2, 0.3]}}
    assert counts(1, data="wine", arms={"a": tuned}, of="fits", folds=4, tuned_by="accuracy") == {"a": 25}
    sizes = counts(1, data="wine", arms=trees, of="bytes")
    assert sizes["boosted"] > 1000
    assert sizes == counts(1, data="wine", arms=trees, of="bytes")
    assert sorted(counts_outcomes(data="wine", arms=arms, of=["columns", "bytes"])) == sorted(
        f"{name}_{what}" for name in arms for what in ("columns", "bytes")
    )
    assert counts_outcomes(data="wine", arms=trees, of="trees") == list(trees)


def test_a_count_that_cannot_be_is_told():
    for trial in (counts, foretold_by(counts_outcomes)):
        with pytest.raises((ValueError, KeyError), match="leafs"):
            trial(1, data="wine", arms=PLAIN, of="leafs")
        with pytest.raises(ValueError, match="must name an estimator"):
            trial(1, data="wine", arms={"a": {"model": "os.system"}}, of="bytes")
    with pytest.raises(ValueError, match=r"of: must be of columns, .*, got 'leafs'; did you mean 'leaves'"):
        counts_outcomes(data="wine", arms=PLAIN, of="leafs")
    with pytest.raises(ValueError, match="of: 'plain' has no trees, got LogisticRegression; count what it has"):
        counts(1, data="wine", arms=PLAIN, of="trees")


HOSTILE = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "experiments.generic.compare",
    "antigravity.fly",
    "sklearn.datasets.fetch_openml",
    "sklearn.conftest.pytest",
    "sklearn.linear_model.np",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.linear_model.__loader__.LinearRegression",
    "sklearn.utils._joblib.joblib",
    "sklearn.base.clone",
    "sklearn.model_selection.train_test_split",
    "sklearn.ensemble.BaseEnsemble",
    "joblib.load",
    "pickle.loads",
    "xgboost.dask.DaskXGBClassifier",
    "xgboost.Booster",
    "lightgbm.DaskLGBMClassifier",
    "lightgbm.train",
    "torch.load",
    "LogisticRegression",
    "",
    None,
    7,
    ["sklearn.linear_model.LogisticRegression"],
]


@pytest.mark.parametrize("path", HOSTILE, ids=str)
def test_no_other_code_can_be_named(path):
    for call in (
        lambda: compare(1, data="iris", arms={"a": {"model": path}}),
        lambda: compare(1, data="iris", arms={"a": {"model": LOGISTIC, "steps": [path]}}),
        lambda: compare(
            1, data="iris", arms={"a": {"model": "sklearn.ensemble.BaggingClassifier", "estimator": {"model": path}}}
        ),
        lambda: accepts(1, model=path),
        lambda: accepts_outcomes(model=path),
        lambda: compare_outcomes(data="iris", arms={"a": {"model": path}}),
        lambda: compare(1, data="iris", arms=PLAIN, outcomes=[str(path)]),
        lambda: compare(1, data=str(path), arms=PLAIN),
    ):
        with pytest.raises(ValueError, match=r"must|has no estimator"):
            call()


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"model": LOGISTIC, "n_jobs": 4}, r"arms\.a\.n_jobs: cannot be set"),
        ({"model": LOGISTIC, "random_state": 0}, r"arms\.a\.random_state: cannot be set"),
        ({"model": LOGISTIC, "clas_weight": "balanced"}, r"no such keyword; did you mean 'class_weight'"),
        ({"model": "sklearn.linear_model.LogisticRegresion"}, r"did you mean 'LogisticRegression'"),
        ({"model": "sklearn.linear.LogisticRegression"}, r"did you mean 'sklearn.linear_model'"),
        ({"model": "sklearn.pipeline.Pipeline", "steps": [], "memory": "cache"}, "a trial writes no files"),
        (
            {
                "model": LOGISTIC,
                "steps": [{"model": "sklearn.feature_extraction.text.CountVectorizer", "input": "file"}],
            },
            "reads no files",
        ),
        ({"model": "lightgbm.LGBMClassifier", "machines": "127.0.0.1:80"}, "no such keyword"),
        ({"model": "lightgbm.LGBMClassifier", "forcedsplits_filename": "x.json"}, "no such keyword"),
        ({"model": LOGISTIC, "grid": {"random_state": [1, 2]}}, "cannot be tuned"),
        ({"model": LOGISTIC, "grid": {"c": [1, 2]}}, "must be a keyword of the model"),
        ({"class_weight": "balanced"}, "name a model"),
        ("plain", "must name an estimator"),
    ],
)
def test_a_wrong_arm_is_told_with_field_rule_and_next_step(definition, said):
    for call in (compare, foretold_by(compare_outcomes)):
        with pytest.raises(ValueError, match=said):
            call(1, data="iris", arms={"a": definition})


def test_functions_cannot_come_in_as_text():
    for model in ("sklearn.preprocessing.FunctionTransformer", "imblearn.FunctionSampler"):
        with pytest.raises(ValueError, match=r"func|must name"):
            compare(1, data="iris", arms={"a": {"model": LOGISTIC, "steps": [{"model": model, "func": "os.getcwd"}]}})
    vectorizer = {"model": "sklearn.feature_extraction.text.CountVectorizer", "tokenizer": "os.listdir"}
    with pytest.raises((ValueError, TypeError)):
        compare(1, data="texts", arms={"a": {"model": LOGISTIC, "steps": [vectorizer]}})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"data": "wines"}, r"data: must be one of .*did you mean 'wine'"),
        ({"data": "wine", "n_train": 100}, "n_train: must be at most 59, a third of the rows"),
        ({"data": "wine", "options": {"noise": 1}}, "options: belong to generated data"),
        ({"data": "classification", "n_train": 50, "options": {"nose": 1}}, "options: 'classification' does not take"),
        ({"data": "classification"}, "n_train: must be at least 1"),
        ({"data": "wine", "outcomes": "acuracy"}, "did you mean 'accuracy'"),
        ({"data": "wine", "outcomes": "sklearn.metrics.accuracy"}, "has no metric function 'accuracy'"),
        ({"data": "wine", "arms": {}}, "arms: must map names"),
        ({"data": "texts", "missing": 0.1}, "belong to tables of numbers"),
        ({"data": "diabetes", "positives": 0.1}, "positives: must be a share"),
        ({"data": "digits", "positives": 1.1}, "positives: must be a share"),
        ({"data": "diabetes", "flipped": 0.1}, "belongs to data with classes"),
        ({"data": "digits", "positives": 0.4, "n_train": 500}, "a third of the rows"),
    ],
)
def test_a_wrong_call_is_told_with_field_rule_and_next_step(call, said):
    for trial in (compare, foretold_by(compare_outcomes)):
        with pytest.raises(ValueError, match=said):
            trial(1, **{"arms": PLAIN, **call})


def foretold_by(outcomes):
    """The check before a run, called as its trial is."""
    return lambda seed, **parameters: outcomes(**parameters)


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"outcomes": ["accuracy", "train_accuracy", "sklearn.metrics.log_loss"]},
        {"outcomes": "neg_log_loss", "n_train": [30, 60], "data": "moons", "n_test": 100},
        {"outcomes": ["accuracy", "recall"], "n_train": [30, 60], "data": "moons", "n_test": 100},
        {
            "data": "moons",
            "n_train": 40,
            "n_test": 50,
            "positives": 0.2,
            "noise_columns": 3,
            "flipped": 0.1,
            "draws": 2,
        },
    ],
    ids=str,
)
def test_what_a_comparison_returns_is_foretold(call):
    arms = {"few": {"model": FOREST, "n_estimators": 2}, "many": {"model": FOREST, "n_estimators": 3}}
    call = {"data": "iris", "arms": arms, **call}
    assert sorted(compare_outcomes(**call)) == sorted(compare(1, **call))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"tuned_by": "acuracy"}, "tuned_by: must be a scorer, got 'acuracy'; did you mean 'accuracy'"),
        ({"n_train": []}, "must not be empty"),
        ({"outcomes": []}, "must not be empty"),
        ({"draws": 0}, "draws: must be between 1 and inf, got 0"),
        ({"flipped": 1.5}, "flipped: must be between 0 and 0.99, got 1.5"),
        ({"missing": 0.9}, "missing: must be between 0 and 0.5, got 0.9"),
        ({"mechanism": "mcr", "missing": 0.1}, "mechanism: must be mcar, mar or mnar, got 'mcr'"),
        (
            {"data": "gausians", "n_train": 9, "options": {"error": 0.1}},
            "data: must be one of .*did you mean 'gaussians'",
        ),
        (
            {"arms": {"a": {"model": LOGISTIC, "steps": "x.y"}}},
            r"arms\.a\.steps: must be a list, got 'x.y'; write \[x.y\]",
        ),
        ({"arms": {"a": {"model": LOGISTIC, "grid": [1]}}}, r"arms\.a\.grid: must map keywords to lists, got \[1\]"),
        ({"arms": {"a": {"model": LOGISTIC, "grid": {"tool": [1]}}}}, r"grid\.tool: must be .*did you mean 'tol'"),
    ],
)
def test_what_would_go_unnoticed_in_a_run_is_told_before_it(call, said):
    with pytest.raises(ValueError, match=said):
        compare_outcomes(**{"data": "iris", "arms": PLAIN, **call})


def test_libraries_reached_by_name_are_in_the_key_and_load_late():
    libraries = {"imbalanced-learn", "lightgbm", "scikit-learn", "xgboost"}
    for trial in ("generic.compare", "generic.counts", "interfaces.accepts", "interfaces.offers"):
        assert libraries <= set(versions(f"experiments.{trial}"))
        assert reached_code(f"experiments.{trial}")
    late = {"imblearn", "lightgbm", "xgboost", "mlxtend"}
    code = f"import experiments.generic, experiments.interfaces, sys; print({late} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
