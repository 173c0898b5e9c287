"""A chunk of a file to rows the store takes: filtered, converted, checked, with a reason for each refusal."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import polars as pl

from service.events.model import FURTHEST_AHEAD
from service.importing.mapping import (
    ConsentsSection,
    EventsSection,
    Field,
    FileSection,
    ItemsSection,
    ProfilesSection,
)
from service.importing.transforms import (
    Cells,
    Change,
    as_boolean,
    as_list,
    as_number,
    as_text,
    as_time,
    cells_of,
    first_fault,
    matches,
)

PLACE = "__place"
"""Column of a batch: the row's position in its chunk."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_ID_CHARACTERS = 200

Converter = Callable[[Cells, str], Cells]
"""From cells as the mapping's transforms left them, and the time zone, to cells of the target's type."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a chunk's rows: `frame` holds the good ones, under the store's names, and `PLACE`."""

    frame: pl.DataFrame
    filtered: int
    faults: tuple[tuple[int, str], ...]
    """(position in the chunk, reason) of the others."""
    seen: tuple["Seen", ...] = ()
    """Every field of the rows that `where` kept, for the report on the data."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a field of the mapping held."""

    name: str
    places: pl.Series
    values: pl.Series
    changes: tuple[Change, ...]
    required: bool
    """A row without it is refused."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a field of the mapping must become."""

    convert: Converter
    name: str
    """In the store."""
    required: bool = False


def _text(cells: Cells, _zone: str) -> Cells:
    return Cells(as_text(cells.values), cells.faults)


def _id(cells: Cells, _zone: str) -> Cells:
    text = as_text(cells.values).str.strip_chars()
    marked = Cells(text, cells.faults).with_fault(
        text.str.len_chars() > _ID_CHARACTERS, text, f"is longer than {_ID_CHARACTERS} characters"
    )
    return marked.with_fault(text.str.contains(r"\p{Cc}"), text, "holds control characters")


def _number(cells: Cells, _zone: str) -> Cells:
    return as_number(cells)


def _price(cells: Cells, _zone: str) -> Cells:
    numbers = as_number(cells)
    return numbers.with_fault(numbers.values < 0, numbers.values, "is negative")


def _link(cells: Cells, _zone: str) -> Cells:
    text = as_text(cells.values).str.strip_chars()
    bad = ~text.str.contains(r"^https?://[^\s/]").fill_null(value=True)
    return Cells(text, cells.faults).with_fault(bad, text, "is not an http or https address")


def _list(cells: Cells, _zone: str) -> Cells:
    return as_list(cells)


def _boolean(cells: Cells, _zone: str) -> Cells:
    return as_boolean(cells)


def _scalar(cells: Cells, _zone: str) -> Cells:
    """Keep booleans and numbers, make everything else text."""
    kind = cells.values.dtype
    if kind == pl.Boolean:
        return cells
    return as_number(cells) if kind.is_numeric() else _text(cells, _zone)


_ITEM_TARGETS: Mapping[str, Target] = {
    "id": Target(convert=_id, name="id", required=True),
    "title": Target(convert=_text, name="title"),
    "description": Target(convert=_text, name="description"),
    "category": Target(convert=_text, name="category"),
    "brand": Target(convert=_text, name="brand"),
    "price": Target(convert=_price, name="price"),
    "currency": Target(convert=_text, name="currency"),
    "url": Target(convert=_link, name="url"),
    "in_stock": Target(convert=_boolean, name="in_stock"),
    "benefits": Target(convert=_list, name="benefits"),
}
_PROFILE_TARGETS: Mapping[str, Target] = {
    "id": Target(convert=_id, name="id", required=True),
    "created_at": Target(convert=as_time, name="created_at"),
}
_EVENT_TARGETS: Mapping[str, Target] = {
    "id": Target(convert=_id, name="id", required=True),
    "profile": Target(convert=_id, name="profile_id", required=True),
    "type": Target(convert=_id, name="type", required=True),
    "time": Target(convert=as_time, name="occurred_at", required=True),
    "item": Target(convert=_id, name="item_id"),
    "variant": Target(convert=_id, name="variant_id"),
    "value": Target(convert=_number, name="value"),
    "quantity": Target(convert=_number, name="quantity"),
}


_CONSENT_TARGETS: Mapping[str, Target] = {
    "profile": Target(convert=_id, name="profile_id"),
    "email": Target(convert=_id, name="email"),
    "phone": Target(convert=_id, name="phone"),
    "channel": Target(convert=_id, name="channel", required=True),
    "state": Target(convert=_id, name="state", required=True),
    "time": Target(convert=as_time, name="at"),
    "source": Target(convert=_text, name="source"),
}


def read_items(section: ItemsSection, frame: pl.DataFrame, zone: str) -> Batch:
    """Give the items of a chunk; `attributes` is a struct column."""
    return _read(section, frame, zone, _ITEM_TARGETS)


def read_profiles(section: ProfilesSection, frame: pl.DataFrame, zone: str, now: datetime) -> Batch:
    """Give the profiles of a chunk; `traits` is a struct column."""
    batch = _read(section, frame, zone, _PROFILE_TARGETS)
    return _within_time(batch, "created_at", "created_at", now)


