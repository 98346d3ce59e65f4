"""What identifies a result besides its parameters and seed: the trial's code and the library versions behind it."""

import ast
import builtins
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from claims.errors import ClaimsError, nearest

PACKAGE = "experiments"
# Libraries whose version can change a number. Import names that differ from the distribution's are mapped below.
NUMERICAL = frozenset(
    {"imbalanced-learn", "joblib", "lightgbm", "mlflow", "networkx", "numpy", "optuna", "pandas", "scikit-learn"}
    | {"scipy", "statsmodels", "torch", "xgboost"}
)
DISTRIBUTIONS = {"sklearn": "scikit-learn", "imblearn": "imbalanced-learn"}


def load_trial(path: str) -> Callable[..., Any]:
    """The trial function named by a dotted path inside `experiments`.

    Raises:
        ClaimsError: The path lies outside `experiments`, or names no function there; its module cannot be imported.
    """
    _definition(path)
    module_name, _, name = path.rpartition(".")
    try:
        trial: Callable[..., Any] = getattr(importlib.import_module(module_name), name)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise ClaimsError(f"trial: {module_name} cannot be imported ({told}); mend the module") from None
    return trial


@cache
def signature(path: str) -> inspect.Signature:
    """The parameters of a trial as its source declares them; importing what it imports would take seconds.

    Raises:
        ClaimsError: The path lies outside `experiments`, or names no function there.
    """
    given = _definition(path).args
    positional = [*given.posonlyargs, *given.args]
    bare = len(positional) - len(given.defaults)
    found = [_parameter(arg, i >= bare) for i, arg in enumerate(positional)]
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    found += [_parameter(arg, default is not None, inspect.Parameter.KEYWORD_ONLY) for arg, default in pairs]
    found += [_parameter(given.kwarg, False, inspect.Parameter.VAR_KEYWORD)] if given.kwarg else []
    return inspect.Signature(found)


def _parameter(arg: ast.arg, optional: bool, kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD) -> inspect.Parameter:
    return inspect.Parameter(arg.arg, kind, default=None if optional else inspect.Parameter.empty)


def _definition(path: str) -> ast.FunctionDef:
    """Where a trial is defined."""
    module_name, _, name = path.rpartition(".")
    if not module_name.startswith(f"{PACKAGE}."):
        raise ClaimsError(
            f"trial: must be a function of {PACKAGE}/, got {path!r}; write it as {PACKAGE}.<topic>.<name>"
        )
    if not _is_module(module_name):
        raise ClaimsError(f"trial: there is no module {module_name!r}; create {module_name.replace('.', '/')}.py")
    try:
        functions = {n: node for n, node in _definitions(module_name).items() if isinstance(node, ast.FunctionDef)}
    except SyntaxError as error:
        raise ClaimsError(f"trial: {module_name} is no Python ({error}); mend the module") from None
    if name not in functions:
        raise ClaimsError(f"trial: {module_name} has no function {name!r}{nearest(name, functions)}")
    return functions[name]


@cache
def trial_sha256(path: str) -> str:
    """Hash of the syntax trees, without docstrings, of the trial and of all project code that it reaches by name.

    Comments, formatting and docstrings do not count; a change in any reached function, class or constant does, and so
    does a change in a file under `experiments/` whose name stands in the reached code.
    """
    return hashlib.sha256("\n".join(reached_code(path)).encode()).hexdigest()


@cache
def reached_code(path: str) -> tuple[str, ...]:
    """The code behind `trial_sha256`: per reached name a line with its place, then its source without docstrings."""
    _definition(path)
    module_name, _, name = path.rpartition(".")
    return tuple(sorted(_reached(module_name, name, set())))


@cache
def versions(path: str) -> dict[str, str]:
    """Versions of Python and of the numerical libraries that the trial's module imports, directly or not."""
    names: set[str] = set()
    for module_name in _project_modules(path.rpartition(".")[0], set()):
        names |= {DISTRIBUTIONS.get(root, root) for root in _imported_roots(_tree(module_name))}
    closed: set[str] = set()
    for name in names & NUMERICAL:
        _close_over_requirements(name, closed)
    found = {name: metadata.version(name) for name in sorted(closed)}
    return found | {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}


