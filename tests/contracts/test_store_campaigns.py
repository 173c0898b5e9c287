"""Units of campaigns: held by one worker at a time, finished once, never lost; on both stores."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from prompts.variant import Provenance, Variant
from service.campaigns.job import MOST_TRIES, Failure, Job, Lease, Written
from service.campaigns.leases import LeaseStore
from service.campaigns.model import Budget, Campaign, places
from service.campaigns.store import CampaignStore, open_jobs
from service.errors import NotFound
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW, Clock

W, C = "shop", "20260301T120000000000-000000000000"
LEASE = timedelta(seconds=60)
MADE_BY = Provenance(prompt="sms/full.v1", prompt_digest="p", engine="e", model="m", seed=1, attempts=1)
COPY = Variant(id="v", status="passed", fields={"text": "Dig."}, checks=(), provenance=MADE_BY)
DONE = Written(digest="d" * 32, variants=(COPY,), tokens=10)
BROKEN = Failure(code="not_found", reason="no item 'i0'", tokens=5)


async def add(runtime: Runtime, units: int, campaign_id: str = C, workspace: str = W, **changes: Any) -> None:
    campaign = Campaign(name="spring", segments=("all",), channels=("sms",), **changes)
    listed = list(places(campaign, {"all": [f"i{number}" for number in range(units)]}))
    async with runtime.database.write() as session:
        await CampaignStore(session, workspace).add(campaign_id, campaign, listed, runtime.now())


async def take(runtime: Runtime, owner: str, limit: int = 1, campaign_id: str = C) -> list[Lease]:
    async with runtime.database.write() as session:
        now = runtime.now()
        return await LeaseStore(session, W, campaign_id).take(owner, limit, now, now + LEASE)


async def finish(
    runtime: Runtime, owner: str, leases: Sequence[Lease], outcome: Written | Failure = DONE
) -> Job | None:
    async with runtime.database.write() as session:
        outcomes = [(lease, outcome) for lease in leases]
        return await LeaseStore(session, W, C).finish(owner, outcomes, runtime.now())


async def sweep(runtime: Runtime) -> Job | None:
    async with runtime.database.write() as session:
        return await LeaseStore(session, W, C).sweep(runtime.now())


async def needs_sweep(runtime: Runtime) -> bool:
    async with runtime.database.read() as session:
        return await LeaseStore(session, W, C).needs_sweep(runtime.now())


async def job(runtime: Runtime) -> Job:
    async with runtime.database.read() as session:
        return await CampaignStore(session, W).get(C, runtime.now())


async def states(runtime: Runtime) -> list[str]:
    async with runtime.database.read() as session:
        return [unit.state for _, unit in await CampaignStore(session, W).units(C, -1, 100)]


async def test_workers_that_ask_at_once_share_the_units_and_hold_none_together(runtime: Runtime):
    await add(runtime, 20)
    taken = await asyncio.gather(*(take(runtime, f"w{number}", 3) for number in range(8)))
    held = [lease.ordinal for leases in taken for lease in leases]
    assert sorted(held) == list(range(20))
    assert {lease.tries for leases in taken for lease in leases} == {1}
    assert await take(runtime, "late", 5) == []
    begun = await job(runtime)
    assert (begun.status, begun.in_progress_at) == ("running", NOW)


async def test_a_campaign_ends_with_its_last_unit_and_counts_each_once(runtime: Runtime):
    await add(runtime, 3)
    first = await take(runtime, "w1", 2)
    assert [lease.place.custom_id for lease in first] == ["all/i0/sms", "all/i1/sms"]
    assert await finish(runtime, "w1", first) is None
    assert await finish(runtime, "w1", first) is None  # once more: nobody holds them now
    last = await take(runtime, "w2", 2)
    ended = await finish(runtime, "w2", last)
    assert ended is not None
    assert (ended.status, ended.request_counts.completed, ended.completed_at) == ("completed", 3, NOW)
    async with runtime.database.read() as session:
        shown = await CampaignStore(session, W).units(C, 0, 10)
    assert [(ordinal, unit.variants, unit.digest) for ordinal, unit in shown] == [
        (1, (COPY,), DONE.digest),
        (2, (COPY,), DONE.digest),
    ]


async def test_what_a_slow_worker_brings_after_its_lease_is_not_taken(runtime: Runtime, clock: Clock):
    await add(runtime, 1)
    slow = await take(runtime, "slow")
    assert not await needs_sweep(runtime)
    clock.now += LEASE
    assert await needs_sweep(runtime)
    await sweep(runtime)
    (again,) = await take(runtime, "quick")
    assert (again.ordinal, again.tries) == (0, 2)
    assert await finish(runtime, "slow", slow) is None
    assert await states(runtime) == ["leased"]
    assert (await job(runtime)).request_counts.completed == 0
    assert await finish(runtime, "quick", [again]) is not None


async def test_the_same_worker_does_not_finish_a_former_hold(runtime: Runtime, clock: Clock):
    await add(runtime, 1)
    former = await take(runtime, "w")
    clock.now += LEASE
    await sweep(runtime)
    await take(runtime, "w")
    assert await finish(runtime, "w", former, BROKEN) is None
    assert await states(runtime) == ["leased"]


async def test_a_renewed_lease_does_not_run_out(runtime: Runtime, clock: Clock):
    await add(runtime, 2)
    await take(runtime, "w1")
    await take(runtime, "w2")
    clock.advance(seconds=40)
    async with runtime.database.write() as session:
        kept = await LeaseStore(session, W, C).renew("w1", runtime.now() + LEASE)
    assert kept == {(0, 1)}
    clock.advance(seconds=30)
    await sweep(runtime)
    assert await states(runtime) == ["leased", "queued"]


async def test_three_tries_and_a_unit_is_set_aside_with_its_reason(runtime: Runtime):
    await add(runtime, 2)
    for tried in range(1, MOST_TRIES + 1):
        (lease,) = await take(runtime, "w")
        assert (lease.ordinal, lease.tries) == (0, tried)
        assert await finish(runtime, "w", [lease], BROKEN) is None
    ended = await finish(runtime, "w", await take(runtime, "w"))
    assert ended is not None
    assert (ended.status, ended.request_counts.failed, ended.tokens) == ("completed", 1, 25)
    (error,) = ended.errors.data
    assert (error.code, error.message, error.param, error.count) == (
        "not_found",
        "no item 'i0'",
        "all/i0/sms",
        1,
    )


async def test_a_unit_that_stops_its_workers_is_set_aside(runtime: Runtime, clock: Clock):
    await add(runtime, 1)
    ended = None
    for _ in range(MOST_TRIES):
        assert ended is None
        assert len(await take(runtime, "w")) == 1
        clock.now += LEASE
        ended = await sweep(runtime)
    assert ended is not None
    assert (ended.status, ended.errors.data[0].code) == ("failed", "worker_stopped")
    assert await states(runtime) == ["failed"]
    async with runtime.database.write() as session:
        assert await CampaignStore(session, W).requeue_failed(C) == 1
    assert await states(runtime) == ["queued"]


async def test_what_is_given_back_counts_no_try(runtime: Runtime):
    await add(runtime, 2)
    held = await take(runtime, "w", 2)
    async with runtime.database.write() as session:
        await LeaseStore(session, W, C).give_back("w", held[:1])
    (again,) = await take(runtime, "w2", 2)
    assert (again.ordinal, again.tries) == (0, 1)


async def test_what_is_cancelled_is_neither_taken_nor_finished(runtime: Runtime):
    await add(runtime, 3)
    held = await take(runtime, "w")
    async with runtime.database.write() as session:
        store = CampaignStore(session, W)
        (await store.locked(C)).state = "cancelled"
        assert await store.cancel_units(C, runtime.now()) == 3
    assert await finish(runtime, "w", held) is None
    assert await take(runtime, "w", 3) == []
    assert await states(runtime) == ["cancelled"] * 3


async def test_a_spent_budget_pauses(runtime: Runtime, clock: Clock):
    await add(runtime, 9, budget=Budget(tokens=15, seconds=100))
    await finish(runtime, "w", await take(runtime, "w"))
    assert (await job(runtime)).status == "running"
    await finish(runtime, "w", await take(runtime, "w"))
    paused = await job(runtime)
    assert (paused.status, paused.reason) == (
        "paused",
        "the budget of 15 tokens is spent (20 used): resume it with a larger one",
    )
    assert await take(runtime, "w") == []
    clock.advance(seconds=500)
    assert (await job(runtime)).seconds == 0  # no time counts while it is paused
    async with runtime.database.write() as session:
        row = await CampaignStore(session, W).locked(C)
        row.state, row.running_since, row.budget = "running", runtime.now(), {"seconds": 100.0}
    clock.advance(seconds=100)
    assert await needs_sweep(runtime)
    await sweep(runtime)
    assert (await job(runtime)).reason == (
        "the budget of 100 seconds is spent (100 used): resume it with a larger one"
    )


async def test_open_campaigns_say_whether_something_waits(runtime: Runtime):
    await create_workspace(runtime, "other")
    await add(runtime, 1)
    await add(runtime, 1, "theirs", "other", n=5)
    async with runtime.database.read() as session:
        assert [(each.workspace, each.n) for each in await open_jobs(session, None)] == [
            (W, 3),
            ("other", 5),
        ]
    await take(runtime, "w")
    async with runtime.database.read() as session:
        assert [each.waiting for each in await open_jobs(session, W)] == [False]


async def test_an_identical_unit_answers_in_its_own_workspace_alone(runtime: Runtime):
    await create_workspace(runtime, "other")
    await add(runtime, 1)
    await finish(runtime, "w", await take(runtime, "w"))
    async with runtime.database.read() as session:
        answered = await CampaignStore(session, W).answered([DONE.digest, "e" * 32])
        assert set(answered) == {DONE.digest}
        found = answered[DONE.digest]
        assert (found.variants, found.tokens, found.cached) == ((COPY,), 0, True)
        assert await CampaignStore(session, "other").answered([DONE.digest]) == {}
        with pytest.raises(NotFound, match="no campaign"):
            await CampaignStore(session, "other").get(C, NOW)
