"""The guide's sections: number, short name in our words, topic and lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from claims.errors import ClaimsError
from claims.schema import Place, read_yaml


@dataclass(frozen=True)
class Section:
    """One of the guide's sections; `first` and `last` are line numbers of the text named by the guide's sha256."""

    number: int
    name: str
    topic: str
    first: int
    last: int


@dataclass(frozen=True)
class Guide:
    """The guide as the project refers to it; its text is not included."""

    title: str
    sha256: str
    lines: int
    sections: tuple[Section, ...]

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


def load(conf: Path) -> Guide:
    """The guide as described by `conf/guide/sections.yaml`."""
    path = conf / "guide" / "sections.yaml"
    content = read_yaml(path)
    try:
        sections = tuple(Section(**section) for section in content["sections"])
        return Guide(content["title"], content["sha256"], content["lines"], sections)
    except (KeyError, TypeError) as error:
        raise ClaimsError(
            f"{path}: a field is missing or unknown ({error}); restore the file from version control"
        ) from None
