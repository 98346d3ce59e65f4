"""`claims check --run`: what two replicates of everything show about a trial."""

import random
import re

import numpy as np
import pytest

from claims import cli, plan, schema, statistics, tryout
from claims.runner import Settings, looks_of

TRIAL = '''
"""Trials that break one rule each."""

import random

import numpy as np


def honest(seed, *, shift, sd=1.0):
    """Two arms."""
    treated, plain = shift + sd * np.random.default_rng(seed).normal(size=2)
    return {{"treated": float(treated), "plain": float(plain), "big": 1e4 + treated, "bigger": 1e4 + plain}}


def block(seeds, *, shift, n_steps=100):
    """A block of honest replicates, whose rounding grows with the steps of training."""
    rows = [honest(seed, shift=shift) for seed in seeds]
    grown = 1e-12 * len(seeds) * 2.0 ** min(n_steps, 40)
    return {{name: np.array([row[name] for row in rows]) + grown for name in rows[0]}}


def faulty(seed, *, shift):
    """One fault."""
    found = honest(seed, shift=shift)
    {fault}
    return found


def faulty_block(seeds, *, shift):
    """Replicates that share a generator."""
    return {{"treated": shift + np.random.default_rng(seeds[0]).normal(size=len(seeds)), "plain": np.zeros(len(seeds))}}
'''
CLAIM = """
statement: Treated is higher than plain.
guide: {{sections: [2], lines: ["50-56"]}}
quantifier: typically
trial: experiments.tried.{trial}
conditions: {{a: {{shift: 2.0}}, b: {{shift: 1.0}}, c: {{shift: 3.0}}, d: {{shift: 4.0}}}}
criterion: {criterion}
controls: {{negative: {{none: {{base: a, shift: 0.0}}}}}}
"""
DIFF = "{kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: visible}"


def put(project, trial, fault="pass", criterion=DIFF):
    project.claim("toy/some-claim", CLAIM.format(trial=trial, criterion=criterion))
    (project.root / "experiments" / "tried.py").write_text(TRIAL.format(fault=fault))


@pytest.mark.parametrize(
    ("trial", "fault", "told"),
    [
        ("faulty", 'found["plain"] += random.Random().random()', "the same seed gave other outcomes"),
        ("faulty", 'found["plain"] += np.random.normal()', "the same seed gave other outcomes"),
        ("faulty", "random.seed(seed)", "seeds a global generator"),
        ("faulty", 'np.random.seed(seed); found["plain"] += np.random.normal()', "seeds a global generator"),
        ("faulty", 'found["plain"] = float("nan")', "plain: must be finite, got nan"),
        ("faulty", 'found["plain"] = "high"', "plain: must be a number, got 'high'"),
        ("faulty", "del found['plain']", "plain: the criterion needs this outcome, the trial returned treated"),
        ("faulty", "found = 1 / 0", "ZeroDivisionError: division by zero (tried.py:"),
        ("faulty_block", "pass", "treated: other for 2 seeds at once than one at a time"),
    ],
)
def test_a_rule_that_a_trial_breaks_is_told_once(project, told_in_process, trial, fault, told):
    put(project, trial, fault)
    shown = told_in_process("check", "--run")
    assert shown.startswith("claims: toy/some-claim: a: ")
    assert told in shown
    assert len(shown.splitlines()) == 1, shown


@pytest.mark.parametrize("trial", ["honest", "block"])
def test_a_trial_that_keeps_the_rules_is_told_what_it_would_see(project, capsys, monkeypatch, experiments_at, trial):
    """With a standard deviation of sqrt(2) it would be (z(.9995) + z(.8)) * sqrt(2 / 128) = 0.516."""
    put(project, trial)
    experiments_at(project.root)
    monkeypatch.chdir(project.root)
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert cli.main(["check", "--run"]) == 0
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    shown = capsys.readouterr().out
    assert "CPU seconds with 32 replicates of each of 5 conditions and controls, at most" in shown
    effect = float(re.search(r"with 128 replicates it would see an effect of ([\d.]+) \(treated - plain\)", shown)[1])
    assert 0.2 < effect < 1.1  # from four differences of two replicates
    assert "(as far as 2 replicates of 4 conditions tell)" in shown
    assert not (project.root / "build").exists()


