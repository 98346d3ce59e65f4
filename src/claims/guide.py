"""What the guide says: its sections, the ledger of its claims in our words, and how far these are on trial."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from claims.errors import ClaimsError
from claims.schema import Claim, Place, read_yaml


@dataclass(frozen=True)
class Section:
    """One of the guide's sections; `first` and `last` are line numbers of the text named by the guide's sha256."""

    number: int
    name: str
    topic: str
    first: int
    last: int


@dataclass(frozen=True)
class Entry:
    """One thing that the guide says, as the ledger has it.

    Attributes:
        lines: Where, such as `55-56, 1685`.
        sort: What it is taken for: comparative, trend, exact, numeric, code, resource, existence or untestable.
        wave: When it is to be tested, 1 to 3; 0 where it cannot be, for the `reason` given.
        quantifier: A hint, read from the guide's words.
        stated: False where the guide only implies it.
        test: A sketch of a test; `control` one of a negative control.
        added: Why the first reading of the guide had missed it.
    """

    id: str
    topic: str
    claim: str
    sections: tuple[int, ...]
    lines: str
    sort: str
    wave: int
    quantifier: str = ""
    stated: bool = True
    test: str = ""
    control: str = ""
    reason: str = ""
    added: str = ""

    @property
    def path(self) -> str:
        """`topic/id`, which names its claim file too."""
        return f"{self.topic}/{self.id}"

    @property
    def place(self) -> Place:
        """Where the guide says it."""
        return Place(sections=list(self.sections), lines=list(self.lines.split(", ")))


@dataclass(frozen=True)
class Part:
    """What became of one section: evidence of its claims, entries without evidence, entries that cannot be tested."""

    section: Section
    tested: tuple[Mapping[str, Any], ...]
    open: tuple[Entry, ...]
    untestable: tuple[Entry, ...]


@dataclass(frozen=True)
class Guide:
    """The guide as the project refers to it; its text is not included. The ledger is read when it is asked for."""

    title: str
    sha256: str
    lines: int
    sections: tuple[Section, ...]
    folder: Path | None = field(default=None, compare=False)

    @cached_property
    def ledger(self) -> dict[str, Entry]:
        """Entries by id, those that can be tested first in each topic; empty for a guide without a folder.

        Raises:
            ClaimsError: A file cannot be read, has an unknown or missing field, or repeats an id.
        """
        found: dict[str, Entry] = {}
        for path in sorted((self.folder / "ledger").glob("*.yaml")) if self.folder else []:
            for id, fields in read_yaml(path).items():
                if id in found:
                    raise ClaimsError(f"{path}: the id {id!r} is taken by {found[id].path}; choose another")
                try:
                    place = {"sections": tuple(fields["sections"]), "lines": str(fields["lines"])}
                    found[id] = Entry(**{"id": id, "topic": path.stem, **fields, **place})
                except (KeyError, TypeError) as error:
                    told = str(error).removeprefix("Entry.__init__() ")
                    raise ClaimsError(f"{path}: {id}: a field is missing or unknown ({told}); mend it") from None
        return found

    def entry(self, path: str) -> Entry:
        """The entry that a claim `topic/id` tests.

        Raises:
            ClaimsError: There is none of this topic, or it cannot be tested.
        """
        topic, _, id = path.partition("/")
        found = self.ledger.get(id)
        if found is None:
            near = difflib.get_close_matches(path, [entry.path for entry in self.ledger.values()], cutoff=0.5)
            raise ClaimsError(
                f"{path}: the ledger has no such claim; nearest: {', '.join(near) or 'none'}; claims coverage lists "
                f"them, one that it missed is added to conf/guide/ledger/{topic}.yaml with `added:` and the reason"
            )
        if found.topic != topic:
            raise ClaimsError(f"{path}: the ledger has this claim under {found.topic!r}; write {found.path}")
        if not found.wave:
            raise ClaimsError(f"{path}: the ledger takes this for untestable ({found.reason}); choose another")
        return found

    def strangers(self, claim: Claim) -> Iterator[str]:
        """What keeps a claim file from being the test of its entry in the ledger."""
        try:
            entry = self.entry(claim.path)
        except ClaimsError as error:
            yield str(error)
            return
        ranges = [(ours, theirs) for ours in claim.guide.ranges() for theirs in entry.place.ranges()]
        if not set(entry.sections) & set(claim.guide.sections):
            told = ", ".join(map(str, entry.sections))
            yield f"{claim.path}: guide.sections: must share one with the ledger's {told}; mend either"
        elif not any(a <= last and first <= b for (a, b), (first, last) in ranges):
            yield f"{claim.path}: guide.lines: must share one with the ledger's {entry.lines}; mend either"

    def coverage(self, records: Iterable[Mapping[str, Any]]) -> list[Part]:
        """Every section with what became of its claims, in the order of the guide; `records` are evidence."""
        tested = {record["id"]: record for record in records}
        parts = []
        for section in self.sections:
            here = [entry for entry in self.ledger.values() if section.number in entry.sections]
            here.sort(key=lambda entry: (_first_line(entry, section), entry.id))
            ids = {entry.id for entry in here}
            own = [r for id, r in tested.items() if id in ids or section.number in r["guide"]["sections"]]
            waiting = tuple(entry for entry in here if entry.wave and entry.id not in tested)
            parts.append(Part(section, tuple(own), waiting, tuple(entry for entry in here if not entry.wave)))
        return parts

    def faults(self, place: Place) -> Iterator[str]:
        """What is wrong with a place: a section that does not exist, lines outside the named sections."""
        by_number = {section.number: section for section in self.sections}
        for number in place.sections:
            if number not in by_number:
                yield f"guide.sections: the guide has sections 1 to {len(self.sections)}, got {number}"
        named = [by_number[number] for number in place.sections if number in by_number]
        try:
            ranges = list(place.ranges())
        except ClaimsError as error:
            yield str(error)
            return
        outside = [r for r in ranges if not any(s.first <= r[0] and r[1] <= s.last for s in named)]
        for first, last in outside:
            if named:
                spans = ", ".join(f"section {s.number}: lines {s.first}-{s.last}" for s in named)
                yield f"guide.lines: must lie inside the named sections ({spans}), got {first}-{last}"
        for section in named if not outside else []:
            if not any(section.first <= first and last <= section.last for first, last in ranges):
                yield f"guide.lines: no line lies in section {section.number}; add its lines or drop the section"


def _first_line(entry: Entry, section: Section) -> int:
    """The first line of an entry inside a section."""
    starts = [int(number) for number in re.findall(r"(\d+)(?:-\d+)?", entry.lines)]
    return min((line for line in starts if section.first <= line <= section.last), default=section.last)


def load(conf: Path) -> Guide:
    """The guide as described by `conf/guide`."""
    path = conf / "guide" / "sections.yaml"
    content = read_yaml(path)
    try:
        sections = tuple(Section(**section) for section in content["sections"])
        return Guide(content["title"], content["sha256"], content["lines"], sections, path.parent)
    except (KeyError, TypeError) as error:
        raise ClaimsError(
            f"{path}: a field is missing or unknown ({error}); restore the file from version control"
        ) from None
