"""Starting a claim from its entry in the ledger: a file that teaches, and a trial that fails until it is written."""

import re
import textwrap
from pathlib import Path

from claims import schema
from claims.errors import ClaimsError, nearest
from claims.fingerprint import call
from claims.guide import Entry, Guide

HEAD = """\
# yaml-language-server: $schema=../../claim.schema.json
# From the ledger. Read the guide's lines and what stands around them; its qualifiers belong to the statement.
statement: >-
{statement}
guide: {{sections: {sections}, lines: {lines}}}
# always (the guide says must, or prints a formula or code), typically (a bare "A beats B"), often, can, never
quantifier: {quantifier}
"""
BODY = """\
# A function in experiments/: one replicate per call.
trial: {trial}
parameters: {parameters}
# Both ends of what readers meet, so that the claim can fail: small and large, clean and noisy, generated and real
# (real: this_data). typically needs 4 conditions, often 5, always and never a why_always.
conditions:
  small: {{{small}}}
  large: {{{large}}}
  clean: {{{clean}}}
  noisy: {{{noisy}}}
{test}\
# Other kinds: diff, ratio, winrate, equiv, level, trend, interior, best, rate, identity; all: or any: of several.
criterion:
  {{{criterion},
   why: TODO why a smaller effect would not matter to a reader}}
{control}\
controls:
  negative:
    # takes away what the claim says is at work and nothing else: there the criterion must fail
    no-mechanism: {{base: large, {control_parameters}}}
"""
OWN_TRIAL = {
    "small": "size: 100",
    "large": "size: 1000",
    "clean": "noise: 0.0",
    "noisy": "noise: 1.0",
    "control_parameters": "noise: 5.0",
    "parameters": "{}  # shared by all conditions and controls",
}
"""What goes with the stub."""
DIFF = "kind: diff, a: treated, b: plain, better: higher, margin: 0.01"
CRITERIA = {
    "trend": "kind: trend, outcome: curve, over: grid, direction: up, margin: 0.01",
    "exact": "kind: identity, a: found, b: expected, tol: 1.0e-9, n: 16",
    "numeric": "kind: level, outcome: value, range: [0.9, 1.1]",
    "code": "kind: rate, event: works, above: 0.9",
    "resource": "kind: ratio, a: slow_s, b: fast_s, range: [1.2, .inf], estimator: median, clock: cpu",
    "existence": "kind: rate, event: happens, above: 0.05",
}
"""A criterion to start from, by the ledger's sort; `DIFF` for the rest."""
STUB = '''

def {function}(seed: int, *, {grid}size: int = 200, noise: float = 0.1) -> dict[str, float]:
    """One replicate: all arms on the same data; say which numbers come out, their units and ranges."""
    raise NotImplementedError("write experiments.{topic}.{function}, which returns {outcomes}")
'''
OWN = {"statement", "guide", "quantifier", "why_always", "notes", "references", "revisions", "review"}
"""Keys of a claim that do not fit another one."""


def create(name: str, like: str | None, trial: str | None, root: Path, guide: Guide) -> list[Path]:
    """Writes the claim file `topic/id`, and a stub of its trial where there is none; the files written.

    Args:
        name: An entry of the ledger that can be tested and has no file.
        like: A claim whose file is taken over, but for statement, place and quantifier; None starts from a template.
        trial: An existing trial; None for one of its own, of which a stub is written.
        root: The project's root.
        guide: With the ledger.

    Raises:
        ClaimsError: The name is no `topic/id`, not in the ledger, or taken; or `like` or `trial` does not exist.
    """
    topic, _, id = name.partition("/")
    if not schema.NAME.fullmatch(id) or not topic.isidentifier() or not topic.islower():
        raise ClaimsError(f"name: is written topic/id, the id in lower-case words joined by hyphens, got {name!r}")
    files = schema.files(root / "conf")
    taken = [path for path in files if path.partition("/")[2] == id]
    if taken:
        raise ClaimsError(f"name: the id {id!r} is taken by {taken[0]}; choose another")
    if like is not None and like not in files:
        raise ClaimsError(f"like: there is no claim {like!r}{nearest(like, files, '; claims list shows them all')}")
    entry = guide.entry(name)
    head = HEAD.format(
        statement=_wrapped(entry.claim, "  "),
        sections=list(entry.sections),
        lines=str(entry.lines.split(", ")).replace("'", '"'),
        quantifier=entry.quantifier,
    )
    head += "" if entry.stated else '# The guide only implies it: say "implied" in the statement.\n'
    sketches = _sketch("a test", entry.test) + _sketch("a control", entry.control)
    text = head + (sketches + _taken_over(files[like]) if like is not None else _body(entry, trial))
    path, module = root / "conf" / "claim" / topic / f"{id}.yaml", root / "experiments" / f"{topic}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [path, module] if like is None and trial is None and _stub(module, entry) else [path]


def _body(entry: Entry, trial: str | None) -> str:
    criterion = CRITERIA.get(entry.sort, DIFF)
    filled = dict(OWN_TRIAL)
    if trial is not None:
        called = call(trial)
        needed = ", ".join(f"{name}: TODO" for name in sorted(called.needs))
        filled = {**dict.fromkeys(filled, ""), "control_parameters": "TODO: TODO", "parameters": f"{{{needed}}}"}
        others = ", ".join(sorted(called.defaults)) or "nothing else"
        trial += "\n" + _wrapped(f"Parameters are shared by all conditions and controls; it also takes {others}.", "# ")
    elif "over: grid" in criterion:
        filled["parameters"] = filled["parameters"].replace("{}", "{grid: [10, 30, 100, 300]}")
    body = BODY.format(
        trial=trial or f"experiments.{entry.topic}.{_function(entry)}",
        test=_sketch("a test", entry.test),
        control=_sketch("a control", entry.control),
        criterion=criterion,
        **filled,
    )
    strict = entry.quantifier in ("always", "never") and "identity" not in criterion
    body += "why_always: TODO the guide's word or formula for it\n" * strict
    return body + "timed: true\n" * ("clock" in criterion)


def _taken_over(file: Path) -> str:
    """A claim file without what is its own, each key with the comments above it."""
    kept, above, key = "", "", ""
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("#"):
            above += line
            continue
        found = re.match(r"([a-z_]+):", line)
        key = found[1] if found else key
        kept += "" if key in OWN else above + line
        above = ""
    return kept


def _sketch(what: str, text: str) -> str:
    return _wrapped(f"Sketch of {what}: {text}", "# ") + "\n" if text else ""


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, 118, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _function(entry: Entry) -> str:
    return entry.id.replace("-", "_")


def _stub(module: Path, entry: Entry) -> bool:
    """Adds a stub of the entry's trial to a module; False where it has a function of that name."""
    head = f'"""Trials about {entry.topic.replace("_", " ")}."""\n'
    text = module.read_text(encoding="utf-8") if module.is_file() else head
    if f"def {_function(entry)}(" in text:
        return False
    criterion = CRITERIA.get(entry.sort, DIFF)
    stub = STUB.format(
        function=_function(entry),
        topic=entry.topic,
        grid="grid: list[float], " * ("over: grid" in criterion),
        outcomes=" and ".join(re.findall(r"\b(?:a|b|outcome|event): (\w+)", criterion)),
    )
    module.write_text(text.rstrip("\n") + "\n" + stub, encoding="utf-8")
    return True
