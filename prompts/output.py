"""An engine's answer: the JSON schema it is asked for, and the strict reading of what came back.

Tolerated, since harmless: white space around the answer and around a text, and one ```json fence that
encloses the whole answer. Everything else is refused with the place: prose around the JSON, a missing,
unknown or repeated key, a wrong type, an empty text, too few or too many list entries, a control character.
Nothing is repaired.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from prompts.channels import Channel, Field, channel_read, find_channel
from prompts.errors import OutputError
from prompts.variant import Fields

ROOM_FOR_TAGS = 120
"""Characters a schema allows over a field's target: slots and merge tags are longer than what fills them.
The schema only stops an answer that runs on; limits are checked later, so that no decoder cuts to fit."""

ONE_LINE = r"^[^\n]*$"
"""The pattern of a text that is one line, so that an engine that decodes by the schema breaks none."""

LONGEST_ANSWER = 50_000

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def schema(channel: str, slots: Collection[str] | None = None) -> dict[str, Any]:
    """Describe a channel's answer as a JSON schema. Raises `BriefError` for an unknown channel.

    With `slots` (their names, e.g. `product`) its texts hold no other brace than these slots', so that an
    engine that decodes by the schema writes no slot that it was not given.
    """
    found = find_channel(channel)
    return {
        "type": "object",
        "properties": {field.name: _field_schema(field, slots) for field in found.fields},
        "required": [field.name for field in found.fields],
        "additionalProperties": False,
    }


def _field_schema(field: Field, slots: Collection[str] | None) -> dict[str, Any]:
    text: dict[str, Any] = {
        "type": "string",
        "minLength": 1,
        "maxLength": field.target.value + ROOM_FOR_TAGS,
    }
    if slots is not None:
        text["pattern"] = _slotted(slots, multiline=field.multiline)
    elif not field.multiline:
        text["pattern"] = ONE_LINE
    if field.items is None:
        return text
    return {"type": "array", "items": text, "minItems": field.items[0], "maxItems": field.items[1]}


def _slotted(slots: Collection[str], *, multiline: bool) -> str:
    plain = "[^{]" if multiline else r"[^\n{]"
    return rf"^({plain}|\{{\{{({'|'.join(slots)})\}}\}})*$"


def parse(channel: str, text: str) -> Fields:
    """Read the channel's fields from an answer, in the channel's order.

    Raises `OutputError`, quoting the place, for anything the module does not tolerate.
    """
    found = find_channel(channel)
    if len(text) > LONGEST_ANSWER:
        raise OutputError(f"the answer has {len(text)} characters, at most {LONGEST_ANSWER}: {_quote(text)}")
    answer = unfenced(text)
    loaded = _load(answer)
    if not isinstance(loaded, dict):
        raise OutputError(f"the answer is not a JSON object: {_quote(answer)}")
    return _fields(found, cast("dict[str, object]", loaded))


def unfenced(text: str) -> str:
    """Take white space and one ```json fence off an answer, where the fence encloses all of it."""
    answer = text.strip()
    fenced = _FENCE.fullmatch(answer)
    return fenced[1].strip() if fenced else answer


def read_fields(channel: str, given: Mapping[str, object], *, partly: bool = False) -> Fields:
    """Read the channel's fields from values by name, as strictly as from an answer.

    `partly` takes some of the fields, at least one, for all. Raises `OutputError`, quoting the place, and
    `BriefError` for an unknown channel.
    """
    fields = _fields(channel_read(channel), given, partly=partly)
    size = sum(
        len(text) for value in fields.values() for text in ([value] if isinstance(value, str) else value)
    )
    if size > LONGEST_ANSWER:
        raise OutputError(f"the copy has {size} characters: at most {LONGEST_ANSWER}")
    return fields


def _load(answer: str) -> object:
    try:
        return json.loads(answer, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = answer[max(0, error.pos - 30) : error.pos + 30]
        raise OutputError(f"not JSON at character {error.pos} ({error.msg}), near {_quote(place)}") from error
    except RecursionError as error:
        raise OutputError(f"the answer is nested too deep: {_quote(answer)}") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise OutputError(f"the answer repeats the key {_quote(repeated[0])}")
    return dict(pairs)


def _refuse_constant(name: str) -> object:
    raise OutputError(f"{name} is not JSON")


def _fields(channel: Channel, answer: Mapping[str, object], *, partly: bool = False) -> Fields:
    names = [field.name for field in channel.fields]
    for name in names:
        if name not in answer and not partly:
            raise OutputError(f"the copy lacks {name!r}: {channel.name} needs {', '.join(names)}")
    for name in answer:
        if name not in names:
            raise OutputError(f"unknown field {_quote(name)}: {channel.name} has {', '.join(names)}")
    if not answer:
        raise OutputError(f"the copy is empty: {channel.name} has {', '.join(names)}")
    return {field.name: _value(field, answer[field.name]) for field in channel.fields if field.name in answer}


def _value(field: Field, value: object) -> str | list[str]:
    if field.items is None:
        return _text(field, field.name, value)
    if not isinstance(value, list):
        raise OutputError(f"{field.name} must be a list of texts, not {_quote(value)}")
    entries = cast("list[object]", value)
    low, high = field.items
    if not low <= len(entries) <= high:
        raise OutputError(f"{field.name} has {len(entries)} entries: {low} to {high} are wanted")
    return [_text(field, f"{field.name}[{index}]", entry) for index, entry in enumerate(entries)]


def _text(field: Field, place: str, value: object) -> str:
    if not isinstance(value, str):
        raise OutputError(f"{place} must be a text, not {_quote(value)}")
    text = value.strip()
    if not text:
        raise OutputError(f"{place} is empty")
    if control := _CONTROL.search(text):
        raise OutputError(f"{place} holds the control character {control.group()!r} at {control.start()}")
    if "\n" in text and not field.multiline:
        raise OutputError(f"{place} must be one line: {_quote(text)}")
    return text


def _quote(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
