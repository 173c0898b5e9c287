"""One variant's copy filled: for all members by expressions over whole columns, or for one alone.

Whoever lacks a value, or may be too long, is looked at alone by the code that `/v1/render` fills and measures
with, so that a row of the list and a preview are one text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from prompts.counting import count
from prompts.errors import LengthError, SlotError
from prompts.measure import label_texts, measure
from prompts.merge_tags import MergeTag, Piece, written
from prompts.personal import Copy, Text, fill_copy, refuse_too_long
from prompts.variant import Fields
from service.campaigns.send_list_counts import Refusal
from service.contact.addresses import EMAIL, PHONE

ADDRESSES = (EMAIL, PHONE)
ADDRESS_OF = {"email": EMAIL, "sms": PHONE}
"""The trait that a channel's message goes to. Where a push goes only the CRM knows."""
TAG = "tag_"
"""What stands before a trait's name in the name of its column."""
MERGED = "merged_into"
REFUSED = ("profile_id", "segment", "item_id", "channel", "variant_id", "rule", "reason")
FIXED = ("profile_id", *ADDRESSES, "segment", "item_id", "channel", "variant_id")
PLACE, LOT, DEFAULTED, SHORTENED = "place", "lot", "defaulted", "shortened"


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
    profile_id: str | None = None
    """The one member it is for; all of the segment's where it is no one's."""
    left_out: str | None = None
    """Why nothing of it is sent."""


class Alone:
    """One variant's copy, filled for one member after the other."""

    def __init__(self, unit: SendUnit, variant: str, copy: Copy) -> None:
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

    def fill_one(
        self, member: Mapping[str, Any], columns: Sequence[str]
    ) -> tuple[dict[str, Any], Counter[str]]:
        """Fill the copy for a member; give the row, or one with a `rule` where there is none, and counts."""
        if member[MERGED] is not None:
            return self._merged(member[PLACE], member["profile_id"], member[MERGED]), Counter(("merged",))
        here = {PLACE: member[PLACE], "profile_id": member["profile_id"], **self._fixed}
        addresses = {address: member[f"{TAG}{address}"] for address in ADDRESSES}
        row = self._look_at({**dict.fromkeys(columns), **here, **addresses}, member)
        if "rule" in row:
            return row, Counter((row["rule"],))
        address = ADDRESS_OF.get(self._fixed["channel"])
        told = {
            "written": True,
            "defaulted": any(member[f"{TAG}{name}"] is None for name in self._defaults),
            "shortened": row.pop(SHORTENED),
            "unaddressed": address is not None and row[address] is None,
        }
        return row, Counter(what for what, so in told.items() if so)

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
            return self._refusal(row[PLACE], row["profile_id"], "lacks_trait", str(error))
        except LengthError as error:
            return self._refusal(row[PLACE], row["profile_id"], "too_long", str(error))
        tags = {f"{TAG}{name}": values[name] or self._defaults[name] for name in values}
        return {**row, **tags, **texts, SHORTENED: shortened}

    def _texts(self, values: Mapping[str, str | None]) -> dict[str, str]:
        filled = fill_copy(self._copy, values)
        refuse_too_long(measure(self._copy.channel, filled), whose="for this profile")
        return {label: text for label, _, text in label_texts(self._copy.channel, filled)}

    def _refusal(self, place: int, who: str, rule: Refusal, reason: str) -> dict[str, Any]:
        return {PLACE: place, "profile_id": who, **self._fixed, "rule": rule, "reason": reason}

    def _merged(self, place: int, who: str, owner: str) -> dict[str, Any]:
        return self._refusal(place, who, "merged", f"merged into {owner!r} since the snapshot was built")


class Filler(Alone):
    """One variant's texts as expressions over the members' columns."""

    def __init__(self, unit: SendUnit, variant: str, copy: Copy, columns: Sequence[str]) -> None:
        super().__init__(unit, variant, copy)
        made: dict[str, pl.Expr] = {
            "profile_id": pl.col("profile_id"),
            **{address: pl.col(f"{TAG}{address}").alias(address) for address in ADDRESSES},
            **{name: pl.lit(value) for name, value in self._fixed.items()},
            **{f"{TAG}{name}": _value(name, default) for name, default in self._defaults.items()},
            **{text.label: _filled(text) for text in copy.texts},
        }
        missing = pl.lit(None, pl.String)
        self._columns = [pl.col(PLACE), *(made.get(name, missing).alias(name) for name in columns)]
        lacks = [pl.col(f"{TAG}{name}").is_null() for name in self._defaults]
        self._columns.append(pl.any_horizontal(pl.lit(False), *lacks).alias(DEFAULTED))
        self._doubt = pl.any_horizontal(pl.lit(False), *(_doubt(text) for text in copy.texts))

    def fill(self, members: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, Counter[str]]:
        """Fill the copy for every member; give rows, refused rows and counts."""
        whole, counts = members.filter(pl.col(MERGED).is_null()), Counter[str]()
        refused = [
            self._merged(place, who, owner)
            for place, who, owner in members.filter(pl.col(MERGED).is_not_null())
            .select(PLACE, "profile_id", MERGED)
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
            counts["shortened"] = sum(row.pop(SHORTENED) for row in kept)
            rows = pl.concat([rows.filter(~doubtful), pl.DataFrame(kept, schema=rows.schema)])
        counts["written"], counts["defaulted"] = rows.height, int(rows[DEFAULTED].sum())
        if (address := ADDRESS_OF.get(self._fixed["channel"])) is not None:
            counts["unaddressed"] = rows[address].null_count()
        counts.update(row["rule"] for row in refused)
        return rows.drop(DEFAULTED), refused_frame(refused), counts


def refused_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Lay out who was set aside."""
    return pl.DataFrame(rows, schema={PLACE: pl.UInt32(), **dict.fromkeys(REFUSED, pl.String())})


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
