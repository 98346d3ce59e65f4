"""Error rates at the margin and power beyond it, by simulation through the code that judges real conditions."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibration
from benchmarks.calibration import ALPHA, Case, Rates, excess, kind_cases, quantifier_errors, rates, shape_cases
from claims.statistics import judge

CASES = {f"{case.group}: {case.name}": case for case in (*shape_cases(), *kind_cases())}
REPEATS = 3000


def seeded(name: str) -> np.random.Generator:
    return np.random.default_rng([calibration.SEED, list(CASES).index(name)])


@pytest.mark.parametrize("name", CASES)
def test_errors_and_power(name: str) -> None:
    assert not excess(CASES[name], rates(CASES[name], REPEATS, seeded(name)), REPEATS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_errors_and_power_thoroughly(name: str) -> None:
    assert not excess(CASES[name], rates(CASES[name], 20_000, seeded(name)), 20_000)


def test_what_is_rare_and_far_from_the_rest_is_not_seen() -> None:
    name = "shape: 90 % within 0.1, else Exp of mean 3"
    assert rates(CASES[name], REPEATS, seeded(name)).fails > 0.3, "the limit stated in docs/how-verdicts-are-made.md"


def test_every_kind_is_calibrated_at_its_margin() -> None:
    kinds = {case.criterion["kind"] for case in CASES.values() if case.truth == "margin"}
    assert kinds == {"diff", "ratio", "winrate", "equiv", "level", "rate", "trend", "interior", "best"}
    assert len(list(shape_cases())) == 9


@pytest.mark.parametrize(
    "name", ["diff: equal arms, margin 0", "shape: 80 % zeros, else Exp(1)", "trend: one step at -tol"]
)
def test_simulated_conditions_are_judged_as_real_ones(name: str) -> None:
    case = CASES[name]
    outcomes = case.draw(np.random.default_rng(5), 40, 128)
    holds, fails, replicates = calibration._labels(case, 40, np.random.default_rng(5), ALPHA)
    for i in range(40):
        for n in calibration.LOOKS:
            rows = {key: values[i, :n] for key, values in outcomes.items()}
            found = judge(case.criterion, rows, looks=calibration.LOOKS, alpha=ALPHA, close=ALPHA)
            if found.state != "open":
                break
        assert (found.ph <= ALPHA, found.pf <= ALPHA, n) == (holds[i], fails[i], replicates[i])


@pytest.mark.parametrize(("count", "k"), [(1, 1), (4, 1), (4, 3), (4, 4), (8, 1), (8, 6), (8, 8)])
def test_quantifiers_where_they_are_easiest_to_cheat(count: int, k: int) -> None:
    repeats = 60_000
    supported, refuted = quantifier_errors(count, k, repeats, np.random.default_rng([count, k]))
    error = 3 * np.sqrt(ALPHA * (1 - ALPHA) / repeats)
    assert 0.8 * ALPHA < supported <= ALPHA + error
    assert 0.8 * ALPHA < refuted <= ALPHA + error


def test_excess_tells_errors_and_lack_of_power_apart() -> None:
    case = Case("g", "n", {}, lambda g, r, n: {})
    allowed = 0.01 + 3 * np.sqrt(0.01 * 0.99 / 1000)
    assert excess(case, Rates(allowed, 0.0, 8), 1000) == ""
    assert excess(case, Rates(0.0, 0.02, 8), 1000) == "error 0.0200 above 0.0194"
    assert excess(case, Rates(0.02, 0.0, 8), 1000) == "error 0.0200 above 0.0194"
    holds = Case("g", "n", {}, lambda g, r, n: {}, "holds", power=0.9)
    assert excess(holds, Rates(0.9, 0.0, 8), 1000) == ""
    assert excess(holds, Rates(0.89, 0.0, 8), 1000) == "power 0.890 below 0.900"
    assert excess(holds, Rates(0.95, 0.05, 8), 1000) == "error 0.0500 above 0.0194"
    fails = Case("g", "n", {}, lambda g, r, n: {}, "fails", power=0.9)
    assert excess(fails, Rates(0.0, 0.9, 8), 1000) == ""
    assert excess(fails, Rates(0.9, 0.9, 8), 1000) == "error 0.9000 above 0.0194"


def test_the_report_is_reproducible_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "kind_cases", lambda: iter(list(kind_cases())[-3:]))
    one, two = calibration.report(50), calibration.report(50)
    assert one == two
    assert one.startswith("# Calibration of the decision engine\n")
    assert one.count("\n| shape |") == 10
    assert "| identity | exact | holds | 1.0000 | 0.0000 | 3.0 |" in one
    assert "| 8 | 6 | 0." in one


@pytest.mark.slow
def test_the_command_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "reports" / "calibration.md"
    monkeypatch.setattr(sys, "argv", ["calibration", "--quick", str(output)])
    calibration.main()
    written = output.read_text(encoding="utf-8")
    assert "2000 runs per row" in written
    assert "30 generated claims" in written
