"""Why the shape of a value was refused, as a JSON path, a reason and the value: for bodies and rows alike."""

import re
from typing import Any

import msgspec

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


def explain(error: msgspec.ValidationError, whole: Any) -> FieldProblem:
    """Say what `error` refused in `whole`, the decoded value it was raised for."""
    reason, path = reason_and_path(error)
    value = value_at(whole, path)
    return FieldProblem(path=path, reason=told(reason, value), value=cut(value))


def reason_and_path(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split a validation error into its reason and the JSON path it names (`$` for the whole)."""
    found = _AT_PATH.match(str(error))
    return (found["reason"], found["path"] or "$") if found else (str(error), "$")


def told(reason: str, value: Any) -> str:
    """Add the value to the reason, unless it is a whole object or list."""
    return reason if value is None or isinstance(value, dict | list) else f"{reason}: {cut(value)!r}"


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
