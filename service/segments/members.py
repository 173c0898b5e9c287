"""Who is in a segment: counted, paged through, matched one by one."""

from datetime import timedelta
from typing import Any, Literal

import numpy as np

from indexing.audience import Explanation, Members
from indexing.errors import IndexingError
from indexing.errors import NotFound as NotIndexed
from indexing.live import live_population
from indexing.population import Population
from indexing.snapshot import Snapshot
from service.errors import InvalidInput, NotFound
from service.privacy.masks import Masks, Places
from service.profiles.actions import erased_profiles, get_profile
from service.runtime import Runtime
from service.segments.model import (
    FailedSegment,
    Match,
    Member,
    MemberCount,
    MembersCursor,
    Membership,
    MembersPage,
    Pinned,
    ProfileSegments,
)
from service.segments.selection import Selection, all_segments, erased_among, select_segment, selected
from service.snapshots.world import live_world

CURSOR_LIFETIME = timedelta(hours=1)
"""How long after the last page its snapshot is kept for the next."""

At = Literal["snapshot", "live"]
"""Whether the newest snapshot answers, or a profile's newest rows in the store."""


async def count_members(runtime: Runtime, workspace: str, segment: str) -> MemberCount:
    """Count a segment's members, erased ones left out. Raises `NotFound` and `IndexingError`."""
    found, selection = await selected(runtime, workspace, segment)
    members = selection.without(await erased_among(runtime, workspace, selection))
    return MemberCount(
        segment=found.id,
        count=members.size,
        population=members.population,
        as_of=members.as_of,
        snapshot=members.snapshot_version,
        definition_version=found.version,
    )


async def list_members(
    runtime: Runtime,
    workspace: str,
    segment: str,
    *,
    cursor: MembersCursor | None = None,
    limit: int = 100,
    masks: Masks | None = None,
) -> MembersPage:
    """Page through a segment's members, by profile id, in the snapshot and definition the first page used.

    With `masks` in the order of pseudonyms, since the order of ids tells who has their list. A page may hold
    fewer than `limit` where profiles were erased. Raises `InvalidInput` for a cursor of another segment and
    `Gone` for one whose snapshot or version is no more.
    """
    refuse_other_order(cursor, masks)
    named = None if cursor is None else cursor.snapshot
    found, selection = await selected(runtime, workspace, segment, cursor, snapshot=named)
    version = selection.members.snapshot_version
    erased = await erased_among(runtime, workspace, selection)
    start = checked_offset(cursor, selection.members.size)
    stop = min(start + limit, selection.members.size)
    following = None
    if stop < selection.members.size:
        await keep_snapshots(runtime, workspace, version)
        following = MembersCursor(
            segment=found.id,
            version=found.version,
            snapshot=version,
            offset=stop,
            masked=masks is not None,
        )
    places: Places = np.arange(start, stop, dtype=np.uint32)
    if masks is not None:
        places = (await runtime.run(selection.masked_order, masks))[start:stop]
    scores = selection.members.scores
    return MembersPage(
        members=tuple(
            Member(profile_id=profile_id, score=_score(scores, place))
            for profile_id, place in zip(selection.ids(places), places.tolist(), strict=True)
            if profile_id not in erased
        ),
        count=selection.members.size - len(erased),
        as_of=selection.members.as_of,
        snapshot=version,
        definition_version=found.version,
        next=following,
    )


async def match_profile(
    runtime: Runtime, workspace: str, segment: str, profile_id: str, *, at: At = "snapshot"
) -> Match:
    """Say whether a profile is in a segment, and why; `live` reads its newest rows from the store.

    Raises `NotFound` for a profile that the store (`live`) or the snapshot does not hold, or that is erased.
    """
    found, selection = await selected(runtime, workspace, segment)
    person = await _look_up(runtime, workspace, selection.snapshot, profile_id, at)
    explanation = await runtime.run(_explain, selection, person)
    return Match(
        profile_id=profile_id,
        matched=explanation.matched,
        at=at,
        as_of=selection.snapshot.as_of if isinstance(person, int) else person.as_of,
        snapshot=selection.snapshot.version,
        definition_version=found.version,
        score=explanation.score,
        reasons=explanation.reasons,
    )


