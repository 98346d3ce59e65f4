"""Faults planted in the decision engine, one at a time, must be caught by the tests beside this file.

A mutant is one changed node in one function of `claims.statistics`: another comparison, operator, constant, end, tail
or argument order, a lost return value or statement. The mutated package is built in memory, the test files are run
against it in memory, and the first test that fails catches the mutant. What survives is listed below with the reason.
"""

import ast
import copy
import inspect
import itertools
import re
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
from benchmarks import calibration as real_calibration
from tests.statistics import cases as real_cases

HERE = Path(__file__).parent
PACKAGE = Path(claims.statistics.__file__).parent
MODULES = ("tests", "kinds", "criteria", "course", "reasons", "judge", "verdict", "controls", "margins")
JUDGE = ("test_looks", "test_judge", "test_reasons", "test_invariance")
BATTERY = {
    "tests": ("test_pvalues", *JUDGE, "test_margins"),
    "kinds": ("test_criteria", *JUDGE, "test_margins"),
    "criteria": ("test_criteria", *JUDGE, "test_margins"),
    "course": (*JUDGE, "test_margins", "test_criteria"),
    "reasons": JUDGE,
    "judge": (*JUDGE, "test_criteria", "test_margins"),
    "verdict": ("test_verdict", "test_margins"),
    "controls": ("test_controls", "test_margins"),
    "margins": ("test_margins",),
}
"""Test files that may catch the mutants of each module, the likeliest first."""

