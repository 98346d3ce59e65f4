"""What the loop of looks makes of controls, of broken trials and of arms against themselves, by real runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks import proof
from claims import audit, plan, schema
from claims.errors import ClaimsError

TRIALS = '''
import numpy as np


def drawn(seed, *, shift=0.0, fault=""):
    """Arm a stands `shift` above arm b, with sd 1."""
    if fault == "raises":
        raise RuntimeError("no convergence")
    found = {"a": shift + np.random.default_rng(seed).normal(), "b": 0.0, "event": 0.3, "n_train": 80.0, "n_test": 20.0}
    return found


def compared(seed, *, arms, bonus=0.0):
    """Arms by their definitions; the first one is given a bonus that it should not have."""
    streams = np.random.default_rng(seed).spawn(len(arms))
    found = {name: arm["mean"] + g.normal() for (name, arm), g in zip(arms.items(), streams)}
    found[next(iter(arms))] += bonus
    return found
'''
DIFF = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.5, "why": "w"}
RATE = {"kind": "rate", "event": "event", "above": 0.5, "why": "w"}
LATE = {"all": [DIFF, {"kind": "identity", "a": "a", "b": "b", "n": 100}], "why": "w"}
ARMS = {"a": {"mean": 3.0}, "b": {"mean": 0.0}}
ABSENT = {"arms": {"a": {"mean": 0.0}, "b": {"mean": 3.0}}}


@pytest.fixture(scope="module")
def folder():
    with proof.trials("runner_toys", TRIALS) as folder:
        yield folder


def claim(condition, negative, positive=None, criterion=DIFF, trial="drawn", **more):
    controls = {"negative": {"none": {"base": "only", **negative}}}
    content = {
        "statement": "s",
        "guide": {"sections": [1], "lines": [1]},
        "quantifier": "can",
        "trial": f"experiments.runner_toys.{trial}",
        "conditions": {"only": condition},
        "criterion": criterion,
        "controls": controls | ({"positive": {"sure": {"base": "only", **positive}}} if positive else {}),
    }
    return schema.claim_of(content | more, "toys", "one")


def ran(folder, one, tmp_path, **settings):
    (record,) = proof.ran([one], tmp_path, replace(proof.SETTINGS, **settings))
    return record


TOO_WEAK = "control too weak: undecided, and not clearly smaller than where the criterion holds"
CONTROLS = {
    "fails": (2.0, {"shift": -1.0}, None, "supported", True, "the criterion fails where the mechanism is removed"),
    "holds": (2.0, {"shift": 2.0}, None, "invalid", False, "the criterion holds where the mechanism is removed"),
    "smaller": (
        2.0,
        {"shift": 0.5},
        None,
        "supported",
        True,
        "undecided, but clearly smaller",
    ),
    "too weak": (1.0, {"shift": 0.6}, None, "invalid", False, TOO_WEAK),
    "broken": (2.0, {"fault": "raises"}, None, "invalid", False, "8 of 8 replicates failed"),
    "nothing holds": (0.5, {"shift": 0.5}, None, "inconclusive", True, "undecided, and the criterion holds nowhere"),
    "refuted": (
        -1.0,
        {"shift": -1.0},
        {"shift": 3.0},
        "refuted",
        True,
        "the criterion holds where",
    ),
    "refuted alone": (-1.0, {"shift": -1.0}, None, "invalid", True, "the criterion fails"),
    "no sight": (
        -1.0,
        {"shift": -1.0},
        {"shift": -1.0},
        "invalid",
        False,
        "the criterion fails where the effect",
    ),
    "little sight": (-1.0, {"shift": -1.0}, {"shift": 0.5}, "invalid", False, "the criterion is undecided where the"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_decides_whether_the_verdict_stands(name, folder, tmp_path):
    shift, negative, positive, label, passes, why = CONTROLS[name]
    record = ran(folder, claim({"shift": shift}, negative, positive), tmp_path)
    control = record["controls"][-1]
    assert (record["verdict"]["label"], control["passes"]) == (label, passes), control["why"]
    assert control["why"].startswith(why)
    reason = record["verdict"]["reason"]
    assert (why in reason) == (not passes)
    assert ("no positive control" in reason) == (name == "refuted alone")
    assert control["rerun"] == (name in ("holds", "no sight", "little sight"))
    # Three looks; a negative control that is still open goes on to the cap, unless it is known to be smaller.
    assert control["planned"] == ([8, 16, 32, 64, 128] if name in ("too weak", "nothing holds") else [8, 16, 32])
    assert control["failed"] == (8 if name == "broken" else 0)


def test_a_control_made_to_pass_in_the_file_is_noticed(folder, tmp_path):
    record = ran(folder, claim({"shift": 2.0}, {"shift": 2.0}), tmp_path)
    assert list(audit.judged_again(record)) == []
    record["controls"][0]["passes"] = True
    record["verdict"] |= {"label": "supported", "reason": ""}
    assert list(audit.judged_again(record)) == ["none.passes: the stored outcomes give False, the file says True"]


def test_a_control_that_comes_out_wrong_is_run_again_with_seeds_of_its_own(folder, tmp_path):
    one = claim({"shift": 2.0}, {"shift": 2.0})
    record = ran(folder, one, tmp_path)
    for cell, stream in ((record["conditions"][0], 0), (record["controls"][0], 3)):
        seeds = plan.seeds(proof.SETTINGS.base_seed, one, stream, 0, 8)
        assert cell["outcomes"]["a"][:8] == pytest.approx([2 + np.random.default_rng(s).normal() for s in seeds])


def test_resplits_of_one_data_set_have_one_look_in_controls_too(folder, tmp_path):
    record = ran(folder, claim({"shift": 4.0, "real": "population"}, {"shift": 1.0}), tmp_path)
    assert [record["conditions"][0]["n"], record["controls"][0]["n"]] == [32, 32]
    assert record["controls"][0]["planned"] == [32]
    assert list(audit.judged_again(record)) == []


def test_a_condition_without_a_single_outcome_is_broken(folder, tmp_path):
    for real in ({}, {"real": "population"}):
        place = tmp_path / str(len(real))
        place.mkdir()
        record = ran(folder, claim({"fault": "raises", **real}, {"fault": "", "shift": -9.0}), place)
        assert record["verdict"]["reason"] == "too many trials failed in only"
        assert list(audit.judged_again(record)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"criterion": RATE}, "toys/one, only: outcome 'event' is an event and must be 0 or 1, got 0.3; use `level`"),
        ({"criterion": LATE}, "toys/one: criterion: looks: identity .exact. needs one from 100 on, got"),
    ],
)
def test_outcomes_that_cannot_be_judged_are_told_with_their_claim(folder, tmp_path, changes, told):
    with pytest.raises(ClaimsError, match=told):
        ran(folder, claim(**{"condition": {}, "negative": {}} | changes), tmp_path, looks=(8, 16, 32))


def test_strongly_skewed_differences_are_told(folder, tmp_path):
    record = ran(folder, claim({"shift": 0.5}, {"shift": -1.0}), tmp_path)
    assert list(audit.skewed(record)) == []
    values = record["conditions"][0]["outcomes"]["a"]
    values[3] = float("nan")
    values[5] = 40.0
    assert len(values) >= 32
    (told,) = audit.skewed(record)
    assert told == f"only: a - b has a skewness of {stats.skew(np.delete(values, 3), bias=False):.1f}"
    record["conditions"][0]["outcomes"] = {"a": values[:15], "b": [0.0] * 15}
    assert list(audit.skewed(record)) == []
    record["declaration"]["criterion"] = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
    record["conditions"][0]["outcomes"] = {"a": values, "b": [0.0] * len(values)}
    assert list(audit.skewed(record)) == []


# One arm in the place of all ---------------------------------------------------------------------------------------


def comparison(criterion=DIFF, negative=ABSENT, **parameters):
    return claim({}, negative, criterion=criterion, trial="compared", parameters={"arms": ARMS, **parameters})


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({}, True),
        ({"criterion": {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}}, True),
        ({"criterion": {"kind": "equiv", "a": "a", "b": "b", "margin": 1.0}}, False),
        ({"criterion": {"kind": "level", "outcome": "a", "range": [1.0, 5.0]}}, False),
        ({"negative": {"arms": {"a": {"mean": 1.0}, "b": {"mean": 1.0}}}}, False),
        ({"arms": {"a": {"mean": 3.0}}}, False),
        ({"arms": "both"}, False),
        ({"arms": {"c": {"mean": 3.0}, "d": {"mean": 0.0}}}, False),
    ],
)
def test_equal_arms_are_a_control_where_they_cannot_meet_the_criterion(changes, added):
    one = comparison(**changes)
    names = [cell.name for cell in plan.cells(one)]
    assert names == ["only", "none", *["same-arm-twice"] * added]
    assert [cell.name for cell in plan.written(one)] == ["only", "none"]
    if added:
        control = plan.cells(one)[-1]
        assert (control.role, control.stream, control.base) == ("negative", 1, "only")
        assert control.parameters == {"arms": {"a": {"mean": 3.0}, "b": {"mean": 3.0}}}
    assert "same-arm-twice" not in str(plan.declaration(one, 0.01, [8]))


@pytest.mark.parametrize("name", ["same-arm-twice", "none"])
def test_equal_arms_at_the_margin_are_left_undecided(name, folder, tmp_path):
    """Whoever wrote them: at a margin of zero nothing else can come out, and more replicates would not help."""
    one = claim({"shift": 2.0}, {"shift": 0.0}, criterion=DIFF | {"margin": 0.0})
    content = one.model_dump() | {"controls": {"negative": {name: {"base": "only", "shift": 0.0}}}}
    record = ran(folder, schema.Claim.model_validate(content), tmp_path, base_seed=4)
    (control,) = record["controls"]
    assert control["label"] == "undecided"
    assert control["planned"][-1] == 32
    known = "the criterion is undecided where the arms are alike"
    assert (control["passes"], control["why"] == known) == (True, name == "same-arm-twice")
    assert list(audit.judged_again(record)) == []


def test_a_name_taken_in_the_file_is_left_alone():
    one = comparison()
    taken = one.model_copy(update={"conditions": {"only": {}, "same-arm-twice": {}}})
    assert [cell.name for cell in plan.cells(taken)] == ["only", "same-arm-twice", "none"]


@pytest.mark.parametrize(("bonus", "label"), [(0.0, "supported"), (2.0, "invalid")])
def test_an_arm_that_beats_itself_makes_the_verdict_invalid(folder, tmp_path, bonus, label):
    record = ran(folder, comparison(bonus=bonus), tmp_path)
    control = record["controls"][-1]
    assert (control["name"], control["passes"], record["verdict"]["label"]) == ("same-arm-twice", not bonus, label)
    assert control["rerun"] == bool(bonus)
    assert ("same-arm-twice: the criterion holds" in record["verdict"]["reason"]) == bool(bonus)
    assert list(audit.judged_again(record)) == []
