"""Trials about interfaces: what a library says to a call or an import line is told, and names lead nowhere else."""

import warnings

import pytest

from experiments.interfaces import accepts, accepts_outcomes, offers, offers_outcomes

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def foretold_by(outcomes):
    """The check before a run, called as its trial is."""
    return lambda seed, **parameters: outcomes(**parameters)


def test_what_a_library_is_asked_is_foretold():
    call = {"model": LOGISTIC, "keywords": {"C": 0.1}, "given": {"tol": 0.1}, "data": "missing", "method": "predict"}
    assert sorted(accepts_outcomes(**call)) == sorted(accepts(1, **call))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"to": "fitt"}, "to: must be one of constructor, fit, got 'fitt'"),
        ({"data": "catgories"}, "data: must be one of .*, got 'catgories'"),
        ({"method": "predct"}, "method: must be one of .*, got 'predct'"),
        ({"said": "acepted"}, "said: must be one of .*, got 'acepted'"),
        ({"given": {"n_jobs": 2}}, r"given\.n_jobs: cannot be set"),
        ({"keywords": {"machines": "x"}}, r"keywords\.machines: must be a number or a definition"),
        ({"model": "sklearn.linear_model.LogisticRegresion"}, "did you mean 'LogisticRegression'"),
    ],
)
def test_a_wrong_question_is_told_alike_before_and_in_a_run(call, said):
    for trial in (accepts, foretold_by(accepts_outcomes)):
        with pytest.raises(ValueError, match=said):
            trial(1, **{"model": LOGISTIC, **call})


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ({"model": "sklearn.ensemble.BaggingClassifier", "keywords": {"estimator": {"model": LOGISTIC}}}, "accepted"),
        ({"model": "sklearn.ensemble.BaggingClassifier", "keywords": {"base": 1}}, "refused"),
        ({"model": "xgboost.XGBClassifier", "to": "fit", "keywords": {"early_stopping_rounds": 10}}, "refused"),
        ({"model": "xgboost.XGBClassifier", "keywords": {"nonsense": 10}}, "deprecated"),
        ({"model": "sklearn.linear_model.LogisticRegression", "keywords": {"penalty": "l2"}}, "deprecated"),
        ({"model": "sklearn.ensemble.RandomForestClassifier", "data": "strings"}, "refused"),
        ({"model": "sklearn.ensemble.GradientBoostingRegressor", "data": "missing"}, "refused"),
        ({"model": "sklearn.ensemble.HistGradientBoostingRegressor", "data": "missing"}, "accepted"),
        ({"model": "sklearn.ensemble.RandomForestClassifier", "data": "string-labels"}, "accepted"),
        ({"model": "xgboost.XGBClassifier", "data": "string-labels"}, "refused"),
        ({"model": "sklearn.svm.LinearSVC", "method": "predict_proba"}, "refused"),
        ({"model": "sklearn.naive_bayes.GaussianNB", "method": "partial_fit"}, "accepted"),
    ],
)
def test_the_library_is_asked_and_its_answer_told(call, answer):
    found = accepts(1, said=answer, **call)
    assert {name for name in ("accepted", "deprecated", "refused") if found[name] == 1.0} == {answer}
    assert found["taken"] == float(answer != "refused")
    assert found["as_said"] == 1.0
    assert accepts(1, said="refused" if answer != "refused" else "taken", **call)["as_said"] == 0.0


@pytest.mark.parametrize(
    "keywords",
    [{"machines": "127.0.0.1:80"}, {"input_model": "x"}, {"callbacks": 1}, {"init_model": "x"}, {"a": ["x"]}],
)
def test_asking_reaches_no_file_and_no_address(keywords):
    for to in ("constructor", "fit"):
        with pytest.raises(ValueError, match=r"cannot be set|must be a number"):
            accepts(1, model="lightgbm.LGBMClassifier", keywords=keywords, to=to)


def test_a_call_that_never_works_is_the_trials_fault():
    with pytest.raises(RuntimeError, match="fails without what is asked about"):
        accepts(1, model="sklearn.linear_model.Ridge", given={"alpha": -1.0}, keywords={"tol": 0.1})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("sklearn.ensemble.RandomForestClassifier", "accepted"),
        ("sklearn.metrics.accuracy_score", "accepted"),
        ("sklearn.ensemble.RandomForest", "refused"),
        ("sklearn.datasets.load_boston", "refused"),
        ("xgboost.Booster", "accepted"),
    ],
)
def test_an_import_line_is_answered(path, answer):
    found = offers(1, path=path)
    assert {name for name in ("accepted", "deprecated", "refused") if found[name]} == {answer}
    assert found["taken"] == float(answer != "refused")
    assert sorted(offers_outcomes(path=path)) == sorted(found)


def test_a_name_that_warns_is_deprecated(monkeypatch):
    def warned(name):
        warnings.warn("goes in the next version", FutureWarning, stacklevel=2)
        return 1

    monkeypatch.setattr("sklearn.base.__getattr__", warned, raising=False)
    assert offers(1, path="sklearn.base.old_name") == {"accepted": 0, "deprecated": 1, "refused": 0, "taken": 1}


@pytest.mark.parametrize(
    "path", ["os.system", "sklearn.base", "sklearn.base._name", "sklearn.base.a b", "", "joblib.load"]
)
def test_an_import_line_leads_nowhere_else(path):
    for trial in (offers, foretold_by(offers_outcomes)):
        with pytest.raises(ValueError, match="path: must be a public name"):
            trial(1, path=path)
