"""Copy that went into send lists is kept by what it says, the newest of each channel, and by workspace."""

from datetime import timedelta

from prompts.variant import Fields
from service.drafts.sent_store import MOST_SENT, Sent, SentStore
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW

MANY = MOST_SENT - 10


def sent(number: int, *, hours: int = 0, channel: str = "push") -> Sent:
    fields: Fields = {"title": f"Text {number}", "body": "Come and see."}
    at = NOW + timedelta(hours=hours)
    return Sent(channel=channel, variant_id=f"v{number}-{hours}", campaign="c", fields=fields, sent_at=at)


async def add(runtime: Runtime, copies: list[Sent], workspace: str = "shop") -> None:
    async with runtime.database.write() as session:
        await SentStore(session, workspace).add(copies)


async def newest(runtime: Runtime, channel: str, workspace: str = "shop") -> list[Sent]:
    async with runtime.database.read() as session:
        return await SentStore(session, workspace).newest(channel)


async def test_the_newest_are_kept_and_the_first_of_a_long_list(runtime: Runtime):
    await add(runtime, [sent(number) for number in range(2 * MOST_SENT)])
    found = await newest(runtime, "push")
    assert {each.variant_id for each in found} == {f"v{number}-0" for number in range(MOST_SENT)}
    assert list(found[0].fields) == ["title", "body"]
    later = [sent(number, hours=1) for number in range(1_000, 1_000 + MANY)]
    await add(runtime, [*later, sent(3, hours=1), sent(3, hours=1, channel="sms")])
    found = await newest(runtime, "push")
    assert len(found) == MOST_SENT
    assert {each.variant_id for each in found} > {each.variant_id for each in later} | {"v3-1"}
    assert "v3-0" not in {each.variant_id for each in found}, "sent again, it counts as sent now"
    assert [each.sent_at for each in found] == sorted((each.sent_at for each in found), reverse=True)
    assert [each.variant_id for each in await newest(runtime, "sms")] == ["v3-1"]


async def test_a_workspace_knows_of_no_other(runtime: Runtime):
    await create_workspace(runtime, "other")
    await add(runtime, [sent(1)])
    await add(runtime, [sent(2)], "other")
    assert [each.variant_id for each in await newest(runtime, "push")] == ["v1-0"]
    assert [each.variant_id for each in await newest(runtime, "push", "other")] == ["v2-0"]
