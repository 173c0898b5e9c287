"""Whoever asks who is in a segment gets one answer: count, members, match, export, a profile's segments.

A random world goes into the real store and a snapshot is built of it; random definitions are evaluated by the
service and by plain Python loops over the rows that went in.
"""

import asyncio
import gzip
from collections import Counter
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from indexing.definition import parse_definition, to_json
from indexing.snapshot import Snapshot
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.exports.actions import export_file, get_export, start_export
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment, update_segment
from service.segments.members import count_members, list_members, match_profile, profile_segments
from service.segments.model import SegmentPatch
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch
from tests.indexing.definitions import SEGMENTS, TREES
from tests.indexing.people import AS_OF, WEIGHTS, Columns, CornerEmbedder, people
from tests.indexing.plain_audience import plain_members

W = "world"
PAGE = 11
DRAWN = people(seed=5)
TOLD = ("email", None, "push", "sms", "push")
"""What events say of their channel, one after the other."""
CHANNELS = st.fixed_dictionaries(
    {
        "trait": st.just("computed.preferred_channel"),
        "op": st.sampled_from(["eq", "ne", "ge", "contains"]),
        "value": st.sampled_from(["email", "push", "sms", "s"]),
    }
)
DEFINITIONS = TREES | st.builds(
    lambda key, *parts: {key: list(parts)}, st.sampled_from(["all", "any"]), TREES, CHANNELS
)


def channel_of(number: int) -> str | None:
    return TOLD[number % len(TOLD)]


def preferred() -> list[str | None]:
    """Count each profile's purchases by channel, the only responses there are, in plain Python."""
    counted = [Counter[str]() for _ in range(DRAWN.profiles.height)]
    for number, event in enumerate(DRAWN.events.to_dicts()):
        channel = channel_of(number)
        if event["type"] == "purchase" and event["time"] <= AS_OF and channel is not None:
            counted[event["profile"]][channel] += 1
    return [min(own, key=lambda name: (-own[name], name)) if own else None for own in counted]


async def fill(runtime: Runtime) -> None:
    await create_workspace(runtime, W)
    patch = WorkspacePatch(reference_time=AS_OF.isoformat(), event_weights=dict(WEIGHTS))
    await set_workspace(runtime, W, patch)
    kept = ("id", "title", "category", "in_stock")
    rows = DRAWN.items.select(kept).to_dicts()
    await upsert_items(runtime, W, [Item(**row) for row in rows])
    ids = DRAWN.profiles["id"].to_list()
    traits = [msgspec.json.decode(text) for text in DRAWN.profiles["traits"]]
    await upsert_profiles(
        runtime, W, [Profile(id=i, traits=t, created_at=AS_OF) for i, t in zip(ids, traits, strict=True)]
    )
    events = DRAWN.events.with_columns(value=DRAWN.events["value"].fill_nan(None)).to_dicts()
    stored = await record_events(
        runtime,
        W,
        [
            Event(
                id=f"e{number}",
                profile_id=ids[event["profile"]],
                item_id=None if event["item"] is None else DRAWN.items["id"][event["item"]],
                type=event["type"],
                value=event["value"],
                occurred_at=event["time"],
                properties={"channel": channel_of(number)},
            )
            for number, event in enumerate(events)
        ],
    )
    assert stored.stored == len(events)
    for name, definition in SEGMENTS.items():
        await create_segment(runtime, W, name, to_json(definition))
    await create_segment(runtime, W, "drawn", {"all": []})
    await build_snapshot(runtime, W)


def columns(snapshot: Snapshot) -> Columns:
    """What went in, each one's channel as a trait, with the vectors and tastes that the build made of it."""
    traits = [
        msgspec.json.decode(text) | {"computed.preferred_channel": channel}
        for text, channel in zip(DRAWN.profiles["traits"], preferred(), strict=True)
    ]
    texts = pl.Series("traits", [msgspec.json.encode(each).decode() for each in traits])
    return msgspec.structs.replace(
        DRAWN,
        profiles=DRAWN.profiles.with_columns(texts),
        item_vectors=snapshot.item_vectors,
        interests=snapshot.interests,
        tastes=snapshot.tastes,
    )


async def ask(runtime: Runtime, tree: dict[str, Any], looked_at: list[str], limit: int = PAGE) -> list[str]:
    """Ask everything there is to ask, and return the members when all answers agree."""
    changed = await update_segment(runtime, W, "drawn", SegmentPatch(definition=tree))
    page = await list_members(runtime, W, "drawn", limit=limit)
    members = [member.profile_id for member in page.members]
    while page.next is not None:
        page = await list_members(runtime, W, "drawn", cursor=page.next, limit=limit)
        members += [member.profile_id for member in page.members]
    counted = await count_members(runtime, W, "drawn")
    assert counted.count == len(members) == page.count
    assert counted.definition_version == page.definition_version == changed.version
    assert await exported(runtime) == members
    known = set(members)
    for profile_id in looked_at:
        inside = (await match_profile(runtime, W, "drawn", profile_id)).matched
        listed = {each.name for each in (await profile_segments(runtime, W, profile_id)).segments}
        assert inside == (profile_id in known) == ("drawn" in listed)
    return members


async def exported(runtime: Runtime) -> list[str]:
    """Export the segment, and read the ids that the file holds."""
    export = await start_export(runtime, W, "drawn", "ndjson")
    for _ in range(10_000):
        if (export := await get_export(runtime, W, export.id)).status != "running":
            break
        await asyncio.sleep(0.001)
    _, file = await export_file(runtime, W, export.id)
    lines = gzip.decompress(await asyncio.to_thread(file.read_bytes)).splitlines()
    assert len(lines) == export.count
    return [msgspec.json.decode(line)["profile_id"] for line in lines]


def agree(settings: Settings, examples: int) -> None:
    ids = DRAWN.profiles["id"].to_list()

    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        opened = open_runtime(settings, clock=lambda: AS_OF)
        runtime = runner.run(opened.__aenter__())
        try:
            embedder = CornerEmbedder()

            async def corners(_: Runtime) -> CornerEmbedder:
                return embedder

            patch.setattr(Runtime, "embedder", corners)
            runner.run(fill(runtime))
            world = columns(runner.run(runtime.snapshot(W)))

            @tries(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(DEFINITIONS, st.lists(st.sampled_from(ids), min_size=2, max_size=2))
            def check(tree: dict[str, Any], looked_at: list[str]) -> None:
                expected = plain_members(parse_definition(tree), world, SEGMENTS)
                assert runner.run(ask(runtime, tree, looked_at)) == [ids[row] for row in sorted(expected)]

            check()
        finally:
            runner.run(opened.__aexit__(None, None, None))


def test_every_way_to_ask_gives_one_answer(settings: Settings) -> None:
    agree(settings, 15)


@pytest.mark.slow
def test_every_way_to_ask_gives_one_answer_for_a_thousand_definitions(settings: Settings) -> None:
    agree(settings, 1_000)
