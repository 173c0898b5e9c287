"""Deliveries: written with what they tell of, taken by one process at a time, never lost; on both stores."""

import asyncio
from datetime import timedelta

import pytest

from service.errors import Conflict, InvalidInput, NotFound
from service.runtime import Runtime
from service.webhooks import actions
from service.webhooks.model import KEPT, RETRIES, Due, Event, EventType, Outcome, WebhookPatch
from service.webhooks.store import LEASE, DeliveryStore, WebhookStore, delete_old, due_webhooks
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW, Clock

W, URL = "shop", "https://crm.example/hook"
DONE = Event(type="campaign.done", timestamp=NOW, data={"campaign": "spring"})
DOWN = Outcome(status=503, error="answered 503")


async def webhook(runtime: Runtime, *events: EventType, workspace: str = W, **options: object) -> str:
    made = await actions.create_webhook(runtime, workspace, URL, events or ("campaign.done",), **options)  # pyright: ignore[reportArgumentType] # each test gives options that the action has
    return made.id


async def tell(runtime: Runtime, event: Event = DONE, workspace: str = W) -> int:
    async with runtime.database.write() as session:
        return await DeliveryStore(session, workspace).tell(event, runtime.now())


async def claim(runtime: Runtime, webhook_id: str) -> Due | None:
    async with runtime.database.write() as session:
        return await DeliveryStore(session, W).claim(webhook_id, runtime.now())


async def record(runtime: Runtime, webhook_id: str, due: Due, outcome: Outcome) -> str:
    async with runtime.database.write() as session:
        return await DeliveryStore(session, W).record(webhook_id, due, outcome, runtime.now(), 0.0)


async def waiting(runtime: Runtime) -> tuple[tuple[str, str], ...]:
    async with runtime.database.read() as session:
        return await due_webhooks(session, runtime.now())


async def test_an_event_goes_to_whoever_wants_it_in_its_own_workspace(runtime: Runtime):
    await create_workspace(runtime, "other")
    await webhook(runtime, workspace="other")
    wanting = await webhook(runtime)
    await webhook(runtime, "export.ready")
    await webhook(runtime, active=False)
    assert await tell(runtime) == 1
    assert await waiting(runtime) == ((W, wanting),)
    due = await claim(runtime, wanting)
    assert due is not None
    assert (due.attempt, due.url, due.body) == (1, URL, DONE.body().encode())
    listed = await actions.list_deliveries(runtime, W, wanting)
    assert [(each.id, each.status, each.body["data"]) for each in listed] == [(due.id, "pending", DONE.data)]


async def test_nothing_is_told_of_what_is_rolled_back(runtime: Runtime):
    wanting = await webhook(runtime)

    async def tell_and_fail() -> None:
        async with runtime.database.write() as session:
            assert await DeliveryStore(session, W).tell(DONE, NOW) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await tell_and_fail()
    assert await actions.list_deliveries(runtime, W, wanting) == ()


async def test_many_who_look_at_once_share_the_deliveries_and_take_none_twice(runtime: Runtime):
    wanting = await webhook(runtime)
    for _ in range(5):
        await tell(runtime)
    taken = await asyncio.gather(*(claim(runtime, wanting) for _ in range(8)))
    ids = [each.id for each in taken if each is not None]
    assert len(ids) == len(set(ids)) == 5


async def test_what_a_dead_process_took_is_due_again_under_the_same_id(runtime: Runtime, clock: Clock):
    wanting = await webhook(runtime)
    await tell(runtime)
    first = await claim(runtime, wanting)
    assert first is not None
    assert await claim(runtime, wanting) is None
    clock.now += LEASE
    second = await claim(runtime, wanting)
    assert second is not None
    assert (second.id, second.attempt) == (first.id, 2)
    assert await record(runtime, wanting, second, Outcome(status=200)) == "delivered"
    await record(runtime, wanting, first, DOWN)  # the first was only slow, and comes too late to say so
    assert (await actions.get_delivery(runtime, W, wanting, first.id)).status == "delivered"


