"""What a criterion may say in a claim file: its kinds and their keys, checked and completed.

A criterion is a plain mapping `{kind: ..., ...}`, or `{all: [...]}` / `{any: [...]}` of such.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

Criterion = Mapping[str, Any]

REQUIRED = object()
KINDS: dict[str, dict[str, Any]] = {
    "diff": {"a": REQUIRED, "b": REQUIRED, "better": REQUIRED, "margin": REQUIRED, "bounds": None},
    "ratio": {"a": REQUIRED, "b": REQUIRED, "range": REQUIRED, "estimator": "mean"},
    "winrate": {"a": REQUIRED, "b": REQUIRED, "above": REQUIRED, "tie": 0.0, "better": "higher"},
    "equiv": {"a": REQUIRED, "b": REQUIRED, "margin": REQUIRED, "scale": "difference"},
    "level": {"outcome": REQUIRED, "range": REQUIRED, "estimator": "mean"},
    "trend": {"outcome": REQUIRED, "over": REQUIRED, "direction": REQUIRED, "margin": REQUIRED, "tol": None},
    "interior": {"outcome": REQUIRED, "over": REQUIRED, "better": REQUIRED, "margin": REQUIRED},
    "best": {"a": REQUIRED, "rivals": REQUIRED, "better": REQUIRED, "margin": REQUIRED, "bounds": None},
    "rate": {"event": REQUIRED, "above": None, "below": None},
    "identity": {"outcome": None, "value": None, "a": None, "b": None, "tol": 0.0, "n": 3},
}
"""The closed list of kinds: each key with its default. None means absent; `why` and `clock` are allowed everywhere."""

WORDS = {
    "better": ("lower", "higher"),
    "direction": ("up", "down"),
    "estimator": ("mean", "median"),
    "scale": ("difference", "ratio"),
    "clock": ("cpu", "wall"),
}
NAMES = ("a", "b", "outcome", "over", "event")
SIZES = ("margin", "tol", "tie")
SHARES = ("above", "below")
FREE = ("why", "clock")


def complete(criterion: Criterion) -> dict[str, Any]:
    """The criterion with its defaults filled in, keys in a fixed order.

    `trend` gets tol = margin / 4. Where `bounds` is absent it stays so, and judging takes [0, 1] for outcomes that lie
    within; `bounds: [-.inf, .inf]` says that there are none.

    Raises:
        ValueError: A key is unknown or missing, or a value is out of its range; the message names the field, the rule,
            the value and what to write instead.
    """
    return _completed(criterion, "criterion")


def _completed(criterion: Criterion, where: str) -> dict[str, Any]:
    if not isinstance(criterion, Mapping):
        raise error(where, "must be a mapping", criterion, "write {kind: ..., ...}")
    word = next((w for w in ("all", "any") if w in criterion), None)
    if word is not None:
        return _completed_group(criterion, word, where)
    kind = criterion.get("kind")
    if kind is None:
        raise error(f"{where}.kind", "is required", "nothing", "write one of " + ", ".join(KINDS))
    if not isinstance(kind, str) or kind not in KINDS:
        raise error(f"{where}.kind", "must be one of " + ", ".join(KINDS), kind, _nearest(kind, KINDS))
    allowed = KINDS[kind]
    for key in criterion:
        if key not in (*allowed, *FREE, "kind"):
            raise error(f"{where}.{key}", f"is no key of {kind}", criterion[key], _nearest(key, (*allowed, *FREE)))
    filled: dict[str, Any] = {"kind": kind}
    for key, default in allowed.items():
        value = criterion.get(key, default)
        if value is REQUIRED:
            raise error(f"{where}.{key}", f"is required by {kind}", "nothing", f"add `{key}:`")
        if value is not None:
            filled[key] = _checked(key, value, kind, f"{where}.{key}")
    filled |= {key: _checked(key, criterion[key], kind, f"{where}.{key}") for key in FREE if criterion.get(key)}
    if kind == "trend":
        filled.setdefault("tol", filled["margin"] / 4)
    _check_whole(filled, where)
    return filled


def _completed_group(criterion: Criterion, word: str, where: str) -> dict[str, Any]:
    extra = [key for key in criterion if key not in (word, "why")]
    if extra:
        raise error(f"{where}.{extra[0]}", f"cannot stand beside `{word}`", criterion[extra[0]], "nest it instead")
    parts = criterion[word]
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise error(f"{where}.{word}", "must be a list of criteria", parts, f"write {word}: [{{kind: ...}}, ...]")
    group: dict[str, Any] = {word: [_completed(part, f"{where}.{word}[{i}]") for i, part in enumerate(parts)]}
    return group | ({"why": criterion["why"]} if criterion.get("why") else {})


def _checked(key: str, value: Any, kind: str, where: str) -> Any:
    """The value in its plain form: floats for numbers, lists for ranges."""
    if key in NAMES:
        return _name(value, where)
    if key in WORDS:
        if value not in WORDS[key]:
            raise error(where, "must be " + " or ".join(WORDS[key]), value, _nearest(value, WORDS[key]))
        return value
    if key == "rivals":
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise error(where, "must be a list of outcomes", value, "name at least one rival")
        return [_name(rival, f"{where}[{i}]") for i, rival in enumerate(value)]
    if key in ("range", "bounds"):
        return _range(value, where, least=floor({"kind": kind}), open_ended=key == "bounds")
    if key == "n":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise error(where, "must be a whole number of at least 1", value, "3 if deterministic, 32 if random")
        return value
    if key == "why":
        return str(value)
    number = _number(value, where)
    if not math.isfinite(number):
        raise error(where, "must be finite", value, "give a number in the outcome's unit")
    if key in SIZES and number < 0:
        raise error(where, "must not be negative", value, "state the direction by `better`, `direction` or a and b")
    if key in SHARES and not 0 < number < 1:
        raise error(where, "must lie strictly between 0 and 1", value, "give a share such as 0.5")
    return number


def _check_whole(filled: Mapping[str, Any], where: str) -> None:
    """Rules that tie keys of one criterion together."""
    kind = filled["kind"]
    if kind == "rate" and ("above" in filled) == ("below" in filled):
        raise error(where, "rate needs exactly one of above and below", dict(filled), "say `above: 0.05`, for example")
    if kind == "identity":
        single, pair = {"outcome", "value"} & set(filled), {"a", "b"} & set(filled)
        if (len(single), len(pair)) not in ((2, 0), (0, 2)):
            raise error(where, "identity needs outcome and value, or a and b", dict(filled), "give one such pair")
    if kind == "equiv" and filled["margin"] == 0:
        raise error(
            f"{where}.margin", "must be positive for equiv", 0.0, "nothing random is equal; use identity if exact"
        )
    arms = [filled[key] for key in ("a", "b") if key in filled] + list(filled.get("rivals", ()))
    if len(set(arms)) < len(arms):
        raise error(where, "arms must differ", arms, "name each outcome once")


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise error(where, "must be a name", value, "name an outcome or parameter of the trial")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise error(where, "must be a number", value, "YAML needs a dot in 1.0e-6, and .inf for infinity")
    if math.isnan(value):
        raise error(where, "must not be NaN", value, "give a number")
    return float(value)


def _range(value: Any, where: str, *, least: float, open_ended: bool) -> list[float]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise error(where, "must be [low, high]", value, "write [0.9, 1.1], or .inf for an open end")
    low, high = (_number(end, where) for end in value)
    if not low < high:
        raise error(where, "must have low < high", value, "exchange or widen the ends")
    if low < least:
        raise error(where, f"must start at {least:g} or above", value, f"write {least:g}")
    if not open_ended and low == least and math.isinf(high):
        raise error(where, "must exclude something", value, "make one end finite")
    return [low, high]


def _nearest(word: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.0)
    return f"did you mean `{close[0]}`?"


def floor(criterion: Criterion) -> float:
    """Where an open range starts: ratios at 0, other values at minus infinity."""
    return 0.0 if criterion["kind"] == "ratio" else -math.inf


def error(field: str, rule: str, value: Any, step: str) -> ValueError:
    """A fault of a claim file: the field, the rule, the value and what to write instead."""
    return ValueError(f"{field} {rule}, got {value!r}; {step}")
