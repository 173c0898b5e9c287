"""Who entered segments and who left them, told once for each snapshot that is published.

The snapshot up to which webhooks know is a row that moves on in the transaction that puts the deliveries on
their way: whatever dies in between, and however many processes look, each change is told and none twice.
"""

from typing import Any

import structlog

from indexing.errors import IndexingError
from service.errors import Gone, NotFound
from service.runtime import Runtime
from service.segments.comparisons import list_changes
from service.segments.members import count_members
from service.segments.model import Segment
from service.segments.store import SegmentStore
from service.webhooks.model import Event, segments_of
from service.webhooks.store import DeliveryStore, WebhookStore


async def tell_changes(runtime: Runtime, workspace: str) -> None:
    """Tell webhooks what the newest snapshot changed about their segments since the one they know of.

    By today's definition of each segment. Nobody is named: counts, and the path where names are read. Cheap
    when there is no newer snapshot or no webhook. What happened before the first call is not told.
    """
    versions = await runtime.run(runtime.snapshots.shelf(workspace).list)
    async with runtime.database.read() as session:
        store = WebhookStore(session, workspace)
        told, webhooks = await store.told_up_to(), await store.all()
        segments = {each.id: each for each in await SegmentStore(session, workspace).all()}
    if not versions or (told is not None and versions[-1] <= told):
        return
    newest = versions[-1]
    events: list[Event] = []
    if told is not None:
        for segment_id in segments_of(webhooks, segments):
            event = await _change(runtime, workspace, segments[segment_id], told, newest)
            if event is not None:
                events.append(event)
    async with runtime.database.write() as session:
        if not await WebhookStore(session, workspace).advance(told, newest):
            return
        for event in events:
            await DeliveryStore(session, workspace).tell(event, runtime.now())


async def _change(runtime: Runtime, workspace: str, segment: Segment, told: str, newest: str) -> Event | None:
    """Count who entered and who left; none when nobody did, or the segment has been deleted meanwhile.

    Without the older snapshot, such as after an erasure, who changed is not known: `entered` and `left` are
    null, and a receiver reads the members again. A segment that cannot be evaluated says where to read why:
    the reason itself may name a profile.
    """
    named: dict[str, Any] = {"segment": segment.id, "name": segment.name}
    unknown: dict[str, Any] = {"since": None, "entered": None, "left": None, "changes": None}
    try:
        changes = await list_changes(runtime, workspace, segment.id, told, until=newest, limit=0)
    except (Gone, IndexingError):
        changes = None
    except NotFound:
        return None
    if changes is not None:
        if not (changes.entered or changes.left):
            return None
        data = {
            "since": told,
            "entered": changes.entered,
            "left": changes.left,
            "changes": f"/v1/segments/{segment.id}/changes?since={told}&until={newest}",
            "count": changes.count,
            "definition_version": changes.definition_version,
            "as_of": changes.as_of,
            "error": None,
        }
    else:
        try:
            counted = await count_members(runtime, workspace, segment.id)
            known = {"count": counted.count, "as_of": counted.as_of, "error": None}
            data = {**unknown, **known, "definition_version": counted.definition_version}
        except NotFound:
            return None
        except IndexingError as error:
            log = structlog.get_logger("pitchwright.webhooks").bind(workspace=workspace)
            log.warning("segment cannot be told of", segment=segment.id, reason=str(error))
            failed = {"count": None, "as_of": None, "error": f"see /v1/segments/{segment.id}/count"}
            data = {**unknown, **failed, "definition_version": segment.version}
    return Event(
        type="segment.members_changed",
        timestamp=runtime.now(),
        data={**named, "snapshot": newest, **data},
        segment=segment.id,
    )
