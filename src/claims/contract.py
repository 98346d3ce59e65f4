"""The checks that every claim file must pass before anything runs."""

import ast
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from claims import plan, schema, statistics
from claims.errors import ClaimsError, nearest
from claims.fingerprint import Call, call, find_libraries, foretelling, load_trial, reached_code
from claims.guide import Guide
from claims.schema import Claim

MINIMUM = {"typically": 4, "often": 5}
# Smaller ratios of times are not told apart from the noise of a machine.
LEAST_RATIO = 1.1
SAID = {
    **{"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text", "None": "null"},
    **{"list": "a list", "tuple": "a list", "Sequence": "a list", "dict": "a mapping", "Mapping": "a mapping"},
}
"""What an annotation of a trial's parameter asks for in YAML; others are not looked at."""


def checked(path: Path, guide: Guide) -> Claim:
    """The claim in a file that keeps every rule.

    Raises:
        ClaimsError: One line per fault, each with field, rule, value and next step.
    """
    return accepted(schema.load(path), guide)


def accepted(claim: Claim, guide: Guide) -> Claim:
    """The claim itself where it keeps every rule; see `checked`."""
    faults = list(_faults(claim, guide))
    if faults:
        raise ClaimsError("\n".join(f"{claim.path}: {fault}" for fault in faults))
    return claim


def _faults(claim: Claim, guide: Guide) -> Iterator[str]:
    yield from guide.faults(claim.guide)
    unfilled = list(_text_faults(claim))
    yield from unfilled
    rule: dict[str, Any] | None = None
    try:
        rule = plan.criterion(claim)
    except ValueError as error:
        yield str(error).replace(" ", ": ", 1)  # field, rule
    if rule is not None:
        yield from _rule_faults(claim, rule)
    bases = {**claim.controls.negative, **claim.controls.positive}
    strangers = [(name, control.base) for name, control in bases.items() if control.base not in claim.conditions]
    for name, base in strangers:
        yield f"controls.{name}.base: must be one of the conditions, got {base!r}{nearest(base, claim.conditions)}"
    shared = claim.controls.negative.keys() & claim.controls.positive.keys() | bases.keys() & claim.conditions.keys()
    for name in sorted(shared):
        yield f"controls.{name}: the name is used twice; conditions and controls need names of their own"
    if list(claim.controls.negative) == [plan.AGAINST_ITSELF]:
        yield f"controls.negative: {plan.AGAINST_ITSELF} need only not hold; add one that removes the mechanism"
    try:
        called = call(claim.trial)
        unwritten = any("raise NotImplementedError" in code for code in reached_code(claim.trial))
        find_libraries(claim.trial.rpartition(".")[0])
    except ClaimsError as error:
        yield str(error)
        return
    except Exception as error:  # no Python, no text, or a package whose own import fails
        yield _not_importable(claim.trial, error)
        return
    if unwritten:
        yield f"trial: {claim.trial} is still a stub; write it"
        return
    if called.first not in ("seed", "seeds"):
        rule_ = "must be seed, or seeds for a batched trial"
        yield f"trial: the first parameter of {claim.trial} {rule_}, got {called.first or 'none'!r}; rename it"
    if not strangers and not unfilled:
        yield from _call_faults(claim, rule, called)


def refuse_broken_modules(claims: Iterable[Claim]) -> None:
    """Imports the trials' modules, which costs seconds and so waits until something is computed.

    Raises:
        ClaimsError: A module cannot be imported.
    """
    faults = {}
    for claim in claims:
        try:
            load_trial(claim.trial)
        except Exception as error:
            faults[claim.trial.rpartition(".")[0]] = f"{claim.path}: {_not_importable(claim.trial, error)}"
    if faults:
        raise ClaimsError("\n".join(faults.values()))


def _not_importable(trial: str, error: Exception) -> str:
    return f"trial: {trial.rpartition('.')[0]} cannot be imported ({type(error).__name__}: {error}); mend the module"


