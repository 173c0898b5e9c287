"""Slow clients on raw sockets of the real server: each is let go of in time, and holds nobody else up."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from litestar import Litestar

from service.app import create_app
from service.settings import Settings
from service.slow_readers import PIECE_BYTES, SlowReaders
from tests.service.http.listening import listening
from tests.service.http.shop import Shop

LIMIT = 0.5
GRACE = 8.0
"""Seconds beyond the limit that a busy machine may need."""


@pytest.fixture
def settings(shop: Shop) -> Settings:
    return shop.settings(log_level="error", body_timeout_seconds=LIMIT, send_timeout_seconds=LIMIT)


@pytest.fixture
async def address(settings: Settings) -> AsyncGenerator[tuple[str, int]]:
    app: Litestar = create_app(settings, background=False)
    async with listening(app, settings) as url:
        yield "127.0.0.1", int(url.rpartition(":")[2])


async def until_closed(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    """What the server says until it closes the connection, and after how many seconds that was."""
    begun, said = time.monotonic(), list[bytes]()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(LIMIT + GRACE):
            while piece := await reader.read(PIECE_BYTES):
                said.append(piece)
    return b"".join(said), time.monotonic() - begun


async def dripping(writer: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        for place in range(len(text)):
            writer.write(text[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.05)


GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
POST = (
    b"POST /v1/items HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
)


@pytest.mark.parametrize(
    ("begin", "drip", "told"),
    [
        pytest.param(b"", b"", b"", id="says nothing"),
        pytest.param(b"PRI ", b"", b"", id="might become HTTP/2"),
        pytest.param(GET, b"X-Slow: " + b"a" * 1000, b"", id="drips headers"),
        pytest.param(GET + b"\r\n", b"", b"HTTP/1.1 200", id="stays after its answer"),
        pytest.param(POST, b"[" + b" " * 1000, b"HTTP/1.1 408", id="drips a body"),
    ],
)
async def test_who_sends_too_slowly_is_let_go(
    shop: Shop, address: tuple[str, int], begin: bytes, drip: bytes, told: bytes
):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(begin % shop.keys["default/admin"].encode() if begin is POST else begin)
    sending = asyncio.create_task(dripping(writer, drip))
    async with httpx.AsyncClient() as client:
        other = await client.get(f"http://{address[0]}:{address[1]}/health/live")
    said, seconds = await until_closed(reader)
    sending.cancel()
    writer.close()
    assert other.status_code == 200
    assert said.startswith(told)
    assert seconds < LIMIT + GRACE


async def test_who_does_not_read_an_answer_is_let_go():
    sent, ended = [0], asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/health/live":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * PIECE_BYTES * 4, "more_body": True})
                sent[0] += 1
        finally:
            ended.set()

    app: Any = SlowReaders(endless, LIMIT)
    async with listening(app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(LIMIT + GRACE):
            await ended.wait()
        assert sent[0] > 0
        said, _ = await until_closed(reader)
        writer.close()
        assert said.startswith(b"HTTP/1.1 200")
        assert not said.endswith(b"0\r\n\r\n")  # a broken answer must not look like a whole one


async def test_a_long_answer_goes_out_in_pieces_and_is_whole():
    whole, got = bytes(range(256)) * 1000, list[dict[str, Any]]()

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": whole, "more_body": False})

    async def keep(message: Any) -> None:
        got.append(message)

    async def nothing() -> Any:
        return None

    await SlowReaders(answers, LIMIT)({"type": "http"}, nothing, keep)
    assert b"".join(each["body"] for each in got) == whole
    assert [each["more_body"] for each in got] == [True] * (len(got) - 1) + [False]
    assert max(len(each["body"]) for each in got) == PIECE_BYTES