REASONS = {
    "a placeholder where the formula is undefined; another line overrules what comes of it": [
        "tests.hall_inverse: 1.0 -> 2.0 in `np.where(skew == 0, 1.0, skew)`",
        "tests.MeanSample.of: 1.0 -> 2.0 in `np.where(largest == 0, 1.0, largest)`",
        "tests.MeanSample.of: 1.0 -> 2.0 in `np.where(m2 == 0, 1.0, m2)`",
        "tests.MeanSample.distance: 1.0 -> 2.0 in `np.where(self.sd > 0, self.sd, 1.0)`",
        "tests.MeanSample.statistic: 1.0 -> 2.0 in `np.where(self.sd > 0, self.sd, 1.0)`",
        "tests.binomial_above: wins > 0 -> wins >= 0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.binomial_above: 1.0 -> 2.0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.binomial_above: wins -> n in `wins > 0` (2)",
        "tests.binomial_above: 0 -> 1 in `wins > 0` (2)",
        "tests.clopper_pearson_low: wins > 0 -> wins >= 0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.clopper_pearson_low: 1.0 -> 2.0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.clopper_pearson_low: wins -> n in `wins > 0` (2)",
        "tests.clopper_pearson_low: 0 -> 1 in `wins > 0` (2)",
        "tests.MedianSample.interval: 0 -> 1 in `np.where(known, self.n - need, 0)`",
        "tests.MedianSample.interval: 0 -> 1 in `np.where(known, need - 1, 0)`",
        "criteria._log_ratio: 1.0 -> 2.0 in `np.where(positive, o[a], 1.0)`",
        "criteria._log_ratio: 1.0 -> 2.0 in `np.where(positive, o[b], 1.0)`",
        "course.Block._both: 0.5 -> 1.5 in `np.where(finite, cut, 0.5)`",
        "course.Block._both: 0.5 -> 1.0 in `np.where(finite, cut, 0.5)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(share < 1, np.sqrt(1 - share), 1.0)`",
        "judge.planned_looks: 0 -> 1 in `one.get('n', 0)`",
        "judge.judge: 1 -> 2 in `max(len(own), 1)`",
        "course.blocks: 0 -> 1 in `leaf_looks(test, 0, looks, population is not None)`",
    ],
    "with so few replicates the guard answers, whatever the formula gives": [
        "tests.MeanSample.of: 1 -> 2 in `max(n - 2, 1)`",
        "tests.MeanSample.of: 1 -> 2 in `max(n - 1, 1)`",
        "tests.MeanSample.degrees: 1 -> 2 in `np.maximum(self.n - 1, 1)`",
        "tests.nearly_constant: run <= 1 -> run < 1 in `if run <= 1: return np.full(x.shape[:-1], True)`",
    ],
    "an upper limit of 1 or more is the same to a minimum with 1": [
        "verdict.verdict: 1.0 -> 2.0 in `np.where(np.isnan(p), 1.0, p)`",
        "verdict.error_statement: 1.0 -> 2.0 in `np.where(unknown, 1.0, [record.p_hold for record in tested])`",
        "course.Block.p_values: 1.0 -> 2.0 in `np.where(np.isfinite(lo), below_lo, 1.0)`",
        "course.Block.p_values: 1.0 -> 2.0 in `np.where(np.isfinite(hi), above_hi, 1.0)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(np.isfinite(lo), power(lo, 1), 1.0)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(np.isfinite(hi), power(hi, -1), 1.0)`",
    ],
    "both sides are the same number, shape or axis": [
        "tests.MeanSample.of: mean -> sd in `mean.shape`",
        "tests.sign_count: -1 -> 1 in `axis=-1`",
        "tests.by_look: -1 -> 1 in `s.ordered.shape[-1]`",
        "tests.padded_to: -1 -> 1 in `sample.ordered.shape[-1]`",
        "verdict.verdict_codes: ph -> pf in `ph.shape`",
        "course.states: ph -> pf in `ph.shape`",
        "judge.broken_reason: record.rows -> record.failed in `record.failed == record.rows >= record.planned[0]`",
        "judge.recorded: ok.size < planned[-1] -> ok.size <= planned[-1] in "
        "`ok.size < planned[-1] and all((leaf.test == 'exact' for leaf in par...`",
        "kinds._check_whole: single, pair = ({'outcome', 'value'} & set(filled), {'a', 'b'} & se... -> "
        "single, pair = ({'a', 'b'} & set(filled), {'outcome', 'value'} & se...",
        "criteria._identity: 'a' -> 'b' in `'a' in c`",
        "margins.farthest_same: offsets < span -> offsets <= span in `offsets[offsets < span]`",
        "tests.MeanSample.distance: np.clip((self.mean - cut) / sd, -FARTHEST, FARTHEST) -> "
        "np.clip(-FARTHEST, (self.mean - cut) / sd, FARTHEST) in "
        "`return np.clip((self.mean - cut) / sd, -FARTHEST, FARTHEST)`",
        "course.Block.conditional_power: np.where(expected > z, 1.0, 0.0) -> np.where(1.0, expected > z, 0.0) in "
        "`np.where(share < 1, special.ndtr((expected - z) / ahead), np.where(...`",
    ],
    "below every p-value, as is what stands in its place": ["verdict.error_statement: 1 -> 2 in `-1`"],
    "None and an empty text are as false as False": [
        "judge.inconsistent: return False -> return None",
        "judge.broken_reason: return '' -> return None",
        "controls._below: return False -> return None",
    ],
    "the size of a grid or list that is large enough either way, or the scale of a rank": [
        "tests.sign_count: 1 -> 2 in `sizes.max() + 1`",
        "tests.by_look: 0 -> 1 in `default=0`",
        "kinds._nearest: 1 -> 2 in `n=1`",
        "margins.farthest_same: 1.0 -> 2.0 in `max(abs(start), 1.0)`",
        "judge.deciding: 1 -> 2 in `1 if node.op == 'all' else -1`",
        "judge.deciding: 1 -> 2 in `-1`",
    ],
    "the sign is 1 or -1, and conditional power never stands exactly at its bound": [
        "criteria._rise: sign > 0 -> sign >= 0 in `part if sign > 0 else f'{part}, sign reversed'`",
        "course.Block.conditional_power: expected > z -> expected >= z in `np.where(expected > z, 1.0, 0.0)`",
        "course.states: hold_cp < FUTILE_POWER -> hold_cp <= FUTILE_POWER in "
        "`(hold_cp < FUTILE_POWER) & (fail_cp < FUTILE_POWER)`",
        "course.states: fail_cp < FUTILE_POWER -> fail_cp <= FUTILE_POWER in "
        "`(hold_cp < FUTILE_POWER) & (fail_cp < FUTILE_POWER)`",
    ],
    "a skewness that narrows is overruled by Student's t, except where the p-value is near 1": [
        "tests.MeanSample.above: 0 -> 1 in `np.minimum(self.skew, 0)`",
        "tests.MeanSample.interval: 0 -> 1 in `np.minimum(self.skew, 0)`",
        "tests.MeanSample.interval: -q -> q in `-q * self.spread`",
    ],
    "verdicts are compared with each other only, and no verdict is called so": [
        "margins.verdicts_at: return 'invalid' -> return None",
    ],
    "a curve with a missing point also has a missing score": [
        "judge.usable: values.all -> values.any in `values.all(axis=tuple(range(1, values.ndim)))`",
    ],
}
SURVIVORS = {key: reason for reason, keys in REASONS.items() for key in keys}
"""Mutants that no test can or need catch, each with the reason."""


