"""Faults planted in the decision engine, one at a time, must be caught by the tests beside this file.

The mutated package is built in memory, the test files are run against it in memory, and the first test that fails
catches the mutant. What survives is listed in `survivors.py` with the reason.
"""

import ast
import inspect
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import claims.statistics
from benchmarks import calibration
from tests.statistics import cases, declared
from tests.statistics.mutants import PACKAGE, Mutant, functions, mutants
from tests.statistics.survivors import SURVIVORS

HERE = Path(__file__).parent
MODULES = ("tests", "kinds", "criteria", "course", "reasons", "judge", "verdict", "controls", "margins")
JUDGE = ("test_looks", "test_judge", "test_reasons", "test_invariance")
BATTERY = {
    "tests": ("test_pvalues", "test_intervals", *JUDGE, "test_margins"),
    "kinds": ("test_kinds", "test_criteria", *JUDGE, "test_margins"),
    "criteria": ("test_criteria", "test_kinds", *JUDGE, "test_margins"),
    "course": (*JUDGE, "test_margins", "test_criteria", "test_kinds"),
    "reasons": JUDGE,
    "judge": (*JUDGE, "test_criteria", "test_kinds", "test_margins"),
    "verdict": ("test_verdict", "test_margins"),
    "controls": ("test_controls", "test_margins"),
    "margins": ("test_margins",),
}
"""Test files that may catch the mutants of each module, the likeliest first."""

# Running the tests against a mutant --------------------------------------------------------------------------------

ORIGINAL = {
    name: compile((PACKAGE / f"{name}.py").read_text(encoding="utf-8"), str(PACKAGE / f"{name}.py"), "exec")
    for name in (*MODULES, "__init__")
}
TESTS = {
    name: compile((HERE / f"{name}.py").read_text(encoding="utf-8"), str(HERE / f"{name}.py"), "exec")
    for name in sorted({one for names in BATTERY.values() for one in names})
}
# Modules beside the package that use it, or whose criteria a mutant might change where they stand.
USERS = {
    module.__name__: compile(inspect.getsource(module), f"{module.__name__}.py", "exec")
    for module in (calibration, cases, declared)
}


@contextmanager
def package(mutant: Mutant | None) -> Iterator[bool]:
    """`claims.statistics` and what the tests use of it rebuilt with the mutant in the place of the real ones.

    False where the mutant breaks already while it is imported.
    """
    names = ["claims.statistics", *(f"claims.statistics.{one}" for one in MODULES), *USERS]
    before = {name: sys.modules.get(name) for name in names}
    try:
        root = fresh("claims.statistics")
        root.__path__ = []
        claims.statistics = root  # type: ignore[assignment]
        for one in MODULES:
            module = fresh(f"claims.statistics.{one}")
            setattr(root, one, module)
            code = mutant.build() if mutant is not None and mutant.module == one else ORIGINAL[one]
            exec(code, module.__dict__)
        exec(ORIGINAL["__init__"], root.__dict__)
        for name, code in USERS.items():
            exec(code, fresh(name).__dict__)
        loads = True
    except Exception:
        loads = False
    try:
        yield loads
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        claims.statistics = sys.modules["claims.statistics"]


def fresh(name: str) -> types.ModuleType:
    sys.modules[name] = module = types.ModuleType(name)
    return module


