"""Segments defined: create, change, delete, look up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from indexing.definition import check_references, parse_definition, references
from service.errors import Conflict, InvalidInput
from service.listing import Part, Place
from service.runtime import Runtime
from service.segments.model import Segment, SegmentPatch
from service.segments.selection import definitions_of, memory_of, refuse_encrypted, shown
from service.segments.store import SegmentStore
from service.workspaces.actions import get_workspace
from service.workspaces.store import WorkspaceStore

LONGEST_NAME = 100
LONGEST_NOTE = 1000


async def create_segment(
    runtime: Runtime, workspace: str, name: str, definition: Mapping[str, Any], *, note: str = ""
) -> Segment:
    """Store a new segment.

    Raises `DefinitionError` for a bad definition, `InvalidInput` for a name that is none, `Conflict` for one
    that is taken and `NotFound` without the workspace.
    """
    now = runtime.now()
    segment = Segment(
        id=uuid4().hex[:12],
        name=_checked_name(name),
        definition=dict(definition),
        version=1,
        created_at=now,
        updated_at=now,
        note=_checked_note(note),
    )
    await get_workspace(runtime, workspace)
    async with runtime.database.write() as session:
        store = SegmentStore(session, workspace)
        _check_definition(runtime, segment, await store.all())
        await store.add(segment)
    return shown(runtime, workspace, segment)


async def update_segment(
    runtime: Runtime, workspace: str, segment: str, patch: SegmentPatch, *, version: int | None = None
) -> Segment:
    """Change a segment, making its next version.

    With `version` only if that is still the current one. Raises `NotFound`, `PreconditionFailed`,
    `Conflict` (name taken, or others refer to the old one) and `DefinitionError`.
    """
    async with runtime.database.write() as session:
        store = SegmentStore(session, workspace)
        current = await store.get(segment)
        others = tuple(other for other in await store.all() if other.id != current.id)
        definition = patch.written()
        changed = Segment(
            id=current.id,
            name=current.name if patch.name is msgspec.UNSET else _checked_name(patch.name),
            definition=current.definition if definition is None else definition,
            version=current.version + 1,
            created_at=current.created_at,
            updated_at=runtime.now(),
            note="" if patch.note is msgspec.UNSET else _checked_note(patch.note),
        )
        if changed.name != current.name:
            _check_unused({current.name}, others, f"rename {current.name!r}")
        _check_definition(runtime, changed, others)
        await store.replace(changed, expected_version=current.version if version is None else version)
    memory_of(runtime).errors.pop((workspace, changed.id), None)
    return shown(runtime, workspace, changed)


async def delete_segment(
    runtime: Runtime, workspace: str, segment: str, *, version: int | None = None
) -> None:
    """Delete a segment. Raises `NotFound`, `PreconditionFailed`, and `Conflict` while others refer to it."""
    async with runtime.database.write() as session:
        store = SegmentStore(session, workspace)
        current = await store.get(segment)
        others = tuple(other for other in await store.all() if other.id != current.id)
        _check_unused({current.id, current.name}, others, f"delete {current.name!r}")
        await store.delete(current.id, expected_version=version)
    memory_of(runtime).errors.pop((workspace, current.id), None)


async def get_segment(runtime: Runtime, workspace: str, segment: str) -> Segment:
    """Look a segment up by id or name. Raises `NotFound`."""
    async with runtime.database.read() as session:
        return shown(runtime, workspace, await SegmentStore(session, workspace).get(segment))


async def list_segments(
    runtime: Runtime,
    workspace: str,
    *,
    after: Place | None = None,
    limit: int = 100,
    updated_since: datetime | None = None,
) -> Part[Segment]:
    """Return a page of segments in the order of their names.

    With `updated_since` those made or changed then or later, in that order. Raises `InvalidInput`, and
    `NotFound` without the workspace.
    """
    async with runtime.database.read() as session:
        await WorkspaceStore(session, workspace).get()
        found = await SegmentStore(session, workspace).page(after, limit, updated_since=updated_since)
    return msgspec.structs.replace(found, rows=tuple(shown(runtime, workspace, each) for each in found.rows))


def _check_definition(runtime: Runtime, segment: Segment, others: tuple[Segment, ...]) -> None:
    definition = parse_definition(segment.definition)
    refuse_encrypted(runtime, definition)
    known = definitions_of(others) | {segment.id: definition, segment.name: definition}
    check_references(definition, known, segment.name)


def _check_unused(names: set[str], others: tuple[Segment, ...], verb: str) -> None:
    users = [other.name for other in others if names & set(references(parse_definition(other.definition)))]
    if users:
        listed = ", ".join(map(repr, users[:5]))
        raise Conflict(f"cannot {verb}: used by segment {listed}; change that first")


def _checked_name(name: str) -> str:
    trimmed = name.strip()
    if not trimmed or len(trimmed) > LONGEST_NAME or not trimmed.isprintable():
        raise InvalidInput(f"segment name {name[:120]!r} must be 1 to {LONGEST_NAME} printable characters")
    return trimmed


def _checked_note(note: str) -> str:
    if len(note) > LONGEST_NOTE:
        raise InvalidInput(f"the note has {len(note):,} characters: at most {LONGEST_NOTE:,} are kept")
    return note
