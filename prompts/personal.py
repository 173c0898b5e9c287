"""Copy as one profile reads it: merge tags filled from traits, and the longest it gets for anybody.

A preview, a proof and what is sent are this one code. A trait's value is data: it is brought to one line,
filled in and never read again.
"""

from collections.abc import Iterable, Mapping

import msgspec

from prompts.channels import Channel, Field, find_channel
from prompts.errors import LengthError, SlotError
from prompts.measure import UNITS, Length, label_texts, length_of, longest
from prompts.merge_tags import MergeTag, Piece, named, parse, written
from prompts.readers import Readers
from prompts.slots import clean
from prompts.variant import Fields, texts

Value = str | float | bool | None
"""A trait's value."""

EXACT_INTEGERS = 2**53
"""Below this a number without a fraction is written without a point."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One text of the copy, its merge tags read."""

    label: str
    field: Field
    pieces: tuple[Piece, ...]

    @property
    def tags(self) -> tuple[MergeTag, ...]:
        """Its merge tags, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, MergeTag))


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Copy whose merge tags have been read."""

    channel: Channel
    fields: Fields
    texts: tuple[Text, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The traits it uses, sorted."""
        return tuple(sorted({tag.name for text in self.texts for tag in text.tags}))


def value_text(value: Value) -> str | None:
    """Write a trait as copy shows it, on one line; none for what the tag's default stands in for.

    As in Liquid, no value, an empty one and `false` are none. A number without a fraction has no point.
    """
    if isinstance(value, bool):
        return "true" if value else None
    if isinstance(value, int | float):
        whole = value == int(value) if abs(value) < EXACT_INTEGERS else False
        return str(int(value)) if whole else repr(float(value))
    return clean(value or "") or None


def traits_named(fields: Fields) -> tuple[str, ...]:
    """Return the traits that copy's merge tags name, known or not, sorted."""
    return tuple(sorted({name for text in texts(fields) for name in named(text)}))


def read_copy(channel: str, fields: Fields, readers: Readers) -> Copy:
    """Read the merge tags of copy.

    Raises `SlotError` for a tag that these readers cannot be shown (`merge_tags.parse`), or that stands where
    a channel has no one reader; `BriefError` for an unknown channel.
    """
    found = find_channel(channel)
    read = tuple(
        Text(label=label, field=field, pieces=_read(label, text, readers))
        for label, field, text in label_texts(found, fields)
    )
    for text in read:
        if text.tags and not found.personal:
            raise SlotError(
                f"{text.label}: a {found.title} has no one reader, so the merge tag {text.tags[0].name!r} "
                "cannot be filled: leave it out"
            )
    return Copy(channel=found, fields=fields, texts=read)


def fill_copy(copy: Copy, values: Mapping[str, str | None]) -> Fields:
    """Write copy as a profile with these values reads it. Raises `SlotError` for a value that is missing."""
    filled = iter([_written(text, values) for text in copy.texts])
    return {
        field.name: next(filled) if isinstance(value, str) else [next(filled) for _ in value]
        for field in copy.channel.fields
        if (value := copy.fields.get(field.name)) is not None
    }


def worst_case(copy: Copy, readers: Readers) -> tuple[Length, ...]:
    """Measure each text, against each limit, for whoever of its readers makes it longest."""
    return tuple(
        length_of(text.label, limit, filled)
        for text in copy.texts
        for limit, filled in zip(
            text.field.limits, longest(text.pieces, text.field.limits, readers), strict=True
        )
    )


def prove(copy: Copy, readers: Readers) -> tuple[Length, ...]:
    """Give the worst case; raises `LengthError` where it is over a hard limit."""
    lengths = worst_case(copy, readers)
    refuse_too_long(lengths, whose=f"for the longest values of {readers.whose}")
    return lengths


def refuse_too_long(lengths: Iterable[Length], *, whose: str) -> None:
    """Raise `LengthError` for a text over a hard limit; `whose` says for whom, e.g. `for this profile`."""
    for length in lengths:
        if length.hard and length.over:
            raise LengthError(
                f"{length.field} has {length.length} {UNITS[length.counting]} {whose}, and the channel takes "
                f"{length.limit}: shorten it, or use a shorter merge tag"
            )


def _read(label: str, text: str, readers: Readers) -> tuple[Piece, ...]:
    try:
        return parse(text, readers)
    except SlotError as error:
        raise SlotError(f"{label}: {error}") from error


def _written(text: Text, values: Mapping[str, str | None]) -> str:
    try:
        return written(text.pieces, values)
    except SlotError as error:
        raise SlotError(f"{text.label}: {error}") from error