@cache
def _file(module_name: str) -> Path | None:
    """The file of a project module, found without importing what it lies in; None where there is none."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None or module_name.partition(".")[0] != PACKAGE:
        return None
    place = Path(package.origin).parent.joinpath(*module_name.split(".")[1:])
    return next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)


def _source(module_name: str) -> Path:
    file = _file(module_name)
    if file is None:
        raise ClaimsError(f"trial: cannot read the source of {module_name}; is it a plain Python file?")
    return file


def _is_module(name: str) -> bool:
    return _file(name) is not None


@cache
def _tree(module_name: str) -> ast.Module:
    return ast.parse(_source(module_name).read_text(encoding="utf-8"))


@cache
def _definitions(module_name: str) -> dict[str, ast.stmt]:
    """Each top-level name of a module with the statement that binds it."""
    found: dict[str, ast.stmt] = {}
    for statement in _tree(module_name).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name.partition(".")[0]): statement for alias in statement.names}
        else:
            found |= {
                n.id: statement for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return found


def _reached(module_name: str, name: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Unparsed code of a top-level name and of everything of the project that it refers to, each once."""
    if (module_name, name) in seen:
        return
    seen.add((module_name, name))
    statement = _definitions(module_name).get(name)
    if statement is None:
        if hasattr(builtins, name):
            return
        if _is_module(f"{module_name}.{name}"):
            yield from _whole(f"{module_name}.{name}", seen)
        return
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from _imported(module_name, statement, name, seen)
        return
    yield f"{module_name}.{name}\n{ast.unparse(_without_docstrings(statement))}"
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from _reached(module_name, node.id, seen)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield from _imported(module_name, node, alias.asname or alias.name.partition(".")[0], seen)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _data_file(node.value)


def _imported(
    module_name: str, statement: ast.Import | ast.ImportFrom, name: str, seen: set[tuple[str, str]]
) -> Iterator[str]:
    for alias in statement.names:
        if (alias.asname or alias.name.partition(".")[0]) != name:
            continue
        if isinstance(statement, ast.Import):
            if alias.name.partition(".")[0] == PACKAGE:
                yield from _whole(alias.name, seen)
            else:
                yield f"import {alias.name} as {name}"
            continue
        origin = _absolute(module_name, statement)
        if origin.partition(".")[0] != PACKAGE:
            yield f"from {origin} import {alias.name} as {name}"
        elif _is_module(f"{origin}.{alias.name}"):
            yield from _whole(f"{origin}.{alias.name}", seen)
        else:
            yield from _reached(origin, alias.name, seen)


def _whole(module_name: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Every definition of a module used as an object (`import experiments.x`), where names cannot be followed."""
    for name in _definitions(module_name):
        yield from _reached(module_name, name, seen)


def _absolute(module_name: str, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    package = module_name if _source(module_name).name == "__init__.py" else module_name.rpartition(".")[0]
    return importlib.util.resolve_name("." * statement.level + (statement.module or ""), package)


def _data_file(text: str) -> Iterator[str]:
    if re.fullmatch(r"[\w./-]+\.(csv|json|txt|tsv|npy|npz|parquet)", text) and ".." not in text:
        root = _source(PACKAGE).parent
        for file in sorted(root.rglob(Path(text).name)):
            yield f"{file.relative_to(root).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _without_docstrings(statement: ast.stmt) -> ast.stmt:
    copy: ast.stmt = ast.parse(ast.unparse(statement)).body[0]
    for node in ast.walk(copy):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return copy


def _imported_roots(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def _project_modules(module_name: str, seen: set[str]) -> set[str]:
    if module_name in seen:
        return seen
    seen.add(module_name)
    for node in ast.walk(_tree(module_name)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(module_name, node)
            targets = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for target in targets:
            if target.partition(".")[0] == PACKAGE and _is_module(target):
                _project_modules(target, seen)
    return seen


def _close_over_requirements(name: str, closed: set[str]) -> None:
    if name in closed:
        return
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    closed.add(name)
    for requirement in requirements:
        if "extra ==" not in requirement:
            required = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
            if required in NUMERICAL:
                _close_over_requirements(required, closed)
