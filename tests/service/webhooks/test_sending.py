"""Deliveries sent over real sockets: to good receivers, bad ones, and ones that must not be reached."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.webhooks import actions
from service.webhooks.hosts import host_of
from service.webhooks.model import Delivery, WebhookWithSecret
from service.webhooks.sending import open_sender, send_forever
from service.workspaces.actions import create_workspace
from tests.service.chat_server import Handler, Reply, Request, chat_server
from tests.service.loop_guard import guarded_loop

W = "shop"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Receiver:
    """Answers from a list, the last reply for ever, and remembers what it was sent."""

    def __init__(self, *replies: Reply | Handler) -> None:
        self.replies = list(replies)
        self.got: list[Request] = []

    async def __call__(self, request: Request) -> Reply:
        self.got.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Reply) else await reply(request)


async def never(_: Request) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def opened(tmp_path: Path, **settings: Any) -> AsyncIterator[Runtime]:
    patient = {"webhook_timeout_seconds": 120.0, **settings}
    chosen = Settings(data_dir=str(tmp_path / "var"), executor_threads=2, **patient)
    async with open_runtime(chosen, clock=lambda: NOW) as runtime:
        await create_workspace(runtime, W)
        yield runtime


@asynccontextmanager
async def receiving(tmp_path: Path, receiver: Handler, **settings: Any) -> AsyncIterator[tuple[Runtime, str]]:
    """A store whose settings allow the receiver, and the receiver's URL."""
    async with chat_server(receiver) as url:
        private = (url.removeprefix("http://"),)
        async with opened(tmp_path, webhook_private_hosts=private, **settings) as runtime:
            yield runtime, f"{url}/hook?tenant=7"


async def sent_a_test(runtime: Runtime, url: str) -> tuple[WebhookWithSecret, Delivery]:
    """Make a webhook, send it a test, and say what became of the delivery."""
    made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
    sent = await actions.send_test(runtime, W, made.id)
    await send_due(runtime)
    return made, await actions.get_delivery(runtime, W, made.id, sent.id)


async def settled(value: bool) -> bool:
    return value


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(4000):
        if await happened():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


async def send_due(runtime: Runtime) -> None:
    sender = await open_sender(runtime)
    with guarded_loop():
        await sender.look()
        await sender.rest()
    await sender.close()


async def test_a_delivery_arrives_whole_and_signed(tmp_path: Path):
    receiver = Receiver(Reply(status=204))
    async with receiving(tmp_path, receiver) as (runtime, url):
        made, delivery = await sent_a_test(runtime, url)
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", "/hook?tenant=7")
    assert got.body == delivery.body
    assert got.body == {
        "type": "webhook.test",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {"webhook": made.id},
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == url.removeprefix("http://").partition("/")[0]
    assert got.headers["webhook-id"] == delivery.id
    assert got.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    signed = f"{delivery.id}.{int(NOW.timestamp())}.".encode() + got.raw
    mac = hmac.digest(base64.b64decode(made.secret.removeprefix("whsec_")), signed, hashlib.sha256)
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=500, body=b"secret of a customer"), "answered 500: only 2xx is success"),
        (Reply(status=404), "answered 404: only 2xx is success"),
        (Reply(broken=True), "Server disconnected"),
        (Reply(status=503, headers=(("retry-after", "²"),)), "answered 503"),
        (Reply(headers=(("content-encoding", "gzip"),), body=b"not gzip"), None),
    ],
)
async def test_what_is_no_success_says_why_and_is_tried_again(
    tmp_path: Path, reply: Reply, error: str | None
):
    async with receiving(tmp_path, Receiver(reply)) as (runtime, url):
        _, delivery = await sent_a_test(runtime, url)
    if error is None:
        assert delivery.status == "delivered"
        return
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert error in (delivery.last_error or "")
    assert "customer" not in (delivery.last_error or "")
    assert delivery.next_attempt_at is not None
    assert 5 <= (delivery.next_attempt_at - NOW).total_seconds() <= 6


async def test_a_redirect_is_not_followed(tmp_path: Path):
    elsewhere = Receiver(Reply())
    async with chat_server(elsewhere) as other:
        away = Reply(status=307, headers=(("location", f"{other}/stolen"),))
        async with receiving(tmp_path, Receiver(away)) as (runtime, url):
            _, delivery = await sent_a_test(runtime, url)
    assert delivery.last_error == "answered 307: redirects are not followed"
    assert elsewhere.got == []


async def test_a_receiver_that_hangs_is_left_in_time(tmp_path: Path):
    async with receiving(tmp_path, Receiver(never), webhook_timeout_seconds=0.2) as (runtime, url):
        _, delivery = await sent_a_test(runtime, url)
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert delivery.last_error == "no answer within 0.2 s"


async def test_a_slow_receiver_holds_up_nobody_and_is_asked_once_at_a_time(tmp_path: Path):
    answered = asyncio.Event()

    async def slowly(_: Request) -> Reply:
        await answered.wait()
        return Reply()

    slow, quick = Receiver(slowly), Receiver(Reply())
    async with chat_server(slow) as first, chat_server(quick) as second:
        private = tuple(each.removeprefix("http://") for each in (first, second))
        async with opened(tmp_path, webhook_private_hosts=private, webhook_timeout_seconds=60.0) as runtime:
            for url in (first, second):
                made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
                for _ in range(2):
                    await actions.send_test(runtime, W, made.id)
            sender = await open_sender(runtime)
            await sender.look()
            await until(lambda: settled(len(quick.got) == 2 and len(slow.got) == 1))
            await sender.look()
            assert len(slow.got) == 1
            answered.set()
            await sender.rest()
            await sender.close()
    assert len(slow.got) == len(quick.got) == 2


