"""Environments with other library versions than the pinned ones, in which the claims are run a second time."""

import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from claims.errors import ClaimsError, nearest
from claims.schema import read_yaml


@dataclass(frozen=True)
class Environment:
    """One file of `conf/environments`.

    Attributes:
        pins: Versions by distribution, in the place of those in `constraints.txt`.
        reasons: By claim, why its verdict or an effect moved there.
    """

    name: str
    pins: dict[str, str]
    reasons: dict[str, str] = field(default_factory=dict)

    def constraints(self, text: str) -> str:
        """The text of `constraints.txt` with the pins of this environment.

        Raises:
            ClaimsError: A pin is of a distribution that the text does not name.
        """
        for name, version in self.pins.items():
            text, count = re.subn(rf"(?im)^{re.escape(name)}==\S+$", f"{name}=={version}", text)
            if not count:
                raise ClaimsError(f"conf/environments/{self.name}.yaml: pins: constraints.txt has no {name}; mend it")
        return text

    def refuse_others(self) -> None:
        """Refuses to take the libraries at hand for those of this environment.

        Raises:
            ClaimsError: Another version of a pinned library is installed.
        """
        for name, version in self.pins.items():
            found = metadata.version(name)
            if found != version:
                raise ClaimsError(
                    f"environment {self.name}: {name} must be {version}, {found} is installed here; "
                    f"make environment NAME={self.name} installs it apart and runs this"
                )


def load(conf: Path) -> dict[str, Environment]:
    """The environments that there are, by name.

    Raises:
        ClaimsError: A file breaks a rule.
    """
    return {file.stem: _load(file) for file in sorted((conf / "environments").glob("*.yaml"))}


def named(conf: Path, name: str) -> Environment:
    """One environment.

    Raises:
        ClaimsError: There is none of that name.
    """
    known = load(conf)
    if name not in known:
        hint = nearest(name, known, f"; conf/environments has {', '.join(known) or 'none'}")
        raise ClaimsError(f"environment: there is no {name!r}{hint}")
    return known[name]


def _load(file: Path) -> Environment:
    found = read_yaml(file)
    for key in found.keys() - {"pins", "reasons"}:
        raise ClaimsError(f"{file}: {key}: is no key here; keys are pins and reasons")
    pins, reasons = found.get("pins") or {}, found.get("reasons") or {}
    for key, values in (("pins", pins), ("reasons", reasons)):
        if not isinstance(values, dict) or not all(isinstance(x, str) for pair in values.items() for x in pair):
            raise ClaimsError(f"{file}: {key}: must map names to texts, got {values!r}; quote a version such as '1.8'")
    if not pins:
        raise ClaimsError(f"{file}: pins: must name at least one distribution with its version")
    return Environment(file.stem, pins, reasons)
