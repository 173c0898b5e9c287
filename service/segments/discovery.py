"""Proposing segments: groups of profiles by their interests, named, described and, when asked, stored."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from indexing.clustering import Grouping, discover
from indexing.definition import to_json
from indexing.groups import free_name, propose
from indexing.snapshot import Snapshot
from service.profiles.actions import erased_profiles
from service.runtime import Runtime
from service.segments.actions import create_segment
from service.segments.model import Discovery, SavedGroup
from service.segments.selection import all_segments, select
from service.workspaces.actions import get_workspace

Progress = Callable[[str, int, int | None], None]

NOTE = "proposed by discovery: group {place} of {k}, seed {seed}, snapshot {snapshot}"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, with what a map or a comparison needs."""

    discovery: Discovery
    grouping: Grouping
    snapshot: Snapshot


async def discover_segments(
    runtime: Runtime,
    workspace: str,
    *,
    k: int | None = None,
    max_k: int = 30,
    seed: int = 0,
    progress: Progress | None = None,
) -> Found:
    """Group the profiles of the newest snapshot and propose a segment for each group.

    Erased profiles take no part. Raises `NotFound` without the workspace, `SnapshotMissing` and
    `GroupingError`.
    """
    await get_workspace(runtime, workspace)
    snapshot = await runtime.snapshot(workspace)
    ids = snapshot.profiles["id"]
    erased = await erased_profiles(runtime, workspace, ids.to_list(), since=snapshot.manifest.built_at)

    def found() -> Found:
        gone = ids.is_in(list(erased)).to_numpy()
        grouping = discover(
            snapshot.tastes,
            snapshot.item_vectors,
            k=k,
            max_k=max_k,
            seed=seed,
            left_out=gone,
            progress=progress,
        )
        groups = propose(grouping, snapshot, progress=progress)
        discovery = Discovery(
            groups=groups,
            verdict=verdict(grouping),
            clear=grouping.clear,
            chosen=grouping.agreement,
            tried=grouping.tried,
            without=grouping.without,
            population=snapshot.profiles.height - len(erased),
            sampled=grouping.sampled,
            limited=grouping.limited,
            seed=seed,
            as_of=snapshot.as_of,
            snapshot=snapshot.version,
        )
        return Found(discovery=discovery, grouping=grouping, snapshot=snapshot)

    return await runtime.run(found)


async def save_groups(runtime: Runtime, workspace: str, found: Found) -> tuple[SavedGroup, ...]:
    """Store every proposed group as a segment, and measure how nearly it selects the group.

    A name that is taken gets a number. Raises as `create_segment` does.
    """
    taken = {segment.name for segment in await all_segments(runtime, workspace)}
    saved: list[SavedGroup] = []
    for place, group in enumerate(found.discovery.groups):
        name = free_name(group.name, taken)
        taken.add(name)
        note = NOTE.format(
            place=place + 1, k=found.grouping.k, seed=found.grouping.seed, snapshot=found.snapshot.version
        )
        segment = await create_segment(runtime, workspace, name, to_json(group.definition), note=note)
        selection = await select(runtime, workspace, found.snapshot, group.definition, {})
        rows = found.grouping.rows[found.grouping.labels == place]
        both = len(np.intersect1d(selection.members.rows, rows))
        either = selection.members.size + len(rows) - both
        saved.append(
            SavedGroup(segment=segment, size=selection.members.size, overlap=round(both / either, 4))
        )
    return tuple(saved)


async def draw_groups(runtime: Runtime, found: Found, path: Path) -> None:
    """Draw the map of the groups as a PNG. Raises `OSError`."""
    from indexing.group_map import draw_map

    names = [group.name for group in found.discovery.groups]
    await runtime.run(
        draw_map, found.grouping, found.snapshot.tastes, found.snapshot.item_vectors, names, path
    )


def verdict(grouping: Grouping) -> str:
    """Say in one sentence what to think of the groups."""
    agreed = grouping.agreement
    if agreed is None:
        return f"Too few profiles to tell whether these {grouping.k} groups are more than a way to divide."
    figures = (
        f"two halves of the profiles agree about them by {agreed.stability:.2f}, "
        f"where profiles without groups would by {agreed.chance:.2f}"
    )
    if grouping.clear:
        return f"{grouping.k} groups stand out: {figures}."
    return f"No groups stand out: {figures}. These {grouping.k} are a way to divide, not kinds of people."
