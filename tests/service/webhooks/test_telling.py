"""Webhooks told who entered and who left, once, by each snapshot; of exports; nobody by name."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from service.exports.actions import get_export, start_export
from service.exports.model import Export
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments.actions import create_segment, delete_segment, update_segment
from service.segments.comparisons import list_changes
from service.segments.model import SegmentPatch
from service.snapshots.actions import build_snapshot
from service.webhooks import actions
from service.webhooks.model import EventType
from service.webhooks.store import WebhookStore
from service.webhooks.tables import DeliveryRow
from service.webhooks.telling import tell_changes
from tests.service.segments.people_shop import BRITISH, NOW, W

MOVED = (
    Profile(id="p00", traits={"country": "FR"}),
    Profile(id="p01", traits={"country": "GB"}),
    Profile(id="p03", traits={"country": "GB"}),
)


async def subscribed(runtime: Runtime, *events: EventType, segments: tuple[str, ...] = ()) -> str:
    made = await actions.create_webhook(
        runtime, W, "https://crm.example/hook", events or ("segment.members_changed",), segments=segments
    )
    return made.id


async def told(runtime: Runtime, webhook: str) -> list[dict[str, Any]]:
    """Data of what a webhook is told, by segment name."""
    deliveries = await actions.list_deliveries(runtime, W, webhook)
    return sorted((each.body["data"] for each in deliveries), key=lambda data: str(data.get("name")))


async def test_a_new_snapshot_tells_of_each_segment_that_changed(runtime: Runtime):
    british = await create_segment(runtime, W, "British", BRITISH)
    old = await create_segment(runtime, W, "old", {"trait": "age", "op": "ge", "value": 50})
    await tell_changes(runtime, W)  # what `serve` does when it has nothing to build
    everything = await subscribed(runtime)
    only_old = await subscribed(runtime, segments=("old",))
    exports_only = await subscribed(runtime, "export.ready")
    since = (await runtime.snapshot(W)).version
    await upsert_profiles(runtime, W, MOVED)
    built = await build_snapshot(runtime, W)
    (data,) = await told(runtime, everything)
    assert data == {
        "segment": british.id,
        "name": "British",
        "snapshot": built.version,
        "since": since,
        "entered": 2,
        "left": 1,
        "count": 31,
        "changes": f"/v1/segments/{british.id}/changes?since={since}&until={built.version}",
        "definition_version": 1,
        "as_of": "2026-03-01T12:00:00Z",
        "error": None,
    }
    listed = await list_changes(runtime, W, british.id, since, until=built.version)
    assert (listed.entered, listed.left, listed.count) == (data["entered"], data["left"], data["count"])
    assert await told(runtime, only_old) == await told(runtime, exports_only) == []
    await upsert_profiles(runtime, W, [Profile(id="p59", traits={"country": "FR", "age": 1})])
    await build_snapshot(runtime, W)
    (data,) = await told(runtime, only_old)
    assert (data["segment"], data["entered"], data["left"]) == (old.id, 0, 1)
    assert len(await told(runtime, everything)) == 2


async def test_a_change_is_told_once_however_many_look(runtime: Runtime):
    await create_segment(runtime, W, "British", BRITISH)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    await upsert_profiles(runtime, W, MOVED)
    await build_snapshot(runtime, W)
    await asyncio.gather(*(tell_changes(runtime, W) for _ in range(4)))
    assert len(await told(runtime, webhook)) == 1


async def test_a_builder_that_died_before_it_told_is_made_up_for(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    await create_segment(runtime, W, "British", BRITISH)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    await upsert_profiles(runtime, W, MOVED)

    async def killed(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("service.snapshots.actions.tell_changes", killed)
        with pytest.raises(ZeroDivisionError):
            await build_snapshot(runtime, W)
    assert await told(runtime, webhook) == []
    await upsert_profiles(runtime, W, [Profile(id="p05", traits={"country": "GB"})])
    await build_snapshot(runtime, W)
    (data,) = await told(runtime, webhook)
    assert (data["entered"], data["left"]) == (3, 1)


async def test_without_the_older_snapshot_the_members_are_to_be_read_again(runtime: Runtime):
    await create_segment(runtime, W, "British", BRITISH)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    newest = (await runtime.snapshot(W)).version
    async with runtime.database.write() as session:
        assert await WebhookStore(session, W).advance(newest, "20200101T000000Z-00000000")
    await tell_changes(runtime, W)
    (data,) = await told(runtime, webhook)
    assert (data["since"], data["entered"], data["left"], data["changes"]) == (None, None, None, None)
    assert (data["count"], data["error"]) == (30, None)


async def test_a_segment_that_cannot_be_evaluated_is_not_passed_over_and_names_nobody(runtime: Runtime):
    broken = {"similar_to": {"profiles": ["somebody-gone"]}}
    segment = await create_segment(runtime, W, "like the lost", broken)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    await build_snapshot(runtime, W)
    (data,) = await told(runtime, webhook)
    assert (data["count"], data["error"]) == (None, f"see /v1/segments/{segment.id}/count")
    await delete_segment(runtime, W, segment.id)
    await build_snapshot(runtime, W)
    assert len(await told(runtime, webhook)) == 1


async def test_a_changed_definition_alone_is_nobody_entering(runtime: Runtime):
    segment = await create_segment(runtime, W, "British", BRITISH)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    french = SegmentPatch(definition={**BRITISH, "value": "FR"})
    await update_segment(runtime, W, segment.id, french)
    await build_snapshot(runtime, W)
    assert await told(runtime, webhook) == []


async def test_the_erased_are_neither_counted_nor_named(runtime: Runtime):
    await create_segment(runtime, W, "British", BRITISH)
    await tell_changes(runtime, W)
    webhook = await subscribed(runtime)
    await upsert_profiles(runtime, W, MOVED)
    await erase_profile(runtime, W, "p02")
    await build_snapshot(runtime, W)
    (data,) = await told(runtime, webhook)
    assert (data["entered"], data["left"], data["count"]) == (2, 1, 30)
    async with runtime.database.read() as session:
        bodies = "".join(await session.scalars(select(DeliveryRow.body)))
    assert not [number for number in range(60) if f'"p{number:02}"' in bodies]


async def exported(runtime: Runtime, segment: str) -> Export:
    export = await start_export(runtime, W, segment, "csv")
    for _ in range(500):
        if (export := await get_export(runtime, W, export.id)).status != "running":
            break
        await asyncio.sleep(0.01)
    return export


async def test_an_export_tells_when_its_file_is_whole(runtime: Runtime):
    british = await create_segment(runtime, W, "British", BRITISH)
    await create_segment(runtime, W, "others", {"not": BRITISH})
    wanting = await subscribed(runtime, "export.ready", segments=("British",))
    ready, _ = [await exported(runtime, name) for name in ("British", "others")]
    (delivery,) = await actions.list_deliveries(runtime, W, wanting)
    assert delivery.type == "export.ready"
    assert delivery.body["data"] == {
        "export": ready.id,
        "segment": british.id,
        "campaign": None,
        "definition_version": 1,
        "snapshot": ready.snapshot,
        "as_of": "2026-03-01T12:00:00Z",
        "format": "csv",
        "masked": False,
        "count": 30,
        "bytes": ready.bytes,
        "expires_at": "2026-03-02T12:00:00Z",
        "file": f"/v1/exports/{ready.id}/file",
    }
    assert delivery.created_at == NOW