# Making mutants ----------------------------------------------------------------------------------------------------

SWAPS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
TURNS = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
OPPOSITES = [
    ("minimum", "maximum"), ("min", "max"), ("argmin", "argmax"), ("all", "any"), ("low", "high"), ("lo", "hi"),
    ("lower", "upper"), ("ph", "pf"), ("hold", "fail"), ("above", "below"), ("above_lo", "below_lo"),
    ("above_hi", "below_hi"), ("hold_cp", "fail_cp"), ("largest", "smallest"), ("a", "b"), ("mean", "sd"),
    ("mean", "median"), ("higher", "lower"), ("up", "down"), ("looks", "planned"), ("least", "most"), ("over", "under"),
    ("wins", "n"), ("ceil", "floor"), ("log", "log1p"), ("holds", "fails"), ("used", "look"), ("failed", "rows"),
    ("smallest_corrected", "smallest"), ("start", "end"), ("ndtr", "ndtri"), ("stdtr", "stdtrit"),
]  # fmt: skip


SYMMETRIC = ("min", "max", "minimum", "maximum")


def opposites(word: str) -> list[str]:
    """Names and words that stand for the opposite, or for what is easily mistaken for it."""
    return [two if word == one else one for one, two in OPPOSITES if word in (one, two)]


def changes(node: ast.AST) -> Iterator[ast.AST | None]:
    """Nodes that could stand there by mistake; None removes a statement."""
    if isinstance(node, ast.Compare | ast.BinOp | ast.BoolOp):
        yield from _changed_operators(node)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        if node.value not in (0, 1):
            yield ast.Constant(node.value * 2 if isinstance(node.value, float) else node.value - 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (ast.Constant(word) for word in opposites(node.value))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from (ast.Name(word, ast.Load()) for word in opposites(node.id))
    if isinstance(node, ast.Attribute):
        yield from (ast.Attribute(node.value, word, node.ctx) for word in opposites(node.attr))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield node.operand
    if isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, ast.Call) and len(node.args) > 1 and not short(node.func).endswith(SYMMETRIC):
        yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    if isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    if isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.Constant(None))
        if isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
            yield ast.Return(ast.Tuple(node.value.elts[::-1], ast.Load()))
    if isinstance(node, ast.JoinedStr):
        places = [i for i, part in enumerate(node.values) if isinstance(part, ast.FormattedValue)]
        if len(places) > 1:
            parts = list(node.values)
            parts[places[0]], parts[places[1]] = parts[places[1]], parts[places[0]]
            yield ast.JoinedStr(parts)
    if isinstance(node, ast.Expr | ast.AugAssign | ast.For):
        yield None
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple):
        yield None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        yield ast.Assign(node.targets, ast.Tuple(node.value.elts[::-1], ast.Load()))


def _changed_operators(node: ast.Compare | ast.BinOp | ast.BoolOp) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for table in (SWAPS, TURNS):
            for i, op in enumerate(node.ops):
                if type(op) in table:
                    yield ast.Compare(
                        node.left, [*node.ops[:i], table[type(op)](), *node.ops[i + 1 :]], node.comparators
                    )
    elif type(node.op) in SWAPS:
        changed = copy.copy(node)
        changed.op = SWAPS[type(node.op)]()
        yield changed


@dataclass(frozen=True)
class Mutant:
    """One fault: `what` says it, and tells it from the others of its function."""

    module: str
    function: str
    what: str
    build: Callable[[], types.CodeType]

    @property
    def key(self) -> str:
        return f"{self.module}.{self.function}: {self.what}"


def functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods with their qualified names; those inside functions belong to the outer one."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))