def checks(file: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The tests of a file, one for each set of parameters, without those that need fixtures or search by chance."""
    module = types.ModuleType(file)
    module.__file__ = str(HERE / f"{file}.py")
    sys.modules[file], before = module, sys.modules.get(file)
    try:
        exec(TESTS[file], module.__dict__)
    finally:
        if before is None:
            del sys.modules[file]
        else:
            sys.modules[file] = before
    for name, function in list(module.__dict__.items()):
        if not name.startswith("test_") or not inspect.isfunction(function) or hasattr(function, "hypothesis"):
            continue
        marks = getattr(function, "pytestmark", [])
        if any(mark.name == "slow" for mark in marks):
            continue
        tables = [_rows(mark) for mark in marks if mark.name == "parametrize"]
        for i, rows in enumerate(itertools.product(*tables)):
            arguments = {key: value for row in rows for key, value in row.items()}
            if set(arguments) == set(inspect.signature(function).parameters):
                yield f"{file}.{name}[{i}]", lambda function=function, arguments=arguments: function(**arguments)


def _rows(mark: Any) -> list[dict[str, Any]]:
    names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
    return [dict(zip(names, row if len(names) > 1 else [row], strict=True)) for row in mark.args[1]]


def caught_by(mutant: Mutant | None, likely: dict[str, None]) -> str | None:
    """The first test that fails, those in `likely` tried first; None where all pass."""
    files = BATTERY[mutant.module] if mutant is not None else tuple(TESTS)
    with package(mutant) as loads:
        if not loads:
            return "import"
        tests = sorted((test for file in files for test in checks(file)), key=lambda test: test[0] not in likely)
        for name, test in tests:
            try:
                test()
            except (Exception, pytest.fail.Exception):
                return name
    return None


def survivors(chosen: list[Mutant]) -> list[str]:
    """Keys of the mutants that no test catches."""
    found = []
    likely: dict[str, dict[str, None]] = {}
    for mutant in chosen:
        known = likely.setdefault(f"{mutant.module}.{mutant.function}", {})
        name = caught_by(mutant, known)
        if name is None:
            found.append(mutant.key)
        else:
            known[name] = None
    return found


# Faults that simulation alone must show -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A fault as a change of text, the simulation that must show it, and the rate of wrong answers it leads to."""

    module: str
    before: str
    after: str
    rate: float

    def mutant(self, name: str) -> Mutant:
        source = (PACKAGE / f"{self.module}.py").read_text(encoding="utf-8")
        assert source.count(self.before) == 1, f"{name}: the text to change is not there once"
        return Mutant(self.module, name, name, partial(compile, source.replace(self.before, self.after), name, "exec"))


FAULTS = {
    "no correction for looks": Fault("course", "len(self.planned) * p", "p", 0.035),
    "no guard against skewness": Fault("tests", "adjusted * m3", "0 * m3", 0.0425),
    "no guard against ties": Fault("tests", "few=nearly_constant(x)", "few=np.full(shape, False)", 0.116),
    "can without dividing by the conditions": Fault(
        "verdict", "(ph <= alpha / (count - k + 1))", "(ph <= alpha)", 0.039
    ),
    "direction flipped": Fault(
        "criteria", 'if c["better"] == "higher" else (b, a)', 'if c["better"] != "higher" else (b, a)', 0.0
    ),
}


def measured(name: str) -> tuple[float, bool]:
    """Rate of the wrong answer (of the right one where the direction is flipped), and whether calibration objects."""
    rebuilt: Any = sys.modules["benchmarks.calibration"]
    rng, repeats = np.random.default_rng([rebuilt.SEED, list(FAULTS).index(name)]), 8000
    if name.startswith("can"):
        wrong, _ = rebuilt.quantifier_errors(4, 1, repeats, rng)
        return wrong, wrong > rebuilt.ALPHA + 3 * (rebuilt.ALPHA / repeats) ** 0.5
    titles = {"looks": "Gaussian", "skewness": "lognormal 0.5, skew 1.75", "ties": "80 % zeros, else Exp(1)"}
    title = titles.get(name.split()[-1], "1 sd beyond the margin")
    case = next(one for one in (*rebuilt.shape_cases(), *rebuilt.kind_cases()) if one.name == title)
    found = rebuilt.rates(case, repeats, rng)
    rate = found.holds if name == "direction flipped" else max(found.holds, found.fails)
    return rate, bool(rebuilt.excess(case, found, repeats))


@pytest.mark.parametrize("name", FAULTS)
def test_calibration_alone_catches_each_named_fault(name: str) -> None:
    with package(FAULTS[name].mutant(name)) as loads:
        rate, caught = measured(name)
    assert loads
    assert caught
    assert rate == pytest.approx(FAULTS[name].rate, rel=0.25, abs=0.001)
    with package(None):
        assert not measured(name)[1]


# Every function ----------------------------------------------------------------------------------------------------


def few_of_each(all_of_them: list[Mutant], count: int) -> list[Mutant]:
    """Some mutants of every function, evenly spread over it, none of those that survive."""
    chosen = []
    for _, group in itertools.groupby(all_of_them, lambda mutant: mutant.function):
        members = [mutant for mutant in group if mutant.key not in SURVIVORS]
        chosen += members[:: max(len(members) // count, 1)][:count]
    return chosen


def test_the_unchanged_package_passes() -> None:
    assert caught_by(None, {}) is None


@pytest.mark.parametrize("module", MODULES)
def test_two_faults_in_each_function_are_caught(module: str) -> None:
    every = list(mutants(module))
    chosen = few_of_each(every, 2)
    names = {mutant.function for mutant in every}
    assert names == {name for name, _ in functions(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8")))}
    assert all(sum(mutant.function == name for mutant in chosen) >= 2 for name in names)
    assert survivors(chosen) == []


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_fault_is_caught_or_listed(module: str) -> None:
    assert sorted(survivors(list(mutants(module)))) == sorted(key for key in SURVIVORS if key.startswith(f"{module}."))
