"""Command line: `python -m benchmarks [ROW ...] [--repeats N] [--claims PATTERN ...] [--quick]`."""

import argparse
import datetime
import json
import platform
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.measured import CORES, ROOT, Plan, Row
from claims.evidence import processor
from claims.reproduction import code_revision

ROWS = ("efficiency", "multirun", "fixed_n", "batching", "nothing_changed", "million", "overhead")


def main(argv: list[str] | None = None) -> int:
    """Measures rows, keeps them beside those measured before, and writes the page."""
    args = parser().parse_args(argv)
    folder = ROOT / "build" / "benchmarks" if args.quick else ROOT / "reports"
    file = folder / "benchmarks.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    plan = Plan(args.repeats, args.quick, tuple(args.claims), ROOT / "build" / "benchmarks" / "scratch")
    for number in args.rows or range(1, len(ROWS) + 1):
        row = measure(number)(plan)
        found[str(number)] = page.stored(row, circumstances(args.quick))
        write(folder, file, found)
        for m in row.measures:
            print(f"{number}  {m.what}: {page.number(m.value)} {m.unit} ({'met' if m.met else 'missed'})", flush=True)
    shutil.rmtree(plan.scratch, ignore_errors=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    told = "; ".join(f"{number} {name}" for number, name in enumerate(ROWS, 1))
    made.add_argument("rows", nargs="*", type=int, choices=range(1, len(ROWS) + 1), metavar="ROW", help=told)
    made.add_argument("--repeats", type=int, default=5, help="pairs or repetitions of each row (5)")
    made.add_argument("--claims", nargs="+", default=[], help="claims of rows 1 and 2, such as 'metrics/*'")
    made.add_argument("--quick", action="store_true", help="small sizes, into build/benchmarks: does it work?")
    return made


def measure(number: int) -> Callable[[Plan], Row]:
    """The function that measures a row; its module is imported only then."""
    function: Callable[[Plan], Row] = import_module(f"benchmarks.{ROWS[number - 1]}").row
    return function


def circumstances(quick: bool) -> dict[str, Any]:
    """When, where and at which commit a row was measured."""
    machine = f"{processor()}, {CORES} cores, {platform.system()}, Python {platform.python_version()}"
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return {"date": date, "commit": code_revision(ROOT), "machine": machine, "quick": quick}


def write(folder: Path, file: Path, found: dict[str, Any]) -> None:
    """The numbers, the page and its figure."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "benchmarks.md").write_text(page.text(found), encoding="utf-8")
    (folder / "figures" / "benchmarks.svg").write_text(page.figure(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
