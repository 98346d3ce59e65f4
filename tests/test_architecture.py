"""Imports run one way; outside tools have one importer each; files, functions and trials are short."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import schema

ROOT = Path(__file__).resolve().parents[1]
# A module may import those of its own layer and of the layers after it.
LAYERS = (
    ("cli",),
    ("commands",),
    ("session", "authoring"),
    ("unchanged",),
    ("acceptance", "audit", "reproduction", "progress", "contract", "tracking", "report", "tryout", "stability"),
    ("evidence", "suite"),
    ("runner",),
    ("engine",),
    ("worker",),
    ("store", "plan"),
    ("guide", "fingerprint", "environments"),
    ("schema",),
    ("statistics", "job"),
    ("errors", "processes"),
)
ONE_IMPORTER = {
    "mlflow": {"tracking"},
    "hydra": {"cli"},
    "omegaconf": {"cli"},
    "sqlite3": {"store", "tracking"},
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "claims").with_suffix("").parts[0]


SOURCES = sorted(
    path for path in (ROOT / "src" / "claims").rglob("*.py") if path.parent.name != "claims" or path.stem != "__init__"
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src" / "claims")))
def test_imports_run_one_way(path):
    own = next(i for i, layer in enumerate(LAYERS) if part_of(path) in layer)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "claims" and len(parts) > 1 and any(parts[1] in layer for layer in LAYERS):
            other = next(i for i, layer in enumerate(LAYERS) if parts[1] in layer)
            assert other >= own, f"{part_of(path)} imports {name}, which stands above it"
        assert parts[0] != "experiments", "the library calls trials by name and imports none"
        if parts[0] in ONE_IMPORTER:
            assert part_of(path) in ONE_IMPORTER[parts[0]], f"{parts[0]} has one importer: {ONE_IMPORTER[parts[0]]}"


@pytest.mark.parametrize("path", sorted((ROOT / "src" / "claims" / "statistics").glob("*.py")), ids=lambda p: p.stem)
def test_statistics_is_numpy_and_scipy(path):
    standard = {"bisect", "collections", "dataclasses", "functools", "itertools", "math", "typing", "difflib"}
    roots = {name.split(".")[0] for name in imported(path)}
    assert roots <= standard | {"numpy", "scipy", "claims"}
    assert all(name.startswith("claims.statistics") for name in imported(path) if name.startswith("claims"))


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_experiments_know_nothing_of_the_library(path):
    assert not {name.split(".")[0] for name in imported(path)} & {"claims", "hydra", "omegaconf"}


TRIALS = {schema.read_yaml(path)["trial"] for path in schema.files(ROOT / "conf").values()}


def lengths(path: Path) -> Iterator[tuple[str, str, int]]:
    """File, functions without docstrings, and code of trials, each with its name and its lines."""
    text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
    yield "file", name, len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            told = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
            yield "function", f"{name}: {node.name}", node.end_lineno - node.lineno + 1 - told
            if ".".join([*Path(name).with_suffix("").parts, node.name]) in TRIALS:
                yield "trial", f"{name}: code of {node.name}", node.end_lineno - node.body[documented].lineno + 1


def test_files_functions_and_trials_are_short():
    most = {"file": 400, "function": 60, "trial": 30}
    paths = [path for part in ("src", "experiments", "benchmarks", "tests") for path in (ROOT / part).rglob("*.py")]
    found = [length for path in sorted(paths) for length in lengths(path)]
    assert sum(kind == "trial" for kind, _, _ in found) == len(TRIALS)
    long = [f"{name}: {n} lines, at most {most[kind]}" for kind, name, n in found if n > most[kind]]
    assert not long, "\n".join(long)
