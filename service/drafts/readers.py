"""Who might read a draft's copy: its segment, or everybody, in the newest snapshot."""

import msgspec
import numpy as np

from indexing.audience import Members
from indexing.errors import SnapshotMissing
from indexing.snapshot import Snapshot
from indexing.traits import distinct_values
from prompts.personal import traits_named, value_text
from prompts.readers import ASSUMED, FIRST_NAME, Readers
from prompts.variant import Fields
from service.errors import NotFound
from service.runtime import Runtime
from service.segments.members import segment_members

_UNKNOWN = " (other traits are known once there is a snapshot: POST /v1/snapshots)"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who might read copy."""

    snapshot: Snapshot
    segment: str | None
    """None for everybody."""
    members: Members | None


async def find_reach(
    runtime: Runtime, workspace: str, *, asked: str | None = None, own: str | None = None
) -> Reach:
    """Return the segment that is asked for, else the draft's own, else everybody.

    A draft's own segment that was deleted since is everybody. Raises NotFound for one that is asked for;
    `indexing.errors.SnapshotMissing`.
    """
    segment = asked or own
    if segment is not None:
        try:
            snapshot, members = await segment_members(runtime, workspace, segment)
        except NotFound:
            if asked is not None:
                raise
        else:
            return Reach(snapshot=snapshot, segment=segment, members=members)
    return Reach(snapshot=await runtime.snapshot(workspace), segment=None, members=None)


def readers_of(reach: Reach, fields: Fields) -> Readers:
    """Say what is known of them, with the values of the traits that copy names."""
    snapshot, members = reach.snapshot, reach.members
    rows = np.arange(snapshot.profiles.height, dtype=np.uint32) if members is None else members.rows
    known = frozenset({FIRST_NAME, *snapshot.traits.names})
    names = tuple(name for name in traits_named(fields) if name in known)
    without = dict.fromkeys(names, 0)
    people: set[tuple[str | None, ...]] = set()
    for found, profiles in distinct_values(snapshot.traits, names, rows) if names else ():
        values = tuple(value_text(found[name]) for name in names)
        people.add(values)
        for name, value in zip(names, values, strict=True):
            without[name] += 0 if value else profiles
    return Readers(
        whose="everybody" if reach.segment is None else f"segment {reach.segment!r}",
        known=known,
        profiles=len(rows),
        without=without,
        names=names,
        values=tuple(people),
    )


async def find_readers(runtime: Runtime, workspace: str, fields: Fields, segment: str | None) -> Readers:
    """Return the readers of a draft's copy; before there is a snapshot, those that are assumed."""
    if not traits_named(fields):
        return ASSUMED
    try:
        reach = await find_reach(runtime, workspace, own=segment)
    except SnapshotMissing:
        return msgspec.structs.replace(ASSUMED, hint=_UNKNOWN)
    return await runtime.run(readers_of, reach, fields)
