"""What a claim file may say: the pydantic model, the YAML reader and the errors of both."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from claims.errors import ClaimsError, nearest
from claims.statistics.kinds import FREE, KINDS, NAMES, REQUIRED, WORDS

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RULES = {
    **dict.fromkeys(("dict_type", "model_type"), "must be a mapping such as {name: value}"),
    "list_type": "must be a list such as [first, second]",
    "string_type": "must be text; quote it",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("too_short", "string_too_short"), "must not be empty; fill it in"),
}
"""What a claim file must hold, by the type of pydantic's fault; its own message for the rest."""
YAML_BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false"})
FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)

Quantifier = Literal["always", "typically", "often", "can", "never"]
Real = Literal["this_data", "population"]


def _name(value: str) -> str:
    if not NAME.fullmatch(value) or value in YAML_BOOLEANS:
        raise ValueError(f"names are lower-case words joined by hyphens and no YAML boolean, got {value!r}")
    return value


def _reasoned(value: str) -> str:
    if len(value.split()) < 5:
        raise ValueError(f"an answer gives its reason in at least five words, got {value!r}")
    return value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(min_length=1)]
Answer = Annotated[str, AfterValidator(_reasoned)]
Parameters = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Strict):
    """Where the guide says it: section numbers and line ranges such as `55-56` or `1685`."""

    sections: list[int] = Field(min_length=1)
    lines: list[str | int] = Field(min_length=1)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """First and last line of each range.

        Raises:
            ClaimsError: A range is not written as `12` or `12-34`.
        """
        for text in map(str, self.lines):
            match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
            if not match or int(match[2] or match[1]) < int(match[1]):
                raise ClaimsError(f"guide.lines: a range is written '55' or '55-56', got {text!r}")
            yield int(match[1]), int(match[2] or match[1])


class Control(_Strict):
    """Parameters that replace those of the condition `base`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    base: Name

    def parameters(self) -> Parameters:
        """What replaces the base condition's parameters."""
        return dict(self.model_extra or {})


class Controls(_Strict):
    """Negative controls remove the mechanism; positive ones show that the trial can see the effect."""

    negative: dict[Name, Control] = Field(min_length=1)
    positive: dict[Name, Control] = Field(default_factory=dict)


class Revision(_Strict):
    """A change of the declaration or the trial after evidence was committed; each draws fresh seeds."""

    what: Text
    why: Text


class Review(_Strict):
    """What a second reader, who did not write the claim, answered; reasons, not yes or no."""

    sentence: Answer
    fairness: Answer
    falsifiable: Answer
    sceptic: Answer
    changed: Answer


class ClaimFile(_Strict):
    """One claim as its file says it."""

    statement: Text
    guide: Place
    quantifier: Quantifier
    trial: Text
    parameters: Parameters = Field(default_factory=dict)
    conditions: dict[Name, Parameters | None] = Field(min_length=1)
    criterion: dict[str, Any]
    controls: Controls
    why_always: Text | None = None
    max_replicates: int | None = Field(default=None, ge=3, le=256)
    timed: bool = False
    threads: int = Field(default=1, ge=1, le=64)
    notes: str = ""
    references: list[str] = Field(default_factory=list)
    revisions: list[Revision] = Field(default_factory=list)
    review: Review | None = None


class Claim(ClaimFile):
    """A claim file with its identity: the id is the file's name, the topic its folder."""

    id: Name
    topic: str

    @property
    def path(self) -> str:
        """`topic/id`, the name used on the command line."""
        return f"{self.topic}/{self.id}"


