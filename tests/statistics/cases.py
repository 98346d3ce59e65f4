"""Criteria and outcomes that the tests of the judgement share."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.statistics import Judgement, judge

Array = NDArray[np.float64]
INF, NAN = math.inf, math.nan
LOOKS = (8, 16, 32, 64, 128)
DIFF: dict[str, Any] = {"kind": "diff", "a": "a", "b": "b", "better": "higher", "margin": 0.5}
LEVEL: dict[str, Any] = {"kind": "level", "outcome": "x", "range": [0.0, INF]}
WIDE = LEVEL | {"range": [-1.0, 1.0]}
MEDIAN = LEVEL | {"estimator": "median"}
WINS: dict[str, Any] = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
RATE: dict[str, Any] = {"kind": "rate", "event": "x", "above": 0.5}
SAME: dict[str, Any] = {"kind": "identity", "outcome": "x", "value": 1.0, "tol": 0.1}
TREND: dict[str, Any] = {"kind": "trend", "outcome": "y", "over": "size", "direction": "up", "margin": 1.0}
INNER: dict[str, Any] = {"kind": "interior", "outcome": "y", "over": "size", "better": "lower", "margin": 1.0}
BEST: dict[str, Any] = {"kind": "best", "a": "a", "rivals": ["b", "c"], "better": "higher", "margin": 0.0}


def judged(criterion: dict[str, Any], close: float = 0.01, looks: Any = LOOKS, **outcomes: Any) -> Judgement:
    population = outcomes.pop("population", None)
    return judge(criterion, outcomes, looks=looks, alpha=0.01, close=close, population=population)


def normal(n: int = 128, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(mean, sd, size=n)


def curve(*means: float, n: int = 128, sd: float = 0.2, seed: int = 0) -> Array:
    return np.array(means) + np.random.default_rng(seed).normal(0, sd, size=(n, len(means)))


def failing(x: Array, *rows: int) -> Array:
    x = x.copy()
    x[list(rows)] = NAN
    return x


def numbers(found: Judgement) -> list[float]:
    return [found.ph, found.pf, found.hold_cp, found.fail_cp]
