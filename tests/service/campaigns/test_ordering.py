"""Orders: what is wrong with one is refused at once, and what a campaign may be told while it lives."""

from typing import Any

import pytest

from eval.figures import Figures
from service.campaigns import ordering
from service.campaigns.actions import run_campaign
from service.campaigns.model import Budget, ItemQuery, places
from service.campaigns.planning import plan_campaign
from service.errors import Conflict, InvalidInput, NotFound, ServiceError
from service.runtime import Runtime
from tests.service.campaigns.shop import SlowEngine, campaign, job, order, units, work

CANS = {"items": (), "items_where": ItemQuery(price_from=2, price_to=4)}


@pytest.mark.parametrize(
    ("change", "error", "quoted"),
    [
        ({"segments": ("young", "nobody")}, NotFound, "nobody"),
        ({"items": ("can-1", "gone")}, NotFound, "gone"),
        ({"items": (), "items_where": ItemQuery(category="cars")}, InvalidInput, "finds no item"),
        ({"items_where": ItemQuery()}, InvalidInput, "name one of them"),
        ({"languages": tuple(f"l{n}" for n in range(20_000))}, InvalidInput, "240,000 units"),
        ({"prompts": {"email": "email/full"}}, InvalidInput, "none of `channels`"),
        ({"tones": ("urgent", "urgent")}, InvalidInput, "named twice"),
    ],
)
async def test_a_wrong_order_is_refused_and_leaves_nothing(
    runtime: Runtime, change: dict[str, Any], error: type[ServiceError], quoted: str
):
    with pytest.raises(error, match=quoted):
        await order(runtime, **change)
    assert await ordering.list_campaigns(runtime, "shop") == ()


def test_units_are_named_by_what_they_differ_in():
    several = campaign(segments=("young",), tones=("urgent", "luxury"), languages=("en", "de"))
    named = [place.custom_id for place in places(several, {"young": ["can-0"]})]
    assert named == [
        "young/can-0/push/urgent/en",
        "young/can-0/push/urgent/de",
        "young/can-0/push/luxury/en",
        "young/can-0/push/luxury/de",
    ]
    assert [place.custom_id for place in places(campaign(), {"young": ["can-0"], "old": []})] == [
        "young/can-0/push"
    ]


async def test_a_query_chooses_the_items_of_its_moment(runtime: Runtime):
    campaign_id = await order(runtime, **CANS)
    found = {unit.item_id for unit in await units(runtime, campaign_id)}
    assert found == {"can-2", "can-3", "can-4"}


async def test_a_campaign_is_paused_and_resumed_and_ends_once(runtime: Runtime, engine: SlowEngine):
    campaign_id = await order(runtime)
    for _ in range(2):
        paused = await ordering.pause_campaign(runtime, "shop", campaign_id)
        assert (paused.status, paused.reason) == ("paused", "it was asked to pause")
    await work(runtime)
    assert engine.asks == []
    assert (await ordering.resume_campaign(runtime, "shop", campaign_id)).status == "queued"
    await work(runtime)
    assert (await job(runtime, campaign_id)).status == "completed"
    for verb in (ordering.pause_campaign, ordering.resume_campaign, ordering.cancel_campaign):
        with pytest.raises(Conflict, match="is completed and cannot be"):
            await verb(runtime, "shop", campaign_id)
    assert (await ordering.retry_failed(runtime, "shop", campaign_id)).status == "completed"


async def test_a_cancelled_campaign_stays_so(runtime: Runtime):
    campaign_id = await order(runtime)
    for _ in range(2):
        assert (await ordering.cancel_campaign(runtime, "shop", campaign_id)).status == "cancelled"
    for verb in (ordering.resume_campaign, ordering.retry_failed):
        with pytest.raises(Conflict, match="is cancelled"):
            await verb(runtime, "shop", campaign_id)


async def test_a_spent_budget_must_grow_to_go_on(runtime: Runtime, engine: SlowEngine):
    campaign_id = await order(runtime, budget=Budget(tokens=15))
    await work(runtime, concurrency=1)
    for budget in (None, Budget(tokens=15)):
        with pytest.raises(Conflict, match="budget of 15 tokens is spent"):
            await ordering.resume_campaign(runtime, "shop", campaign_id, budget)
    assert (await ordering.resume_campaign(runtime, "shop", campaign_id, Budget())).status == "running"


async def test_what_the_folder_run_writes_is_what_workers_write(
    runtime: Runtime, engine: SlowEngine, tmp_path: Any
):
    _, rows = await run_campaign(runtime, "shop", campaign(n=2), tmp_path / "out")
    campaign_id = await order(runtime, n=2)
    await work(runtime)
    ordered = await units(runtime, campaign_id)
    assert [row.fields for row in rows] == [variant.fields for unit in ordered for variant in unit.variants]
    assert [row.unit for row in rows[::2]] == [unit.digest for unit in ordered]


def values(planned: Figures) -> dict[str, float]:
    return {each.name.removeprefix("campaign."): each.value for each in planned.figures}


async def test_a_plan_counts_without_asking_and_estimates_from_a_probe(runtime: Runtime, engine: SlowEngine):
    counted = values(await plan_campaign(runtime, "shop", campaign(n=2), 0))
    assert engine.asks == []
    assert (counted["units"], counted["prompts"], counted["answer_tokens_most"]) == (12, 24, 24 * 250)
    assert "tokens" not in counted
    planned = await plan_campaign(runtime, "shop", campaign(n=2, budget=Budget(tokens=10)), 3)
    probed = values(planned)
    assert probed["tokens"] == 4 * 15 * len(engine.asks)
    assert probed["asks_per_variant"] == len(engine.asks) / 6
    assert probed["prompt_tokens"] == round(24 * probed["prompt_characters"] / probed["characters_per_token"])
    assert probed["seconds"] > 0
    assert not planned.met  # more than the budget
    assert await ordering.list_campaigns(runtime, "shop") == ()