def read_events(
    section: EventsSection, frame: pl.DataFrame, zone: str, now: datetime, left_out: pl.Series
) -> Batch:
    """Give the events of a chunk; `properties` is a struct column, `id` is missing when the mapping has none.

    Events of items in `left_out` count as filtered. Whether the others' items exist, the store says.
    """
    batch = _within_time(_read(section, frame, zone, _EVENT_TARGETS), "occurred_at", "time", now)
    if section.item is None or left_out.is_empty():
        return batch
    out = batch.frame["item_id"].is_in(left_out.implode()).fill_null(value=False)
    return msgspec.structs.replace(
        batch, frame=batch.frame.filter(~out), filtered=batch.filtered + int(out.sum())
    )


def read_consents(section: ConsentsSection, frame: pl.DataFrame, zone: str) -> Batch:
    """Give the words and suppressions of a chunk. Whether they can be stored, the store says."""
    return _read(section, frame, zone, _CONSENT_TARGETS)


def left_out_ids(section: ItemsSection, frame: pl.DataFrame, zone: str, batch: Batch) -> set[str]:
    """Give the ids of the rows that `where` left out of the batch read from this chunk."""
    ids = _id(cells_of(section.fields()["id"], frame), zone).values.to_list()
    dealt_with = {*batch.frame[PLACE].to_list(), *(place for place, _ in batch.faults)}
    return {each for place, each in enumerate(ids) if place not in dealt_with and each is not None}


def _read(section: FileSection, frame: pl.DataFrame, zone: str, targets: Mapping[str, Target]) -> Batch:
    placed = frame.with_row_index(PLACE)
    verdicts = [matches(condition, frame) for condition in section.where]
    fault = _where_faults(section, [verdict.faults for verdict in verdicts])
    keep = (
        pl.Series([True]).new_from_index(0, frame.height) if frame.height else pl.Series([], dtype=pl.Boolean)
    )
    for verdict in verdicts:
        keep = keep & verdict.values
    sound = fault.is_null() if fault is not None else keep | True
    refused = _faults(placed, fault)
    kept = placed.filter(keep & sound)
    fields = section.fields()
    seen: list[Seen] = []
    columns, faults = _columns(fields, kept, zone, targets, seen)
    batch = Batch(
        frame=pl.DataFrame([kept[PLACE], *columns]),
        filtered=int((sound & ~keep).sum()),
        faults=refused,
        seen=tuple(seen),
    )
    return _without_faults(batch, first_fault(faults))


def _where_faults(section: FileSection, faults: Sequence[pl.Series | None]) -> pl.Series | None:
    labelled = [
        _labelled(condition.column, fault) for condition, fault in zip(section.where, faults, strict=True)
    ]
    return first_fault(labelled)


def _columns(
    fields: Mapping[str, Field],
    frame: pl.DataFrame,
    zone: str,
    targets: Mapping[str, Target],
    seen: list[Seen],
) -> tuple[list[pl.Series], list[pl.Series | None]]:
    """Convert every mapped field; those of a group (traits, attributes, properties) become one struct."""
    columns: list[pl.Series] = []
    groups: dict[str, list[pl.Series]] = {}
    faults: list[pl.Series | None] = []
    for name, field in fields.items():
        target = targets.get(name, Target(convert=_scalar, name=name))
        changes: list[Change] = []
        cells = target.convert(cells_of(field, frame, changes), zone)
        one = Seen(
            name=name,
            places=frame[PLACE],
            values=cells.values,
            changes=tuple(changes),
            required=target.required,
        )
        seen.append(one)
        if target.required:
            cells = _needed(cells)
        faults.append(_labelled(name, cells.faults))
        group, _, inner = name.partition(".")
        if inner:
            groups.setdefault(group, []).append(cells.values.alias(inner))
        else:
            columns.append(cells.values.alias(target.name))
    columns += [pl.DataFrame(members).to_struct(group) for group, members in groups.items()]
    return columns, faults


def _needed(cells: Cells) -> Cells:
    empty = cells.values.is_null()
    if not empty.any():
        return cells
    complaint = pl.select(pl.when(pl.lit(empty)).then(pl.lit("is empty"))).to_series()
    return Cells(cells.values, first_fault([cells.faults, complaint]))


def _labelled(name: str, fault: pl.Series | None) -> pl.Series | None:
    return None if fault is None else pl.select(pl.format(f"{name} {{}}", pl.lit(fault))).to_series()


def _faults(frame: pl.DataFrame, fault: pl.Series | None) -> tuple[tuple[int, str], ...]:
    if fault is None:
        return ()
    bad = pl.DataFrame([frame[PLACE], fault.alias("fault")]).drop_nulls("fault")
    return tuple(bad.iter_rows())


def _without_faults(batch: Batch, fault: pl.Series | None) -> Batch:
    if fault is None:
        return batch
    return msgspec.structs.replace(
        batch, frame=batch.frame.filter(fault.is_null()), faults=batch.faults + _faults(batch.frame, fault)
    )


def _within_time(batch: Batch, column: str, label: str, now: datetime) -> Batch:
    if column not in batch.frame.columns:
        return batch
    times = batch.frame[column]
    cells = Cells(times).with_fault(
        (times > now + FURTHEST_AHEAD).fill_null(value=False),
        times,
        f"lies in the future (now is {now:%Y-%m-%d %H:%M} UTC): correct it or its time zone",
    )
    cells = cells.with_fault((times < EARLIEST).fill_null(value=False), times, "lies before 1970")
    return _without_faults(batch, _labelled(label, cells.faults))