def skipped(function: ast.FunctionDef) -> set[int]:
    """Nodes that say nothing about behaviour: docstrings, annotations, decorators and the texts of errors."""
    found: set[int] = set()
    for node in ast.walk(function):
        drop: list[Any] = []
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            drop = [*(a.annotation for a in arguments), node.returns, *node.decorator_list]
            if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                drop.append(node.body[0])
        elif isinstance(node, ast.AnnAssign):
            drop = [node.annotation]
        elif isinstance(node, ast.Raise):
            drop = [node.exc]
        found.update(id(inner) for one in drop if one is not None for inner in ast.walk(one))
    return found


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its source."""
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    whole = ast.parse(source)
    for name, function in functions(whole):
        seen: dict[str, int] = {}
        ignored = skipped(function)
        for parent in ast.walk(function):
            for field, index, node in children(parent):
                if id(node) in ignored or id(parent) in ignored:
                    continue
                for change in changes(node):
                    place = "" if isinstance(node, ast.stmt) else f" in `{short(parent)}`"
                    what = f"{short(node)} -> {short(change) if change is not None else 'nothing'}{place}"
                    if change is not None and ast.dump(node) == ast.dump(change):
                        continue
                    seen[what] = seen.get(what, 0) + 1
                    label = what if seen[what] == 1 else f"{what} ({seen[what]})"
                    yield Mutant(module, name, label, partial(built, whole, parent, field, index, change))


def built(whole: ast.Module, parent: ast.AST, field: str, index: int | None, change: ast.AST | None) -> types.CodeType:
    """The module with the change in its place."""
    with placed(parent, field, index, ast.Pass() if change is None else change):
        return compile(ast.fix_missing_locations(whole), "<mutant>", "exec")


def children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(parent):
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            yield from ((field, i, one) for i, one in enumerate(value) if isinstance(one, ast.AST))


@contextmanager
def placed(parent: ast.AST, field: str, index: int | None, change: ast.AST) -> Iterator[None]:
    """The change in its place for as long as the context lasts."""
    value = getattr(parent, field)
    before = value if index is None else value[index]
    put = (lambda one: setattr(parent, field, one)) if index is None else (lambda one: value.__setitem__(index, one))
    put(change)
    try:
        yield
    finally:
        put(before)


def short(node: ast.AST) -> str:
    text = re.sub(r"\s+", " ", ast.unparse(ast.fix_missing_locations(node)))
    return text if len(text) <= 70 else f"{text[:67]}..."


# Running the tests against a mutant --------------------------------------------------------------------------------

ORIGINAL = {
    name: compile((PACKAGE / f"{name}.py").read_text(encoding="utf-8"), str(PACKAGE / f"{name}.py"), "exec")
    for name in (*MODULES, "__init__")
}
TESTS = {
    name: compile((HERE / f"{name}.py").read_text(encoding="utf-8"), str(HERE / f"{name}.py"), "exec")
    for name in sorted({one for names in BATTERY.values() for one in names})
}
CALIBRATION = compile(inspect.getsource(real_calibration), "calibration.py", "exec")
CASES = compile(inspect.getsource(real_cases), "cases.py", "exec")


@contextmanager
def package(mutant: Mutant | None) -> Iterator[bool]:
    """`claims.statistics` and what the tests use of it rebuilt with the mutant in the place of the real ones.

    False where the mutant breaks already while it is imported.
    """
    users = {"benchmarks.calibration": CALIBRATION, "tests.statistics.cases": CASES}
    names = ["claims.statistics", *(f"claims.statistics.{one}" for one in MODULES), *users]
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
        for name, code in users.items():
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
    calibration: Any = sys.modules["benchmarks.calibration"]
    rng, repeats = np.random.default_rng([calibration.SEED, list(FAULTS).index(name)]), 8000
    if name.startswith("can"):
        wrong, _ = calibration.quantifier_errors(4, 1, repeats, rng)
        return wrong, wrong > calibration.ALPHA + 3 * (calibration.ALPHA / repeats) ** 0.5
    titles = {"looks": "Gaussian", "skewness": "lognormal 0.5, skew 1.75", "ties": "80 % zeros, else Exp(1)"}
    title = titles.get(name.split()[-1], "1 sd beyond the margin")
    case = next(one for one in (*calibration.shape_cases(), *calibration.kind_cases()) if one.name == title)
    found = calibration.rates(case, repeats, rng)
    rate = found.holds if name == "direction flipped" else max(found.holds, found.fails)
    return rate, bool(calibration.excess(case, found, repeats))


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