class _Loader(yaml.CSafeLoader):
    """YAML as OmegaConf reads it: `1e-6` is a number, dates stay text, a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789."))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises:
        ClaimsError: The file cannot be read, is no YAML or no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - derives from CSafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        told = " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")
        raise ClaimsError(f"{path}: is not valid YAML: {told}; mend that line") from None
    if not isinstance(content, dict):
        found = type(content).__name__ if content is not None else "nothing"
        raise ClaimsError(
            f"{path}: must be a mapping of keys to values, found {found}; see CONTRIBUTING.md for the keys"
        )
    return content


def claim_of(content: Mapping[str, Any], topic: str, id: str) -> Claim:
    """A claim from the content of its file; `claims.contract` checks it against trial and guide.

    Raises:
        ClaimsError: An unknown, missing or ill-typed key; one line per fault.
    """
    try:
        return Claim.model_validate({**content, "topic": topic, "id": id})
    except ValidationError as error:
        told = {fault["loc"]: _fault(fault) for fault in error.errors()}
        unknown = " ".join(text for text in told.values() if ": unknown key" in text)
        # A misspelt key is also a missing one; the first line says all.
        faults = [t for loc, t in told.items() if "is required" not in t or f"did you mean {loc[-1]!r}" not in unknown]
        raise ClaimsError("\n".join(f"{topic}/{id}: {fault}" for fault in faults)) from None


def _fault(fault: Mapping[str, Any]) -> str:
    """One pydantic fault in the words: field, rule, value, next step."""
    location = [str(part) for part in fault["loc"] if part != "[key]"]
    field = ".".join(location)
    if fault["type"] == "extra_forbidden":
        return f"{field}: unknown key{nearest(location[-1], _keys_at(location[:-1]))}"
    if fault["type"] == "missing":
        step = {"negative": " (parameters that remove the mechanism, so that the criterion must fail)"}
        return f"{field}: is required{step.get(location[-1], '')}; add it"
    value = repr(fault["input"])
    got = f", got {value if len(value) < 60 else value[:57] + '...'}"
    rule = RULES.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
    rule = rule.replace("Input should", "must", 1)
    return f"{field}: {rule}{'' if ', got' in rule else got}"


def _keys_at(location: list[str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"guide": Place, "controls": Controls, "revisions": Revision, "review": Review}
    model = models.get(location[0], ClaimFile) if location else ClaimFile
    return list(model.model_fields)


def conf_of(root: Path) -> Path:
    """The configuration of a project; outside of one, what an installed package carries."""
    own, carried = root / "conf", Path(__file__).resolve().parent / "conf"
    return own if (own / "claim").is_dir() or not carried.is_dir() else carried


def files(conf: Path) -> dict[str, Path]:
    """Claim files under `conf/claim` by `topic/id`, sorted.

    Raises:
        ClaimsError: A file lies outside a topic folder, or one id is used twice.
    """
    root = conf / "claim"
    if not root.is_dir():
        raise ClaimsError(f"{root}: there is no such folder; run the command inside the project")
    found: dict[str, Path] = {}
    places: dict[str, str] = {}
    for path in sorted(root.rglob("*.y*ml")):
        parts = path.relative_to(root).with_suffix("").parts
        if len(parts) != 2 or path.suffix != ".yaml":
            raise ClaimsError(f"{path}: claim files lie at conf/claim/<topic>/<id>.yaml; move or rename it")
        topic, id = parts
        if id in places:
            raise ClaimsError(
                f"{path}: the id {id!r} is already taken by {places[id]}/{id}; rename one of the two files"
            )
        places[id] = topic
        found[f"{topic}/{id}"] = path
    return found


def load(path: Path) -> Claim:
    """The claim in a file; its folder is the topic, its name the id."""
    return claim_of(read_yaml(path), path.parent.name, path.stem)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a claim file, for completion and checks in editors."""
    schema = ClaimFile.model_json_schema()
    parts = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Criterion"}}
    kinds = [_kind_schema({"kind": {"const": kind}, **keys}) for kind, keys in KINDS.items()]
    groups = [_kind_schema({word: parts}) for word in ("all", "any")]
    schema["$defs"]["Criterion"] = {"anyOf": kinds + groups}
    schema["properties"]["criterion"] = {"$ref": "#/$defs/Criterion"}
    return schema


def _kind_schema(keys: Mapping[str, Any]) -> dict[str, Any]:
    """A criterion with these keys: a schema of the value, or a default, which makes the key optional."""
    number, text = {"type": "number"}, {"type": "string"}
    types: dict[str, Any] = {
        **dict.fromkeys((*NAMES, "why"), text),
        **{key: {"enum": list(words)} for key, words in WORDS.items()},
        **{key: {"type": "array", "items": number, "minItems": 2, "maxItems": 2} for key in ("range", "bounds")},
        "rivals": {"type": "array", "items": text, "minItems": 1},
        "n": {"type": "integer", "minimum": 1},
    }
    return {
        "type": "object",
        "properties": {
            key: value if isinstance(value, Mapping) else types.get(key, number)
            for key, value in {**keys, **dict.fromkeys(FREE)}.items()
        },
        "required": [key for key, value in keys.items() if value is REQUIRED or isinstance(value, Mapping)],
        "additionalProperties": False,
    }


def plain(value: Any) -> Any:
    """A value as it is stored in JSON: NaN and infinities as text, tuples as lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
