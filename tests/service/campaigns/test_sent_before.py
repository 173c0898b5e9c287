"""What a campaign writes is held against copy that went out, as it stands on the day it is written."""

from pathlib import Path

import pytest
from sqlalchemy import delete

from prompts.variant import Fields, Variant
from service.campaigns import writing
from service.campaigns.actions import run_campaign
from service.drafts.repetition import SENT_RULE, SaidBefore
from service.drafts.sent_store import Sent, SentStore
from service.drafts.tables import SentRow
from service.runtime import Runtime
from tests.service.campaigns.shop import SlowEngine, campaign, order, units, work


async def send(runtime: Runtime, fields: Fields) -> None:
    sent = Sent(channel="push", variant_id="v", campaign="winter", fields=fields, sent_at=runtime.now())
    async with runtime.database.write() as session:
        await SentStore(session, "shop").add([sent])


def found(variants: tuple[Variant, ...]) -> list[list[str]]:
    """What the check found, of each variant that it looked at."""
    checks = [check for variant in variants for check in variant.checks if check.rule == SENT_RULE]
    return [[finding.reason for finding in check.findings] for check in checks]


async def test_units_say_what_they_repeat_whether_they_are_written_or_answered(
    runtime: Runtime, engine: SlowEngine
):
    first = await order(runtime)
    await work(runtime)
    written = [unit.variants for unit in await units(runtime, first)]
    assert [found(variants) for variants in written] == [[]] * 12
    await send(runtime, written[0][0].fields)

    answered, anew = await order(runtime, name="again"), await order(runtime, name="anew", fresh=True)
    await work(runtime)
    for campaign_id, cached in ((answered, True), (anew, False)):
        again = await units(runtime, campaign_id)
        assert {unit.cached for unit in again} == {cached}
        assert [unit.variants[0].status for unit in again] == [variants[0].status for variants in written]
        checks = [found(unit.variants) for unit in again]
        ((said,),) = checks[0]
        assert "(100% alike)" in said
        assert "v, which went into a send list of campaign 'winter'" in said
        assert all(len(each) == 1 for each in checks)

    async with runtime.database.write() as session:
        await session.execute(delete(SentRow))
    last = await order(runtime, name="last")
    await work(runtime)
    assert [unit.variants for unit in await units(runtime, last)] == written


async def test_a_campaign_file_is_held_against_it_too(
    runtime: Runtime, engine: SlowEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, rows = await run_campaign(runtime, "shop", campaign(), tmp_path / "first")
    assert not any(check.rule == SENT_RULE for row in rows for check in row.checks)
    await send(runtime, rows[0].fields)
    looked = 0
    look = writing.said_before

    async def counted(runtime: Runtime, workspace: str, channel: str) -> SaidBefore:
        nonlocal looked
        looked += 1
        return await look(runtime, workspace, channel)

    monkeypatch.setattr(writing, "said_before", counted)
    _, rows = await run_campaign(runtime, "shop", campaign(), tmp_path / "second")
    checks = [check for check in rows[0].checks if check.rule == SENT_RULE]
    assert [len(check.findings) for check in checks] == [1]
    assert looked == 1
