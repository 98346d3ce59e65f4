"""Breaks, or mends, the mechanism inside a trial, runs the claim by the real runner, and looks at the verdict.

Of each claim those conditions are run that cost little, with seeds that are not those of the evidence. Where nothing
holds any more and no positive control shows that the trial could have seen the effect, the verdict is `invalid`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks import proof
from claims import evidence, schema
from claims.runner import ClaimRun
from claims.store import Store
from claims.suite import Suite

FILES = schema.files(Path(__file__).resolve().parents[1] / "conf")
SETTINGS = replace(proof.SETTINGS, looks=(8, 16, 32, 64))


@dataclass(frozen=True)
class Sabotage:
    """What is done to a trial, and what that must do to the verdict over some conditions of its claim.

    Attributes:
        before: Verdict of the whole trial over these conditions. after: that of the sabotaged one.
        labels: What all the conditions must come out as then.
        reason: Words in the reason of the verdict then.
    """

    path: str
    conditions: Sequence[str]
    owner: Any
    name: str
    changed: Callable[[Any], Any]
    before: str
    after: str
    labels: str = "fails"
    reason: str = ""


def with_parameters(**fixed: Any) -> Callable[[Any], Any]:
    """Makes a function ignore what it is given for some parameters."""

    def changed(function: Any) -> Any:
        names = list(inspect.signature(function).parameters)

        @wraps(function)
        def sabotaged(*given: Any, **more: Any) -> Any:
            return function(**(dict(zip(names, given, strict=False)) | more | fixed))

        return sabotaged

    return changed


def instead(value: Any) -> Callable[[Any], Any]:
    """Puts something else in the place of whatever was there."""
    return lambda function: value


BLIND = "no condition holds, and no positive control shows that the trial can see the effect"


def changes_its_verdict(one: Sabotage, folder: Path, monkeypatch: Any) -> None:
    """Runs the whole trial and the sabotaged one, and checks both verdicts."""
    assert ran(one, folder / "whole")["verdict"]["label"] == one.before
    if isinstance(one.owner, dict):
        monkeypatch.setitem(one.owner, one.name, one.changed(one.owner[one.name]))
    else:
        monkeypatch.setattr(one.owner, one.name, one.changed(getattr(one.owner, one.name)))
    record = ran(one, folder / "sabotaged")
    verdict = record["verdict"]
    assert (verdict["label"], {c["label"] for c in record["conditions"]}) == (one.after, {one.labels}), verdict
    assert one.reason in verdict["reason"]


def ran(one: Sabotage, folder: Path) -> Any:
    """The evidence of some conditions of a claim, and of all its controls."""
    folder.mkdir()
    run, store = ClaimRun(schema.load(FILES[one.path]), SETTINGS, {}), Store(folder / "store.sqlite")
    run.conditions = [condition for condition in run.conditions if condition.cell.name in one.conditions]
    with store.writing():
        Suite([run], store, proof.Inline(), SETTINGS).run()
    store.close()
    return evidence.assemble(run, None)
