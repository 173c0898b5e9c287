"""What becomes of deliveries under way when their process ends."""

import asyncio
from pathlib import Path

from service.webhooks import actions
from service.webhooks.sending import open_sender
from service.webhooks.store import DeliveryStore
from tests.service.chat_server import Reply, Request
from tests.service.webhooks.test_sending import NOW, Receiver, W, never, receiving, settled, until


async def test_a_process_that_stops_hands_its_delivery_back(tmp_path: Path):
    receiver = Receiver(never)
    async with receiving(tmp_path, receiver) as (runtime, url):
        made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
        sent = await actions.send_test(runtime, W, made.id)
        sender = await open_sender(runtime)
        await sender.look()
        await until(lambda: settled(len(receiver.got) == 1))
        await sender.close()
        delivery = await actions.get_delivery(runtime, W, made.id, sent.id)
        assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("pending", 0, NOW)
        async with runtime.database.write() as session:
            due = await DeliveryStore(session, W).claim(made.id, NOW)
        assert due is not None
        assert due.id == sent.id


async def test_a_process_that_drains_ends_what_it_began_and_begins_nothing(tmp_path: Path):
    may_answer = asyncio.Event()

    async def slowly(_: Request) -> Reply:
        await may_answer.wait()
        return Reply()

    receiver = Receiver(slowly)
    async with receiving(tmp_path, receiver) as (runtime, url):
        made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
        first = await actions.send_test(runtime, W, made.id)
        sender = await open_sender(runtime)
        await sender.look()
        await until(lambda: settled(len(receiver.got) == 1))
        second = await actions.send_test(runtime, W, made.id)
        runtime.drain(60)
        closing = asyncio.create_task(sender.close())
        await asyncio.sleep(0)
        may_answer.set()
        await closing
        states = [
            (await actions.get_delivery(runtime, W, made.id, each.id)).status for each in (first, second)
        ]
        assert states == ["delivered", "pending"]
        assert len(receiver.got) == 1
