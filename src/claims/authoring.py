"""Starting a claim: a file with comments that teach, and a trial that fails loudly until it is written."""

from pathlib import Path

from claims import schema
from claims.errors import ClaimsError
from claims.guide import Guide

TEMPLATE = """\
# What the guide says, as one sentence in our own words that could turn out false.
statement: TODO
# Numbers of the guide's sections and the lines that say it.
guide: {{sections: [{section}], lines: ["{line}"]}}
# always (the guide says must, guarantees, or prints a formula), typically (a bare "A beats B"), often, can, never
quantifier: typically
trial: experiments.{topic}.{function}
parameters: {{}}  # shared by all conditions and controls
# At both ends of what readers meet: small and large, clean and noisy, generated and real (real: this_data).
conditions:
  small: {{size: 100}}
  large: {{size: 1000}}
  clean: {{noise: 0.0}}
  noisy: {{noise: 1.0}}
# Kinds: diff, ratio, winrate, equiv, level, trend, interior, best, rate, identity; all: or any: for several at once.
criterion: {{kind: diff, a: treated, b: plain, better: higher, margin: 0.01, why: TODO why less would not matter}}
controls:
  negative:
    no-mechanism: {{base: large, noise: 5.0}}  # what the claim says is at work is taken away: the criterion must fail
"""

STUB = '''

def {function}(seed: int, *, size: int = 200, noise: float = 0.1) -> dict[str, float]:
    """One replicate: both arms on the same data; say which number comes out, its unit and range."""
    raise NotImplementedError("write the trial {function} before running the claim")
'''


def create(name: str, like: str | None, root: Path, guide: Guide) -> list[Path]:
    """Writes the claim file `topic/id`, and a stub of its trial where there is none; the files written.

    Raises:
        ClaimsError: The name is no `topic/id`, is taken, or `like` does not exist.
    """
    topic, _, id = name.partition("/")
    if not schema.NAME.fullmatch(id) or not topic.isidentifier() or not topic.islower():
        raise ClaimsError(f"name: is written topic/id, the id in lower-case words joined by hyphens, got {name!r}")
    files = schema.files(root / "conf")
    taken = [path for path in files if path.partition("/")[2] == id]
    if taken:
        raise ClaimsError(f"name: the id {id!r} is taken by {taken[0]}; choose another")
    path = root / "conf" / "claim" / topic / f"{id}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    if like is not None:
        if like not in files:
            raise ClaimsError(f"like: there is no claim {like!r}; claims list shows them all")
        path.write_text(files[like].read_text(encoding="utf-8"), encoding="utf-8")
        return [path]
    section = next((s for s in guide.sections if s.topic == topic), guide.sections[0])
    function = id.replace("-", "_")
    filled = TEMPLATE.format(topic=topic, function=function, section=section.number, line=section.first)
    path.write_text(filled, encoding="utf-8")
    module = root / "experiments" / f"{topic}.py"
    if module.is_file() and f"def {function}(" in module.read_text(encoding="utf-8"):
        return [path]
    text = (
        module.read_text(encoding="utf-8") if module.is_file() else f'"""Trials about {topic.replace("_", " ")}."""\n'
    )
    module.write_text(text.rstrip("\n") + "\n" + STUB.format(function=function), encoding="utf-8")
    return [path, module]
