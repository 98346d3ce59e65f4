"""Hand-made evidence in the format of `reports/evidence`: one record for each verdict and each kind of criterion.

Outcomes come from fixed generators.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.report.builders import Outcomes, condition, control, evidence, margin

RUN = {
    "cpu_seconds": 41.25,
    "wall_seconds": 22.5,
    "replicates": 152,
    "host": "laptop",
    "processor": "Example CPU at 2.4 GHz",
    "system": "Linux 6.1",
    "python": "3.11.9",
    "date": "2026-03-14",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "workers": 2,
    "cost": {"first": 20.5, "second": 20.75},
}
DIFF = {
    "kind": "diff",
    "a": "random",
    "b": "grid",
    "better": "higher",
    "margin": 0.01,
    "why": "what a practitioner would notice",
}


def arms(seed: int, n: int, effect: float, noise: float = 0.02, level: float = 0.82) -> Outcomes:
    """Paired outcomes of two searches whose mean difference is `effect`."""
    rng = np.random.default_rng(seed)
    base = rng.normal(level, 0.03, n)
    return {"random": base + effect + rng.normal(0, noise, n), "grid": base}


def _diffs(effects: Mapping[str, tuple[float, int]], **fields: Any) -> list[dict[str, Any]]:
    return [
        condition(name, DIFF, arms(i, n, effect), {"dimensions": 2 * i + 2, "budget": 64, "relevant": 1}, **fields)
        for i, (name, (effect, n)) in enumerate(effects.items())
    ]


def _nothing(name: str = "all-matter", effect: float = -0.01, **fields: Any) -> dict[str, Any]:
    made = condition(name, DIFF, arms(99, 16, effect), {"dimensions": 4, "budget": 64, "relevant": 4})
    return made | control("four", "negative", **fields)


def supported() -> dict[str, Any]:
    """Holds everywhere; one condition on real data, one that only the verdict as a whole covers."""
    conditions = _diffs({"two": (0.04, 16), "four": (0.06, 8), "eight": (0.05, 16), "digits": (0.035, 32)})
    conditions[3]["real"] = "this_data"
    conditions[2]["label"] = "holds*"
    known = condition("one-dimension", DIFF, arms(7, 8, 0.09), {"dimensions": 9, "budget": 64, "relevant": 1})
    return evidence(
        "random-beats-grid",
        "Random search finds better settings than grid search when few of the hyper-parameters matter.",
        DIFF,
        conditions,
        [_nothing(), known | control("four", "positive")],
        "supported",
        sensitivity=[margin(DIFF, high=0.0214)],
        notes="The grid gets the same number of fits, rounded down to a full grid.",
        references=["Bergstra and Bengio 2012, Random search for hyper-parameter optimization, JMLR 13"],
    )


def exceptions() -> dict[str, Any]:
    """Supported although one condition fails; one failed replicate; a revision with what it replaced."""
    conditions = _diffs({"two": (0.04, 16), "four": (0.06, 32), "eight": (0.05, 16), "tiny": (0.0, 16)})
    spoilt = arms(1, 33, 0.06)
    spoilt["random"][5] = spoilt["grid"][5] = math.nan
    conditions[1] = condition("four", DIFF, spoilt, {"dimensions": 4, "budget": 64, "relevant": 1})
    conditions[3]["reason"] = "too small"
    made = evidence(
        "random-beats-grid-often", "Random search beats grid search.", DIFF, conditions, [_nothing()], "supported"
    )
    made["revisions"] = [{"what": "margin 0.005 became 0.01", "why": "half a point is below the noise of one split"}]
    old = {**made["declaration"], "criterion": {**DIFF, "margin": 0.005}}
    made["previous"] = [{"declaration": old, "verdict": {**made["verdict"], "label": "inconclusive"}, "revision": 0}]
    return made


def conditional() -> dict[str, Any]:
    """Holds in some, fails in others, one open; the budget separates the groups."""
    conditions = _diffs(
        {"two": (0.05, 16), "four": (0.06, 16), "eight": (-0.03, 32), "sixteen": (0.0, 32), "noisy": (0.012, 128)}
    )
    for c, budget in zip(conditions, (16, 32, 256, 512, 64), strict=True):
        c["parameters"]["budget"] = budget
        c["parameters"]["dimensions"] = 4
    conditions[2]["reason"], conditions[3]["reason"] = "reversed", "negligible"
    return evidence(
        "random-beats-grid-everywhere",
        "Random search is always at least as good as grid search.",
        DIFF,
        conditions,
        [_nothing()],
        "conditional",
        quantifier="always",
    )


def refuted() -> dict[str, Any]:
    """An equivalence that fails everywhere."""
    criterion = {"kind": "equiv", "a": "random", "b": "grid", "margin": 0.02}
    conditions = [
        condition(name, criterion, arms(i, 16, 0.05 + 0.01 * i), {"dimensions": i + 2})
        for i, name in enumerate(("two", "three", "four", "five"))
    ]
    nothing = condition("shifted", criterion, arms(9, 16, 0.2), {"dimensions": 2}) | control("two", "negative")
    return evidence(
        "random-equals-grid",
        "It makes no difference whether one searches at random or on a grid.",
        criterion,
        conditions,
        [nothing],
        "refuted",
        sensitivity=[margin(criterion, high=0.031)],
    )


def inconclusive() -> dict[str, Any]:
    """Nothing is decided; one condition stopped early, one saturated."""
    conditions = _diffs({"two": (0.01, 128), "four": (0.011, 64), "eight": (0.0095, 128), "sixteen": (0.01, 16)})
    for c, state in zip(conditions, ("cap", "futile", "cap", "saturated"), strict=True):
        c.update(label="undecided", state=state, reason="", needed_n=math.nan if state == "saturated" else 812.0)
    conditions[2]["needed_n"] = math.inf
    made = evidence(
        "random-beats-grid-slightly",
        "Random search is slightly better than grid search.",
        DIFF,
        conditions,
        [_nothing()],
        "inconclusive",
    )
    made["verdict"]["p_hold"] = 0.34
    return made


def invalid() -> dict[str, Any]:
    """The negative control holds too, twice."""
    conditions = _diffs({"two": (0.04, 16), "four": (0.06, 16), "eight": (0.05, 16), "sixteen": (0.05, 16)})
    weak = _nothing(effect=0.04, rerun=True, why="control too weak: it shows the same effect")
    made = evidence(
        "random-beats-grid-by-luck",
        "Random search beats grid search whatever matters.",
        DIFF,
        conditions,
        [weak],
        "invalid",
    )
    made["verdict"]["reason"] = "negative control all-matter: control too weak"
    return made


def trend() -> dict[str, Any]:
    """A curve over x that rises in three conditions and turns back in one."""
    x = [2, 4, 8, 16, 32, 64]
    criterion = {"kind": "trend", "outcome": "gap", "over": "dimensions", "direction": "up", "margin": 0.5}
    rng = np.random.default_rng(3)
    shapes = {
        "gaussian": np.log2(x) / 4,
        "uniform": np.log2(x) / 5,
        "heavy-tails": np.log2(x) / 3,
        "digits": [0.2, 0.6, 0.9, 1.0, 0.7, 0.4],
    }
    conditions = [
        condition(
            name,
            criterion,
            {"gap": np.array(shape) + rng.normal(0, 0.1, (16, 6)) + rng.normal(0, 0.1, (16, 1))},
            {"dimensions": x, "n": 200},
        )
        for name, shape in shapes.items()
    ]
    conditions[3]["real"] = "this_data"
    conditions[3]["reason"] = "a step back at dimensions 32"
    flat = condition(
        "no-dimensions", criterion, {"gap": 0.5 + rng.normal(0, 0.1, (16, 6))}, {"dimensions": x, "n": 200}
    ) | control("gaussian", "negative")
    return evidence(
        "gap-grows-with-dimensions",
        "The gap grows with the number of dimensions.",
        criterion,
        conditions,
        [flat],
        "supported",
        sensitivity=[margin(criterion, high=0.81)],
    )


def interior() -> dict[str, Any]:
    """A U shape in two conditions, a monotone curve in the third."""
    x = [1, 2, 3, 5, 8, 12]
    criterion = {"kind": "interior", "outcome": "log_error", "over": "degrees", "better": "lower", "margin": 0.05}
    rng = np.random.default_rng(4)
    shapes = {
        "small": [1, 0.6, 0.3, 0.35, 0.9, 1.6],
        "large": [1, 0.7, 0.4, 0.2, 0.3, 0.5],
        "endless": [1, 0.8, 0.6, 0.4, 0.3, 0.25],
    }
    conditions = [
        condition(
            name,
            criterion,
            {"log_error": np.array(shape) + rng.normal(0, 0.08, (16, 6))},
            {"degrees": x, "n": 30 * (i + 1)},
        )
        for i, (name, shape) in enumerate(shapes.items())
    ]
    for c, best in zip(conditions, (3.0, 5.0, 12.0), strict=True):
        c.update(estimate=best, low=math.nan, high=math.nan)
    flat = condition(
        "no-noise",
        criterion,
        {"log_error": np.array(shapes["endless"]) + rng.normal(0, 0.05, (16, 6))},
        {"degrees": x, "n": 30},
    ) | control("small", "negative")
    return evidence(
        "error-is-u-shaped",
        "Test error falls and then rises with the degree.",
        criterion,
        conditions,
        [flat],
        "conditional",
    )


def rate() -> dict[str, Any]:
    """Something that can happen, and does in one condition."""
    criterion = {"kind": "rate", "event": "bad_optimum", "above": 0.05}
    rng = np.random.default_rng(5)
    conditions = [
        condition(name, criterion, {"bad_optimum": (rng.random(64) < p) * 1.0}, {"starts": i + 1})
        for i, (name, p) in enumerate({"one-start": 0.35, "ten-starts": 0.01}.items())
    ]
    conditions[1]["label"], conditions[1]["state"], conditions[1]["reason"] = "undecided", "open", ""
    convex = condition("convex", criterion, {"bad_optimum": np.zeros(64)}, {"starts": 1}) | control(
        "one-start", "negative"
    )
    convex["label"] = "fails"
    return evidence(
        "descent-can-end-badly",
        "Gradient descent can end in a bad optimum.",
        criterion,
        conditions,
        [convex],
        "supported",
        quantifier="can",
    )


def ratio() -> dict[str, Any]:
    """A timed ratio on a log axis."""
    criterion = {
        "kind": "ratio",
        "a": "xgboost_s",
        "b": "lightgbm_s",
        "range": [1.2, math.inf],
        "estimator": "median",
        "clock": "cpu",
    }
    rng = np.random.default_rng(6)
    conditions = []
    for i, (name, factor) in enumerate({"small": 0.9, "medium": 1.8, "large": 3.4, "wide": 6.0}.items()):
        base = rng.uniform(0.4, 0.5, 32)
        conditions.append(
            condition(
                name,
                criterion,
                {"xgboost_s": base * factor * np.exp(rng.normal(0, 0.15, 32)), "lightgbm_s": base},
                {"rows": 1000 * 4**i},
            )
        )
    same = condition(
        "same-library",
        criterion,
        {"xgboost_s": base * np.exp(rng.normal(0, 0.05, 32)), "lightgbm_s": base},
        {"rows": 4000},
    ) | control("medium", "negative")
    return evidence(
        "lightgbm-is-faster",
        "LightGBM trains faster than XGBoost.",
        criterion,
        conditions,
        [same],
        "supported",
        timed=True,
        clock="cpu",
    )


def identity() -> dict[str, Any]:
    """An exact count that fails in one condition."""
    criterion = {"kind": "identity", "outcome": "parameter_ratio", "value": 0.75, "tol": 1e-12}
    conditions = [
        condition(name, criterion, {"parameter_ratio": np.full(3, value)}, {"hidden": h})
        for name, value, h in (("small", 0.75, 8), ("large", 0.75, 512), ("with-bias", 0.7523, 64))
    ]
    plain = condition("same-cell", criterion, {"parameter_ratio": np.ones(3)}, {"hidden": 8}) | control(
        "small", "negative"
    )
    return evidence(
        "gru-has-three-quarters",
        "A GRU has three quarters of the parameters of an LSTM.",
        criterion,
        conditions,
        [plain],
        "conditional",
        quantifier="always",
    )


def best() -> dict[str, Any]:
    """One arm against three rivals, of which it beats two."""
    criterion = {"kind": "best", "a": "mcc", "rivals": ["accuracy", "f1", "kappa"], "better": "higher", "margin": 0.05}
    rng = np.random.default_rng(8)
    conditions = []
    for i, name in enumerate(("balanced", "one-percent", "five-percent", "digits")):
        base = rng.normal(0.5, 0.05, 32)
        rivals = {"accuracy": base, "f1": base + 0.1, "kappa": base + 0.2 - 0.02 * i}
        conditions.append(
            condition(
                name, criterion, {"mcc": base + 0.25 + rng.normal(0, 0.05, 32), **rivals}, {"share": 0.5 / (i + 1)}
            )
        )
    swapped = condition("labels-shuffled", criterion, {"mcc": base, **rivals}, {"share": 0.5}) | control(
        "balanced", "negative"
    )
    return evidence(
        "mcc-is-best", "MCC tells good from bad classifiers best.", criterion, conditions, [swapped], "inconclusive"
    )


def both() -> dict[str, Any]:
    """Two criteria that must hold together."""
    criterion = {
        "all": [
            {"kind": "diff", "a": "lasso", "b": "ridge", "better": "higher", "margin": 0.2},
            {"kind": "level", "outcome": "ridge", "range": [-0.01, 0.01]},
        ]
    }
    rng = np.random.default_rng(10)
    conditions = []
    for i, name in enumerate(("as-printed", "strong", "wide", "noisy")):
        share = np.clip(0.3 + 0.15 * i + rng.normal(0, 0.08, 16), 0, 1)
        conditions.append(
            condition(
                name,
                criterion,
                {"lasso": share, "ridge": np.abs(rng.normal(0, 0.002, 16))},
                {"alpha": [0.1, 5.0][i % 2], "columns": 20 * (i + 1)},
            )
        )
    none = condition(
        "no-penalty",
        criterion,
        {"lasso": rng.normal(0, 0.001, 16), "ridge": rng.normal(0, 0.001, 16)},
        {"alpha": 1e-6, "columns": 20},
    ) | control("strong", "negative")
    return evidence(
        "l1-zeroes-weights",
        "L1 sets many weights to exactly zero; L2 only shrinks them.",
        criterion,
        conditions,
        [none],
        "supported",
        sensitivity=[
            margin(criterion["all"][0], high=0.24),
            margin(criterion["all"][1], low=-math.inf, high=-0.0036, end="lower"),
            margin(criterion["all"][1], low=0.0045, end="upper"),
        ],
        topic="regularization",
        guide={"sections": [2], "lines": [55]},
    )


VERDICTS = (supported, exceptions, conditional, refuted, inconclusive, invalid)
KINDS = (trend, interior, rate, ratio, identity, best, both)