async def test_tries_end_in_a_dead_letter_that_can_be_sent_again(runtime: Runtime, clock: Clock):
    wanting = await webhook(runtime)
    await tell(runtime)
    ids: set[str] = set()
    for tried, pause in enumerate((*RETRIES, None), start=1):
        due = await claim(runtime, wanting)
        assert due is not None
        ids.add(due.id)
        status = await record(runtime, wanting, due, DOWN)
        assert (due.attempt, status) == (tried, "dead" if pause is None else "pending")
        if pause is not None:
            clock.now += pause - timedelta(seconds=1)
            assert await claim(runtime, wanting) is None
            clock.advance(seconds=1)
    (dead,) = await actions.list_deliveries(runtime, W, wanting, status="dead")
    assert {dead.id} == ids
    assert (dead.attempts, dead.last_status, dead.last_error) == (10, 503, "answered 503")
    assert (dead.next_attempt_at, dead.ended_at) == (None, clock.now)
    again = await actions.replay_delivery(runtime, W, wanting, dead.id)
    assert (again.id, again.status, again.attempts, again.ended_at) == (dead.id, "pending", 0, None)
    with pytest.raises(Conflict, match="on its way"):
        await actions.replay_delivery(runtime, W, wanting, dead.id)


async def test_a_receiver_may_ask_for_a_longer_pause(runtime: Runtime, clock: Clock):
    wanting = await webhook(runtime)
    await tell(runtime)
    due = await claim(runtime, wanting)
    assert due is not None
    await record(runtime, wanting, due, Outcome(status=429, error="busy", retry_after_seconds=120))
    shown = await actions.get_delivery(runtime, W, wanting, due.id)
    assert shown.next_attempt_at == NOW + timedelta(seconds=120)


async def test_whoever_is_gone_is_told_of_nothing_more_until_made_active(runtime: Runtime):
    wanting = await webhook(runtime)
    await tell(runtime)
    await tell(runtime)
    due = await claim(runtime, wanting)
    assert due is not None
    assert await record(runtime, wanting, due, Outcome(status=410, error="answered 410")) == "dead"
    shown = await actions.get_webhook(runtime, W, wanting)
    assert (shown.active, shown.disabled_because) == (False, "answered 410")
    assert await tell(runtime) == 0
    assert await waiting(runtime) == ()
    assert await claim(runtime, wanting) is None
    for refused in (
        actions.send_test(runtime, W, wanting),
        actions.replay_delivery(runtime, W, wanting, due.id),
        actions.replay_since(runtime, W, wanting, NOW),
    ):
        with pytest.raises(Conflict, match="answered 410"):
            await refused
    shown = await actions.update_webhook(runtime, W, wanting, WebhookPatch(active=True))
    assert (shown.active, shown.disabled_because) == (True, None)
    assert await waiting(runtime) == ((W, wanting),)


async def test_what_has_ended_since_a_moment_is_sent_again_the_oldest_first(runtime: Runtime, clock: Clock):
    wanting = await webhook(runtime)
    ids: list[str] = []
    for outcome in (Outcome(status=410, error="x"), Outcome(status=200), Outcome(status=410, error="x")):
        await actions.update_webhook(runtime, W, wanting, WebhookPatch(active=True))
        await tell(runtime)
        due = await claim(runtime, wanting)
        assert due is not None
        await record(runtime, wanting, due, outcome)
        ids.append(due.id)
        clock.advance(hours=1)
    await actions.update_webhook(runtime, W, wanting, WebhookPatch(active=True))
    assert await actions.replay_since(runtime, W, wanting, NOW + timedelta(hours=1)) == 1
    assert await actions.replay_since(runtime, W, wanting, NOW, ("dead", "delivered")) == 2
    taken = [await claim(runtime, wanting) for _ in ids]
    assert sorted(each.id for each in taken if each) == sorted(ids)