def _text_faults(claim: Claim) -> Iterator[str]:
    for field, text in _texts(claim.model_dump()):
        if "${" in text:
            yield f"{field}: must not hold ${{...}}, which Hydra would replace; write the value itself"
        if text.startswith("TODO"):
            yield f"{field}: still says {text!r}; write what is asked for"


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{field}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, field)
    elif isinstance(value, str):
        yield field, value


def _rule_faults(claim: Claim, rule: Mapping[str, Any]) -> Iterator[str]:
    if not rule.get("why") and not all(part.get("why") for part in statistics.leaf_criteria(rule)):
        yield "criterion.why: is required: the reason for the margin, in a few words; add it"
    needed, count = MINIMUM.get(claim.quantifier, 1), len(claim.conditions)
    if count < needed:
        yield f"conditions: {claim.quantifier} needs at least {needed}, got {count}; add some where it could fail"
    if claim.quantifier in ("always", "never") and statistics.statistical(rule) and not claim.why_always:
        yield f"why_always: is required with {claim.quantifier}: the guide's word or formula for it; add it"
    cap = claim.max_replicates
    if cap is not None and statistics.statistical(rule) and cap not in plan.BOUNDARIES:
        yield f"max_replicates: must be one of the looks {', '.join(map(str, plan.BOUNDARIES))}, got {cap}"
    if claim.timed:
        yield from _timing_faults(list(statistics.leaf_criteria(rule)))


