"""Everything that is done with segments: define, look, page through, match, describe."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import msgspec
import numpy as np

from indexing.audience import Members
from indexing.definition import check_references, parse_definition, references
from indexing.errors import NotFound as NotIndexed
from indexing.errors import SnapshotMissing
from indexing.leaf_reasons import Reason
from indexing.live import live_population
from indexing.snapshot import Snapshot
from prompts.brief import Audience
from service.errors import Conflict, Gone, InvalidInput, NotFound
from service.profiles.actions import erased_profiles, get_profile
from service.runtime import Runtime
from service.segments.model import (
    Match,
    Member,
    MembersCursor,
    MembersPage,
    Preview,
    SampleMember,
    Segment,
    SegmentDescription,
    SegmentPatch,
)
from service.segments.selection import (
    Selection,
    definitions_of,
    erased_among,
    memory_of,
    select,
    select_segment,
)
from service.segments.store import SegmentStore
from service.snapshots.world import live_world
from service.workspaces.actions import get_workspace

SAMPLE = 10
LONGEST_NAME = 100
LONGEST_NOTE = 1000
CURSOR_LIFETIME = timedelta(hours=1)
"""How long after the last page its snapshot is kept for the next."""


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
        _check_definition(segment, await store.all())
        await store.add(segment)
    return segment


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
        changed = Segment(
            id=current.id,
            name=current.name if patch.name is msgspec.UNSET else _checked_name(patch.name),
            definition=current.definition if patch.definition is msgspec.UNSET else patch.definition,
            version=current.version + 1,
            created_at=current.created_at,
            updated_at=runtime.now(),
            note="" if patch.note is msgspec.UNSET else _checked_note(patch.note),
        )
        if changed.name != current.name:
            _check_unused({current.name}, others, f"rename {current.name!r}")
        _check_definition(changed, others)
        await store.replace(changed, expected_version=current.version if version is None else version)
    memory_of(runtime).errors.pop((workspace, changed.id), None)
    return changed


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
        return _with_error(runtime, workspace, await SegmentStore(session, workspace).get(segment))


async def list_segments(
    runtime: Runtime, workspace: str, *, after: str | None = None, limit: int = 100
) -> tuple[Segment, ...]:
    """List segments by name; `after` is the last name seen."""
    async with runtime.database.read() as session:
        found = await SegmentStore(session, workspace).page(after, limit)
    return tuple(_with_error(runtime, workspace, segment) for segment in found)


async def preview(runtime: Runtime, workspace: str, definition: Mapping[str, Any]) -> Preview:
    """Say what a definition would select, in the newest snapshot. Raises `IndexingError`."""
    parsed = parse_definition(dict(definition))
    segments = definitions_of(await _all_segments(runtime, workspace))
    snapshot = await runtime.snapshot(workspace)
    return await _preview(runtime, workspace, await select(runtime, workspace, snapshot, parsed, segments))


async def preview_segment(runtime: Runtime, workspace: str, segment: str) -> Preview:
    """Say what a stored segment selects, in the newest snapshot. Raises `NotFound` and `IndexingError`."""
    _, selection = await _selected(runtime, workspace, segment)
    return await _preview(runtime, workspace, selection)


async def list_members(
    runtime: Runtime,
    workspace: str,
    segment: str,
    *,
    cursor: MembersCursor | None = None,
    limit: int = 100,
) -> MembersPage:
    """Page through a segment's members, by profile id, in the snapshot and definition the first page used.

    A page may hold fewer than `limit` where profiles were erased. Raises `InvalidInput` for a cursor of
    another segment and `Gone` for one whose snapshot or version is no more.
    """
    found, selection = await _selected(runtime, workspace, segment, cursor)
    shelf = runtime.snapshots.shelf(workspace)
    version = selection.members.snapshot_version
    erased = await erased_among(runtime, workspace, selection)
    start = cursor.offset if cursor is not None else 0
    stop = min(start + limit, selection.members.size)
    following = None
    if stop < selection.members.size:
        await runtime.run(shelf.lease, version, until=runtime.now() + CURSOR_LIFETIME)
        following = MembersCursor(segment=found.id, version=found.version, snapshot=version, offset=stop)
    scores = selection.members.scores
    return MembersPage(
        members=tuple(
            Member(profile_id=selection.ids[place], score=_score(scores, place))
            for place in range(start, stop)
            if selection.ids[place] not in erased
        ),
        count=selection.members.size - len(erased),
        as_of=selection.members.as_of,
        snapshot=version,
        definition_version=found.version,
        next=following,
    )


async def match_profile(
    runtime: Runtime,
    workspace: str,
    segment: str,
    profile_id: str,
    *,
    at: Literal["snapshot", "live"] = "snapshot",
) -> Match:
    """Say whether a profile is in a segment, and why; `live` reads its newest rows from the store.

    Raises `NotFound` for a profile that the store (`live`) or the snapshot does not hold, or that is erased.
    """
    found, selection = await _selected(runtime, workspace, segment)
    snapshot = selection.snapshot
    if at == "live":
        world = await live_world(runtime, workspace, profile_id, snapshot.items)
        person = await runtime.run(live_population, world, snapshot)
        explanation, as_of = await runtime.run(selection.explain, person=person), world.as_of
    else:
        if await erased_profiles(runtime, workspace, [profile_id]):
            raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
        row = await _row(runtime, workspace, selection, profile_id)
        explanation, as_of = await runtime.run(selection.explain, row=row), snapshot.as_of
    return Match(
        profile_id=profile_id,
        matched=explanation.matched,
        at=at,
        as_of=as_of,
        snapshot=snapshot.version,
        definition_version=found.version,
        score=explanation.score,
        reasons=explanation.reasons,
    )


async def describe_segment(runtime: Runtime, workspace: str, segment: str) -> SegmentDescription:
    """Say what sets a segment's members apart from everyone else. Raises `NotFound` and `IndexingError`."""
    found, selection = await _selected(runtime, workspace, segment)
    erased = await erased_among(runtime, workspace, selection)
    return SegmentDescription(
        segment=found,
        description=await runtime.run(selection.describe, erased),
        as_of=selection.members.as_of,
        snapshot=selection.members.snapshot_version,
    )


