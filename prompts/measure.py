"""How full a text's field is: its length against every limit, as the medium counts it."""

from collections.abc import Sequence

import msgspec

from prompts.channels import Channel, Counting, Field, Limit
from prompts.counting import count
from prompts.errors import SlotError
from prompts.merge_tags import MergeTag, Piece, parse, written
from prompts.readers import ASSUMED, Readers
from prompts.variant import Fields

UNITS: dict[Counting, str] = {
    "characters": "characters",
    "bytes": "bytes",
    "sms": "septets",
    "weighted": "weighted characters",
}


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """One text's length against one limit."""

    field: str
    """Field name, with an index for list fields: `headlines[1]`."""
    counting: Counting
    length: int
    limit: int
    hard: bool
    """Whether the medium refuses or cuts what is longer."""

    @property
    def over(self) -> bool:
        """Whether the text is longer than the limit."""
        return self.length > self.limit


def label_texts(channel: Channel, fields: Fields) -> list[tuple[str, Field, str]]:
    """List the copy's texts in the channel's order, each with its label and its field."""
    found: list[tuple[str, Field, str]] = []
    for field in channel.fields:
        value = fields.get(field.name, [])
        if isinstance(value, str):
            found.append((field.name, field, value))
        else:
            found += [(f"{field.name}[{place}]", field, text) for place, text in enumerate(value)]
    return found


def length_of(label: str, limit: Limit, text: str) -> Length:
    """Measure one text against one limit."""
    return Length(
        field=label,
        counting=limit.counting,
        length=count(text, limit.counting),
        limit=limit.value,
        hard=limit.kind == "hard",
    )


def longest(pieces: Sequence[Piece], limits: Sequence[Limit], readers: Readers) -> tuple[str, ...]:
    """Write a text as whoever makes it longest reads it, by each limit.

    Exact: everybody's values are filled in and counted, since a shorter value may be the longer message (one
    letter outside GSM 03.38 makes an SMS UCS-2).
    """
    if not any(isinstance(piece, MergeTag) for piece in pieces):
        return (written(pieces, {}),) * len(limits)
    most, found = [-1] * len(limits), [""] * len(limits)
    for values in readers.people():
        filled = written(pieces, values)
        for place, limit in enumerate(limits):
            length = count(filled, limit.counting)
            if length > most[place]:
                most[place], found[place] = length, filled
    return tuple(found)


def measure(channel: Channel, fields: Fields) -> tuple[Length, ...]:
    """Measure every text of filled copy against every limit of its field."""
    return tuple(
        length_of(label, limit, text)
        for label, field, text in label_texts(channel, fields)
        for limit in field.limits
    )


def room_used(channel: Channel, fields: Fields) -> tuple[tuple[str, str, Length], ...]:
    """Measure each text of written copy against its tightest limit, merge tags at their assumed length.

    Gives label, text and length. A text whose merge tags cannot be read is measured as it stands.
    """
    return tuple(
        (label, text, length_of(label, field.target, _assumed(text, field.target)))
        for label, field, text in label_texts(channel, fields)
    )


def _assumed(text: str, limit: Limit) -> str:
    try:
        return longest(parse(text), (limit,), ASSUMED)[0]
    except SlotError:
        return text
