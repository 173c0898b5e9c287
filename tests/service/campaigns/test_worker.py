"""Workers: they write every unit once, fairly, within the budget, and blame no unit for the engine."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import structlog

from prompts.catalog import Catalog
from prompts.engine import Answer, Ask
from prompts.errors import EngineUnavailable
from service.campaigns import ordering, worker
from service.campaigns.model import Budget
from service.campaigns.worker import Worker
from service.catalog.actions import delete_item
from service.errors import InvalidInput
from service.prompts.actions import put_prompt, rollback_prompt
from service.prompts.model import NewPrompt, Rollback
from service.runtime import Runtime
from service.segments.actions import update_segment
from service.segments.model import SegmentPatch
from service.webhooks.actions import create_webhook, list_deliveries
from tests.contracts.conftest import Clock
from tests.eval.scripted import good, product
from tests.service.campaigns.shop import ITEMS, SlowEngine, fill_shop, job, order, units, until_busy, work


async def test_every_unit_is_written_once_and_the_campaign_completes(runtime: Runtime, engine: SlowEngine):
    webhook = await create_webhook(runtime, "shop", "https://crm.example/hook", ("campaign.done",))
    campaign_id = await order(runtime, n=2)
    await work(runtime)
    done = await job(runtime, campaign_id)
    assert (done.status, done.request_counts.completed, done.request_counts.total) == ("completed", 12, 12)
    found = await units(runtime, campaign_id)
    assert [unit.state for unit in found] == ["done"] * 12
    assert found[0].custom_id == "young/can-0/push"
    assert [len(unit.variants) for unit in found] == [2] * 12
    assert {unit.variants[0].status for unit in found} == {"passed"}
    assert done.tokens == sum(unit.tokens for unit in found) == 15 * len(engine.asks)
    (told,) = await list_deliveries(runtime, "shop", webhook.id)
    assert told.body["data"]["request_counts"] == {"total": 12, "completed": 12, "failed": 0}


async def test_what_is_logged_on_the_way_names_the_unit(
    runtime: Runtime, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
):
    seen = list[dict[str, Any]]()
    generate = engine.generate

    async def noted(asks: Sequence[Ask], **more: Any) -> list[Answer]:
        seen.append(structlog.contextvars.get_contextvars())
        return await generate(asks, **more)

    monkeypatch.setattr(engine, "generate", noted)
    campaign_id = await order(runtime)
    await work(runtime)
    assert {(each["workspace"], each["job"]) for each in seen} == {("shop", campaign_id)}
    assert {each["unit"] for each in seen} == {unit.custom_id for unit in await units(runtime, campaign_id)}
    assert "unit" not in structlog.contextvars.get_contextvars()


async def test_two_workers_share_a_campaign(runtime: Runtime, engine: SlowEngine):
    engine.seconds = 0.02
    campaign_id = await order(runtime)
    await asyncio.gather(work(runtime, concurrency=4), work(runtime, concurrency=4))
    assert (await job(runtime, campaign_id)).request_counts.completed == 12
    assert len(engine.asks) == 12


async def test_the_engine_is_kept_as_full_as_asked(
    runtime: Runtime, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.01)
    engine.seconds = 60
    await order(runtime)
    task = asyncio.create_task(work(runtime, concurrency=6))
    await until_busy(engine, 6)
    await asyncio.sleep(0.05)
    assert engine.most_busy == 6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_campaigns_are_written_side_by_side(runtime: Runtime, engine: SlowEngine):
    engine.seconds = 0.02
    await order(runtime, items=ITEMS[:3])
    await order(runtime, items=ITEMS[3:])
    await work(runtime, concurrency=4)
    first_half = [product(ask) in ("Copper Can 0", "Copper Can 1", "Copper Can 2") for ask in engine.asks[:6]]
    assert 2 <= sum(first_half) <= 4


async def test_more_campaigns_than_places_all_come_on(runtime: Runtime, engine: SlowEngine):
    engine.seconds = 0.01
    ordered = [await order(runtime, segments=("young",), items=ITEMS[:2], seed=seed) for seed in range(5)]
    await order(runtime, segments=("young",), items=ITEMS[:1], n=5)  # more variants than there are places
    await work(runtime, concurrency=3)
    assert {(await job(runtime, each)).status for each in ordered} == {"completed"}
    assert engine.most_busy == 5


async def test_an_identical_unit_is_answered_without_the_engine_unless_asked_anew(
    runtime: Runtime, engine: SlowEngine
):
    first = await order(runtime)
    await work(runtime)
    asked = len(engine.asks)
    second = await order(runtime, name="again")
    await work(runtime)
    assert len(engine.asks) == asked
    again = await units(runtime, second)
    assert all(unit.cached and unit.tokens == 0 for unit in again)
    assert [unit.variants for unit in again] == [unit.variants for unit in await units(runtime, first)]
    third = await order(runtime, fresh=True)
    await work(runtime)
    assert len(engine.asks) == 2 * asked
    assert not any(unit.cached for unit in await units(runtime, third))


async def test_a_prompt_that_is_gone_fails_its_units(runtime: Runtime, engine: SlowEngine):
    shipped = Catalog.load().get("push", "full").source
    source = re.sub(r"version: \d+", "version: 99", shipped, count=1)
    source = re.sub(r"\{version: \d+,", "{version: 99,", source, count=1)
    await put_prompt(runtime, "shop", "push.full", NewPrompt(source=source))
    campaign_id = await order(runtime, items=ITEMS[:1], prompts={"push": "push/full.v99"})
    await rollback_prompt(runtime, "shop", "push.full", Rollback(revision=0))
    await work(runtime)
    failed = await job(runtime, campaign_id)
    assert (failed.status, failed.request_counts.failed) == ("failed", 2)
    assert "no version 99" in failed.errors.data[0].message
    with pytest.raises(InvalidInput, match="no version 99"):
        await order(runtime, prompts={"push": "push/full.v99"})
    with pytest.raises(InvalidInput, match="no prompt for channel 'push'"):
        await order(runtime, prompts={"push": "email/full"})


async def test_the_text_in_use_is_scored_beside_every_unit(runtime: Runtime, engine: SlowEngine):
    used = {"push": {"title": "Old cans", "body": "They are there."}}
    campaign_id = await order(runtime, items=ITEMS[:1], control=used)
    await work(runtime)
    controls = [unit.control for unit in await units(runtime, campaign_id)]
    assert [control and control.fields for control in controls] == [used["push"]] * 2


async def test_what_vanished_meanwhile_fails_its_units_alone(runtime: Runtime, engine: SlowEngine):
    campaign_id = await order(runtime)
    await delete_item(runtime, "shop", "can-3")
    nobody = {"trait": "age", "op": "ge", "value": 500}
    await update_segment(runtime, "shop", "old", SegmentPatch(definition=nobody))
    await work(runtime)
    done = await job(runtime, campaign_id)
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 5, 7)
    reasons = {each.code: (each.param[:6], each.count) for each in done.errors.data}
    assert reasons == {"not_found": ("young/", 1), "invalid_input": ("old/ca", 6)}
    failed = [unit for unit in await units(runtime, campaign_id) if unit.state == "failed"]
    assert {unit.tries for unit in failed} == {3}
    assert "can-3" in (failed[0].reason or "")
    assert "has no members" in (failed[-1].reason or "")


async def test_what_failed_is_tried_again_when_asked(runtime: Runtime, engine: SlowEngine):
    broken = True
    reply = engine._reply  # pyright: ignore[reportPrivateUsage] # the script is changed while it runs
    engine._reply = lambda ask: ZeroDivisionError() if broken else reply(ask)  # pyright: ignore[reportPrivateUsage] # as above
    campaign_id = await order(runtime, segments=("young",), items=ITEMS[:1])
    await work(runtime)
    failed = await job(runtime, campaign_id)
    assert (failed.status, failed.request_counts.failed) == ("failed", 1)
    assert failed.errors.data[0].code == "internal"
    broken = False
    again = await ordering.retry_failed(runtime, "shop", campaign_id)
    assert (again.status, again.request_counts.failed, again.errors.data) == ("running", 0, ())
    await work(runtime)
    assert (await job(runtime, campaign_id)).status == "completed"


async def test_an_engine_that_is_down_is_no_units_fault(runtime: Runtime, engine: SlowEngine, monkeypatch):
    monkeypatch.setattr(worker, "FIRST_REST_SECONDS", 0.01)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    engine.well = False
    refused = 30

    def reply(ask: Ask) -> str | Exception:
        nonlocal refused
        refused -= 1
        return EngineUnavailable("no server answers") if refused > 0 else good(ask)

    engine._reply = reply  # pyright: ignore[reportPrivateUsage] # the script is changed while it runs
    campaign_id = await order(runtime)
    await work(runtime)
    done = await job(runtime, campaign_id)
    assert (done.status, done.request_counts.failed) == ("completed", 0)
    assert {unit.tries for unit in await units(runtime, campaign_id)} == {1}


async def test_a_unit_that_a_living_engine_refuses_is_set_aside(runtime: Runtime, engine: SlowEngine):
    def reply(ask: Ask) -> str | Exception:
        return EngineUnavailable("answered 500") if "Copper Can 2" in ask.messages[-1].content else good(ask)

    engine._reply = reply  # pyright: ignore[reportPrivateUsage] # the script is changed while it runs
    campaign_id = await order(runtime)
    await work(runtime)
    done = await job(runtime, campaign_id)
    assert (done.request_counts.completed, done.request_counts.failed) == (10, 2)
    assert [(each.code, each.count) for each in done.errors.data] == [("engine_unavailable", 2)]


async def test_a_spent_budget_pauses_until_a_larger_one_is_given(runtime: Runtime, engine: SlowEngine):
    campaign_id = await order(runtime, budget=Budget(tokens=45))
    await work(runtime, concurrency=1)
    paused = await job(runtime, campaign_id)
    assert (paused.status, paused.tokens, paused.request_counts.completed) == ("paused", 45, 3)
    await ordering.resume_campaign(runtime, "shop", campaign_id, Budget())
    await work(runtime)
    assert (await job(runtime, campaign_id)).status == "completed"


async def test_an_engine_slower_than_the_budget_of_time_pauses(
    runtime: Runtime, engine: SlowEngine, clock: Clock
):
    campaign_id = await order(runtime, budget=Budget(seconds=60))
    working = Worker(runtime, concurrency=2, lease=timedelta(milliseconds=40))
    engine.seconds = 0.2
    task = asyncio.create_task(working.run(until_done=True))
    await until_busy(engine, 2)
    clock.advance(seconds=61)
    await task
    paused = await job(runtime, campaign_id)
    assert paused.status == "paused"
    assert "budget of 60 seconds" in (paused.reason or "")


async def test_a_worker_that_ends_gives_back_what_it_cannot_finish(
    runtime: Runtime, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.01)
    engine.seconds = 5
    campaign_id = await order(runtime)
    task = asyncio.create_task(work(runtime))
    await until_busy(engine, 8)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found = await units(runtime, campaign_id)
    assert [(unit.state, unit.tries) for unit in found] == [("queued", 0)] * 12


async def test_a_process_that_drains_takes_no_more_units(runtime: Runtime, engine: SlowEngine):
    campaign_id = await order(runtime)
    runtime.drain(1)
    await work(runtime)
    assert engine.asks == []
    assert (await job(runtime, campaign_id)).status == "queued"


async def test_what_is_cancelled_while_it_is_written_is_dropped(runtime: Runtime, engine: SlowEngine):
    engine.seconds = 60
    campaign_id = await order(runtime)
    task = asyncio.create_task(work(runtime, lease=timedelta(seconds=1)))
    await until_busy(engine, 8)
    await ordering.cancel_campaign(runtime, "shop", campaign_id)
    await task
    assert [unit.state for unit in await units(runtime, campaign_id)] == ["cancelled"] * 12
    assert (await job(runtime, campaign_id)).request_counts.completed == 0


async def test_a_worker_of_one_workspace_leaves_the_others_alone(runtime: Runtime, engine: SlowEngine):
    await fill_shop(runtime, "other")
    mine, theirs = await order(runtime), await order(runtime, "other")
    await work(runtime, workspace="other")
    assert (await job(runtime, mine)).status == "queued"
    assert (await job(runtime, theirs, "other")).status == "completed"