async def test_an_endless_answer_is_not_read(tmp_path: Path):
    async def endless(_: Request) -> Reply:
        async def pieces() -> AsyncGenerator[bytes]:
            while True:
                yield b"x" * 65_536

        return Reply(pieces=pieces())

    async with receiving(tmp_path, Receiver(endless), webhook_timeout_seconds=2.0) as (runtime, url):
        _, delivery = await sent_a_test(runtime, url)
    assert delivery.status == "delivered"


async def test_one_receiver_sees_no_cookie_of_another(tmp_path: Path):
    """Requests go to addresses, and two receivers may share one."""
    receiver = Receiver(Reply(headers=(("set-cookie", "tenant=a; Path=/"),)))
    async with receiving(tmp_path, receiver) as (runtime, url):
        for tenant in ("a", "b"):
            made = await actions.create_webhook(runtime, W, f"{url}{tenant}", ("campaign.done",))
            for _ in range(2):
                await actions.send_test(runtime, W, made.id)
        await send_due(runtime)
    assert len(receiver.got) == 4
    assert not [request for request in receiver.got if "cookie" in request.headers]


async def test_gone_ends_the_webhook(tmp_path: Path):
    async with receiving(tmp_path, Receiver(Reply(status=410))) as (runtime, url):
        made, delivery = await sent_a_test(runtime, url)
        shown = await actions.get_webhook(runtime, W, made.id)
    assert (delivery.status, shown.active) == ("dead", False)
    assert shown.disabled_because == "answered 410: the receiver is gone"


async def test_a_name_that_turns_private_is_not_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A public name at first, this machine later: the server that listens here hears nothing."""
    receiver = Receiver(Reply())
    async with chat_server(receiver) as url, opened(tmp_path, webhook_hosts=("crm.example:9",)) as runtime:
        port = int(url.rpartition(":")[2])
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", port))])
        _, delivery = await sent_a_test(runtime, "https://crm.example:9/hook")
    assert (
        delivery.last_error
        == "crm.example has the address 127.0.0.1, which is loopback: nothing is sent there"
    )
    assert receiver.got == []


async def test_the_connection_goes_to_the_address_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The name is resolved once; the request says the name, in Host and to TLS, and goes to the address."""
    sent: list[httpx.Request] = []

    async def send(_: httpx.AsyncClient, request: httpx.Request, **__: Any) -> httpx.Response:
        sent.append(request)
        if len(sent) == 1:
            raise httpx.ConnectError("no route to host")
        return httpx.Response(200, request=request)

    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", ("2606:4700::1", port, 0, 0)), (0, 0, 0, "", ("1.1.1.1", port))]

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    async with opened(tmp_path) as runtime:
        monkeypatch.setattr("socket.getaddrinfo", lambda host, port, *_, **__: getaddrinfo(host, port))
        _, delivery = await sent_a_test(runtime, "https://Bücher.example/hook")
    assert delivery.status == "delivered"
    assert asked == ["xn--bcher-kva.example"]
    assert [host_of(each.url) for each in sent] == ["2606:4700::1", "1.1.1.1"]
    for each in sent:
        assert each.headers["host"] == "xn--bcher-kva.example"
        assert each.extensions["sni_hostname"] == "xn--bcher-kva.example"
        assert each.url.path == "/hook"


async def test_settings_that_changed_since_count(tmp_path: Path):
    receiver = Receiver(Reply())
    async with receiving(tmp_path, receiver) as (runtime, url):
        made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
        await actions.send_test(runtime, W, made.id)
    stricter = Settings(data_dir=str(tmp_path / "var"), executor_threads=2)
    async with open_runtime(stricter, clock=lambda: NOW) as runtime:
        await send_due(runtime)
        (delivery,) = await actions.list_deliveries(runtime, W, made.id)
    assert "use https" in (delivery.last_error or "")
    assert receiver.got == []


async def test_serve_sends_by_itself_and_an_odd_fault_is_a_failed_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    receiver = Receiver(Reply())
    monkeypatch.setattr("service.webhooks.sending.LOOK_EVERY_SECONDS", 0.01)
    now = iter(NOW + timedelta(milliseconds=step) for step in range(10**6))
    async with receiving(tmp_path, receiver) as (runtime, url):
        monkeypatch.setattr(runtime, "now", lambda: next(now))
        forever = asyncio.create_task(send_forever(runtime))
        made = await actions.create_webhook(runtime, W, url, ("campaign.done",))
        await actions.send_test(runtime, W, made.id)

        async def noted(wanted: str) -> bool:
            newest, *_ = await actions.list_deliveries(runtime, W, made.id)
            return wanted in (newest.status, newest.last_error)

        await until(lambda: noted("delivered"))
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: 1 / 0)
        await actions.send_test(runtime, W, made.id)
        await until(lambda: noted("division by zero"))
        forever.cancel()
        await asyncio.gather(forever, return_exceptions=True)
    assert len(receiver.got) == 1
