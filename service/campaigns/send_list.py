"""A send list: copy written once per audience, filled for each of its members by whole columns.

A variant's merge tags are read once, into expressions over the columns of the members. Whoever lacks a value,
or may be too long, is looked at alone by the code that `/v1/render` fills and measures with, so that a row of
the list and a preview are one text.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.channels import CHANNELS, find_channel
from prompts.counting import count
from prompts.errors import LengthError, SlotError
from prompts.measure import label_texts, measure
from prompts.merge_tags import MergeTag, Piece, written
from prompts.personal import Copy, Text, fill_copy, read_copy, refuse_too_long
from prompts.readers import Readers
from prompts.variant import Fields
from service.campaigns.model import Row
from service.contact.addresses import EMAIL, PHONE

Pick = Literal["best", "accepted", "spread"]
"""Which of the variants that passed are sent: the first, the first that a person accepted, or all of them."""
Refusal = Literal["merged", "lacks_trait", "too_long"]
"""Why a member who may be written to has no row."""

ADDRESSES = (EMAIL, PHONE)
_ADDRESS_OF = {"email": EMAIL, "sms": PHONE}
"""The trait that a channel's message goes to. Where a push goes only the CRM knows."""
TAG = "tag_"
"""What stands before a trait's name in the name of its column."""
MERGED = "merged_into"
REFUSED = ("profile_id", "segment", "item_id", "channel", "variant_id", "rule", "reason")
_FIXED = ("profile_id", *ADDRESSES, "segment", "item_id", "channel", "variant_id")
_PLACE, _LOT, _DEFAULTED, _SHORTENED = "place", "lot", "defaulted", "shortened"


class SendVariant(msgspec.Struct, frozen=True, kw_only=True):
    """Copy that is sent as it stands."""

    id: str
    fields: Fields


class SendUnit(msgspec.Struct, frozen=True, kw_only=True):
    """What the members of one segment are sent about one item on one channel."""

    segment: str
    item_id: str
    channel: str
    variants: tuple[SendVariant, ...]
    """With several, each member is sent one of them."""
    left_out: str | None = None
    """Why nothing of it is sent."""


class Filled(NamedTuple):
    """The rows of some members, by member and then by unit."""

    rows: pl.DataFrame
    refused: pl.DataFrame
    counts: Counter[tuple[int, str]]
    """By place of the unit: `written`; of these `defaulted`, for want of a trait, `shortened`, where the
    member's own values made the copy too long, and `unaddressed`; and refused by rule."""


def units_of(rows: Iterable[Row], pick: Pick, accepted: Mapping[str, Fields]) -> tuple[SendUnit, ...]:
    """Choose what is sent of each unit; `accepted` is the copy that people accepted, by variant."""
    units: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        units.setdefault((row.segment, row.item_id, row.channel), []).append(row)
    return tuple(_unit(*place, variants, pick, accepted) for place, variants in units.items())


def _unit(
    segment: str, item_id: str, channel: str, rows: Sequence[Row], pick: Pick, accepted: Mapping[str, Fields]
) -> SendUnit:
    ordered = sorted(rows, key=lambda row: row.number)
    if pick == "accepted":
        chosen = [SendVariant(id=row.id, fields=accepted[row.id]) for row in ordered if row.id in accepted]
        why = "nobody has accepted a variant of it"
    else:
        chosen = [SendVariant(id=row.id, fields=row.fields) for row in ordered if row.status == "passed"]
        why = "no variant passed its checks"
    if not find_channel(channel).personal:
        chosen, why = [], f"a {CHANNELS[channel].title} has no one reader"
    return SendUnit(
        segment=segment,
        item_id=item_id,
        channel=channel,
        variants=tuple(chosen if pick == "spread" else chosen[:1]),
        left_out=None if chosen else why,
    )


