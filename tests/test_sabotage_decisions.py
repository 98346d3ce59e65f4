"""Claims from compression to fairness whose mechanism is broken, or mended, in the trial: verdicts must change.

`test_sabotage.py` has those about models and their training.
"""

from functools import wraps
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.dummy import DummyRegressor

from experiments import (
    causal,
    compression,
    continual,
    distillation,
    experimentation,
    fairness,
    federated,
    few_shot,
    generative,
    graphs,
    reinforcement,
    robustness,
)
from tests.sabotage import BLIND, Sabotage, changes_its_verdict, instead, with_parameters

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def first_again(tasks: Any) -> Any:
    """Every task is the first one, row for row."""

    def sabotaged(*given: Any) -> Any:
        found = tasks(*given)
        return found[:1] * len(found)

    return sabotaged


def one_temperature(taught: Any) -> Any:
    """All students are the one of the first temperature."""

    def sabotaged(seeds: Any, start: Any, rows: Any, told: Any, steps: int, rates: Any, heat: Any, weight: Any) -> Any:
        fits = taught(seeds, start, rows, told, steps, rates, heat[:1], weight[:1])
        return [[tensor.repeat(len(heat), 1, 1) for tensor in weights] for weights in fits]

    return sabotaged


def told_nothing(chosen: Any) -> Any:
    """Whoever chooses knows neither what was shown nor what converted."""

    def sabotaged(rng: Any, policy: str, shown: np.ndarray, won: np.ndarray, user: int) -> Any:
        return chosen(rng, policy, np.zeros_like(shown), np.zeros_like(won), user)

    return sabotaged


def half_the_sample(resampled: Any) -> Any:
    """Only half the weight of a resample is drawn, the other half is the sample: intervals are half as wide."""
    return lambda metric, users, counts: resampled(metric, users, (1 + counts) / 2)


def one_tail(whole: Any) -> Any:
    """Distribution functions with which the printed p-value, meant for both tails, is that of one."""
    return SimpleNamespace(norm=SimpleNamespace(cdf=lambda z: (1 + stats.norm.cdf(z)) / 2), hypergeom=stats.hypergeom)


def by_fisher(alarms: Any) -> Any:
    """Fisher's exact test in the place of the printed one."""

    @wraps(alarms)
    def mended(seed: int, **more: Any) -> dict[str, float]:
        found = alarms(seed, **more)
        return found | {"found": found["exact"]}

    return mended


def same_persons(scored: Any) -> Any:
    """Both groups are the first one, person for person."""
    return lambda *given: scored(*given)[:1] * 2


def of_another_client(sent: Any) -> Any:
    """The server is sent the update of another replicate's client."""
    return lambda *given: [tensor.roll(1, 0) for tensor in sent(*given)]