def _timing_faults(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not any(part.get("clock") for part in parts):
        yield "criterion.clock: is required for a timed claim: cpu or wall; add it"
    for part in parts:
        if part["kind"] == "ratio" and part["estimator"] != "median":
            yield "criterion.estimator: must be median for times, whose outliers move a mean, got mean; add it"
        if part["kind"] == "ratio" and any(1 / LEAST_RATIO < end < LEAST_RATIO for end in part["range"]):
            yield (
                f"criterion.range: identical code differs by up to {LEAST_RATIO} in time, got {part['range']}; "
                f"set its ends at {LEAST_RATIO} or more, or at {1 / LEAST_RATIO:.2g} or less"
            )


def _call_faults(claim: Claim, rule: Mapping[str, Any] | None, called: Call) -> Iterator[str]:
    try:
        foretell = foretelling(claim.trial)
    except Exception as error:
        yield _not_importable(claim.trial, error)
        return
    told: set[str] = set()
    names = statistics.outcome_names(rule) if rule is not None else frozenset()
    for cell in plan.written(claim):
        where = f"{'conditions' if cell.role == 'condition' else f'controls.{cell.role}'}.{cell.name}"
        if cell.real is not None and cell.real not in get_args(schema.Real):
            yield f"{where}.real: must be this_data or population, got {cell.real!r}"
        faults = list(_parameter_faults(called, cell.parameters, where))
        for kind, over in _curves(rule) if not faults else ():
            faults += _curve_faults(cell.parameters.get(over), f"{where}.{over}", 12 if kind == "interior" else 6)
        if foretell and not faults:
            faults += _foretold_faults(foretell, called.name, cell.parameters, names, where)
        for fault in faults:
            if fault.partition(": ")[2] not in told:  # a shared parameter is wrong once, not once per condition
                told.add(fault.partition(": ")[2])
                yield fault
    yield from _repetitions(claim, called)
    if rule is not None:
        yield from _look_faults(claim, rule)
        for name in sorted(names - _mentioned(claim, names)) if not foretell else ():
            yield f"criterion: the trial {claim.trial} returns no outcome {name!r}; name one that it does"
        for _, over in _curves(rule):
            values = {str(cell.parameters.get(over)) for cell in plan.written(claim) if cell.role == "condition"}
            if len(values) > 1:
                yield f"parameters.{over}: must be the same in all conditions; set it once under parameters"


def _parameter_faults(called: Call, parameters: Mapping[str, Any], where: str) -> Iterator[str]:
    """Names that the trial does not take, or needs and does not get; values that its annotations exclude."""
    unknown = [] if called.anything else [name for name in parameters if name not in called.takes]
    strange = {name: nearest(name, called.takes) for name in unknown}
    for name, hint in strange.items():
        yield f"{where}.{name}: the trial {called.name} takes no such parameter{hint}"
    for name in sorted(called.needs - set(parameters)):
        if not any(f"{name!r}?" in hint for hint in strange.values()):
            yield f"{where}: the trial {called.name} needs the parameter {name!r}; set it here or under parameters"
    for name, value in parameters.items():
        kinds, given = called.takes.get(name, frozenset()), type(value)
        asked = {SAID[kind] for kind in kinds if kinds <= SAID.keys()}
        fits = {SAID.get(given.__name__, "null"), *(("a number",) if given is int else ())}
        if asked and not asked & fits:
            told = " or ".join(sorted(asked))
            yield f"{where}.{name}: must be {told}, got {value!r}; the trial {called.name} says what it is"


def _foretold_faults(
    foretell: Callable[..., Iterable[str]], trial: str, parameters: Mapping[str, Any], names: Iterable[str], where: str
) -> Iterator[str]:
    """What the trial would refuse, in its own words, or not return."""
    try:
        returned = set(foretell(**parameters))
    except Exception as error:
        text = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            text = f"the trial {trial} fails ({type(error).__name__}: {text}); mend the parameters"
        yield f"{where}{'.' if re.match(r'[^ :]+: ', text) else ': '}{text}"
        return
    for name in sorted(set(names) - returned):
        yield f"{where}: the trial {trial} returns no outcome {name!r}{nearest(name, returned)}"


def _repetitions(claim: Claim, called: Call) -> Iterator[str]:
    """Conditions that count twice, and controls that repeat a condition, defaults filled in."""
    seen: dict[str, str] = {}
    for cell in plan.written(claim):
        own = json.dumps([{**called.defaults, **cell.parameters}, cell.real], sort_keys=True, default=str)
        twin = seen.get(own)
        if cell.role == "condition":
            seen.setdefault(own, cell.name)
            if twin is not None:
                yield f"conditions.{cell.name}: must differ from {twin!r}, or both count; change a parameter or drop it"
        elif twin is not None:
            yield f"controls.{cell.role}.{cell.name}: must differ from the condition {twin!r}; change a parameter"


def _look_faults(claim: Claim, rule: Mapping[str, Any]) -> Iterator[str]:
    looks = [n for n in plan.BOUNDARIES if n <= (claim.max_replicates or n)]
    for population in sorted({cell.real == "population" for cell in plan.written(claim)}):
        try:
            statistics.planned_looks(rule, looks, population=population)
        except ValueError as error:
            yield f"criterion: {error}"
        else:
            sizes = frozenset({"n_train", "n_test"} if population else ())
            if sizes - _mentioned(claim, sizes):
                yield f"real: population needs n_train and n_test, and {claim.trial} does not return both; return them"


def _curves(rule: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    parts = statistics.leaf_criteria(rule) if rule is not None else ()
    return [(part["kind"], part["over"]) for part in parts if "over" in part]


def _curve_faults(values: Any, where: str, most: int) -> Iterator[str]:
    fewest = 3 if most == 12 else 4
    numbers = isinstance(values, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    if not numbers or not fewest <= len(values) <= most:
        yield f"{where}: must be a list of {fewest} to {most} numbers, got {values!r}; lengthen or shorten it"
    elif any(low >= high for low, high in itertools.pairwise(values)):
        yield f"{where}: must ascend strictly, got {values!r}; sort it and give each value once"


def _mentioned(claim: Claim, names: frozenset[str]) -> set[str]:
    """Outcomes that the trial's code, or a parameter that names its arms, mentions.

    A name put together at run time cannot be seen here, so code that formats strings is trusted until it runs.
    """
    found: set[str] = set()
    for code in reached_code(claim.trial):
        words = _words(code)
        if words is None:
            return set(names)
        found |= words
    for cell in plan.written(claim):
        found |= {part for field, text in _texts(cell.parameters) for part in (*field.split("."), text)}
    return found


@cache
def _words(code: str) -> frozenset[str] | None:
    """Texts and keywords in a piece of reached code; None where it formats a text."""
    nodes = list(ast.walk(ast.parse(code.partition("\n")[2])))
    if any(isinstance(node, ast.JoinedStr) for node in nodes):
        return None
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(texts | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg})