class SendList:
    """Units made ready to be filled."""

    def __init__(self, campaign: str, units: Sequence[SendUnit], known: Collection[str]) -> None:
        """Read every merge tag; `known` are the traits one may name. Raises `SlotError` for any other."""
        self.units = tuple(units)
        self._campaign = campaign
        readers = Readers(
            whose="the campaign",
            known=frozenset(known),
            # Whoever lacks a trait is set aside alone, so that any tag may stand without a default.
            profiles=1,
            without=dict.fromkeys(known, 0),
            names=(),
            values=(),
        )
        copies = [[_copy(unit, each, readers) for each in unit.variants] for unit in units]
        every = [copy for unit in copies for copy in unit]
        self.names = tuple(sorted({name for copy in every for name in copy.names}))
        """The traits its merge tags name."""
        texts = dict.fromkeys(
            text.label
            for channel in CHANNELS
            for copy in every
            if copy.channel.name == channel
            for text in copy.texts
        )
        columns = (*_FIXED, *(f"{TAG}{name}" for name in self.names), *texts)
        self.schema = pl.Schema(dict.fromkeys(columns, pl.String()))
        self._copies: dict[str, list[tuple[int, list[Copy]]]] = {}
        for place, (unit, own) in enumerate(zip(units, copies, strict=True)):
            if own:
                self._copies.setdefault(unit.segment, []).append((place, own))
        self._ready: tuple[str, list[tuple[int, list[_Filler]]]] = ("", [])

    def fill(self, segment: str, members: pl.DataFrame, allowed: Mapping[str, NDArray[np.bool_]]) -> Filled:
        """Fill a segment's units for some of its members; CPU work.

        `members`: `profile_id`, `merged_into`, and the value of each address and merge tag as copy shows it
        (`personal.value_text`), in columns named `tag_TRAIT`. `allowed`: bool[n], by channel.
        """
        members = members.with_row_index(_PLACE)
        ready = self._fillers(segment)
        if any(len(fillers) > 1 for _, fillers in ready):
            members = members.with_columns(lots(self._campaign, members["profile_id"]).alias(_LOT))
        rows, refused, counts = [self._empty()], [_refused([])], Counter[tuple[int, str]]()
        for place, fillers in ready:
            mine = members.filter(pl.Series(allowed[self.units[place].channel]))
            for number, filler in enumerate(fillers):
                drawn = mine if len(fillers) == 1 else mine.filter(pl.col(_LOT) % len(fillers) == number)
                good, bad, counted = filler.fill(drawn)
                rows.append(good)
                refused.append(bad)
                counts.update({(place, what): times for what, times in counted.items()})
        return Filled(
            pl.concat(rows).sort(_PLACE, maintain_order=True).drop(_PLACE),
            pl.concat(refused).sort(_PLACE, maintain_order=True).drop(_PLACE),
            counts,
        )

    def sent(self, segment: str) -> list[tuple[int, SendUnit]]:
        """List a segment's units of which something is sent, each with its place."""
        return [(place, self.units[place]) for place, _ in self._copies.get(segment, ())]

    def _fillers(self, segment: str) -> "list[tuple[int, list[_Filler]]]":
        """Make the expressions of one segment, which stay until another one's turn."""
        if self._ready[0] != segment:
            made = [
                (
                    place,
                    [
                        _Filler(self.units[place], variant.id, copy, self.schema.names())
                        for variant, copy in zip(self.units[place].variants, copies, strict=True)
                    ],
                )
                for place, copies in self._copies.get(segment, ())
            ]
            self._ready = (segment, made)
        return self._ready[1]

    def _empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema={_PLACE: pl.UInt32(), **self.schema})


def lots(campaign: str, ids: Iterable[str]) -> pl.Series:
    """Draw a number for each profile, the same whenever it is drawn for the same campaign.

    The first 8 bytes of BLAKE2b over campaign and id; of k variants a member is sent the one at `lot % k`.
    """
    digests = (blake2b(f"{campaign}\0{each}".encode(), digest_size=8).digest() for each in ids)
    return pl.Series(np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64), dtype=pl.UInt64)


def _copy(unit: SendUnit, variant: SendVariant, readers: Readers) -> Copy:
    try:
        return read_copy(unit.channel, variant.fields, readers)
    except SlotError as error:
        place = f"{unit.segment}/{unit.item_id}/{unit.channel}"
        raise SlotError(f"variant {variant.id!r} of {place}: {error}") from error