async def resolve_audience(runtime: Runtime, workspace: str, segment: str) -> Audience:
    """Turn a segment into the audience of a brief: name, two sentences, interest, stage."""
    described = await describe_segment(runtime, workspace, segment)
    description = described.description
    return Audience(
        name=described.segment.name,
        description=" ".join(description.sentences),
        interest=description.interest,
        stage=description.stage,
    )


async def segment_members(runtime: Runtime, workspace: str, segment: str) -> tuple[Snapshot, Members]:
    """Return a segment's members, erased ones left out, with the snapshot whose rows they are."""
    _, selection = await _selected(runtime, workspace, segment)
    return selection.snapshot, selection.without(await erased_among(runtime, workspace, selection))


async def _all_segments(runtime: Runtime, workspace: str) -> tuple[Segment, ...]:
    await get_workspace(runtime, workspace)
    async with runtime.database.read() as session:
        return await SegmentStore(session, workspace).all()


async def _selected(
    runtime: Runtime, workspace: str, segment: str, cursor: MembersCursor | None = None
) -> tuple[Segment, Selection]:
    """Evaluate a stored segment in the newest snapshot, or in the snapshot and version a cursor names."""
    async with runtime.database.read() as session:
        store = SegmentStore(session, workspace)
        found = await store.get(segment)
        segments = await store.all()
        if cursor is not None:
            found = await _at(store, found, cursor)
    if cursor is None:
        snapshot = await runtime.snapshot(workspace)
    else:
        try:
            snapshot = await runtime.run(runtime.snapshots.shelf(workspace).open, cursor.snapshot)
        except SnapshotMissing:
            raise Gone(f"snapshot {cursor.snapshot!r} is gone: start again without the cursor") from None
    selection = await select_segment(runtime, workspace, snapshot, found, segments)
    if cursor is not None and not 0 <= cursor.offset <= selection.members.size:
        raise InvalidInput(
            f"the cursor's offset {cursor.offset} is beyond the members: start again without it"
        )
    return _with_error(runtime, workspace, found), selection


async def _at(store: SegmentStore, segment: Segment, cursor: MembersCursor) -> Segment:
    if cursor.segment != segment.id:
        raise InvalidInput(f"the cursor belongs to another segment than {segment.name!r}: start without it")
    if cursor.version == segment.version:
        return segment
    try:
        return await store.get_version(segment.id, cursor.version)
    except NotFound:
        raise Gone(
            f"version {cursor.version} of {segment.name!r} is gone: start without the cursor"
        ) from None


async def _preview(runtime: Runtime, workspace: str, selection: Selection) -> Preview:
    erased = await erased_among(runtime, workspace, selection)

    def previewed() -> Preview:
        members = selection.without(erased)
        return Preview(
            size=members.size,
            population=members.population,
            share=round(members.size / members.population, 6) if members.population else 0.0,
            as_of=members.as_of,
            snapshot=members.snapshot_version,
            description=selection.describe(erased),
            sample=tuple(_sampled(selection, members)),
            curve=selection.curve(erased),
            warnings=selection.warnings(),
        )

    return await runtime.run(previewed)


def _sampled(selection: Selection, members: Members) -> Iterator[SampleMember]:
    """Yield the members most worth looking at: the most similar, or some spread evenly."""
    if members.scores is not None:
        places = np.argsort(-np.nan_to_num(members.scores, nan=-2.0), kind="stable")[:SAMPLE]
    else:
        places = np.unique(np.linspace(0, members.size - 1, min(members.size, SAMPLE)).astype(np.int64))
    for place in places:
        row = int(members.rows[place])
        explanation = selection.explain(row=row)
        yield SampleMember(
            profile_id=str(selection.snapshot.profiles["id"][row]),
            score=explanation.score,
            why=tuple(_matching(explanation.reasons)),
        )


def _matching(reasons: Iterable[Reason]) -> Iterator[str]:
    """Yield the words of the leaves that speak for membership, those of other segments in their place."""
    for reason in reasons:
        if reason.reasons and not reason.negated:
            yield from _matching(reason.reasons)
        elif reason.matched != reason.negated:
            yield reason.words


async def _row(runtime: Runtime, workspace: str, selection: Selection, profile_id: str) -> int:
    try:
        return selection.snapshot.profile_row(profile_id)
    except NotIndexed:
        known = await get_profile(runtime, workspace, profile_id)
        if known.id != profile_id:  # it was merged into that one
            return await _row(runtime, workspace, selection, known.id)
        raise NotFound(
            f"profile {profile_id!r} is newer than snapshot {selection.snapshot.version}: ask with at=live"
        ) from None


def _check_definition(segment: Segment, others: tuple[Segment, ...]) -> None:
    definition = parse_definition(segment.definition)
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


def _with_error(runtime: Runtime, workspace: str, segment: Segment) -> Segment:
    version, error = memory_of(runtime).errors.get((workspace, segment.id), (0, None))
    return msgspec.structs.replace(segment, error=error) if version == segment.version else segment


def _score(scores: Any, place: int) -> float | None:
    return None if scores is None or np.isnan(scores[place]) else round(float(scores[place]), 5)
