"""Why the shape of a value was refused, as a JSON path, a reason and the value: for bodies and rows alike."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

MAX_QUOTED_CHARACTERS = 200

_AT_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]")


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One value that was refused."""

    path: str
    """Where it stands: a JSON path in the body (`$.offer.text`), or the name of a parameter."""
    reason: str
    value: Any = None
    """The refused value, cut short when long; null when there was none."""


def explain(error: msgspec.ValidationError, whole: Any, kind: Any) -> FieldProblem:
    """Say what `error` refused in `whole`, the decoded value that should have been a `kind`."""
    reason, path = reason_and_path(error)
    value = value_at(whole, path)
    return FieldProblem(path=path, reason=told(reason, value, kind, path), value=cut(value))


def reason_and_path(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split a validation error into its reason and the JSON path it names (`$` for the whole)."""
    found = _AT_PATH.match(str(error))
    return (found["reason"], found["path"] or "$") if found else (str(error), "$")


def told(reason: str, value: Any, kind: Any = None, path: str = "$") -> str:
    """Add the value to the reason, unless it is a whole object or list.

    Where a `kind` lists what may stand at the path, the reason is that list.
    """
    if reason.startswith("Invalid enum value") and (choices := choices_at(kind, path)):
        return f"{cut(value)!r} is none of {', '.join(map(str, choices))}"
    return reason if value is None or isinstance(value, dict | list) else f"{reason}: {cut(value)!r}"


def choices_at(kind: Any, path: str) -> tuple[Any, ...]:
    """List the values that may stand at a path of a `kind`, where its type lists them."""
    places: list[inspect.Type] = [inspect.type_info(kind)]
    for step in _STEP.finditer(path):
        places = [inner for each in places for inner in _inside(each, step["name"])]
    found = [each for place in places for each in _alternatives(place)]
    return tuple(value for each in found if isinstance(each, inspect.LiteralType) for value in each.values)


def _inside(place: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    """Give the types that a field of this name, or an element, of a place may have."""
    for each in _alternatives(place):
        match each:
            case inspect.StructType():
                yield from (field.type for field in each.fields if field.encode_name == name)
            case inspect.ListType() | inspect.VarTupleType():
                yield each.item_type
            case _:
                pass


def _alternatives(place: inspect.Type) -> Sequence[inspect.Type]:
    while isinstance(place, inspect.Metadata):
        place = place.type
    return place.types if isinstance(place, inspect.UnionType) else (place,)


def value_at(value: Any, path: str) -> Any:
    """Look up the value at a path such as `$.offers[2].text`; none when the path leads nowhere."""
    for step in _STEP.finditer(path):
        try:
            value = value[step["name"]] if step["index"] is None else value[int(step["index"])]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def cut(value: Any) -> Any:
    """Make a value short enough to be shown: scalars and cut text; of objects and lists nothing."""
    if isinstance(value, str):
        return value if len(value) <= MAX_QUOTED_CHARACTERS else value[:MAX_QUOTED_CHARACTERS] + "…"
    return None if isinstance(value, dict | list) else value
