"""Why a value of a row cannot be stored, as text that quotes it; none when it can.

What one database takes and the other does not (a NUL, half a surrogate pair, NaN in JSON) is refused
for both.
"""

import math
import re
from typing import Any, cast

_NOT_IN_IDS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_TEXT = re.compile("[\x00\ud800-\udfff]")
UNSTORABLE = "{} holds a NUL or half a character, which no database takes: leave that out"

ID_LENGTH = 200
DEEPEST_JSON = 20
LARGEST_INTEGER = 2**63
LONGEST_QUOTE = 80


def quoted(value: object) -> str:
    """Return the value as it should be shown, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."


def id_refusal(name: str, value: str) -> str | None:
    """Ids are 1 to 200 characters without control characters."""
    if not value or len(value) > ID_LENGTH:
        return f"{name} {quoted(value)} has {len(value)} characters: use 1 to {ID_LENGTH}"
    if _NOT_IN_IDS.search(value):
        return f"{name} {quoted(value)} holds a control character or half a character"
    return None


def text_refusal(name: str, value: str | None, longest: int) -> str | None:
    """Texts have no NUL, no half characters, and a length."""
    if value is None:
        return None
    if len(value) > longest:
        return f"{name} {quoted(value)} has {len(value)} characters: use at most {longest}"
    if _NOT_IN_TEXT.search(value):
        return f"{name} {quoted(value)} holds a NUL or half a character"
    return None


def number_refusal(name: str, value: float | None) -> str | None:
    """Numbers are finite."""
    if value is None or math.isfinite(value):
        return None
    return f"{name} {value!r} is not a finite number"


def json_refusal(name: str, value: object, depth: int = 0) -> str | None:
    """JSON values are finite, shallow and made of storable text; `name` grows into a path."""
    if depth > DEEPEST_JSON:
        return f"{name} is nested deeper than {DEEPEST_JSON}"
    if isinstance(value, str):
        return text_refusal(name, value, 100_000)
    if isinstance(value, float):
        return number_refusal(name, value)
    if isinstance(value, int):
        return None if abs(value) < LARGEST_INTEGER else f"{name} {quoted(value)} does not fit 64 bits"
    if isinstance(value, dict):
        for key, inner in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str):
                return f"{name} has the key {quoted(key)}, which is no text"
            found = text_refusal(f"{name} key", key, 1000) or json_refusal(f"{name}.{key}", inner, depth + 1)
            if found:
                return found
        return None
    if isinstance(value, list | tuple):
        for place, inner in enumerate(cast("list[Any]", value)):
            if found := json_refusal(f"{name}[{place}]", inner, depth + 1):
                return found
        return None
    return (
        None if value is None else f"{name} {quoted(value)} is a {type(value).__name__}, which JSON has not"
    )