class _Filler:
    """One variant's texts as expressions over the members' columns."""

    def __init__(self, unit: SendUnit, variant: str, copy: Copy, columns: Sequence[str]) -> None:
        self._copy = copy
        self._fixed = {
            "segment": unit.segment,
            "item_id": unit.item_id,
            "channel": unit.channel,
            "variant_id": variant,
        }
        tags = [tag for text in copy.texts for tag in text.tags]
        self._bare = {tag.name for tag in tags if tag.default is None}
        self._defaults = {tag.name: tag.default for tag in reversed(tags)}
        made: dict[str, pl.Expr] = {
            "profile_id": pl.col("profile_id"),
            **{address: pl.col(f"{TAG}{address}").alias(address) for address in ADDRESSES},
            **{name: pl.lit(value) for name, value in self._fixed.items()},
            **{f"{TAG}{name}": _value(name, default) for name, default in self._defaults.items()},
            **{text.label: _filled(text) for text in copy.texts},
        }
        missing = pl.lit(None, pl.String)
        self._columns = [pl.col(_PLACE), *(made.get(name, missing).alias(name) for name in columns)]
        lacks = [pl.col(f"{TAG}{name}").is_null() for name in self._defaults]
        self._columns.append(pl.any_horizontal(pl.lit(False), *lacks).alias(_DEFAULTED))
        self._doubt = pl.any_horizontal(pl.lit(False), *(_doubt(text) for text in copy.texts))

    def fill(self, members: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, Counter[str]]:
        """Fill the copy for every member; give rows, refused rows and counts."""
        whole, counts = members.filter(pl.col(MERGED).is_null()), Counter[str]()
        refused = [
            self._refusal(place, who, "merged", f"merged into {owner!r} since the snapshot was built")
            for place, who, owner in members.filter(pl.col(MERGED).is_not_null())
            .select(_PLACE, "profile_id", MERGED)
            .iter_rows()
        ]
        rows = whole.select(self._columns)
        doubtful = rows.select(self._doubt).to_series()
        if doubtful.any():
            alone = zip(
                rows.filter(doubtful).iter_rows(named=True),
                whole.filter(doubtful).iter_rows(named=True),
                strict=True,
            )
            found = [self._look_at(row, member) for row, member in alone]
            refused += [row for row in found if "rule" in row]
            kept = [row for row in found if "rule" not in row]
            counts["shortened"] = sum(row.pop(_SHORTENED) for row in kept)
            rows = pl.concat([rows.filter(~doubtful), pl.DataFrame(kept, schema=rows.schema)])
        counts["written"], counts["defaulted"] = rows.height, int(rows[_DEFAULTED].sum())
        if (address := _ADDRESS_OF.get(self._fixed["channel"])) is not None:
            counts["unaddressed"] = rows[address].null_count()
        counts.update(row["rule"] for row in refused)
        return rows.drop(_DEFAULTED), _refused(refused), counts

    def _look_at(self, row: dict[str, Any], member: Mapping[str, Any]) -> dict[str, Any]:
        """Fill one member's row as a preview is filled; over a hard limit again, with the defaults."""
        values, shortened = {name: member[f"{TAG}{name}"] for name in self._defaults}, False
        try:
            try:
                texts = self._texts(values)
            except LengthError:
                values = {name: value if name in self._bare else None for name, value in values.items()}
                texts = self._texts(values)
                shortened = True
        except SlotError as error:
            return self._refusal(row[_PLACE], row["profile_id"], "lacks_trait", str(error))
        except LengthError as error:
            return self._refusal(row[_PLACE], row["profile_id"], "too_long", str(error))
        tags = {f"{TAG}{name}": values[name] or self._defaults[name] for name in values}
        return {**row, **tags, **texts, _SHORTENED: shortened}

    def _texts(self, values: Mapping[str, str | None]) -> dict[str, str]:
        filled = fill_copy(self._copy, values)
        refuse_too_long(measure(self._copy.channel, filled), whose="for this profile")
        return {label: text for label, _, text in label_texts(self._copy.channel, filled)}

    def _refusal(self, place: int, who: str, rule: Refusal, reason: str) -> dict[str, Any]:
        return {_PLACE: place, "profile_id": who, **self._fixed, "rule": rule, "reason": reason}


def _refused(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={_PLACE: pl.UInt32(), **dict.fromkeys(REFUSED, pl.String())})


def _value(name: str, default: str | None) -> pl.Expr:
    column = pl.col(f"{TAG}{name}")
    return column if default is None else column.fill_null(default)


def _filled(text: Text) -> pl.Expr:
    """Write a text as an expression; null where a value is missing."""
    if not text.tags:
        return pl.lit(written(text.pieces, {}))
    return pl.concat_str([_piece(piece) for piece in text.pieces])


def _piece(piece: Piece) -> pl.Expr:
    if isinstance(piece, MergeTag):
        return _value(piece.name, piece.default)
    return pl.lit(written([piece], {}))


def _doubt(text: Text) -> pl.Expr:
    """Say whose text lacks a value, or may be over a hard limit: no character counts less than a grapheme."""
    hard = [limit for limit in text.field.limits if limit.kind == "hard"]
    if not text.tags:
        alone = written(text.pieces, {})
        return pl.lit(any(count(alone, limit.counting) > limit.value for limit in hard))
    column = pl.col(text.label)
    doubts = [column.is_null()]
    for limit in hard:
        match limit.counting:
            case "characters":
                doubts.append(column.str.len_chars() > limit.value)
            case "bytes":
                doubts.append(column.str.len_bytes() > limit.value)
            case _:  # what counts otherwise is counted member by member
                doubts.append(pl.lit(True))
    return pl.any_horizontal(doubts)
