"""What need not be done again: digests of code, settings and files tell whether the same would come out."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from claims.evidence import Drift, write_text
from claims.fingerprint import NUMERICAL, PACKAGE
from claims.reproduction import Places
from claims.runner import Settings
from claims.store import Store


def digest(*parts: object) -> str:
    """Hash of values by their text, of files by their bytes, of folders by the names and bytes of all their files."""
    whole = hashlib.sha256()
    for piece in (piece for part in parts for piece in _pieces(part)):
        whole.update(hashlib.sha256(piece).digest())
    return whole.hexdigest()


def _pieces(part: object) -> Iterator[bytes]:
    if not isinstance(part, Path):
        yield repr(part).encode()
        return
    inside = sorted(path for path in part.rglob("*") if "__pycache__" not in path.parts)
    for path in inside or [part]:
        yield str(path).encode()
        yield path.read_bytes() if path.is_file() else b""


def code() -> str:
    """Hash of this library, of the trials and of the versions that they compute with."""
    spec = find_spec(PACKAGE)
    trials = sorted(spec.submodule_search_locations or []) if spec else []
    return digest(Path(__file__).parent, *map(Path, trials), sorted(_versions()), sys.version)


def _versions() -> Iterator[tuple[str, str]]:
    for name in NUMERICAL:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, ""


class Memory:
    """How the claims of a folder of evidence came out, as long as everything that it followed from is as it was.

    Attributes:
        stored: Names of the claims that have results in the store.
    """

    def __init__(self, places: Places, target: Path, settings: Settings) -> None:
        """Reads what the last run into `target` left."""
        self._places, self._target = places, target
        self._file = places.build / "unchanged" / f"{target.name}-outcomes.json"
        self._common = code(), settings
        self._store = Store(places.store)
        self._version, self._stored = self._store.version(), self._store.digests()
        self.stored = frozenset(self._stored)
        try:
            self._kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # there is none, or a damaged one
            self._kept = {}

    def recalled(self, paths: Iterable[str]) -> dict[str, Drift]:
        """The claims of which nothing changed, with how they compare with the committed evidence."""
        known = {path: self._kept[path] for path in paths if path in self._kept}
        return {
            path: Drift(**kept["drift"] | {"labels": tuple(kept["drift"]["labels"])})
            for path, kept in known.items()
            if kept["digest"] == self._digest(path)
        }

    def keep(self, drifts: Iterable[Drift]) -> None:
        """Remembers how claims came out; the last thing that is asked."""
        if self._store.version() != self._version:  # the run itself stored something, or another one did
            self._stored = self._store.digests()
        known = {
            drift.claim: {"digest": self._digest(drift.claim), "drift": dataclasses.asdict(drift)} for drift in drifts
        }
        self._store.close()
        write_text(self._file, json.dumps(self._kept | known, indent=1))

    def _digest(self, path: str) -> str:
        folders = [f / kind for f in (self._places.reports, self._target) for kind in ("evidence", "runs")]
        made = [folder / f"{path}.json" for folder in folders]
        claim = self._places.conf / "claim" / f"{path}.yaml"
        return digest(*self._common, self._stored.get(path), claim, *made)