async def profile_segments(
    runtime: Runtime, workspace: str, profile_id: str, *, at: At = "snapshot"
) -> ProfileSegments:
    """List the segments a profile is in, by name, and those that could not be evaluated, with their errors.

    Raises as `match_profile` does, save that a segment that fails does not hide the others.
    """
    segments = await all_segments(runtime, workspace)
    snapshot = await runtime.snapshot(workspace)
    person = await _look_up(runtime, workspace, snapshot, profile_id, at)
    inside: list[Membership] = []
    failed: list[FailedSegment] = []
    for segment in segments:
        try:
            selection = await select_segment(runtime, workspace, snapshot, segment, segments)
            found = await runtime.run(_belongs, selection, person)
        except IndexingError as error:
            failed.append(FailedSegment(id=segment.id, name=segment.name, error=str(error)))
            continue
        if found is not None:
            inside.append(
                Membership(
                    id=segment.id,
                    name=segment.name,
                    definition_version=segment.version,
                    score=found.score,
                )
            )
    return ProfileSegments(
        profile_id=profile_id,
        at=at,
        segments=tuple(inside),
        failed=tuple(failed),
        as_of=snapshot.as_of if isinstance(person, int) else person.as_of,
        snapshot=snapshot.version,
    )


async def segment_members(runtime: Runtime, workspace: str, segment: str) -> tuple[Snapshot, Members]:
    """Return a segment's members, erased ones left out, with the snapshot whose rows they are."""
    _, selection = await selected(runtime, workspace, segment)
    return selection.snapshot, selection.without(await erased_among(runtime, workspace, selection))


async def keep_snapshots(runtime: Runtime, workspace: str, *versions: str) -> None:
    """Lease snapshots for the next page of whoever pages through them."""
    shelf = runtime.snapshots.shelf(workspace)
    for version in versions:
        await runtime.run(shelf.lease, version, until=runtime.now() + CURSOR_LIFETIME)


def refuse_other_order(cursor: Pinned | None, masks: Masks | None) -> None:
    """Raise `InvalidInput` for a cursor through ids with a key that sees pseudonyms, or the reverse."""
    if cursor is not None and cursor.masked is not (masks is not None):
        raise InvalidInput("the cursor was read with a key of another scope: start again without it")


def checked_offset(cursor: Any, size: int) -> int:
    """Return where a cursor goes on, 0 without one. Raises `InvalidInput` beyond what there is."""
    offset = 0 if cursor is None else cursor.offset
    if not 0 <= offset <= size:
        raise InvalidInput(f"the cursor's offset {offset} is beyond the members: start again without it")
    return offset


async def _look_up(
    runtime: Runtime, workspace: str, snapshot: Snapshot, profile_id: str, at: At
) -> int | Population:
    """Find a profile: its row in the snapshot, or its newest rows as a population of one."""
    if at == "live":
        world = await live_world(runtime, workspace, profile_id, snapshot.items)
        return await runtime.run(live_population, world, snapshot)
    if await erased_profiles(runtime, workspace, [profile_id]):
        raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
    try:
        return snapshot.profile_row(profile_id)
    except NotIndexed:
        known = await get_profile(runtime, workspace, profile_id)
        if known.id != profile_id:  # it was merged into that one
            return await _look_up(runtime, workspace, snapshot, known.id, at)
        raise NotFound(
            f"profile {profile_id!r} is newer than snapshot {snapshot.version}: ask with at=live"
        ) from None


def _explain(selection: Selection, person: int | Population) -> Explanation:
    if isinstance(person, int):
        return selection.explain(row=person)
    return selection.explain(person=person)


def _belongs(selection: Selection, person: int | Population) -> Explanation | None:
    """Return a profile's place among the members; none when it has none. Reasons only where they are due."""
    if not isinstance(person, int):
        explanation = selection.explain(person=person)
        return explanation if explanation.matched else None
    rows = selection.members.rows
    place = int(np.searchsorted(rows, person))
    if place == len(rows) or rows[place] != person:
        return None
    return Explanation(matched=True, score=_score(selection.members.scores, place), reasons=())


def _score(scores: Any, place: int) -> float | None:
    return None if scores is None or np.isnan(scores[place]) else round(float(scores[place]), 5)
