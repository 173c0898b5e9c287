"""The files of a folder, read by an import mapping straight into the columns an evaluation works on.

What an import would store is what is measured: the same sections, transforms, row filters and refusals, only
without a database in between.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl

from indexing.profiles import weights_by_type
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, World
from service.catalog.model import Item
from service.importing.errors import EmptyCatalogue, MappingError, SourceError
from service.importing.mapping import EventsSection, ItemsSection, Mapping, load_mapping
from service.importing.reading import merge_profiles, parse_items, parse_profiles
from service.importing.rows import PLACE, read_events
from service.importing.sources import read_chunks, verify
from service.importing.transforms import check_formats
from service.profiles.model import Profile

Progress = Callable[[str, int, int | None], None]

_RAW_EVENTS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "profile_id": pl.String(),
    "item_id": pl.String(),
    "type": pl.String(),
    "value": pl.Float64(),
    "quantity": pl.Float64(),
    "occurred_at": pl.Datetime("us", "UTC"),
}
_ORDER = ["profile", "time", "item", "type", "value", "quantity"]
_UNNAMED = 3
"""So many unknown items are named; of the others only the number is said."""


class Worlds(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the data to learn from and, from a file of its own, other profiles to test on."""

    train: World
    tests: World | None
    """Its items are those of `train`, row for row."""
    notes: tuple[str, ...]
    """What was left out, in words."""
    digests: dict[str, str]
    """The start of each file's sha256, by file name."""


def read_worlds(
    folder: Path, mapping_file: Path, test_events: Path | None, now: datetime, progress: Progress
) -> Worlds:
    """Read a folder, and a file of other profiles' events in the format of the mapping's.

    Raises `ImportFailed` when the mapping or a file cannot be used or there is nothing in it.
    """
    mapping = load_mapping(mapping_file)
    sections = mapping.event_sections()
    if mapping.items is None or not sections:
        raise MappingError(f"mapping {mapping_file} names no items or no events: recommendations need both")
    for section in mapping.sections():
        check_formats(section.fields().values())
        verify(folder / section.file)
    tested = [] if test_events is None else [(_fitting(sections, test_events), test_events)]
    items, left_out = _read_items(mapping, mapping.items, folder, progress)
    reading = _Reading(mapping, now, items, left_out, progress)
    known = reading.profiles(folder)
    train = reading.world([(section, folder / section.file) for section in sections], known, "events")
    tests = None
    if tested:
        section, path = tested[0]
        extra = reading.traits_beside(section, path)
        tests = reading.world([(section, path)], {**known, **extra}, "test events", only_active=True)
    digests = {section.file: _digest(folder / section.file) for section in mapping.sections()}
    digests.update((f"test events {path.name}", _digest(path)) for _, path in tested)
    return Worlds(train=train, tests=tests, notes=tuple(reading.notes), digests=digests)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _fitting(sections: Sequence[EventsSection], path: Path) -> EventsSection:
    """Find the section whose columns the file has; raises `SourceError` naming the missing ones."""
    rows = verify(path)
    if rows == 0 or (rows == 1 and ".parquet" not in path.suffixes):
        raise MappingError(f"{path} holds no events: give a file with a row for each event")
    for section in sections[:-1]:
        try:
            next(read_chunks(path, section, rows=1), None)
        except SourceError:
            continue  # the file has other columns: the next section may fit
        return section
    next(read_chunks(path, sections[-1], rows=1), None)
    return sections[-1]


def _read_items(
    mapping: Mapping, section: ItemsSection, folder: Path, progress: Progress
) -> tuple[pl.DataFrame, set[str]]:
    left_out: set[str] = set()
    items: dict[str, Item] = {}
    for part in parse_items(section, mapping, folder / section.file, left_out):
        items.update((item.id, item) for item in cast("list[Item]", part.rows))
        progress("items", len(items), None)
    if not items:
        raise EmptyCatalogue(f"no row of {folder / section.file} could be used: correct it or the mapping")
    rows = [[getattr(items[item_id], name) for name in ITEM_COLUMNS] for item_id in sorted(items)]
    frame = pl.DataFrame(rows, schema=ITEM_COLUMNS, orient="row", strict=False)
    progress("items", len(items), len(items))
    return frame.sort("id"), left_out - set(items)


