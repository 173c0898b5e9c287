"""Import a folder of files into a workspace."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, get_args

import msgspec

from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.contact.lists import store_contacts
from service.counts import Counts
from service.events.actions import record_events
from service.importing.errors import EmptyCatalogue
from service.importing.inspection import Inspection, refused
from service.importing.mapping import Mapping, ProfilesSection, load_mapping
from service.importing.model import ImportSummary, Kind, KindCounts, Progress, Reject
from service.importing.reading import (
    Origin,
    Parsed,
    merge_profiles,
    parse_consents,
    parse_events,
    parse_items,
    parse_profiles,
)
from service.importing.rejects import RejectLog
from service.importing.sources import read_chunks, verify
from service.importing.transforms import check_formats
from service.importing.veil import Veil
from service.profiles.actions import upsert_profiles
from service.quality.actions import note_findings
from service.quality.model import Observation
from service.runtime import Runtime
from service.workspaces.actions import ensure_workspace, set_workspace
from service.workspaces.model import WorkspacePatch

STORE_ROWS = 50_000
"""Items or profiles handed to the store at a time."""


async def import_folder(
    runtime: Runtime, workspace: str, folder: Path, mapping: Path, progress: Progress | None = None
) -> ImportSummary:
    """Store the items, profiles, events and consents of a folder's files as the mapping says.

    The workspace is made when it does not exist, and takes the mapping's zone, reference time, currency,
    weights and brand. Bad rows go to `<data_dir>/imports/<workspace>/<time>/rejects.jsonl` and stop
    nothing. Importing the same files again stores nothing new. Raises `ImportFailed` (mapping or file
    unusable, empty catalogue) before anything is stored.
    """
    plan = await runtime.run(load_mapping, mapping)
    sizes = await runtime.run(_check_files, plan, folder)
    return await _Import(runtime, workspace, folder, plan, sizes, progress or _silent).run()


def _silent(stage: str, done: int, total: int | None) -> None:
    """Report to nobody."""


def _check_files(mapping: Mapping, folder: Path) -> dict[str, int]:
    """Rows of each file, about; raises before anything is stored when a file or column is not as mapped."""
    sizes: dict[str, int] = {}
    for section in mapping.sections():
        check_formats(section.fields().values())
        path = folder / section.file
        if section.file not in sizes:
            sizes[section.file] = verify(path)
        next(read_chunks(path, section, rows=1000), None)
    return sizes


class _Import:
    """One import on its way: what it counted so far."""

    def __init__(
        self,
        runtime: Runtime,
        workspace: str,
        folder: Path,
        mapping: Mapping,
        sizes: dict[str, int],
        progress: Progress,
    ) -> None:
        self.runtime, self.workspace, self.folder, self.mapping = runtime, workspace, folder, mapping
        self.sizes, self.progress = sizes, progress
        self.now = runtime.now()
        self.started = time.perf_counter()
        self.veil = Veil(runtime.vault, mapping)
        self.log = RejectLog(
            Path(runtime.settings.data_dir) / "imports" / workspace, self.now, self.veil.reject
        )
        self.counts: dict[Kind, KindCounts] = {kind: KindCounts() for kind in get_args(Kind)}
        self.inspection = Inspection()
        self.left_out: set[str] = set()
        self.notes: list[str] = []

    async def run(self) -> ImportSummary:
        items = await self._read_items()
        await ensure_workspace(self.runtime, self.workspace)
        await set_workspace(self.runtime, self.workspace, _patch(self.mapping))
        await self._store("items", items)
        await self._store("profiles", await self._read_profiles())
        await self._import_events()
        await self._import_consents()
        await self._note_findings()
        return ImportSummary(
            workspace=self.workspace,
            items=self.counts["items"],
            profiles=self.counts["profiles"],
            events=self.counts["events"],
            consents=self.counts["consents"],
            reasons=self.log.reasons(),
            rejects=None if self.log.path is None else str(self.log.path),
            notes=tuple(self.notes),
            seconds=round(time.perf_counter() - self.started, 3),
        )

    async def _read_items(self) -> "dict[str, _Row]":
        section = self.mapping.items
        if section is None:
            return {}
        items: dict[str, _Row] = {}
        parsed = parse_items(section, self.mapping, self.folder / section.file, self.left_out)
        async for part in self._ahead("items", section.file, parsed):
            self._gather(part, items)
        self.left_out -= set(items)
        if not items:
            raise EmptyCatalogue(self._emptiness(section.file))
        silent = sum(1 for row in items.values() if _is_silent(row.value))
        if silent:
            self.notes.append(
                f"{silent} items have neither title nor description: "
                "they cannot be found by what they mean, and no copy can be written for them"
            )
        return items

    def _emptiness(self, file: str) -> str:
        counts = self.counts["items"]
        reasons = self.log.reasons()
        why = f"; first reason: {reasons[0].example}; all of them are in {self.log.path}" if reasons else ""
        return (
            f"the catalogue is empty: of {counts.read} rows in {file}, {counts.filtered} were left out by "
            f"`where` and {counts.rejected} rejected{why}. Nothing was stored: correct the file, "
            "or `items` in the mapping"
        )

    async def _read_profiles(self) -> "dict[str, _Row]":
        section = self.mapping.profiles
        profiles: dict[str, _Row] = {}
        if section is None:
            return profiles
        parsed = parse_profiles(section, self.mapping, self.folder / section.file, self.now)
        async for part in self._ahead("profiles", section.file, parsed):
            self._gather(part, profiles, section)
        return profiles

    def _gather(self, part: Parsed, into: "dict[str, _Row]", section: ProfilesSection | None = None) -> None:
        """Keep one row per id: the last one, or of `rows: many` what the rows say together."""
        before = len(into)
        for row, place in zip(part.rows, part.places, strict=True):
            known = into.get(row.id)
            value = row
            if section is not None and section.rows == "many" and known is not None:
                value = merge_profiles(known.value, row)
            into[row.id] = _Row(value=value, origin=part.origin, place=place)
        good = part.read - part.filtered - len(part.rejects)
        self._count(part.origin.kind, duplicate=good - (len(into) - before))

    async def _store(self, kind: Kind, rows: "dict[str, _Row]") -> None:
        upsert: Any = {"items": upsert_items, "profiles": upsert_profiles}[kind]
        kept = list(rows.values())
        for start in range(0, len(kept), STORE_ROWS):
            part = kept[start : start + STORE_ROWS]
            counts = await upsert(self.runtime, self.workspace, [row.value for row in part])
            await self._note(kind, counts, [(row.origin, row.place) for row in part])

    async def _import_events(self) -> None:
        for section in self.mapping.event_sections():
            parsed = parse_events(section, self.mapping, self.folder / section.file, self.now, self.left_out)
            async for part in self._ahead("events", section.file, parsed):
                counts = await record_events(self.runtime, self.workspace, part.rows)
                await self._note("events", counts, [(part.origin, place) for place in part.places])

    async def _import_consents(self) -> None:
        for section in self.mapping.consent_sections():
            parsed = parse_consents(section, self.mapping, self.folder / section.file)
            async for part in self._ahead("consents", section.file, parsed):
                counts = await store_contacts(self.runtime, self.workspace, part.rows)
                await self._note("consents", counts, [(part.origin, place) for place in part.places])

    async def _note_findings(self) -> None:
        """Keep what was odd under the name of this import, for `pitchwright data check`."""
        found = await self.runtime.run(self.inspection.observations)
        found += [refused(each) for each in self.log.reasons(None)]
        for kind, counts in self.counts.items():
            repeated = f"{kind}: there already, or repeated in the file"
            if counts.duplicate:
                found.append(
                    Observation(
                        kind="duplicate",
                        about=repeated,
                        done="stored once",
                        example="",
                        count=counts.duplicate,
                    )
                )
        await note_findings(self.runtime, self.workspace, f"import {self.log.name}", found)

    async def _note(self, kind: Kind, counts: Counts, origins: "Sequence[tuple[Origin, int]]") -> None:
        """Count what the store did, and log what it refused."""
        rejects = [
            origins[reject.row][0].reject(origins[reject.row][1], reject.reason) for reject in counts.rejects
        ]
        self._count(kind, stored=counts.stored, duplicate=counts.duplicate)
        await self._reject(kind, rejects)

    async def _reject(self, kind: Kind, rejects: list[Reject]) -> None:
        self._count(kind, rejected=len(rejects))
        if rejects:
            await self.runtime.run(self.log.add, rejects)

    def _count(self, kind: Kind, **more: int) -> None:
        have = self.counts[kind]
        self.counts[kind] = msgspec.structs.replace(
            have, **{name: getattr(have, name) + number for name, number in more.items()}
        )

    async def _ahead(self, kind: Kind, file: str, parsed: Iterator[Parsed]) -> AsyncGenerator[Parsed]:
        """Hand out the parts of a file, each read while the one before is stored."""
        done = 0
        async with aclosing(_prefetched(self.runtime, parsed)) as parts:
            async for part in parts:
                self._count(kind, read=part.read, filtered=part.filtered)
                await self._reject(kind, part.rejects)
                await self.runtime.run(self.inspection.add, part.origin, self.veil.seen(part.seen))
                yield part
                done += part.read
                self.progress(kind, done, max(done, self.sizes[file]))


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """An item or profile with where it came from."""

    value: Any
    origin: Origin
    place: int


async def _prefetched(runtime: Runtime, parsed: Iterator[Parsed]) -> AsyncGenerator[Parsed]:
    coming = asyncio.ensure_future(runtime.run(next, parsed, None))
    try:
        while (part := await coming) is not None:
            coming = asyncio.ensure_future(runtime.run(next, parsed, None))
            yield part
    finally:
        if not coming.cancel() and not coming.cancelled():
            coming.exception()  # read ahead in vain: asked for, so that nobody warns that it was not


def _is_silent(item: Item) -> bool:
    return not item.title.strip() and not item.description.strip()


def _patch(mapping: Mapping) -> WorkspacePatch:
    """Say what the mapping decides of the workspace; what it does not name stays."""
    weights = {
        kind: weight for section in mapping.event_sections() for kind, weight in section.weights.items()
    }
    return WorkspacePatch(
        timezone=mapping.timezone,
        reference_time=mapping.reference_time or msgspec.UNSET,
        currency=mapping.currency or msgspec.UNSET,
        brand=mapping.brand or msgspec.UNSET,
        event_weights=weights or msgspec.UNSET,
    )
