"""What identifies a result besides its parameters and seed: the trial's code and the library versions behind it."""

import ast
import builtins
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from claims.errors import ClaimsError, nearest

PACKAGE = "experiments"
# Libraries whose version can change a number. Import names that differ from the distribution's are mapped below.
NUMERICAL = frozenset(
    {"imbalanced-learn", "joblib", "lightgbm", "lime", "mlflow", "mlxtend", "networkx", "numba", "numpy", "optuna"}
    | {"pandas", "scikit-learn", "scipy", "shap", "statsmodels", "torch", "xgboost"}
)
DISTRIBUTIONS = {"sklearn": "scikit-learn", "imblearn": "imbalanced-learn"}


@dataclass(frozen=True)
class Call:
    """How a trial is called.

    Attributes:
        first: Its first parameter, `seed` or `seeds`.
        takes: Its other parameters, each with what its annotation allows (`list[int] | None`: list and None).
        defaults: What those have that need not be given; as source text where it is no literal.
        anything: Whether it takes any name (`**options`).
    """

    name: str
    first: str
    takes: Mapping[str, frozenset[str]]
    defaults: Mapping[str, Any]
    anything: bool

    @property
    def needs(self) -> frozenset[str]:
        """The parameters without a default."""
        return frozenset(self.takes.keys() - self.defaults.keys())


@cache
def call(path: str) -> Call:
    """How the trial named by a dotted path inside `experiments` is called, from its source: imports cost seconds.

    Raises:
        ClaimsError: The path lies outside `experiments`, or names no function there.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name.startswith(f"{PACKAGE}."):
        raise ClaimsError(
            f"trial: must be a function of {PACKAGE}/, got {path!r}; write it as {PACKAGE}.<topic>.<name>"
        )
    if _file(module_name) is None:
        raise ClaimsError(f"trial: there is no module {module_name!r}; create {module_name.replace('.', '/')}.py")
    functions = {
        defined: statement
        for defined, statement in _definitions(module_name).items()
        if isinstance(statement, ast.FunctionDef) and not defined.startswith("_")
    }
    if name not in functions:
        raise ClaimsError(f"trial: {module_name} has no function {name!r}{nearest(name, functions)}")
    given = functions[name].args
    plain = [*given.posonlyargs, *given.args]
    pairs = [
        *zip(plain[::-1], given.defaults[::-1], strict=False),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    return Call(
        name,
        first=plain[0].arg if plain else "",
        takes={a.arg: _kinds(a.annotation) for a in (*plain[1:], *given.kwonlyargs)},
        defaults={a.arg: _literal(default) for a, default in pairs if default is not None},
        anything=given.kwarg is not None,
    )


def _kinds(annotation: ast.expr | None) -> frozenset[str]:
    if isinstance(annotation, ast.BinOp):
        return _kinds(annotation.left) | _kinds(annotation.right)
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return frozenset() if outer is None else frozenset({ast.unparse(outer)})


def _literal(default: ast.expr) -> Any:
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ast.unparse(default)


def load_trial(path: str) -> Callable[..., Any]:
    """The trial function itself, which imports its module."""
    module_name, _, name = path.rpartition(".")
    trial: Callable[..., Any] = getattr(importlib.import_module(module_name), name)
    return trial


def foretelling(path: str) -> Callable[..., Iterable[str]] | None:
    """The function `<trial>_outcomes` of the trial's module, None where it has none; only the former imports it.

    It takes the trial's parameters, names what the trial would return, and raises ValueError where it would refuse.
    """
    module_name, _, name = path.rpartition(".")
    return load_trial(f"{path}_outcomes") if f"{name}_outcomes" in _definitions(module_name) else None


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
    call(path)
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
def find_libraries(module_name: str) -> None:
    """Looks for what a project module imports at its top, directly or not, without importing it.

    Raises:
        ModuleNotFoundError: A library is not installed.
        ClaimsError: It is the library around the trials, without which a trial can be called.
    """
    for module in _project_modules(module_name, set()):
        imports = [node for node in _tree(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
        for root in {root for node in imports for root in _imported_roots(node)} - {PACKAGE}:
            if root == __package__:
                raise ClaimsError(f"trial: {module} must import nothing of {root}, got an import; leave it out")
            if importlib.util.find_spec(root) is None:
                raise ModuleNotFoundError(f"No module named {root!r}")


@cache
def _file(module_name: str) -> Path | None:
    """The file of a module of the project; `find_spec` would import the modules above it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations or module_name.partition(".")[0] != PACKAGE:
        return None
    stems = [Path(place, *module_name.split(".")[1:]) for place in spec.submodule_search_locations]
    files = (file for stem in stems for file in (stem / "__init__.py", stem.with_suffix(".py")))
    return next((file for file in files if file.is_file()), None)


def _source(module_name: str) -> Path:
    file = _file(module_name)
    if file is None:
        raise ClaimsError(f"trial: cannot read the source of {module_name}; is it a plain Python file?")
    return file


@cache
def _tree(module_name: str) -> ast.Module:
    file = _source(module_name)
    return ast.parse(file.read_text(encoding="utf-8"), file.name)


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
        submodule = f"{module_name}.{name}"
        if _file(submodule):
            yield from _whole(submodule, seen)
        return
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from _imported(module_name, statement, name, seen)
        return
    yield _code(module_name, name)
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from _reached(module_name, node.id, seen)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield from _imported(module_name, node, alias.asname or alias.name.partition(".")[0], seen)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _data_file(node.value)


@cache
def _code(module_name: str, name: str) -> str:
    statement = _definitions(module_name)[name]
    return f"{module_name}.{name}\n{ast.unparse(_without_docstrings(statement))}"


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
        elif _file(f"{origin}.{alias.name}"):
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
            if target.partition(".")[0] == PACKAGE and _file(target):
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
