"""Error rates of the decision engine, measured by simulation: `python -m benchmarks.calibration [--quick] OUTPUT`.

Every case draws outcomes whose truth is known and sends them, many conditions at once, through the code that judges
real ones: the looks, the three tests, `all` and `any`, the early stops.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from claims.statistics.course import Step, course, states
from claims.statistics.criteria import curve_names, outcome_names, tree
from claims.statistics.judge import planned_looks
from claims.statistics.kinds import complete
from claims.statistics.verdict import LABELS, verdict_codes

LOOKS = (8, 16, 32, 64, 128)
ALPHA = 0.01
SEED = 20240229
"""Fixed before the first run; cases draw from its children in the order of the table."""
CHUNK = 2000

Draw = Callable[[np.random.Generator, int, int], dict[str, Any]]
Shape = Callable[[np.random.Generator, tuple[int, int]], Any]


@dataclass(frozen=True)
class Case:
    """A criterion under a known truth: "margin" (neither answer is right), "holds" or "fails".

    `error` bounds the rate of each wrong answer, `power` that of the right one from below.
    """

    group: str
    name: str
    criterion: Mapping[str, Any]
    draw: Draw
    truth: str = "margin"
    error: float = ALPHA
    power: float = 0.0


@dataclass(frozen=True)
class Rates:
    """Shares of simulated conditions that end in each label, and the mean number of replicates."""

    holds: float
    fails: float
    replicates: float


def rates(case: Case, repeats: int, rng: np.random.Generator, alpha: float = ALPHA) -> Rates:
    """What `repeats` conditions of a claim with a single condition come to."""
    chunks = [_labels(case, min(CHUNK, repeats - start), rng, alpha) for start in range(0, repeats, CHUNK)]
    holds, fails, replicates = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return Rates(float(holds.mean()), float(fails.mean()), float(replicates.mean()))


def _labels(case: Case, repeats: int, rng: np.random.Generator, alpha: float) -> tuple[Any, Any, Any]:
    criterion = complete(case.criterion)
    planned = planned_looks(criterion, LOOKS)
    outcomes = case.draw(rng, repeats, planned[-1])
    node = tree(criterion, {name: outcomes[name].shape[-1] for name in curve_names(criterion)})
    used = {name: outcomes[name] for name in outcome_names(criterion)}
    seen = course(node, used, [Step(n, n, True) for n in planned], planned, alpha)
    ph, pf, state = states(node, seen, alpha, planned[-1])
    stop = np.argmax(state != "open", axis=-1)[:, None]
    hold, fail = (np.take_along_axis(p, stop, axis=-1)[:, 0] for p in (ph, pf))
    return hold <= alpha, fail <= alpha, np.array(planned)[stop[:, 0]]


def excess(case: Case, found: Rates, repeats: int) -> str:
    """What is wrong with measured rates, in words; empty where they are within the bounds.

    An error may exceed its bound by three standard errors of the simulation.
    """
    allowed = case.error + 3 * math.sqrt(case.error * (1 - case.error) / repeats)
    wrong = {"margin": (found.holds, found.fails), "holds": (found.fails,), "fails": (found.holds,)}[case.truth]
    if max(wrong) > allowed:
        return f"error {max(wrong):.4f} above {allowed:.4f}"
    right = {"margin": 1.0, "holds": found.holds, "fails": found.fails}[case.truth]
    return f"power {right:.3f} below {case.power:.3f}" if right < case.power else ""


# Cases -------------------------------------------------------------------------------------------------------------

SHAPES: dict[str, tuple[Shape, float, float]] = {
    "Gaussian": (lambda g, s: g.normal(size=s), 0.0, 1.0),
    "t3 (heavy tails)": (lambda g, s: g.standard_t(3, size=s), 0.0, 1.0),
    "accuracy difference": (lambda g, s: g.beta(160, 40, size=s) - g.beta(158, 42, size=s), 0.01, 1.0),
    "Beta(2, 5), skew 0.6": (lambda g, s: g.beta(2, 5, size=s), 2 / 7, 1.0),
    "lognormal 0.5, skew 1.75": (lambda g, s: g.lognormal(0, 0.5, size=s), math.exp(0.125), 3.0),
    "lognormal 1, skew 6.2": (lambda g, s: g.lognormal(0, 1, size=s), math.exp(0.5), 7.0),
    "50 % zeros, symmetric": (lambda g, s: g.normal(size=s) * (g.random(s) < 0.5), 0.0, 1.0),
    "80 % zeros, else Exp(1)": (lambda g, s: g.exponential(size=s) * (g.random(s) < 0.2), 0.2, 1.0),
    "lattice 0 to 3, 73 % zeros": (lambda g, s: g.choice(4, p=[0.73, 0.15, 0.08, 0.04], size=s) * 1.0, 0.43, 1.0),
}
"""Shapes of paired differences: how to draw them, their mean, and the allowed error in multiples of alpha.

