"""Campaigns with a unit for each person: whom they write to, what it costs, and how they forget somebody."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from service.campaigns import people
from service.campaigns.actions import run_campaign
from service.campaigns.ordering import list_campaigns
from service.campaigns.planning import plan_campaign
from service.campaigns.send_list_job import SendListOrder, start_send_list
from service.contact.actions import set_policy, suppress
from service.contact.model import ContactPolicy
from service.contact.shapes import SuppressionEntry
from service.errors import InvalidInput
from service.events.actions import record_events
from service.events.model import Event
from service.exports.actions import export_file, get_export
from service.exports.model import Export
from service.privacy.access import access_archive
from service.profiles.actions import erase_profile
from service.runtime import Runtime
from tests.contracts.conftest import Clock
from tests.service.campaigns.shop import SlowEngine, campaign, job, order, units, work

PERSONAL: dict[str, Any] = {
    "segments": ("young",),
    "items": ("can-1", "can-2"),
    "per": "person",
    "tones": ("urgent", "luxury"),
}


def personal(**changes: Any) -> dict[str, Any]:
    return PERSONAL | changes


@pytest.fixture(autouse=True)
async def without_opt_in(runtime: Runtime) -> None:
    await set_policy(runtime, "shop", ContactPolicy(opt_in=()))


async def sent(runtime: Runtime, campaign_id: str) -> tuple[Export, list[dict[str, str]]]:
    export = await start_send_list(
        runtime, "shop", campaign_id, SendListOrder(format="ndjson", pick="spread")
    )
    while export.status == "running":
        await asyncio.sleep(0.01)
        export = await get_export(runtime, "shop", export.id)
    assert export.error is None
    _, file = await export_file(runtime, "shop", export.id)
    return export, [json.loads(line) for line in file.read_bytes().splitlines()]


async def test_each_who_may_be_written_to_gets_copy_of_his_or_her_own(runtime: Runtime, engine: SlowEngine):
    await suppress(runtime, "shop", [SuppressionEntry(profile_id="p-25", reason="bounced")])
    bought = [
        Event(id=f"b{number}", profile_id="p-40", type="purchase", item_id="can-3", occurred_at=runtime.now())
        for number in range(4)
    ]
    await record_events(runtime, "shop", bought)
    campaign_id = await order(runtime, **personal())
    await work(runtime)
    written = await units(runtime, campaign_id)
    assert (await job(runtime, campaign_id)).request_counts.completed == len(written) == 20
    assert {unit.profile_id for unit in written} == {"p-20", "p-30", "p-35", "p-40", "p-45"}
    assert [unit.custom_id for unit in written[:2]] == [
        "young/can-1/push/urgent/1",
        "young/can-1/push/luxury/1",
    ]
    assert not [unit for unit in written if str(unit.profile_id) in unit.custom_id]
    assert len(engine.asks) < len(written)  # those who are alike are answered alike
    asked = {unit.profile_id: unit.digest for unit in written[0:10:2]}
    assert asked["p-20"] == asked["p-30"] != asked["p-40"]  # the one who buys again and again
    by_item = {
        (unit.profile_id, unit.item_id, each.fields["body"]) for unit in written for each in unit.variants
    }
    export, rows = await sent(runtime, campaign_id)
    assert [(row["profile_id"], row["item_id"]) for row in rows[:3]] == [
        ("p-20", "can-1"),
        ("p-20", "can-2"),
        ("p-30", "can-1"),
    ]
    assert (export.count, len(rows)) == (10, 10)
    assert {(row["profile_id"], row["item_id"], row["body"]) for row in rows} <= by_item
    assert export.send_list is not None
    (copy,) = export.send_list.copy
    assert (copy.units, copy.written, export.send_list.reach[0].allowed) == (10, 10, 5)


async def test_whoever_is_erased_is_counted_out_and_the_campaign_still_ends(runtime: Runtime, clock: Clock):
    campaign_id = await order(runtime, **personal(tones=()))
    await work(runtime)
    archive = await access_archive(runtime, "shop", "p-30")
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        told = json.loads(found.read("campaign_units.json"))
    assert [(each["item_id"], each["state"]) for each in told] == [("can-1", "done"), ("can-2", "done")]
    again = await order(runtime, **personal(tones=(), name="again", segments=("old",)))
    receipt = await erase_profile(runtime, "shop", "p-30")
    assert {each.where: each.count for each in receipt.removed}["store.campaign_units"] == 2
    clock.advance(seconds=1)
    ended = await job(runtime, campaign_id)
    assert (ended.request_counts.total, ended.request_counts.completed) == (10, 10)
    assert "p-30" not in {row["profile_id"] for row in (await sent(runtime, campaign_id))[1]}
    for age in range(50, 80, 5):  # all of them, before any unit was taken
        await erase_profile(runtime, "shop", f"p-{age}")
    assert (await job(runtime, again)).request_counts.total == 0
    await work(runtime)
    empty = await job(runtime, again)
    assert (empty.status, empty.request_counts.completed) == ("completed", 0)


async def test_too_many_people_or_nobody_is_refused_with_the_count(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(people, "MAX_UNITS", 23)
        with pytest.raises(InvalidInput, match=r"24 units, one for each person.*`per: audience`, which is 4"):
            await order(runtime, **personal())
    with pytest.raises(InvalidInput, match="has no one reader"):
        await order(runtime, **personal(channels=("push", "banner")))
    with pytest.raises(InvalidInput, match="a folder does not forget"):
        await run_campaign(runtime, "shop", campaign(**personal()), tmp_path / "out")
    everybody = [SuppressionEntry(profile_id=f"p-{age}", reason="bounced") for age in range(20, 50, 5)]
    await suppress(runtime, "shop", everybody)
    with pytest.raises(InvalidInput, match="nobody of young may be written to on push: there is no unit"):
        await order(runtime, **personal())
    assert await list_campaigns(runtime, "shop") == ()
    assert not (tmp_path / "out").exists()


async def test_a_plan_shows_the_price_of_the_other_way_beside_it(runtime: Runtime):
    for per, own, other in (("audience", 4, 24), ("person", 24, 4)):
        planned = await plan_campaign(runtime, "shop", campaign(**personal(per=per)), 2)
        found = {each.name: each for each in planned.figures}
        count, tokens = found["campaign.units"], found["campaign.tokens"]
        assert (count.value, count.baseline_value) == (own, other)
        assert count.baseline == ("per person" if per == "audience" else "per audience")
        assert tokens.baseline_value == pytest.approx(tokens.value / own * other, rel=0.1)
        assert found["campaign.seconds"].baseline_value is not None
    banner = await plan_campaign(runtime, "shop", campaign(channels=("banner",)), 0)
    assert banner.figures[0].baseline is None
