"""Error rates of the whole pipeline: claims of known truth, run and judged as real ones are, and counted."""

import importlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scipy import stats

from claims import evidence, schema, statistics, worker
from claims.fingerprint import PACKAGE
from claims.job import Job, Result
from claims.runner import ClaimRun, Settings
from claims.store import Store
from claims.suite import Suite

SETTINGS = Settings(base_seed=20240229)
"""The standard profile; the base seed was fixed before the first run."""
COUNTS = {"true": 60, "false": 60, "mixed": 60, "margin": 80, "equal arms": 40}
"""Claims of each truth: enough conditions hold; none does; some do, but too few; the open ones lie exactly at the
margin; both arms are alike and the margin is no difference."""
RIGHT = {"true": "supported", "false": "refuted", "mixed": "conditional"}
POWER = 0.9
"""Least share of right verdicts where there is a right one; effects lie one standard deviation off the margin."""
CHANCE = 0.001
"""Probability with which a count may exceed its bound though each error has probability alpha."""

TRIALS = '''
"""Outcomes of known truth."""

import math

import numpy as np

NOISES = {
    "Gaussian": lambda g: g.normal(),
    "t3": lambda g: g.standard_t(3) / math.sqrt(3),
    "accuracy": lambda g: (g.binomial(200, 0.8) - g.binomial(200, 0.8)) / 8,
    "half zero": lambda g: math.sqrt(2) * g.normal() * (g.random() < 0.5),
    "Beta(2, 5)": lambda g: (g.beta(2, 5) - 2 / 7) / math.sqrt(5 / 196),
}


def drawn(seeds, *, beyond, noise, lift=0.0, scale=1.0, shape=(0.0, 1.0), x=None, salt=0):
    """An effect of standard deviation `scale` that lies `beyond` of them past `lift`, in every form of outcome.

    Conditions with another `salt` have replicates of their own.
    """
    streams = [np.random.default_rng([seed, salt]) for seed in seeds]
    past = beyond + np.array([NOISES[noise](g) for g in streams])
    b, c, *points = np.array([g.normal(size=2 + len(shape)) for g in streams]).T
    effect = lift + scale * past
    curve = effect[:, None] * np.array(shape) + 0.2 * np.array(points).T
    found = {"a": b + effect, "b": b, "c": b - 2 + c, "x": effect, "event": (past > 0) * 1.0, "y": curve}
    return found | {"a_loss": np.exp(b + effect), "b_loss": np.exp(b)}
'''

SYMMETRIC = ("Gaussian", "t3", "accuracy", "half zero")
NOISES = (*SYMMETRIC, "Beta(2, 5)")
DIFF = {"kind": "diff", "a": "a", "b": "b", "better": "higher"}
BEST = {"kind": "best", "a": "a", "rivals": ["b", "c"], "better": "higher"}
RATIO = {"kind": "ratio", "a": "a_loss", "b": "b_loss"}
WINS = {"kind": "winrate", "a": "a", "b": "b", "above": 0.5}
CURVE = {"outcome": "y", "over": "x", "margin": 1.0}
FALL = [1, 2, 3, 4]

Kind = tuple[dict[str, Any], dict[str, Any], Sequence[str]]
KINDS: list[Kind] = [
    (DIFF | {"margin": 0.5}, {"lift": 0.5}, NOISES),
    (BEST | {"margin": 0.5}, {"lift": 0.5}, NOISES),
    (RATIO | {"range": [1.2, math.inf]}, {"lift": math.log(1.2), "scale": 0.1}, NOISES),
    (RATIO | {"range": [0, 0.8], "estimator": "median"}, {"lift": math.log(0.8), "scale": -0.1}, SYMMETRIC),
    (WINS, {}, SYMMETRIC),
    ({"kind": "rate", "event": "event", "above": 0.5}, {}, ("Gaussian", "t3")),
    ({"kind": "level", "outcome": "x", "range": [-math.inf, 2.0]}, {"lift": 2.0, "scale": -1.0}, NOISES),
    ({"kind": "equiv", "a": "a", "b": "b", "margin": 2.0}, {"lift": 2.0, "scale": -1.0}, NOISES),
    (CURVE | {"kind": "trend", "direction": "up"}, {"lift": 1.0, "x": FALL, "shape": [0, 0.3, 0.6, 1]}, NOISES),
    (CURVE | {"kind": "interior", "better": "lower"}, {"lift": 1.0, "x": FALL, "shape": [1, 0, 0, 1]}, NOISES),
]
"""Criteria with the parameters that put the effect at the margin, and the noises under which it then lies there."""
EQUAL: list[Kind] = [
    (DIFF | {"margin": 0.0}, {}, NOISES),
    (BEST | {"margin": 0.0}, {}, NOISES),
    (RATIO | {"range": [1, math.inf]}, {}, NOISES),
    (RATIO | {"range": [0, 1], "estimator": "median"}, {"scale": -1.0}, SYMMETRIC),
    (WINS, {}, SYMMETRIC),
]
QUANTIFIERS = {"typically": 4, "always": 3, "often": 5, "can": 3}
"""Each with a number of conditions."""


