"""The mapping file: which file and column is what, as a schema that refuses what it does not know."""

import difflib
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from prompts.brief import Brand
from service.importing.errors import MappingError

Scalar = str | int | float | bool

Limits = tuple[float | None, float | None]
"""Least and most; null is no limit."""

Operator = Literal[
    "is", "is_not", "above", "at_least", "below", "at_most", "in", "not_in", "empty", "not_empty"
]
"""Words rather than signs, because YAML would need quotes around `>=` and `=`."""

Step = Literal["strip", "lower", "upper", "title", "first", "number", "boolean"]
"""Transforms that take no argument."""


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transform with an argument; exactly one is given."""

    split: str | None = None
    """Separator: a text becomes a list; empty parts go away."""
    map: dict[str, Scalar | None] | None = None
    """Values by text; what is not listed stays as it is."""
    multiply: float | None = None
    date: str | None = None
    """A strptime format, e.g. `%d/%m/%Y %H:%M`."""
    clip: Limits | None = None
    """A number outside becomes the nearer limit."""
    drop: Limits | None = None
    """A number outside is taken for missing; the row stays."""
    fill: Scalar | None = None
    """What a missing value becomes."""

    def __post_init__(self) -> None:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a transform has exactly one of {', '.join(self.__struct_fields__)}, not {given or 'none'}"
            )
        for limits in (self.clip, self.drop):
            if limits is not None:
                ends = [end for end in limits if end is not None]
                if not ends or ends != sorted(ends):
                    raise ValueError(
                        f"limits {list(limits)} are a least and a most number, or null for one of them"
                    )


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a value comes from (exactly one of the first four) and what is done to it, in order."""

    column: str | None = None
    constant: Scalar | None = None
    concat: tuple[str, ...] | None = None
    """Columns joined by `separator`; empty ones are left out."""
    multiply: tuple[str, ...] | None = None
    """Columns multiplied with one another, e.g. `[quantity, price]`."""
    separator: str = " "
    apply: tuple[Step | Operation, ...] = ()

    def __post_init__(self) -> None:
        sources = ("column", "constant", "concat", "multiply")
        given = [name for name in sources if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a field has exactly one of {', '.join(sources)}, not {given or 'none'}")

    def columns(self) -> tuple[str, ...]:
        """List the columns of the file it reads, in the order of the mapping."""
        if self.column is not None:
            return (self.column,)
        return (self.concat or ()) + (self.multiply or ())


FieldOrColumn = str | Field


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row is kept when its column compares so; a number compares as a number."""

    column: str
    op: Operator
    value: Scalar | tuple[Scalar, ...] | None = None

    def __post_init__(self) -> None:
        needs_list = self.op in ("in", "not_in")
        needs_none = self.op in ("empty", "not_empty")
        wrong = {
            "a list under `value`": needs_list and not isinstance(self.value, tuple),
            "no `value`": needs_none and self.value is not None,
            "one `value`": not needs_list
            and not needs_none
            and (self.value is None or isinstance(self.value, tuple)),
            "a number under `value`": self.op in ("above", "at_least", "below", "at_most")
            and (isinstance(self.value, bool) or not isinstance(self.value, int | float)),
        }
        for wanted, failed in wrong.items():
            if failed:
                raise ValueError(f"op `{self.op}` takes {wanted}")


class FileSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the folder and which of its rows count."""

    file: str
    """Relative to the folder: `.csv`, `.csv.gz`, `.jsonl`, `.jsonl.gz` or `.parquet`."""
    delimiter: str = ","
    encoding: str = "utf-8"
    where: tuple[Condition, ...] = ()

    def fields(self) -> dict[str, Field]:
        """Every field by its name in the mapping; `traits.country` for those inside a group."""
        found: dict[str, Field] = {}
        for name in self.__struct_fields__:
            if name in FileSection.__struct_fields__:
                continue
            value = getattr(self, name)
            if isinstance(value, dict):
                group = typing.cast("dict[str, FieldOrColumn]", value)
                found |= {f"{name}.{key}": as_field(inner) for key, inner in group.items()}
            elif isinstance(value, Field) or (isinstance(value, str) and name != "rows"):
                found[name] = as_field(value)
        return found

    def columns(self) -> tuple[str, ...]:
        """Every column of the file the mapping names, once each, in the mapping's order."""
        named = [column for field in self.fields().values() for column in field.columns()]
        return tuple(dict.fromkeys(named + [condition.column for condition in self.where]))


class ItemsSection(FileSection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The catalogue. Events of items that `where` leaves out are left out with them."""

    id: FieldOrColumn
    title: FieldOrColumn
    description: FieldOrColumn | None = None
    category: FieldOrColumn | None = None
    brand: FieldOrColumn | None = None
    price: FieldOrColumn | None = None
    currency: FieldOrColumn | None = None
    """None: the workspace's."""
    url: FieldOrColumn | None = None
    in_stock: FieldOrColumn | None = None
    benefits: FieldOrColumn | None = None
    attributes: dict[str, FieldOrColumn] = {}


class ProfilesSection(FileSection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customers. `rows: many` reads a file with many rows per customer, such as the events'
    own: a trait is then the customer's first value that is not empty.
    """

    id: FieldOrColumn
    created_at: FieldOrColumn | None = None
    traits: dict[str, FieldOrColumn] = {}
    rows: Literal["one", "many"] = "one"


class EventsSection(FileSection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What customers did. Without `id` an event is known by its row's digest and its ordinal."""

    id: FieldOrColumn | None = None
    profile: FieldOrColumn
    type: FieldOrColumn
    time: FieldOrColumn
    item: FieldOrColumn | None = None
    variant: FieldOrColumn | None = None
    value: FieldOrColumn | None = None
    quantity: FieldOrColumn | None = None
    properties: dict[str, FieldOrColumn] = {}
    weights: dict[str, float] = {}
    """What an event of a type says about taste; negative is dislike. Becomes the workspace's."""

    def fields(self) -> dict[str, Field]:
        return {name: field for name, field in super().fields().items() if not name.startswith("weights.")}


class ConsentsSection(FileSection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a CRM may write to: words about channels, and who is on its list of suppressions.

    Each row is about its `profile`, else whoever has its `email`, else its `phone`.
    """

    profile: FieldOrColumn | None = None
    email: FieldOrColumn | None = None
    phone: FieldOrColumn | None = None
    channel: FieldOrColumn
    state: FieldOrColumn
    """`granted`, `denied` or `suppressed`."""
    time: FieldOrColumn | None = None
    """When it was said; a word needs it, since the last one counts."""
    source: FieldOrColumn | None = None
    """Where it was said; of a suppression the reason."""

    def __post_init__(self) -> None:
        if self.profile is None and self.email is None and self.phone is None:
            raise ValueError("say whose words they are: name at least one of profile, email, phone")


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole mapping file."""

    version: Literal[1] = 1
    timezone: str = "UTC"
    """IANA name: of times without a zone, and of the workspace."""
    reference_time: str | None = None
    """`now`, `latest_event` or an ISO instant; none leaves the workspace's as it is."""
    currency: str | None = None
    """ISO 4217 code; none leaves the workspace's as it is."""
    brand: Brand | None = None
    items: ItemsSection | None = None
    profiles: ProfilesSection | None = None
    events: EventsSection | tuple[EventsSection, ...] | None = None
    """One file, or a list where each kind of event has its own."""
    consents: ConsentsSection | tuple[ConsentsSection, ...] | None = None
    """One file, or a list: suppressions often have their own."""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time zone {self.timezone!r} is not an IANA name like Europe/London") from error
        if not self.sections():
            raise ValueError("a mapping names at least one of items, profiles, events, consents")

    def event_sections(self) -> tuple[EventsSection, ...]:
        """List the events' files, none, one or several."""
        if self.events is None:
            return ()
        return (self.events,) if isinstance(self.events, EventsSection) else self.events

    def consent_sections(self) -> tuple[ConsentsSection, ...]:
        """List the files of consents and suppressions, none, one or several."""
        if self.consents is None:
            return ()
        return (self.consents,) if isinstance(self.consents, ConsentsSection) else self.consents

    def sections(self) -> tuple[FileSection, ...]:
        """List every file the mapping reads, in the order they are imported."""
        single = (self.items, self.profiles)
        found = (section for section in single if section)
        return (*found, *self.event_sections(), *self.consent_sections())


def as_field(value: FieldOrColumn) -> Field:
    """Read a bare name in the mapping as the column of that name."""
    return Field(column=value) if isinstance(value, str) else value


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises `MappingError` naming the file, the place in it and, for an unknown key, the nearest known one.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MappingError(f"mapping {path} does not exist: give --mapping the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"mapping {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise MappingError(f"mapping {path} is not YAML: {_one_line(str(error))}") from error
    return parse_mapping(document, name=str(path))


def parse_mapping(document: Any, *, name: str = "mapping") -> Mapping:
    """Check an already decoded mapping; `name` is what errors call it. Raises `MappingError`."""
    try:
        return msgspec.convert(document, Mapping)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise MappingError(f"{name}: {explain(str(error), Mapping)}") from error


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*?)`(?: - at `\$(?P<path>.*)`)?$")
_PART = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<inside>[^\]]*)\]")


def explain(message: str, root: type) -> str:
    """Msgspec's message, with an unknown key's path and its nearest known neighbour added."""
    found = _UNKNOWN.match(message)
    if found is None:
        return message
    key, path = found["key"], (found["path"] or "").lstrip(".")
    known = sorted(_known_keys(root, found["path"] or ""))
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean `{close[0]}`?" if close else f"known keys here: {', '.join(known)}"
    return f"unknown key `{key}` at `{f'{path}.{key}' if path else key}`; {hint}"


def _known_keys(root: type, path: str) -> set[str]:
    """Collect the field names of every struct the path may lead to."""
    here: list[Any] = [root]
    for part in _PART.finditer(path):
        here = [inner for kind in here for inner in _step(kind, part["name"])]
    return {name for kind in here if _is_struct(kind) for name in kind.__struct_fields__}


def _step(kind: Any, name: str | None) -> list[Any]:
    """One step down: a struct's field by name, or a container's element."""
    if _is_struct(kind):
        return _members(typing.get_type_hints(kind).get(name)) if name else []
    arguments = typing.get_args(kind)
    return [inner for argument in arguments[-2:] for inner in _members(argument)]


def _members(kind: Any) -> list[Any]:
    if typing.get_origin(kind) in (Union, types.UnionType):
        return [inner for argument in typing.get_args(kind) for inner in _members(argument)]
    return [kind]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _one_line(text: str) -> str:
    return " ".join(text.split())
