"""Mutants of the decision engine, built in memory.

A mutant is one changed node in one function of `claims.statistics`: another comparison, operator, constant, end, tail
or argument order, a lost return value or statement.
"""

import ast
import copy
import re
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import claims.statistics

PACKAGE = Path(claims.statistics.__file__).parent

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