SABOTAGED = {
    # Both arms the same
    "one local step": Sabotage(
        "federated/fedavg-reduces-rounds", ["digits"],
        federated, "rounds_to_target", with_parameters(epochs=1, size=0), "supported", "invalid", reason=BLIND,
    ),
    "no exploring": Sabotage(
        "reinforcement/exploration-is-needed", ["low-start"],
        reinforcement, "q_learning", with_parameters(epsilon=0.0), "supported", "invalid", reason=BLIND,
    ),
    "models of effects that learn nothing": Sabotage(
        "causal/uplift-beats-response-targeting", ["unrelated", "opposed"],
        causal, "HistGradientBoostingRegressor", instead(lambda **given: DummyRegressor()),
        "supported", "invalid", reason=BLIND,
    ),
    "both groups the same persons": Sabotage(
        "fairness/fairness-criteria-incompatible", ["far-apart", "rare", "few-persons", "affairs-religion"],
        fairness, "_scored_groups", same_persons, "supported", "invalid", reason=BLIND,
    ),
    "nothing quantised": Sabotage(
        "compression/int8-gives-4x-smaller", ["medium", "wide"],
        compression.quantization, "quantize_dynamic", instead(lambda model, *given, **more: model),
        "supported", "invalid", reason=BLIND,
    ),
    "one temperature": Sabotage(
        "compression/higher-temperature-more-dark-knowledge", ["generated"],
        distillation, "taught", one_temperature, "supported", "invalid", reason=BLIND,
    ),
    # The effect removed
    "the first task for ever": Sabotage(
        "continual/naive-sequential-training-forgets", ["as-printed", "digits-split"],
        continual, "tasks", first_again, "supported", "invalid", reason=BLIND,
    ),
    "no neighbours": Sabotage(
        "graphs/deep-gcn-oversmooths", ["dense"],
        graphs, "normalised", with_parameters(neighbours=False), "supported", "invalid", reason=BLIND,
    ),
    "changes of size zero": Sabotage(
        "robustness/small-perturbations-cause-errors", ["digits-linear", "many-columns"],
        robustness, "chosen", with_parameters(size=0.0), "supported", "invalid", reason=BLIND,
    ),
    "a bandit that is told nothing": Sabotage(
        "experimentation/bandit-lower-regret-than-ab", ["thompson", "daily"],
        experimentation, "_chosen", told_nothing, "supported", "invalid", reason=BLIND,
    ),
    "intervals half as wide": Sabotage(
        "experimentation/bootstrap-ci-valid", ["conversion"],
        experimentation, "_resampled", half_the_sample, "supported", "invalid", reason=BLIND,
    ),
    "one tail of two": Sabotage(
        "experimentation/two-proportion-z-test-controls-type-one", ["pilot", "small-rollout", "small-rollout-rare"],
        experimentation, "stats", one_tail, "supported", "invalid", reason=BLIND,
    ),
    "a clearer proxy, and kept": Sabotage(
        "fairness/dropping-sensitive-attribute-removes-bias", ["one-clear-proxy"],
        fairness, "gap_without_attribute", with_parameters(care=2.0, strength=4.0),
        "supported", "invalid", reason=BLIND,
    ),
    "an encoder that learned nothing": Sabotage(
        "few_shot/prototypical-training-beats-raw-distance", ["hundred-classes-one-row"],
        few_shot, "prototypes", with_parameters(episodes=0), "supported", "invalid", reason=BLIND,
    ),
    "a rival without a gradient": Sabotage(
        "generative/reparameterisation-is-required-for-vae", ["two-factors"],
        generative.ESTIMATES, "baseline", instead(generative.ESTIMATES["none"]), "refuted", "supported", "holds",
    ),
    # What the guide has wrong put right
    "Fisher's exact test": Sabotage(
        "experimentation/two-proportion-z-test-controls-type-one", ["even-odds-few-users", "rare"],
        experimentation, "false_alarms", by_fisher, "conditional", "supported", "holds",
    ),
    "no cause in common": Sabotage(
        "causal/iv-two-conditions-suffice", ["textbook", "shared-cause", "shared-cause-faint"],
        causal, "instrument_errors", with_parameters(shared=0.0), "conditional", "supported", "holds",
    ),
    "whole units taken out": Sabotage(
        "compression/pruning-half-the-weights-halves-size", ["medium", "medium-units-out"],
        compression.STORED, "file", instead(compression.STORED["thinned"]), "conditional", "supported", "holds",
    ),
    "the update of another client": Sabotage(
        "federated/keeping-data-local-preserves-privacy", ["one-image-linear", "four-images"],
        federated, "update_sent", of_another_client, "refuted", "supported", "holds",
    ),
    "a column for each member": Sabotage(
        "graphs/karate-gcn-learns-clubs", ["as-printed", "wide"],
        graphs, "karate", with_parameters(columns="members", rectified=False), "refuted", "supported", "holds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGED)
def test_a_sabotaged_trial_changes_the_verdict(name, tmp_path, monkeypatch):
    changes_its_verdict(SABOTAGED[name], tmp_path, monkeypatch)
