"""One criterion of each kind, as claim files declare them."""

import math
from typing import Any

INF = math.inf
LOOKS = (8, 16, 32, 64, 128)
DIFF: dict[str, Any] = {"kind": "diff", "a": "random", "b": "grid", "better": "higher", "margin": 0.01}
RATIO: dict[str, Any] = {"kind": "ratio", "a": "slow", "b": "fast", "range": [1.2, INF], "estimator": "median"}
WINS: dict[str, Any] = {"kind": "winrate", "a": "bayesian", "b": "random", "above": 0.5}
EQUIV: dict[str, Any] = {"kind": "equiv", "a": "gru", "b": "lstm", "margin": 0.02}
LEVEL: dict[str, Any] = {"kind": "level", "outcome": "slope", "range": [0.9, 1.1]}
TREND: dict[str, Any] = {"kind": "trend", "outcome": "y", "over": "size", "direction": "up", "margin": 0.5}
INNER: dict[str, Any] = {"kind": "interior", "outcome": "y", "over": "degrees", "better": "lower", "margin": 0.05}
BEST: dict[str, Any] = {"kind": "best", "a": "mcc", "rivals": ["f1", "auc"], "better": "higher", "margin": 0.05}
RATE: dict[str, Any] = {"kind": "rate", "event": "stuck", "above": 0.05}
SAME: dict[str, Any] = {"kind": "identity", "outcome": "share", "value": 0.75, "tol": 1.0e-12}
PAIR: dict[str, Any] = {"kind": "identity", "a": "x", "b": "y", "n": 32}
ALL = [DIFF, RATIO, WINS, EQUIV, LEVEL, TREND, INNER, BEST, RATE, SAME, PAIR]
FALLS = {"kind": "rate", "event": "stuck", "below": 0.05}