@pytest.mark.parametrize(
    ("criterion", "told"),
    [
        (
            "{kind: identity, a: treated, b: plain, tol: 1.0, n: 8, why: w}",
            "its criterion is exact: one violation decides",
        ),
        ("{kind: winrate, a: treated, b: plain, above: 0.5, why: w}", "would see a share of 0.18 beyond the margin"),
        ("{kind: ratio, a: big, b: bigger, range: [0.5, .inf], why: w}", "would see a factor of 1.00"),
        ("{kind: level, outcome: treated, range: [1.0, .inf], why: w}", "(treated) beyond the margin"),
    ],
)
def test_what_would_be_seen_is_in_the_unit_of_the_criterion(
    project, capsys, monkeypatch, experiments_at, criterion, told
):
    put(project, "honest", criterion=criterion)
    experiments_at(project.root)
    monkeypatch.chdir(project.root)
    assert cli.main(["check", "--run"]) == 0
    assert told in capsys.readouterr().out


def test_a_library_that_draws_from_a_global_generator_without_effect_is_let_pass(
    project, capsys, monkeypatch, experiments_at
):
    """As scikit-learn's support vector regression does, which takes no random state."""
    put(project, "faulty", "np.random.normal() if shift == 1.0 else 0")
    experiments_at(project.root)
    monkeypatch.chdir(project.root)
    assert cli.main(["check", "--run"]) == 0
    assert "keeps every rule" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("quantifier", "count", "cap", "key"),
    [("never", 1, None, "below"), ("typically", 4, 64, "below"), ("can", 3, None, "above"), ("often", 6, 16, "above")],
)
def test_the_share_in_reach_is_the_last_that_agreeing_replicates_show(quantifier, count, cap, key):
    """On both sides of the number that is told, against the engine's own judgement and verdict."""

    def claim(value):
        content = {"statement": "It happens.", "guide": {"sections": [2], "lines": ["50"]}, "quantifier": quantifier}
        content |= {"trial": "experiments.toy.any", "conditions": {f"c{i}": {"size": i} for i in range(count)}}
        content |= {"criterion": {"kind": "rate", "event": "happens", key: value, "why": "w"}, "max_replicates": cap}
        return schema.claim_of({**content, "controls": {"negative": {"none": {"base": "c0"}}}}, "toy", "some-claim")

    def supported(value):
        settings = Settings()
        looks = looks_of(claim(value), settings)
        outcomes = {"happens": np.full(looks[-1], float(key == "above"))}
        seen = statistics.judge(plan.criterion(claim(value)), outcomes, looks=looks, alpha=0.01, close=0.01 / count)
        names = list(claim(value).conditions)
        found = statistics.verdict(names, [seen.ph] * count, [seen.pf] * count, quantifier)
        return found.label == "supported"

    (told,) = tryout.out_of_reach(claim(0.0001 if key == "below" else 0.9999), Settings())
    limit = float(re.search(r"must be at (?:least|most) ([\d.]+), which", told)[1])
    beyond = limit + (1e-4 if key == "above" else -1e-4)
    assert supported(limit)
    assert list(tryout.out_of_reach(claim(limit), Settings())) == []
    assert not supported(beyond)
    assert list(tryout.out_of_reach(claim(beyond), Settings())) != []
    assert ("or raise max_replicates" in told) == (cap is not None)


def test_a_rate_out_of_reach_is_told_with_the_exact_number(project, told_in_process):
    """1 - 0.002 ** (1 / 128): no event in 128 replicates, at 0.01 over five looks."""
    never = "{kind: rate, event: treated, below: 0.01, why: visible}\nwhy_always: the guide says never"
    project.claim("toy/some-claim", CLAIM.format(trial="honest", criterion=never).replace("typically", "never"))
    (project.root / "experiments" / "tried.py").write_text(TRIAL.format(fault="pass"))
    assert told_in_process("check") == (
        "claims: toy/some-claim: criterion.below: must be at least 0.0474, which 128 agreeing replicates can show "
        "(exact binomial, 5 looks, level 0.01 of a condition), got 0.01; write a share in reach\n"
    )
