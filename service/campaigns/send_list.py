"""A send list: copy written once per audience, filled for each of its members by whole columns.

A variant's merge tags are read once, into expressions over the columns of the members. Copy that was written
for one member is filled for that one alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.channels import CHANNELS, find_channel
from prompts.errors import SlotError
from prompts.personal import Copy, read_copy
from prompts.readers import Readers
from prompts.variant import Fields
from service.campaigns.send_list_counts import Pick
from service.campaigns.send_list_filling import (
    FIXED,
    LOT,
    PLACE,
    TAG,
    Alone,
    Filler,
    SendUnit,
    SendVariant,
    refused_frame,
)


class Candidate(Protocol):
    """A variant of a written unit, as `service.campaigns.model.Row` has it."""

    @property
    def segment(self) -> str: ...
    @property
    def item_id(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def profile_id(self) -> str | None: ...
    @property
    def number(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def fields(self) -> Fields: ...


class Filled(NamedTuple):
    """The rows of some members, by member and then by unit."""

    rows: pl.DataFrame
    refused: pl.DataFrame
    counts: Counter[tuple[int, str]]
    """By place of the unit: `written`; of these `defaulted`, for want of a trait, `shortened`, where the
    member's own values made the copy too long, and `unaddressed`; and refused by rule."""


def units_of(rows: Iterable[Candidate], pick: Pick, accepted: Mapping[str, Fields]) -> tuple[SendUnit, ...]:
    """Choose what is sent of each unit; `accepted` is the copy that people accepted, by variant."""
    units: dict[tuple[str, str, str, str | None], list[Candidate]] = {}
    for row in rows:
        units.setdefault((row.segment, row.item_id, row.channel, row.profile_id), []).append(row)
    return tuple(_unit(variants, pick, accepted) for variants in units.values())


def _unit(rows: Sequence[Candidate], pick: Pick, accepted: Mapping[str, Fields]) -> SendUnit:
    channel = rows[0].channel
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
        segment=rows[0].segment,
        item_id=rows[0].item_id,
        channel=channel,
        profile_id=rows[0].profile_id,
        variants=tuple(chosen if pick == "spread" else chosen[:1]),
        left_out=None if chosen else why,
    )


_Copies = list[tuple[int, list[Copy]]]
"""Places of units, with the copy of each of their variants."""


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
        columns = (*FIXED, *(f"{TAG}{name}" for name in self.names), *texts)
        self.schema = pl.Schema(dict.fromkeys(columns, pl.String()))
        self._copies: dict[str, _Copies] = {}
        self._personal: dict[str, dict[str, _Copies]] = {}
        """By segment and member."""
        for place, (unit, own) in enumerate(zip(units, copies, strict=True)):
            if own and unit.profile_id is None:
                self._copies.setdefault(unit.segment, []).append((place, own))
            elif own and unit.profile_id is not None:
                members = self._personal.setdefault(unit.segment, {})
                members.setdefault(unit.profile_id, []).append((place, own))
        self._ready: tuple[str, list[tuple[int, list[Filler]]]] = ("", [])

    def fill(self, segment: str, members: pl.DataFrame, allowed: Mapping[str, NDArray[np.bool_]]) -> Filled:
        """Fill a segment's units for some of its members; CPU work.

        `members`: `profile_id`, `merged_into`, and the value of each address and merge tag as copy shows it
        (`personal.value_text`), in columns named `tag_TRAIT`. `allowed`: bool[n], by channel.
        """
        members = members.with_row_index(PLACE)
        ready = self._fillers(segment)
        if any(len(fillers) > 1 for _, fillers in ready):
            members = members.with_columns(lots(self._campaign, members["profile_id"]).alias(LOT))
        rows, refused, counts = [self._empty()], [refused_frame([])], Counter[tuple[int, str]]()
        for place, fillers in ready:
            mine = members.filter(pl.Series(allowed[self.units[place].channel]))
            for number, filler in enumerate(fillers):
                drawn = mine if len(fillers) == 1 else mine.filter(pl.col(LOT) % len(fillers) == number)
                good, bad, counted = filler.fill(drawn)
                rows.append(good)
                refused.append(bad)
                counts.update({(place, what): times for what, times in counted.items()})
        if segment in self._personal:
            good, bad = self._fill_alone(self._personal[segment], members, allowed, counts)
            rows.append(good)
            refused.append(bad)
        return Filled(
            pl.concat(rows).sort(PLACE, maintain_order=True).drop(PLACE),
            pl.concat(refused).sort(PLACE, maintain_order=True).drop(PLACE),
            counts,
        )

    def _fill_alone(
        self,
        personal: Mapping[str, _Copies],
        members: pl.DataFrame,
        allowed: Mapping[str, NDArray[np.bool_]],
        counts: Counter[tuple[int, str]],
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Fill the copy that was written for these members, each for its own; count what came of it."""
        made: list[dict[str, Any]] = []
        for at, member in enumerate(members.iter_rows(named=True)):
            for place, copies in personal.get(member["profile_id"], ()):
                unit = self.units[place]
                if allowed[unit.channel][at]:
                    drawn = int(lots(self._campaign, [member["profile_id"]])[0]) % len(copies)
                    filler = Alone(unit, unit.variants[drawn].id, copies[drawn])
                    row, counted = filler.fill_one(member, self.schema.names())
                    made.append(row)
                    counts.update({(place, what): times for what, times in counted.items()})
        good = [row for row in made if "rule" not in row]
        return pl.DataFrame(good, schema=self._empty().schema), refused_frame(
            [row for row in made if "rule" in row]
        )

    def channels(self, segment: str) -> frozenset[str]:
        """Name the channels on which anything is sent to a segment."""
        return frozenset(self.units[place].channel for place in self._places(segment))

    def most_rows(self, segment: str) -> int:
        """Say how many rows a member of a segment may have."""
        own = max(map(len, self._personal.get(segment, {}).values()), default=0)
        return len(self._copies.get(segment, ())) + own

    def missing(
        self, segment: str, ids: Sequence[str], allowed: Mapping[str, NDArray[np.bool_]]
    ) -> Counter[tuple[int, str]]:
        """Count for each unit those of these members it would have been sent to: they are `gone`."""
        counts = Counter[tuple[int, str]]()
        for place, _ in self._copies.get(segment, ()):
            counts[place, "gone"] += int(allowed[self.units[place].channel].sum())
        personal = self._personal.get(segment, {})
        for at, profile_id in enumerate(ids):
            for place, _ in personal.get(profile_id, ()):
                counts[place, "gone"] += int(allowed[self.units[place].channel][at])
        return counts

    def _places(self, segment: str) -> Iterator[int]:
        for copies in (self._copies.get(segment, []), *self._personal.get(segment, {}).values()):
            yield from (place for place, _ in copies)

    def _fillers(self, segment: str) -> "list[tuple[int, list[Filler]]]":
        """Make the expressions of one segment, which stay until another one's turn."""
        if self._ready[0] != segment:
            made = [
                (
                    place,
                    [
                        Filler(self.units[place], variant.id, copy, self.schema.names())
                        for variant, copy in zip(self.units[place].variants, copies, strict=True)
                    ],
                )
                for place, copies in self._copies.get(segment, ())
            ]
            self._ready = (segment, made)
        return self._ready[1]

    def _empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema={PLACE: pl.UInt32(), **self.schema})


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