Beyond 1 the excess is a known property of the method: no test of a mean is exact for skewed data.
"""


def shape_cases() -> Iterator[Case]:
    """Each shape with its mean exactly at the margin."""
    for name, (draw, mean, factor) in SHAPES.items():
        criterion = {"kind": "level", "outcome": "x", "range": [mean, math.inf]}
        yield Case("shape", name, criterion, _scalar(draw), error=factor * ALPHA)


def _scalar(draw: Shape) -> Draw:
    return lambda g, repeats, n: {"x": draw(g, (repeats, n))}


def _gaussians(**means: float) -> Draw:
    """Independent Gaussians of sd 1 / sqrt 2, so that differences have sd 1."""
    return lambda g, repeats, n: {
        name: g.normal(mean, math.sqrt(0.5), size=(repeats, n)) for name, mean in means.items()
    }


def _accuracies(a: float, b: float) -> Draw:
    return lambda g, repeats, n: {name: g.binomial(200, p, size=(repeats, n)) / 200 for name, p in (("a", a), ("b", b))}


def _times(ratio: float) -> Draw:
    return lambda g, repeats, n: {
        "a": ratio * np.exp(np.clip(0.1 * g.standard_t(2, size=(repeats, n)), -20, 20)),  # no time is infinite
        "b": np.ones((repeats, n)),
    }


def _events(rate: float) -> Draw:
    return lambda g, repeats, n: {"event": (g.random((repeats, n)) < rate) * 1.0}


def _curve(*means: float) -> Draw:
    return lambda g, repeats, n: {"y": np.array(means) + 0.2 * g.normal(size=(repeats, n, len(means)))}


def _tied(share: float) -> Draw:
    def draw(g: np.random.Generator, repeats: int, n: int) -> dict[str, Any]:
        a = g.normal(size=(repeats, n))
        return {"a": a, "b": np.where(g.random((repeats, n)) < share, a, g.normal(size=(repeats, n)))}

    return draw


DIFF = {"kind": "diff", "a": "a", "b": "b", "better": "higher"}
TIME = {"kind": "ratio", "a": "a", "b": "b", "range": [1.2, math.inf]}
WINS = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
EQUIV = {"kind": "equiv", "a": "a", "b": "b", "margin": 1.0}
LEVEL = {"kind": "level", "outcome": "x", "range": [-1.0, 1.0]}
TREND = {"kind": "trend", "outcome": "y", "over": "x", "direction": "up", "margin": 1.0}
INNER = {"kind": "interior", "outcome": "y", "over": "x", "better": "lower", "margin": 1.0}
BEST = {"kind": "best", "a": "a", "rivals": ["b", "c", "d"], "better": "higher", "margin": 0.0}
OFTEN, CAN, NEVER = (
    {"kind": "rate", "event": "event"} | cut for cut in ({"above": 0.9}, {"above": 0.05}, {"below": 0.05})
)


def kind_cases() -> Iterator[Case]:
    """Each kind at its margin, where neither answer may be frequent, and away from it, where the right one must be."""
    yield Case("diff", "equal arms, margin 0", DIFF | {"margin": 0.0}, _gaussians(a=0, b=0))
    yield Case("diff", "equal arms, margin 0.47 sd", DIFF | {"margin": 0.47}, _gaussians(a=0, b=0), "fails", power=0.96)
    yield Case("diff", "0.5 sd beyond the margin", DIFF | {"margin": 0.5}, _gaussians(a=1, b=0), "holds", power=0.97)
    yield Case("diff", "1 sd beyond the margin", DIFF | {"margin": 0.0}, _gaussians(a=1, b=0), "holds", power=0.999)
    yield Case("diff", "accuracy 0.80 and 0.79 on 200 items", DIFF | {"margin": 0.01}, _accuracies(0.8, 0.79))
    yield Case("diff", "accuracy 0.995 and 0.985 on 200 items", DIFF | {"margin": 0.01}, _accuracies(0.995, 0.985))
    yield Case("ratio", "median, at 1.2, heavy tails", TIME | {"estimator": "median"}, _times(1.2))
    yield Case("ratio", "median, truly 1.5", TIME | {"estimator": "median"}, _times(1.5), "holds", power=0.99)
    yield Case("ratio", "mean, at 1.2, heavy tails", TIME | {"estimator": "mean"}, _times(1.2))
    yield Case("ratio", "mean, truly 1.5", TIME | {"estimator": "mean"}, _times(1.5), "holds", power=0.96)
    yield Case("winrate", "equal arms", WINS, _gaussians(a=0, b=0))
    yield Case("winrate", "truly 0.84", WINS, _gaussians(a=1, b=0), "holds", power=0.99)
    yield Case("winrate", "60 % exact ties", WINS, _tied(0.6))
    yield Case("equiv", "at the edge", EQUIV, _gaussians(a=1, b=0))
    yield Case("equiv", "truly equal", EQUIV, _gaussians(a=0, b=0), "holds", power=0.99)
    yield Case("equiv", "at 1.5 margins", EQUIV, _gaussians(a=1.5, b=0), "fails", power=0.96)
    yield Case("level", "at the edge", LEVEL, _scalar(lambda g, s: g.normal(1, 1, size=s)))
    yield Case("level", "in the centre", LEVEL, _scalar(lambda g, s: g.normal(0, 1, size=s)), "holds", power=0.99)
    yield Case("level", "median, at the edge", LEVEL | {"estimator": "median"}, _scalar(_skewed_at_one))
    yield Case("rate", "above 0.9, truly 0.9", OFTEN, _events(0.9))
    yield Case("rate", "above 0.9, truly 1", OFTEN, _events(1.0), "holds", power=0.999)
    yield Case("rate", "above 0.05, truly 0.05", CAN, _events(0.05))
    yield Case("rate", "above 0.05, truly 0.3", CAN, _events(0.3), "holds", power=0.99)
    yield Case("rate", "above 0.05, truly 0", CAN, _events(0.0), "fails", power=0.999)
    yield Case("rate", "below 0.05, truly 0.05", NEVER, _events(0.05))
    yield Case("rate", "below 0.05, truly 0", NEVER, _events(0.0), "holds", power=0.999)
    yield Case("rate", "below 0.05, truly 0.3", NEVER, _events(0.3), "fails", power=0.99)
    yield Case("trend", "total at the margin", TREND, _curve(0, 0.25, 0.5, 0.75, 1))
    yield Case("trend", "one step at -tol", TREND, _curve(0, 1, 0.75, 1.5, 2))
    yield Case("trend", "flat", TREND, _curve(0, 0, 0, 0, 0), "fails", power=0.999)
    yield Case("trend", "rising", TREND, _curve(0, 0.5, 1, 1.5, 2), "holds", power=0.999)
    yield Case("trend", "rising to a plateau", TREND, _curve(0, 1, 2, 2, 2), "holds", power=0.999)
    yield Case("trend", "a dip of 2 tol", TREND, _curve(0, 1, 0.5, 1.5, 2), "fails", power=0.999)
    yield Case("interior", "right arm at the margin", INNER, _curve(2, 1, 0, 1, 1))
    yield Case("interior", "U shape", INNER, _curve(2, 1, 0, 1, 2), "holds", power=0.999)
    yield Case("interior", "falling throughout", INNER, _curve(2, 1.5, 1, 0.5, 0), "fails", power=0.95)
    yield Case("interior", "flat", INNER, _curve(0, 0, 0, 0, 0), "fails", power=0.95)
    yield Case("best", "ties one rival", BEST, _gaussians(a=1, b=1, c=0, d=0))
    yield Case("best", "1 sd ahead of each", BEST, _gaussians(a=1, b=0, c=0, d=0), "holds", power=0.99)
    yield Case("best", "all equal", BEST, _gaussians(a=0, b=0, c=0, d=0))
    yield Case(
        "identity", "exact", {"kind": "identity", "outcome": "x", "value": 0.0}, _scalar(_zeros), "holds", power=1.0
    )
    yield Case("diff", "no variation", DIFF | {"margin": 0.5}, _constant, "holds", power=1.0)
    # Last, and with a bound that is no promise: before the rare part shows up, nothing tells that it exists.
    level = {"kind": "level", "outcome": "x", "range": [0.3, math.inf]}
    yield Case("shape", "90 % within 0.1, else Exp of mean 3", level, _scalar(_rarely_far), error=0.5)


def _skewed_at_one(g: np.random.Generator, size: tuple[int, int]) -> Any:
    return 1 + g.exponential(size=size) - math.log(2)


def _rarely_far(g: np.random.Generator, size: tuple[int, int]) -> Any:
    return 0.1 * g.normal(size=size) + g.exponential(3.0, size=size) * (g.random(size) < 0.1)


def _zeros(g: np.random.Generator, size: tuple[int, int]) -> Any:
    return np.zeros(size)


def _constant(g: np.random.Generator, repeats: int, n: int) -> dict[str, Any]:
    return {"a": np.ones((repeats, n)), "b": np.zeros((repeats, n))}


# Quantifiers -------------------------------------------------------------------------------------------------------


def quantifier_errors(count: int, k: int, repeats: int, rng: np.random.Generator) -> tuple[float, float]:
    """Rates of a false supported and of a false refuted or conditional verdict where the rule is easiest to cheat.

    False supported: k - 1 conditions hold for certain, the others are at their margin. False refuted: count - k fail
    for certain, the others are at their margin.
    """
    p = rng.random((repeats, count))
    hold = np.where(np.arange(count) < k - 1, 0.0, p)
    fail = np.where(np.arange(count) < count - k, 0.0, p)
    silent = np.ones_like(p)
    supported = verdict_codes(hold, silent, k, ALPHA) == LABELS.index("supported")
    refuted = verdict_codes(silent, fail, k, ALPHA) >= LABELS.index("conditional")
    return float(supported.mean()), float(refuted.mean())


# Report ------------------------------------------------------------------------------------------------------------


PREFACE = (
    "Simulated conditions, judged by the engine at its standard looks {looks} with {alpha:g} for each direction; "
    "{repeats} runs per row, seed {seed}. At the margin neither answer is right, and each may be given in at most the "
    "allowed share of runs, plus three standard errors of the simulation. Elsewhere only the wrong answer is bounded, "
    "and the right one has a least share. Where the allowed share exceeds the level, the excess is a known limit of "
    "tests of a mean: it grows with skewness, in proportion the more so at the smaller levels that several conditions "
    "share, and has no bound where rare outcomes far from the rest have not been drawn (the last row)."
)


def report(repeats: int) -> str:
    """The calibration table as Markdown.

    Args:
        repeats: Simulated conditions per case; quantifiers use ten times as many.
    """
    cases = [*shape_cases(), *kind_cases()]
    streams = [np.random.default_rng(seed) for seed in np.random.SeedSequence(SEED).spawn(len(cases) + 1)]
    lines = [
        "# Calibration of the decision engine",
        "",
        PREFACE.format(looks=", ".join(map(str, LOOKS)), alpha=ALPHA, repeats=repeats, seed=SEED),
        "",
        "| kind | case | truth | holds | fails | mean replicates | allowed error | bounds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, rng in zip(cases, streams[:-1], strict=True):
        found = rates(case, repeats, rng)
        lines.append(
            f"| {case.group} | {case.name} | {case.truth} | {found.holds:.4f} | {found.fails:.4f} "
            f"| {found.replicates:.1f} | {case.error:.4f} | {excess(case, found, repeats) or 'within'} |"
        )
    lines += [
        "",
        "## Quantifiers",
        "",
        "| conditions | needed | false supported | false refuted or conditional |",
        "|---|---|---|---|",
    ]
    for count, k in ((4, 1), (4, 3), (4, 4), (8, 1), (8, 5), (8, 6), (8, 8)):
        supported, refuted = quantifier_errors(count, k, 10 * repeats, streams[-1])
        lines.append(f"| {count} | {k} | {supported:.4f} | {refuted:.4f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line: writes the tables to a file."""
    from benchmarks import proof  # it needs runner and store, which the simulations do without

    parser = argparse.ArgumentParser(description="Measure the error rates of the decision engine.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("output", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    shrunk = 10 if arguments.quick else 1
    known = list(proof.claims({truth: count // shrunk for truth, count in proof.COUNTS.items()}))
    arguments.output.write_text(f"{report(20000 // shrunk)}\n{proof.report(known)}", encoding="utf-8")


if __name__ == "__main__":
    main()