class _Reading:
    """Reads several files against one catalogue and notes what it leaves out."""

    def __init__(
        self, mapping: Mapping, now: datetime, items: pl.DataFrame, left_out: set[str], progress: Progress
    ) -> None:
        self._mapping, self._now, self._items, self._progress = mapping, now, items, progress
        self._outside = pl.Series(sorted(left_out), dtype=pl.String)
        self.notes: list[str] = []

    def profiles(self, folder: Path, file: str | None = None) -> dict[str, Profile]:
        """Read the mapping's profiles by id, from its file or another one of the same columns."""
        section = self._mapping.profiles
        if section is None:
            return {}
        path = folder / (file or section.file)
        verify(path)
        found: dict[str, Profile] = {}
        for part in parse_profiles(section, self._mapping, path, self._now):
            for profile in cast("list[Profile]", part.rows):
                known = found.get(profile.id)
                merge = known is not None and section.rows == "many"
                found[profile.id] = merge_profiles(known, profile) if known and merge else profile
            self._progress("profiles", len(found), None)
        self._progress("profiles", len(found), len(found))
        return found

    def traits_beside(self, section: EventsSection, path: Path) -> dict[str, Profile]:
        """Read profiles from a file of test events where the mapping has both in one file."""
        profiles = self._mapping.profiles
        if profiles is None or profiles.file != section.file:
            return {}
        try:
            return self.profiles(path.parent, path.name)
        except SourceError as error:
            self.notes.append(f"the test profiles have no traits: {error}")
            return {}

    def world(
        self,
        files: Sequence[tuple[EventsSection, Path]],
        profiles: dict[str, Profile],
        stage: str,
        *,
        only_active: bool = False,
    ) -> World:
        """Put events and profiles into a world; with `only_active` without profiles that did nothing."""
        parts = [part for section, path in files for part in self._events(section, path, stage)]
        events = pl.concat(parts) if parts else pl.DataFrame(schema=_RAW_EVENTS)
        if all(section.id is not None for section, _ in files):
            events = events.unique("id", keep="first", maintain_order=True)
        self._progress(stage, events.height, events.height)
        events = self._known(events, stage)
        active = set(events["profile_id"])
        ids = sorted(active if only_active else active | set(profiles))
        people = pl.DataFrame(
            [_row(profiles.get(each, Profile(id=each))) for each in ids],
            schema=PROFILE_COLUMNS,
            orient="row",
        ).sort("id")
        weights = {
            kind: weight
            for section in self._mapping.event_sections()
            for kind, weight in section.weights.items()
        }
        return World(
            workspace="evaluation",
            as_of=cast("datetime | None", events["occurred_at"].max()) or self._now,
            timezone=self._mapping.timezone,
            event_weights=dict(weights_by_type(weights)),
            items=self._items,
            profiles=people,
            events=_numbered(events, self._items, people),
        )

    def _events(self, section: EventsSection, path: Path, stage: str) -> Iterator[pl.DataFrame]:
        done = 0
        refused: list[str] = []
        for chunk in read_chunks(path, section):
            batch = read_events(section, chunk.frame, self._mapping.timezone, self._now, self._outside)
            refused += [reason for _, reason in batch.faults] + [damage.reason for damage in chunk.damaged]
            done += chunk.frame.height
            self._progress(stage, done, None)
            yield _raw(batch.frame)
        if refused:
            self.notes.append(f"{len(refused):,} rows of {path.name} were refused, the first: {refused[0]}")

    def _known(self, events: pl.DataFrame, stage: str) -> pl.DataFrame:
        """Leave out events of items the catalogue lacks, loudly, as the store refuses them."""
        unknown = ~events["item_id"].is_in(self._items["id"].implode()).fill_null(value=True)
        if unknown.any():
            ids = events["item_id"].filter(unknown).unique().sort()
            shown = ", ".join(repr(each) for each in ids.head(_UNNAMED))
            self.notes.append(
                f"{int(unknown.sum()):,} {stage} were left out: {len(ids):,} items are not in the catalogue, "
                f"such as {shown}"
            )
        return events.filter(~unknown)


def _raw(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the events' columns one type each; what the mapping does not name is null."""
    return frame.drop(PLACE).select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in _RAW_EVENTS.items()
    )


def _row(profile: Profile) -> tuple[Any, ...]:
    return profile.id, msgspec.json.encode(profile.traits).decode(), profile.created_at


def _numbered(events: pl.DataFrame, items: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    who = profiles.select(pl.col("id").alias("profile_id")).with_row_index("profile")
    what = items.select(pl.col("id").alias("item_id")).with_row_index("item")
    joined = (
        events.rename({"occurred_at": "time"}).join(who, on="profile_id").join(what, on="item_id", how="left")
    )
    return joined.select(pl.col(name).cast(dtype) for name, dtype in EVENT_COLUMNS.items()).sort(_ORDER)
