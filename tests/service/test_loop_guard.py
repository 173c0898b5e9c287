import asyncio
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from tests.service.loop_guard import BlockingCall, guarded_loop


async def _computes(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def _after(coroutine_seconds: float) -> None:
    await asyncio.create_task(_computes(coroutine_seconds))


def test_a_sleep_on_the_loop_is_caught_and_names_itself():
    async def sleeps() -> None:
        time.sleep(0)  # noqa: ASYNC251 -- it is what the guard must catch

    with guarded_loop(), pytest.raises(BlockingCall, match=r"time\.sleep\(0,\).*runtime\.run"):
        asyncio.run(sleeps())


def test_opening_a_database_or_a_file_on_the_loop_is_caught(tmp_path: Path):
    async def connects() -> None:
        sqlite3.connect(tmp_path / "x.db")

    async def reads() -> None:
        Path(__file__).read_text()  # noqa: ASYNC240 -- it is what the guard must catch

    for blocking in (connects, reads):
        with guarded_loop(), pytest.raises(BlockingCall):
            asyncio.run(blocking())


def test_a_blocking_socket_on_the_loop_is_caught():
    async def connects() -> None:
        with socket.socket() as blocking:
            blocking.connect(("127.0.0.1", 1))

    with guarded_loop(), pytest.raises(BlockingCall, match=r"socket\.connect"):
        asyncio.run(connects())


def test_a_callback_that_computes_too_long_is_caught():
    with pytest.raises(BlockingCall, match="computed for"), guarded_loop(0.05):
        asyncio.run(_after(0.15))


def test_the_same_calls_in_a_thread_pass():
    async def in_thread() -> None:
        await asyncio.to_thread(time.sleep, 0)
        await asyncio.to_thread(Path(__file__).read_text)
        await asyncio.to_thread(lambda: sqlite3.connect(":memory:").close())

    with guarded_loop():
        asyncio.run(in_thread())


def test_waiting_is_not_computing():
    with guarded_loop(0.05):
        asyncio.run(asyncio.sleep(0.1))