async def test_pages_go_from_the_newest_to_the_oldest_and_repeat_none(runtime: Runtime, clock: Clock):
    wanting = await webhook(runtime)
    for number in range(5):
        await tell(runtime)
        clock.advance(seconds=number % 2)  # some share their moment
    seen: list[str] = []
    after = None
    while page := await actions.list_deliveries(runtime, W, wanting, after=after, limit=2):
        seen += [each.id for each in page]
        after = (page[-1].created_at, page[-1].id)
    whole = await actions.list_deliveries(runtime, W, wanting)
    assert seen == [each.id for each in whole]
    assert len(seen) == 5
    assert [each.created_at for each in whole] == sorted((each.created_at for each in whole), reverse=True)


async def test_both_secrets_sign_until_the_overlap_is_over(runtime: Runtime, clock: Clock):
    made = await actions.create_webhook(runtime, W, URL, ("campaign.done",))
    rotated = await actions.rotate_secret(runtime, W, made.id, timedelta(hours=1))
    assert rotated.secret != made.secret
    assert rotated.former_secret_until == NOW + timedelta(hours=1)
    for secrets in ((rotated.secret, made.secret), (rotated.secret,)):
        await tell(runtime)
        due = await claim(runtime, made.id)
        assert due is not None
        assert due.secrets == secrets
        clock.advance(hours=1)
    with pytest.raises(InvalidInput, match="0 to 168"):
        await actions.rotate_secret(runtime, W, made.id, timedelta(hours=169))
    assert made.secret not in repr(made)
    assert made.secret not in repr(due)


async def test_a_webhook_goes_with_its_deliveries_and_old_ones_go_by_themselves(
    runtime: Runtime, clock: Clock
):
    wanting, other = await webhook(runtime), await webhook(runtime)
    await tell(runtime)
    await actions.delete_webhook(runtime, W, wanting)
    with pytest.raises(NotFound):
        await actions.list_deliveries(runtime, W, wanting)
    assert len(await actions.list_deliveries(runtime, W, other)) == 1
    for moved, left in ((KEPT, 1), (timedelta(seconds=1), 0)):
        clock.now += moved
        async with runtime.database.write() as session:
            await delete_old(session, runtime.now())
        assert len(await actions.list_deliveries(runtime, W, other)) == left


async def test_each_snapshot_is_told_of_once_however_many_try(runtime: Runtime):
    async def advance(told: str | None, snapshot: str) -> bool:
        async with runtime.database.write() as session:
            return await WebhookStore(session, W).advance(told, snapshot)

    assert sum(await asyncio.gather(*(advance(None, "s1") for _ in range(4)))) == 1
    assert sum(await asyncio.gather(*(advance("s1", "s2") for _ in range(4)))) == 1
    assert not await advance("s1", "s3")
    async with runtime.database.read() as session:
        assert await WebhookStore(session, W).told_up_to() == "s2"


async def test_a_webhook_deleted_while_it_is_told_of_something_breaks_neither(runtime: Runtime):
    for _ in range(5):
        wanting = await webhook(runtime)
        told, _ = await asyncio.gather(tell(runtime), actions.delete_webhook(runtime, W, wanting))
        assert told in (0, 1)
        assert await waiting(runtime) == ()


async def test_what_cannot_be_a_webhook_is_refused(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InvalidInput, match="events is empty"):
        await actions.create_webhook(runtime, W, URL, ())
    with pytest.raises(InvalidInput, match="1,001 characters"):
        await actions.create_webhook(runtime, W, URL, ("campaign.done",), note="x" * 1001)
    with pytest.raises(NotFound, match="no segment 'nowhere'"):
        await actions.create_webhook(runtime, W, URL, ("campaign.done",), segments=["nowhere"])
    with pytest.raises(NotFound, match="no workspace"):
        await actions.create_webhook(runtime, "nowhere", URL, ("campaign.done",))
    made = await webhook(runtime)
    with pytest.raises(InvalidInput, match="use https"):
        await actions.update_webhook(runtime, W, made, WebhookPatch(url="http://crm.example"))
    monkeypatch.setattr(actions, "MOST_WEBHOOKS", 1)
    with pytest.raises(Conflict, match="1 webhooks already"):
        await webhook(runtime)
