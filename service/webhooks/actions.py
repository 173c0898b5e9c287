"""Webhooks: made, changed, rotated, tested; their deliveries looked at and sent again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec

from service.errors import Conflict, InvalidInput
from service.profiles.sealing import note_key
from service.runtime import Runtime
from service.segments.store import SegmentStore
from service.webhooks.hosts import checked_url
from service.webhooks.model import (
    TEST,
    Delivery,
    EventType,
    Status,
    Webhook,
    WebhookPatch,
    WebhookWithSecret,
    new_secret,
    written_body,
)
from service.webhooks.store import DeliveryStore, WebhookStore
from service.workspaces.actions import get_workspace

MOST_WEBHOOKS = 50
"""In one workspace."""
MOST_SEGMENTS = 500
LONGEST_NOTE = 1_000
LONGEST_OVERLAP = timedelta(days=7)


async def create_webhook(
    runtime: Runtime,
    workspace: str,
    url: str,
    events: Sequence[EventType],
    *,
    segments: Sequence[str] = (),
    note: str = "",
    active: bool = True,
) -> WebhookWithSecret:
    """Make a webhook, with its secret, which is shown this once. `segments` by id or name.

    Raises `InvalidInput` for a URL that may not be sent to, no event or too long a note, `NotFound` for a
    segment, and `Conflict` for one webhook too many.
    """
    now, secret = runtime.now(), new_secret()
    webhook = Webhook(
        id=uuid4().hex[:12],
        url=str(checked_url(url, runtime.settings)),
        events=_checked_events(events),
        note=_checked_note(note),
        active=active,
        created_at=now,
        updated_at=now,
    )
    await get_workspace(runtime, workspace)
    async with runtime.database.write() as session:
        webhook = msgspec.structs.replace(
            webhook, segments=await _segment_ids(SegmentStore(session, workspace), segments)
        )
        store = WebhookStore(session, workspace)
        if await store.count() >= MOST_WEBHOOKS:
            raise Conflict(f"workspace {workspace!r} has {MOST_WEBHOOKS} webhooks already: delete one first")
        await store.add(webhook, secret)
        await note_key(session, runtime)
    return WebhookWithSecret(**msgspec.structs.asdict(webhook), secret=secret)


async def list_webhooks(
    runtime: Runtime, workspace: str, *, after: str | None = None, limit: int = 100
) -> tuple[Webhook, ...]:
    """List webhooks by id; `after` is the last id seen."""
    async with runtime.database.read() as session:
        return await WebhookStore(session, workspace).all(after=after or "", limit=limit)


async def get_webhook(runtime: Runtime, workspace: str, webhook_id: str) -> Webhook:
    """Look a webhook up. Raises `NotFound`."""
    async with runtime.database.read() as session:
        return await WebhookStore(session, workspace).get(webhook_id)


async def update_webhook(runtime: Runtime, workspace: str, webhook_id: str, patch: WebhookPatch) -> Webhook:
    """Change what the patch names; the last of two changes stands. Raises as `create_webhook` does."""
    named = msgspec.structs.asdict(patch)
    values = {name: value for name, value in named.items() if value is not msgspec.UNSET}
    if patch.url is not msgspec.UNSET:
        values["url"] = str(checked_url(patch.url, runtime.settings))
    if patch.events is not msgspec.UNSET:
        values["events"] = _checked_events(patch.events)
    if patch.note is not msgspec.UNSET:
        values["note"] = _checked_note(patch.note)
    if values.get("active"):
        values["disabled_because"] = None
    async with runtime.database.write() as session:
        if patch.segments is not msgspec.UNSET:
            values["segments"] = await _segment_ids(SegmentStore(session, workspace), patch.segments)
        return await WebhookStore(session, workspace).change(webhook_id, **values, updated_at=runtime.now())


async def delete_webhook(runtime: Runtime, workspace: str, webhook_id: str) -> None:
    """Delete a webhook and everything on its way to it. Raises `NotFound`."""
    async with runtime.database.write() as session:
        await WebhookStore(session, workspace).delete(webhook_id)


async def rotate_secret(
    runtime: Runtime, workspace: str, webhook_id: str, overlap: timedelta
) -> WebhookWithSecret:
    """Give a webhook another secret; deliveries carry a signature by each of the two during the overlap.

    Raises `NotFound`, and `InvalidInput` for an overlap below zero or above `LONGEST_OVERLAP`.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        hours = LONGEST_OVERLAP // timedelta(hours=1)
        raise InvalidInput(f"overlap_hours is {overlap / timedelta(hours=1):g}: take 0 to {hours}")
    secret = new_secret()
    async with runtime.database.write() as session:
        rotated = await WebhookStore(session, workspace).rotate(webhook_id, secret, runtime.now(), overlap)
        await note_key(session, runtime)
    return WebhookWithSecret(**msgspec.structs.asdict(rotated), secret=secret)


