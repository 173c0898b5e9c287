"""Keys that end and are rotated, and the audit log; on both databases."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from service.audit.actions import every_entry, list_entries, record_command
from service.audit.model import first_break
from service.audit.tables import AuditEntryRow
from service.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from service.runtime import Runtime
from service.workspaces.actions import create_key, create_workspace, revoke_key, rotate_key, verify_key
from tests.contracts.conftest import Clock

DAY = timedelta(days=1)


async def test_a_key_opens_until_it_ends(runtime: Runtime, clock: Clock):
    created = await create_key(runtime, "shop", "k", ["crm"], lifetime=DAY)
    assert (await verify_key(runtime, created.text)).expires_at == clock.now + DAY
    clock.advance(hours=23.9)
    await verify_key(runtime, created.text)
    clock.advance(hours=0.1)
    with pytest.raises(Unauthenticated, match="has expired"):
        await verify_key(runtime, created.text)
    with pytest.raises(InvalidInput, match="cannot last"):
        await create_key(runtime, "shop", "k", ["crm"], lifetime=-DAY)


async def test_a_rotated_key_overlaps_with_the_one_that_follows_it(runtime: Runtime, clock: Clock):
    old = await create_key(runtime, "shop", "sync", ["crm", "copy"], lifetime=90 * DAY)
    clock.advance(days=80)
    new = await rotate_key(runtime, "shop", old.key.prefix, overlap=2 * DAY)
    assert (new.key.name, new.key.scopes) == (old.key.name, old.key.scopes)
    assert new.key.expires_at == clock.now + 90 * DAY
    clock.advance(days=1)
    assert (await verify_key(runtime, old.text)).id != (await verify_key(runtime, new.text)).id
    clock.advance(days=1)
    await verify_key(runtime, new.text)
    with pytest.raises(Unauthenticated):
        await verify_key(runtime, old.text)
    with pytest.raises(Conflict, match="opens nothing any more"):
        await rotate_key(runtime, "shop", old.key.prefix)
    revoked = await create_key(runtime, "shop", "gone", ["crm"])
    await revoke_key(runtime, "shop", revoked.key.prefix)
    with pytest.raises(Conflict):
        await rotate_key(runtime, "shop", revoked.key.prefix)
    with pytest.raises(NotFound):
        await rotate_key(runtime, "shop", "nothing")


async def test_acts_of_many_at_once_form_one_chain(runtime: Runtime):
    await create_workspace(runtime, "rival")
    acts = [record_command(runtime, "shop", "act", number=str(number)) for number in range(12)]
    await asyncio.gather(*acts, record_command(runtime, "rival", "act"))
    entries = [entry async for entry in every_entry(runtime, "shop")]
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert {entry.target["number"] for entry in entries} == {str(number) for number in range(12)}
    assert first_break(entries) is None
    assert len(await list_entries(runtime, "rival")) == 1
    assert [entry.number for entry in await list_entries(runtime, "shop", after=10)] == [11, 12]
    async with runtime.database.write() as session:
        changed = update(AuditEntryRow).where(AuditEntryRow.number == 4).values(actor="nobody")
        await session.execute(changed)
    assert first_break([entry async for entry in every_entry(runtime, "shop")]) == 4


async def test_a_profile_on_record_is_a_keyed_hash(runtime: Runtime):
    await create_workspace(runtime, "rival")
    shop = await record_command(runtime, "shop", "profile export", profile_id="p1")
    again = await record_command(runtime, "shop", "profile erase", profile_id="p1")
    rival = await record_command(runtime, "rival", "profile erase", profile_id="p1")
    assert shop.target == again.target != rival.target
    assert "p1" not in shop.target["profile_id"]
