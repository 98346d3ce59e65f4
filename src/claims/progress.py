"""What a run shows on the terminal: progress, the table of a claim, the table of a suite."""

import math
import sys
from collections.abc import Container, Mapping, Sequence
from typing import Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from claims.evidence import Drift, Evidence
from claims.runner import ClaimRun

# Where the output is no terminal, tables get a width of their own and lines are never cut.
console = Console(width=None if sys.stdout.isatty() else 140)
COLOUR = {
    "supported": "green", "conditional": "yellow", "refuted": "red", "inconclusive": "blue", "invalid": "magenta",
    "holds": "green", "holds*": "green", "fails": "red", "undecided": "blue",
}  # fmt: skip


def say(text: str) -> None:
    """Prints a line, never wrapped, so that it can be searched for."""
    console.print(text, highlight=False, soft_wrap=True)


def coloured(label: str | None) -> str:
    """A label in its colour."""
    return f"[{COLOUR.get(label or '', 'default')}]{label or '(new)'}[/]"


class Shown:
    """Progress of a suite: a bar where the output is a terminal, plain lines where not."""

    def __init__(self, console: Console, total: int) -> None:
        """Prepares the display for `total` claims."""
        self.console, self.total, self.finished, self.replicates = console, total, 0, 0
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("claims", total=total, note="")

    def __enter__(self) -> "Shown":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def told(self, run: ClaimRun | None) -> None:
        """Counts a claim that is done; None after every chunk of work."""
        if run is None:
            self.bar.refresh()
            return
        self.finished += 1
        computed = sum(result.count for result in run.computed)
        self.replicates += computed
        self.bar.update(self.task, completed=self.finished, note=f"{self.replicates:,} replicates")
        if computed:
            seconds = sum(result.cpu for result in run.computed)
            label = coloured(run.verdict().label)
            self.console.print(
                f"[{self.finished}/{self.total}] {run.claim.path}: {label}, {computed} replicates, {seconds:.1f} CPU s",
                highlight=False,
                soft_wrap=True,
            )


def table(*columns: str, title: str | None = None, caption: str | None = None, right: Container[str] = ()) -> Table:
    """An empty table; names of claims are never wrapped."""
    made = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in columns:
        side: JustifyMethod = "right" if column in right else "left"
        made.add_column(column, overflow="fold", justify=side, no_wrap=column == "claim")
    return made


def claim_table(record: Evidence) -> Table:
    """Conditions and controls of one claim with effect, interval and label."""
    title = f"{record['topic']}/{record['id']}: {coloured(record['verdict']['label'])}"
    shown = table(
        *("condition", "n", "effect", "interval", "label", "why"),
        title=title, caption=escape(record["statement"]), right=("n", "effect"),
    )  # fmt: skip
    for cell in record["conditions"]:
        shown.add_row(*_row(cell, cell["name"] + (f" ({cell['real']})" if cell["real"] else ""), cell["reason"]))
    shown.add_section()
    for cell in record["controls"]:
        behaved = "as it should" if cell["passes"] else "NOT AS IT SHOULD"
        shown.add_row(*_row(cell, f"{cell['role']} control {cell['name']}", f"{behaved}: {cell['why']}"))
    return shown


def _row(cell: Mapping[str, Any], name: str, why: str) -> tuple[str, ...]:
    failed = f" ({cell['failed']} failed)" if cell["failed"] else ""
    interval = f"[{number(cell['low'])}, {number(cell['high'])}]"
    label = coloured(cell["label"]) + (" (no variation)" if cell["no_variation"] else "")
    return escape(name), f"{cell['n']}{failed}", number(cell["estimate"]), escape(interval), label, escape(why)


def number(value: float) -> str:
    """A number to three significant digits; an undefined one as a dash."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.3g}"


def suite_table(drifts: Sequence[Drift]) -> Table:
    """Verdicts of a run against the committed ones."""
    shift = "largest shift (half-widths)"
    shown = table(
        *("claim", "committed", "this run", "labels that moved", shift),
        title="verdicts against the committed evidence", right=(shift,),
    )  # fmt: skip
    for drift in drifts:
        shown.add_row(
            drift.claim + (" (timed)" if drift.timed else ""), coloured(drift.before), coloured(drift.after),
            escape("; ".join(drift.labels)) or "-", number(drift.shift),
        )  # fmt: skip
    return shown