async def send_test(runtime: Runtime, workspace: str, webhook_id: str) -> Delivery:
    """Put a delivery of type `webhook.test` on its way. Raises `NotFound`, and `Conflict` when inactive."""
    now = runtime.now()
    async with runtime.database.write() as session:
        webhook = await WebhookStore(session, workspace).get(webhook_id)
        _require_active(webhook)
        deliveries = DeliveryStore(session, workspace)
        body = written_body(TEST, now, {"webhook": webhook.id})
        return await deliveries.get(webhook_id, await deliveries.add(webhook_id, TEST, body, now))


async def list_deliveries(
    runtime: Runtime,
    workspace: str,
    webhook_id: str,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
    status: Status | None = None,
) -> tuple[Delivery, ...]:
    """List deliveries, the newest first; `after` is the last one's time and id. Raises `NotFound`."""
    async with runtime.database.read() as session:
        await WebhookStore(session, workspace).get(webhook_id)
        return await DeliveryStore(session, workspace).page(webhook_id, after, limit, status)


async def get_delivery(runtime: Runtime, workspace: str, webhook_id: str, delivery_id: str) -> Delivery:
    """Look a delivery up. Raises `NotFound`."""
    async with runtime.database.read() as session:
        return await DeliveryStore(session, workspace).get(webhook_id, delivery_id)


async def replay_delivery(runtime: Runtime, workspace: str, webhook_id: str, delivery_id: str) -> Delivery:
    """Send a delivery that has ended again, under its id.

    Raises `NotFound`, and `Conflict` for one that is on its way and for an inactive webhook.
    """
    async with runtime.database.write() as session:
        _require_active(await WebhookStore(session, workspace).get(webhook_id))
        store = DeliveryStore(session, workspace)
        await store.get(webhook_id, delivery_id)
        if not await store.replay(webhook_id, runtime.now(), delivery_id=delivery_id):
            raise Conflict(f"delivery {delivery_id!r} is on its way already: wait until it has ended")
        return await store.get(webhook_id, delivery_id)


async def replay_since(
    runtime: Runtime, workspace: str, webhook_id: str, since: datetime, statuses: Sequence[Status] = ("dead",)
) -> int:
    """Send deliveries made since then again that ended so; returns how many.

    Raises `NotFound`, and `Conflict` when the webhook is inactive.
    """
    async with runtime.database.write() as session:
        _require_active(await WebhookStore(session, workspace).get(webhook_id))
        store = DeliveryStore(session, workspace)
        return await store.replay(webhook_id, runtime.now(), since=since, statuses=statuses)


async def _segment_ids(store: SegmentStore, segments: Sequence[str]) -> tuple[str, ...]:
    if len(segments) > MOST_SEGMENTS:
        raise InvalidInput(f"{len(segments)} segments: name at most {MOST_SEGMENTS}, or none for all of them")
    return tuple(dict.fromkeys([(await store.get(each)).id for each in segments]))


def _require_active(webhook: Webhook) -> None:
    if not webhook.active:
        why = f" ({webhook.disabled_because})" if webhook.disabled_because else ""
        raise Conflict(f"webhook {webhook.id!r} is not active{why}: change `active` to true first")


def _checked_events(events: Sequence[EventType]) -> tuple[EventType, ...]:
    if not events:
        raise InvalidInput("events is empty: name what the webhook is to be told of")
    return tuple(dict.fromkeys(events))


def _checked_note(note: str) -> str:
    if len(note) > LONGEST_NOTE:
        raise InvalidInput(f"the note has {len(note):,} characters: at most {LONGEST_NOTE:,} are kept")
    return note
