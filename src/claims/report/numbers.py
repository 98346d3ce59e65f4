"""Numbers, effects and regions as text; a leaf is one part of a condition's criterion in the evidence."""

import math
from collections.abc import Mapping
from typing import Any


def number(value: float, decimals: int | None = None) -> str:
    """A number as text: three significant digits, or as many decimals as given; never `-0` or a bare `nan`."""
    if not math.isfinite(value):
        return {"nan": "undefined", "inf": "infinity"}.get(str(value), "-infinity")
    if decimals is None and value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    if decimals is None:
        text = f"{value + 0.0:,.{0 if value == round(value) else max(0, 2 - math.floor(math.log10(abs(value))))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    text = f"{value:,.{decimals}f}"
    return text if text.strip("-0.,") else text.lstrip("-")


def effect(part: Mapping[str, Any]) -> str:
    """Estimate and interval of a leaf: `0.031 [0.020, 0.042]`; each number stands on its own side of each bound.

    Of an identity it is the largest distance, which has no interval.
    """
    values = [float(part[key]) for key in ("estimate", "low", "high")]
    bounds = [part[key] for key in ("lower", "upper") if math.isfinite(part[key])]
    finite = [v for v in values if math.isfinite(v)]
    if math.isnan(values[0]):
        return "not defined"
    if part["kind"] == "identity":
        return f"off by {number(values[0])}" if values[0] else "equal"
    largest, width = max(map(abs, finite)), values[2] - values[1]
    width = width if math.isfinite(width) else largest
    decimals = None
    if 1e-9 * largest < width and 1e-7 < width < 1e7:
        decimals = max(0, 1 - math.floor(math.log10(width / 2)))
        while decimals < 10 and any(_side(round(v, decimals), b) != _side(v, b) for v in finite for b in bounds):
            decimals += 1
    estimate, low, high = (number(v, decimals) for v in values)
    return f"{estimate} [{low}, {high}]"


def _side(value: float, bound: float) -> int:
    return (value > bound) - (value < bound)


def region(leaf: Mapping[str, Any]) -> str:
    """What the effect must be for the criterion to hold."""
    lower, upper = float(leaf["lower"]), float(leaf["upper"])
    if leaf["kind"] == "identity":
        return f"off by at most {number(upper)}" if upper else "equal"
    below = math.isinf(lower) or (lower == 0 and leaf["scale"] == "ratio")
    if math.isinf(upper):
        return "any value" if below else f"above {number(lower)}"
    return f"below {number(upper)}" if below else f"between {number(lower)} and {number(upper)}"


def optional(value: float) -> str:
    """A number, or nothing where it is undefined."""
    return "" if math.isnan(value) else number(value)