def pattern(truth: str, turn: int, count: int, k: int) -> list[int]:
    """Where the conditions of a claim lie: 1 beyond the margin, -1 short of it, 0 at it.

    At the margin these are the worst cases of the two directions: k - 1 hold for certain, or count - k fail.
    """
    sure, side = {
        "true": ((count, 1), (k, 1)),
        "false": ((count, -1), (count, -1)),
        "mixed": ((1, 1), (k - 1, 1)),
        "margin": ((k - 1, 1), (count - k, -1)),
        "equal arms": ((0, 1), (0, 1)),
    }[truth][turn % 2]
    rest = -1 if truth in RIGHT else 0
    return [side] * sure + [rest] * (count - sure)


def claims(counts: Mapping[str, int] = COUNTS) -> Iterator[tuple[str, schema.Claim]]:
    """Generated claims with their truths."""
    for truth, many in counts.items():
        kinds = EQUAL if truth == "equal arms" else KINDS
        words = [one for one in QUANTIFIERS if truth != "mixed" or one != "can"]
        for number in range(many):
            turn, place = divmod(number, len(kinds))
            # Every third claim has the same replicates in all conditions, the others have noise of their own in each.
            yield truth, _claim(truth, number, kinds[place], turn, words[number // 2 % len(words)], number % 3 > 0)


def _claim(truth: str, number: int, kind: Kind, turn: int, quantifier: str, apart: bool) -> schema.Claim:
    criterion, parameters, noises = kind
    count = QUANTIFIERS[quantifier]
    places = pattern(truth, turn, count, statistics.conditions_needed(quantifier, count))
    own = [i if apart else 0 for i in range(count)]
    content = {
        "statement": f"{truth}, {number}",
        "guide": {"sections": [1], "lines": [1]},
        "quantifier": quantifier,
        "trial": f"{PACKAGE}.known_truth.drawn",
        "parameters": parameters,
        "conditions": {
            f"c{i}": {"beyond": places[i], "noise": noises[(turn + own[i]) % len(noises)], "salt": own[i]}
            for i in range(count)
        },
        "criterion": criterion | {"why": "known"},
        "controls": {
            "negative": {"none": {"base": "c0", "beyond": -2}},
            "positive": {"sure": {"base": "c0", "beyond": 2}},
        },
    }
    return schema.claim_of(content, "known", f"{truth.replace(' ', '-')}-{number}")


@contextmanager
def trials(name: str = "known_truth", source: str = TRIALS) -> Iterator[Path]:
    """A folder with a module of trials, which lies beside the real ones for as long as the context lasts."""
    with TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.py").write_text(source, encoding="utf-8")
        places = importlib.import_module(PACKAGE).__path__
        places.append(folder)
        try:
            yield Path(folder)
        finally:
            places.remove(folder)
            sys.modules.pop(f"{PACKAGE}.{name}", None)


class Inline:
    """An engine that computes in this process."""

    workers = 1

    def submit(self, jobs: Sequence[Job], seconds: float) -> "Future[list[Result]]":
        """Computes a chunk at once; nothing ends it after `seconds`."""
        future: Future[list[Result]] = Future()
        future.set_result(worker.run(jobs))
        return future

    def close(self, now: bool = False) -> None:
        """Nothing is to be ended."""


def ran(known: Sequence[schema.Claim], folder: Path, settings: Settings = SETTINGS) -> list[evidence.Evidence]:
    """The evidence of claims, run with a store of their own in `folder`."""
    store = Store(folder / "store.sqlite")
    runs = [ClaimRun(claim, settings, {}) for claim in known]
    with store.writing():
        Suite(runs, store, Inline(), settings).run()
    store.close()
    return [evidence.assemble(run, None) for run in runs]


@dataclass(frozen=True)
class Row:
    """What became of the claims of one truth: how many came out right, and how many with an error of each sort."""

    truth: str
    claims: int
    right: int
    errors: Mapping[str, int]

    def allowed(self, error: str) -> int:
        """The bound on the count of an error: exceeded with probability `CHANCE` where each has probability alpha.

        At the margin a condition can be mislabelled in either direction.
        """
        both = error == "mislabelled" and self.truth not in RIGHT
        return int(stats.binom.isf(CHANCE, self.claims, (1 + both) * SETTINGS.alpha))

    def excess(self) -> str:
        """What is wrong with the counts, in words; empty where they are within their bounds."""
        told = [f"{n} {name} above {self.allowed(name)}" for name, n in self.errors.items() if n > self.allowed(name)]
        if self.truth in RIGHT and self.right < POWER * self.claims:
            told.append(f"{self.right} of {self.claims} right")
        return ", ".join(told)


def row(truth: str, records: Sequence[evidence.Evidence]) -> Row:
    """Counts claims of one truth by the verdicts and labels in their evidence."""
    labels = [record["verdict"]["label"] for record in records]
    errors = {}
    if truth != "true":
        errors["supported"] = labels.count("supported")
    if truth not in ("false", "mixed"):
        errors["refuted or conditional"] = labels.count("refuted") + labels.count("conditional")
    errors["mislabelled"] = sum(any(map(mislabelled, record["conditions"])) for record in records)
    return Row(truth, len(records), labels.count(RIGHT.get(truth, "inconclusive")), errors)


def mislabelled(condition: Mapping[str, Any]) -> bool:
    """Whether a condition is named as holding or failing that does not."""
    beyond = condition["parameters"]["beyond"]
    return bool({"holds": -beyond, "fails": beyond}.get(condition["label"], -1) >= 0)


def rows(known: Sequence[tuple[str, schema.Claim]], settings: Settings = SETTINGS) -> list[Row]:
    """Runs claims to their evidence, and counts by truth."""
    found: dict[str, list[evidence.Evidence]] = {}
    with trials() as folder:
        for (truth, _), record in zip(known, ran([claim for _, claim in known], folder, settings), strict=True):
            found.setdefault(truth, []).append(record)
    return [row(truth, records) for truth, records in found.items()]


PREFACE = (
    "{claims} generated claims whose truth is known, with nine kinds of criteria, five shapes of noise, four "
    "quantifiers and controls, run at the standard profile by the runner that runs real claims and judged from their "
    "evidence; base seed {seed}. In a true claim enough conditions hold, in a false one none, in a mixed one some but "
    "too few, each by one standard deviation. At the margin lie the open conditions of the claims called so; in every "
    "second one the others hold or fail for certain, which is where the rule is easiest to cheat. With equal arms the "
    "margin is no difference. A cell gives the number of claims with an error and its bound, which an engine that errs "
    "in {alpha:g} of the claims exceeds with probability {chance:g}."
)
ERRORS = ("supported", "refuted or conditional", "mislabelled")


def report(known: Sequence[tuple[str, schema.Claim]]) -> str:
    """The counts as a section of Markdown."""
    lines = [
        "## The whole pipeline",
        "",
        PREFACE.format(claims=len(known), seed=SETTINGS.base_seed, alpha=SETTINGS.alpha, chance=CHANCE),
        "",
        "| truth | claims | right verdict | wrongly supported | wrongly refuted or conditional "
        "| a condition mislabelled | bounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in rows(known):
        cells = [f"{one.errors[name]} of {one.allowed(name)}" if name in one.errors else "" for name in ERRORS]
        lines.append(f"| {one.truth} | {one.claims} | {one.right} | {' | '.join(cells)} | {one.excess() or 'within'} |")
    return "\n".join(lines) + "\n"
