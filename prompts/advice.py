"""What was meant by a value that does not fit a type: the choices there are, and the nearest of them."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

_AT_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|(\[)(?:\d+|\.\.\.)\]")
_ENUM = re.compile(r"^Invalid enum value '(?P<value>.*)'$", re.DOTALL)
_FIELD = re.compile(r"^Object contains unknown field `(?P<value>.*)`$", re.DOTALL)


def misfit(error: msgspec.ValidationError, kind: Any) -> tuple[str, str]:
    """Give the path of what `error` refused while converting to `kind`, `$` for the whole, and the reason.

    A word that is none of the choices, and a field nobody knows, is told with the choices and the nearest; an
    unknown field is itself the end of the path.
    """
    found = _AT_PATH.match(str(error))
    reason, path = (found["reason"], found["path"] or "$") if found else (str(error), "$")
    types = list(_types_at(inspect.type_info(kind), path))
    if (word := _ENUM.match(reason)) is not None:
        choices = [
            str(each) for kind in types if isinstance(kind, inspect.LiteralType) for each in kind.values
        ]
        return path, nearest(f"{word['value']!r} is none of the choices", word["value"], choices)
    if (field := _FIELD.match(reason)) is not None:
        name = field["value"]
        names = [
            each.encode_name for kind in types if isinstance(kind, inspect.StructType) for each in kind.fields
        ]
        return f"{path}.{name}", nearest(f"unknown key `{name}`", name, names)
    return path, reason


def nearest(refused: str, word: str, known: Iterable[str]) -> str:
    """Add the nearest of the known words to why one was refused; without any near, all of them."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    return f"{refused}: did you mean `{near[0]}`?" if near else f"{refused}: there are {', '.join(words)}"


def _types_at(kind: inspect.Type, path: str) -> Iterable[inspect.Type]:
    """Give the types a path may lead to; more than one where a value may be of several."""
    found = list(_members(kind))
    for step in _STEP.finditer(path):
        found = [
            member
            for outer in found
            for inner in _inner(outer, step[1], of_list=step[2] is not None)
            for member in _members(inner)
        ]
    return found


def _members(kind: inspect.Type) -> Iterable[inspect.Type]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _inner(kind: inspect.Type, name: str | None, *, of_list: bool) -> Iterable[inspect.Type]:
    match kind:
        case inspect.StructType():
            return [field.type for field in kind.fields if field.encode_name == name]
        case inspect.DictType():
            return [kind.value_type]
        case inspect.CollectionType() if of_list:
            return [kind.item_type]
        case _:
            return []
