"""From a section of the mapping to the values the store takes, chunk by chunk."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from service.catalog.model import Item
from service.contact.lists import ContactRow
from service.events.model import Event
from service.importing.identity import RowIdentity
from service.importing.mapping import ConsentsSection, EventsSection, ItemsSection, Mapping, ProfilesSection
from service.importing.model import Kind, Reject
from service.importing.rows import (
    PLACE,
    Batch,
    Seen,
    left_out_ids,
    read_consents,
    read_events,
    read_items,
    read_profiles,
)
from service.importing.sources import LINE, Chunk, read_chunks
from service.profiles.model import Profile


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows of a chunk came from, to name one that is refused later."""

    kind: Kind
    file: str
    lines: list[int]
    raw: Callable[[int], Any]
    """The row as it stood in the file, by its place in the chunk."""

    def reject(self, place: int, reason: str) -> Reject:
        """Make the reject of one row of the chunk."""
        return Reject(
            kind=self.kind, file=self.file, line=self.lines[place], reason=reason, raw=self.raw(place)
        )


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk, ready to store."""

    origin: Origin
    rows: list[Any]
    """Items, profiles, events, or words about channels."""
    places: list[int]
    """Each row's place in the chunk."""
    read: int
    filtered: int
    rejects: list[Reject]
    seen: tuple[Seen, ...]


def parse_items(section: ItemsSection, mapping: Mapping, path: Path, left_out: set[str]) -> Iterator[Parsed]:
    """Read the catalogue; ids of rows that `where` leaves out are added to `left_out`."""
    for chunk in read_chunks(path, section):
        batch = read_items(section, chunk.frame, mapping.timezone)
        left_out |= left_out_ids(section, chunk.frame, mapping.timezone, batch)
        frame = batch.frame.drop(PLACE)
        rows = [_item(row) for row in frame.iter_rows(named=True)]
        yield _parsed("items", path, chunk, batch, rows)


def _item(row: dict[str, Any]) -> Item:
    stock = row.get("in_stock")
    return Item(
        id=row["id"],
        title=row.get("title") or "",
        description=row.get("description") or "",
        category=row.get("category"),
        brand=row.get("brand"),
        price=row.get("price"),
        currency=row.get("currency"),
        url=row.get("url"),
        in_stock=True if stock is None else stock,
        benefits=tuple(row.get("benefits") or ()),
        attributes=_present(row.get("attributes")),
    )


def parse_profiles(section: ProfilesSection, mapping: Mapping, path: Path, now: datetime) -> Iterator[Parsed]:
    """Read the customers; with `rows: many` each chunk's are already merged by id."""
    for chunk in read_chunks(path, section):
        batch = read_profiles(section, chunk.frame, mapping.timezone, now)
        frame = batch.frame
        if section.rows == "many":
            frame = _first_values(frame)
        rows = [
            Profile(id=row["id"], traits=_present(row.get("traits")), created_at=row.get("created_at"))
            for row in frame.iter_rows(named=True)
        ]
        yield _parsed("profiles", path, chunk, msgspec.structs.replace(batch, frame=frame), rows)


def merge_profiles(first: Profile, second: Profile) -> Profile:
    """Merge what two rows say of one profile: the first's traits win, the earlier `created_at` stays."""
    times = [each for each in (first.created_at, second.created_at) if each is not None]
    return Profile(
        id=first.id, traits={**second.traits, **first.traits}, created_at=min(times) if times else None
    )


def _first_values(frame: pl.DataFrame) -> pl.DataFrame:
    """Merge the rows of one id: the first value of each trait, the earliest `created_at`."""
    if "traits" in frame.columns:
        frame = frame.unnest("traits", separator=".")
    columns = {name: pl.col(name).drop_nulls().first() for name in frame.columns if name not in ("id", PLACE)}
    if "created_at" in columns:
        columns["created_at"] = pl.col("created_at").min()
    merged = frame.group_by("id", maintain_order=True).agg(pl.col(PLACE).first(), *columns.values())
    traits = [name for name in merged.columns if name.startswith("traits.")]
    if not traits:
        return merged
    struct = pl.struct(pl.col(name).alias(name.removeprefix("traits.")) for name in traits)
    return merged.with_columns(struct.alias("traits")).drop(traits)


def parse_events(
    section: EventsSection, mapping: Mapping, path: Path, now: datetime, left_out: set[str]
) -> Iterator[Parsed]:
    """Read what customers did; events without an id of their own get one from their row."""
    identity = None if section.id else RowIdentity(section)
    outside = pl.Series(sorted(left_out), dtype=pl.String)
    for chunk in read_chunks(path, section):
        batch = read_events(section, chunk.frame, mapping.timezone, now, outside)
        frame = batch.frame
        if identity:
            frame = frame.with_columns(identity.ids(chunk.frame[frame[PLACE]]))
        yield _parsed("events", path, chunk, batch, _events(frame))


_EVENT_COLUMNS = (
    "id",
    "profile_id",
    "type",
    "occurred_at",
    "item_id",
    "variant_id",
    "value",
    "quantity",
    "properties",
)


def _events(frame: pl.DataFrame) -> list[Event]:
    def column(name: str) -> list[Any]:
        return frame[name].to_list() if name in frame.columns else [None] * frame.height

    return [
        Event(
            id=event_id,
            profile_id=profile,
            type=kind,
            occurred_at=time,
            item_id=item,
            variant_id=variant,
            value=value,
            quantity=quantity,
            properties=_present(properties),
        )
        for event_id, profile, kind, time, item, variant, value, quantity, properties in zip(
            *map(column, _EVENT_COLUMNS),
            strict=True,
        )
    ]


def parse_consents(section: ConsentsSection, mapping: Mapping, path: Path) -> Iterator[Parsed]:
    """Read words about channels and suppressions."""
    for chunk in read_chunks(path, section):
        batch = read_consents(section, chunk.frame, mapping.timezone)
        rows = [
            ContactRow(**{name: value for name, value in row.items() if value is not None})
            for row in batch.frame.drop(PLACE).iter_rows(named=True)
        ]
        yield _parsed("consents", path, chunk, batch, rows)


def _present(values: dict[str, Any] | None) -> dict[str, Any]:
    """Leave out what the row does not say."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def _parsed(kind: Kind, path: Path, chunk: Chunk, batch: Batch, rows: list[Any]) -> Parsed:
    origin = Origin(kind=kind, file=path.name, lines=chunk.frame[LINE].to_list(), raw=chunk.raw)
    rejects = [
        Reject(kind=kind, file=path.name, line=damage.line, reason=damage.reason, raw=damage.raw)
        for damage in chunk.damaged
    ]
    rejects += [origin.reject(place, reason) for place, reason in batch.faults]
    return Parsed(
        origin=origin,
        rows=rows,
        places=batch.frame[PLACE].to_list(),
        read=chunk.frame.height + len(chunk.damaged),
        filtered=batch.filtered,
        rejects=rejects,
        seen=batch.seen,
    )
