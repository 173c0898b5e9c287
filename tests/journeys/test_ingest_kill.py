"""Nothing acknowledged is lost: the server is killed, again and again, while events are sent to it."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service.benchmarks.processes import free_port
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import create_key, create_workspace
from tests.contracts.conftest import postgres_socket as postgres_socket
from tests.contracts.conftest import postgres_url as postgres_url

KILLS = 50
SENDERS = 4
BATCH = 40
LONGEST_LIFE_SECONDS = 0.2


class Senders:
    """Send batches without end, by both ways in, and keep what was acknowledged."""

    def __init__(self, url: str, key: str) -> None:
        self.acknowledged: set[str] = set()
        self.sent = 0
        self.failed = 0
        self._url, self._auth = url, (key, "")

    async def run(self, name: str) -> None:
        number = 0
        async with httpx.AsyncClient(auth=self._auth, timeout=10) as client:
            while True:
                number += 1
                ids = [f"{name}-{number}-{place}" for place in range(BATCH)]
                path, body = self._call(name, number, ids)
                self.sent += 1
                try:
                    answer = await client.post(f"{self._url}{path}", json=body)
                except httpx.TransportError:
                    self.failed += 1
                    await asyncio.sleep(0.05)
                    continue
                assert answer.status_code == 200, answer.text
                assert answer.json()["stored"] >= BATCH, answer.text
                self.acknowledged.update(ids)

    def _call(self, name: str, number: int, ids: list[str]) -> tuple[str, Any]:
        if number % 2:
            rows = [
                {
                    "id": each,
                    "profile_id": f"p-{place}",
                    "type": "view",
                    "occurred_at": "2026-01-01T00:00:00Z",
                }
                for place, each in enumerate(ids)
            ]
            return "/v1/events", rows
        who = {"type": "identify", "userId": f"u-{name}-{number}", "anonymousId": f"a-{name}-{number}"}
        calls = [
            {
                "type": "track",
                "anonymousId": f"a-{name}-{number}",
                "event": "Product Viewed",
                "messageId": each,
            }
            for each in ids
        ]
        return "/v1/batch", {"batch": [who, *calls]}


@contextlib.contextmanager
def servers(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PITCHWRIGHT_")}
    environ |= {"PITCHWRIGHT_DATA_DIR": settings.data_dir, "PITCHWRIGHT_LOG_LEVEL": "error"}
    if settings.database_url:
        environ["PITCHWRIGHT_DATABASE_URL"] = settings.database_url
    command = [sys.executable, "-m", "tests.journeys.event_server"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def killed_again_and_again(settings: Settings) -> Senders:
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, "shop")
        key = (await create_key(runtime, "shop", "kill", ["ingest"])).text
    chance, port = random.Random(7), free_port()
    senders = Senders(f"http://127.0.0.1:{port}", key)
    with servers(settings) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sending = [asyncio.create_task(senders.run(f"s{number}")) for number in range(SENDERS)]
        for _ in range(KILLS):
            print(port, file=process.stdin, flush=True)
            child = int(await asyncio.to_thread(process.stdout.readline))
            before, deadline = len(senders.acknowledged), time.monotonic() + 30
            while len(senders.acknowledged) == before and time.monotonic() < deadline:  # noqa: ASYNC110 -- senders know of no kill
                await asyncio.sleep(0.005)
            await asyncio.sleep(chance.random() * LONGEST_LIFE_SECONDS)
            for task in sending:
                assert not task.done(), task.exception()
            os.kill(child, signal.SIGKILL)
            assert len(senders.acknowledged) > before
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    return senders


async def check(settings: Settings, senders: Senders) -> None:
    async with open_runtime(settings) as runtime, runtime.database.read() as session:
        rows = (await session.execute(text("SELECT id, profile_id FROM events"))).tuples().all()
        if runtime.database.dialect == "sqlite":
            assert await session.scalar(text("PRAGMA integrity_check")) == "ok"
    stored = {event_id for event_id, _ in rows}
    assert len(stored) == len(rows)
    assert senders.acknowledged <= stored
    assert senders.failed >= KILLS / 2  # else nothing was killed where it could hurt
    # A batch is stored whole or not at all, and what an anonymous profile did belongs to the known one.
    assert len(stored) % BATCH == 0
    lost = {owner for event_id, owner in rows if owner.startswith("a-") and event_id in senders.acknowledged}
    assert lost == set()


@pytest.mark.slow
async def test_what_was_acknowledged_survives_fifty_kills_in_sqlite(tmp_path: Path):
    settings = Settings(data_dir=str(tmp_path / "var"))
    await check(settings, await killed_again_and_again(settings))


@pytest.mark.slow
@pytest.mark.postgres
async def test_what_was_acknowledged_survives_fifty_kills_in_postgresql(tmp_path: Path, postgres_url: str):
    settings = Settings(data_dir=str(tmp_path / "var"), database_url=postgres_url)
    await check(settings, await killed_again_and_again(settings))
