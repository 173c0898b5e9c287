"""Segments compared: with each other in one snapshot, and with themselves from one snapshot to another."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from indexing.errors import IndexingError
from service.errors import InvalidInput, NotFound
from service.privacy.masks import Masks
from service.runtime import Runtime
from service.segments.members import checked_offset, keep_snapshots, refuse_other_order
from service.segments.model import Change, Changes, ChangesCursor, FailedSegment, Overlap, Overlaps, Segment
from service.segments.selection import (
    Selection,
    all_segments,
    erased_among,
    select_segment,
    selected,
)

MOST_COMPARED = 100
"""Segments that one answer compares with."""


async def overlap(runtime: Runtime, workspace: str, segment: str, others: Sequence[str] = ()) -> Overlaps:
    """Say how many members a segment shares with others, by id or name; without any with all of them.

    Jaccard is |A and B| / |A or B|. Raises `NotFound`, `IndexingError` for the segment itself, and
    `InvalidInput` for more than `MOST_COMPARED` others; one of those that fails is named as such.
    """
    found, selection = await selected(runtime, workspace, segment)
    segments = await all_segments(runtime, workspace)
    compared = _named(others, segments, workspace) if others else segments
    compared = tuple(other for other in compared if other.id != found.id)
    if len(compared) > MOST_COMPARED:
        raise InvalidInput(
            f"{len(compared)} segments to compare with: at most {MOST_COMPARED} at a time, name them"
        )
    mine = selection.without(await erased_among(runtime, workspace, selection))
    overlaps: list[Overlap] = []
    failed: list[FailedSegment] = []
    for other in compared:
        try:
            whom = await select_segment(runtime, workspace, selection.snapshot, other, segments)
        except IndexingError as error:
            failed.append(FailedSegment(id=other.id, name=other.name, error=str(error)))
            continue
        theirs = whom.without(await erased_among(runtime, workspace, whom))
        shared = len(np.intersect1d(mine.rows, theirs.rows, assume_unique=True))
        either = mine.size + theirs.size - shared
        overlaps.append(
            Overlap(
                id=other.id,
                name=other.name,
                definition_version=other.version,
                count=theirs.size,
                shared=shared,
                jaccard=round(shared / either, 6) if either else 0.0,
            )
        )
    return Overlaps(
        segment=found.id,
        count=mine.size,
        others=tuple(sorted(overlaps, key=lambda each: (-each.jaccard, each.name))),
        failed=tuple(failed),
        as_of=mine.as_of,
        snapshot=mine.snapshot_version,
        definition_version=found.version,
    )


async def list_changes(
    runtime: Runtime,
    workspace: str,
    segment: str,
    since: str,
    *,
    until: str | None = None,
    cursor: ChangesCursor | None = None,
    limit: int = 100,
    masks: Masks | None = None,
) -> Changes:
    """Page through who entered a segment and who left it between two snapshots, by profile id.

    With `masks` in the order of pseudonyms, since the order of ids tells who has their list.

    Both are evaluated by one definition, the segment's newest or the one the cursor was read with, so that
    what changed is people and not rules. Erased profiles are not told of, not even as leaving. `until` is
    the newest snapshot when left out. With a `limit` of 0 it only counts. Raises `NotFound`, `Gone` for
    a snapshot that is no more, `InvalidInput` for a cursor of another list, and `IndexingError`.
    """
    if cursor is not None and (cursor.since != since or until not in (None, cursor.until)):
        raise InvalidInput("the cursor was read between other snapshots: start again without it")
    refuse_other_order(cursor, masks)
    until = cursor.until if cursor is not None else until
    found, after = await selected(runtime, workspace, segment, cursor, snapshot=until)
    _, before = await selected(runtime, workspace, segment, cursor, snapshot=since)
    erased = await erased_among(runtime, workspace, before, after)
    changed = await runtime.run(_changed, before, after, erased)
    if masks is not None:
        changed = changed[await runtime.run(masks.order, changed["id"])]
    start = checked_offset(cursor, changed.height)
    stop = min(start + limit, changed.height)
    following = None
    if limit and stop < changed.height:
        later = after.members.snapshot_version
        await keep_snapshots(runtime, workspace, since, later)
        following = ChangesCursor(
            segment=found.id,
            version=found.version,
            since=since,
            until=later,
            offset=stop,
            masked=masks is not None,
        )
    return Changes(
        changes=tuple(
            Change(profile_id=profile_id, change="entered" if entered else "left")
            for profile_id, entered in changed.slice(start, stop - start).iter_rows()
        ),
        entered=int(changed["entered"].sum()),
        left=int((~changed["entered"]).sum()),
        count=after.without(erased).size,
        since=before.members.snapshot_version,
        since_as_of=before.members.as_of,
        snapshot=after.members.snapshot_version,
        as_of=after.members.as_of,
        definition_version=found.version,
        next=following,
    )


def _named(names: Sequence[str], segments: tuple[Segment, ...], workspace: str) -> tuple[Segment, ...]:
    by_name = {segment.name: segment for segment in segments} | {segment.id: segment for segment in segments}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise NotFound(f"no segment {missing[0]!r} in workspace {workspace!r}")
    return tuple({by_name[name].id: by_name[name] for name in names}.values())


def _changed(before: Selection, after: Selection, erased: frozenset[str]) -> pl.DataFrame:
    """Ids that are in one of two selections only, sorted: `id`, and whether it `entered`."""
    was, now = before.ids(slice(None)).alias("id"), after.ids(slice(None)).alias("id")
    entered = now.filter(~now.is_in(was.implode())).to_frame().with_columns(entered=pl.lit(True))
    left = was.filter(~was.is_in(now.implode())).to_frame().with_columns(entered=pl.lit(False))
    both = pl.concat([entered, left])
    return both.filter(~pl.col("id").is_in(list(erased))).sort("id")
