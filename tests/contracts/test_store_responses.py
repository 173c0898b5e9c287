"""Over which channel somebody answered, as the store tells it to a build and to a live answer."""

from typing import Any

import msgspec

from indexing.world import RESPONSE_COLUMNS
from service.drafts.store import DraftStore
from service.events.actions import newest_events, record_events
from service.events.model import Event
from service.runtime import Runtime
from service.snapshots.world import live_world, read_world
from service.tracking.actions import receive
from service.tracking.model import Message
from service.tracking.translation import Arrival
from tests.contracts.conftest import NOW, Clock
from tests.contracts.test_store_rooms import draft

TOLD: list[tuple[str, str | None, Any, str | None]] = [
    ("open", None, " Email ", "email"),
    ("click", None, "push", "push"),
    ("purchase", None, "sms", "sms"),
    ("click", "20260001/1", None, "push"),
    ("click", "20260001/1", "email", "email"),
    ("click", "elsewhere/1", None, None),
    ("open", None, "", None),
    ("open", "20260001/2", {"is": "email"}, "push"),
    ("open", None, 7, None),
    ("view", None, "email", None),
    ("impression", "20260001/1", "email", None),
    ("purchase", None, None, None),
]
"""Type, variant and property `channel` of an event, and the channel that is read of it."""


async def test_the_channel_of_a_response_is_its_own_word_or_that_of_its_draft(runtime: Runtime, clock: Clock):
    written = draft(1, "Dig")
    async with runtime.database.write() as session:
        await DraftStore(session, "shop").add(written)
    assert (written.id, written.brief.channel) == ("20260001", "push")
    events = [
        Event(
            id=f"e{number:02}",
            profile_id=("a", "b")[number % 2],
            type=kind,
            variant_id=variant,
            occurred_at=NOW,
            properties={} if said is None else {"channel": said},
        )
        for number, (kind, variant, said, _) in enumerate(TOLD)
    ]
    await record_events(runtime, "shop", events)
    world = await read_world(runtime, "shop")
    assert dict(world.responses.schema) == RESPONSE_COLUMNS
    expected = sorted((number % 2, told[3]) for number, told in enumerate(TOLD) if told[3] is not None)
    assert sorted(world.responses.select("profile", "channel").rows()) == expected
    for row, profile in enumerate(("a", "b")):
        live = await live_world(runtime, "shop", profile, world.items)
        own = sorted(world.responses.filter(profile=row)["channel"].to_list())
        assert sorted(live.responses["channel"].to_list()) == own
        assert set(live.responses["profile"].to_list()) == {0}


async def test_a_call_stored_before_its_channel_was_worked_out_is_the_same_call_when_it_comes_again(
    runtime: Runtime,
):
    """The row is as the version before the property `channel` stored it, and stays so."""
    old = Event(id="m-1", profile_id="c-1", type="open", occurred_at=NOW, properties={"mail": "spring"})
    await record_events(runtime, "shop", [old])

    async def again(**properties: str) -> tuple[int, int, str]:
        fields = {
            "messageId": "m-1",
            "userId": "c-1",
            "event": "Email Opened",
            "timestamp": NOW.isoformat(),
            "properties": {"mail": "spring", **properties},
        }
        call = msgspec.convert(fields, Message)
        told = await receive(runtime, "shop", "test", [(0, "track", call)], Arrival(received_at=NOW))
        return told.stored, told.duplicate, "".join(each.reason for each in told.rejects)

    assert await again() == (0, 1, "")
    other = "id 'm-1' is recorded with another properties: what was recorded first stays"
    assert await again(mail="summer") == (0, 0, other)
    assert await again(channel="email") == (0, 0, other)
    assert await newest_events(runtime, "shop", "c-1") == (old,)
