"""No unit is lost and none is written twice, whichever is killed again and again: worker, service, engine."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text

from prompts.engine import Ask
from service import runtime as runtime_module
from service.benchmarks.processes import free_port
from service.campaigns.job import Job
from service.campaigns.ordering import retry_failed
from service.campaigns.tables import UnitRow
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from tests.contracts.conftest import postgres_socket as postgres_socket
from tests.contracts.conftest import postgres_url as postgres_url
from tests.eval.scripted import words
from tests.indexing.plain_embedder import PlainEmbedder
from tests.journeys.test_http_serve import answering
from tests.service.campaigns.shop import SlowEngine, fill_shop, job, order
from tests.service.chat_server import chat_server, serving

KILLS = 50
ITEMS = tuple(f"can-{number}" for number in range(500))
LONGEST_LIFE_SECONDS = 0.25
SERVICE_KILLS = 4
"""Of the service and the engine in turn."""
SERVED = 80
"""Items, of twice as many units, while these are killed."""


class Workers:
    """Two processes that write, of which one is killed now and then."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.alive: list[int] = []

    async def start(self, port: int | None = None) -> None:
        """Start a worker, or the service with one inside."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("" if port is None else port, file=self._process.stdin, flush=True)
        self.alive.append(int(await asyncio.to_thread(self._process.stdout.readline)))

    def kill(self, chance: random.Random) -> None:
        os.kill(self.alive.pop(chance.randrange(len(self.alive))), signal.SIGKILL)


class EngineProcess:
    """The scripted engine behind a port, which is killed and comes back there."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.journeys.campaign_engine", str(self._port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@contextlib.contextmanager
def workers(settings: Settings) -> Iterator[Workers]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PITCHWRIGHT_")}
    environ |= {
        f"PITCHWRIGHT_{name.upper()}": str(value)
        for name in ("data_dir", "database_url", "engine_url", "engine_model")
        if (value := getattr(settings, name)) is not None
    }
    command = [sys.executable, "-m", "tests.journeys.campaign_workers"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=Path(__file__).parents[2],
    ) as process:
        made = Workers(process)
        try:
            yield made
        finally:
            for each in made.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            process.kill()


def reply(ask: Ask) -> str:
    """Copy that passes at the first try."""
    (product,) = set(re.findall(r"Copper Can \d+", ask.messages[-1].content))
    return json.dumps({"title": f"{product} is here", "body": f"Meet {product}, {words(ask)}."})


async def finished(runtime: Runtime) -> dict[str, datetime | None]:
    async with runtime.database.read() as session:
        query = select(UnitRow.custom_id, UnitRow.finished_at).where(UnitRow.state == "done")
        return dict((await session.execute(query)).tuples().all())


async def until(runtime: Runtime, campaign_id: str, more_than: int) -> Job:
    """Wait until more units are done than so many, or the campaign is over."""
    deadline = time.monotonic() + 60
    while True:
        found = await job(runtime, campaign_id)
        if found.request_counts.completed > more_than or found.status not in ("queued", "running"):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def killed_again_and_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
    chance, engine = random.Random(7), SlowEngine(reply)
    engine.seconds = 0.15
    async with chat_server(serving(engine, "scripted")) as url:
        settings = msgspec.structs.replace(settings, engine_url=url, engine_model="scripted")
        async with open_runtime(settings) as runtime:
            await fill_shop(runtime, items=ITEMS)
            campaign_id = await order(runtime, items=ITEMS)
            with workers(settings) as pair:
                await pair.start()
                seen: dict[str, datetime | None] = {}
                for _ in range(KILLS):
                    await pair.start()
                    await until(runtime, campaign_id, len(seen))
                    await asyncio.sleep(chance.random() * LONGEST_LIFE_SECONDS)
                    seen |= await finished(runtime)
                    pair.kill(chance)
                    assert seen.items() <= (await finished(runtime)).items()
                at_last_kill = await job(runtime, campaign_id)
                await pair.start()
                done = await completed(runtime, campaign_id)
            print(f"{KILLS} kills, {len(engine.asks)} asks")
            units = await finished(runtime)
            total = 2 * len(ITEMS)
            assert at_last_kill.status == "running"  # else nothing was killed while it worked
            assert (done.status, done.request_counts.completed, len(units)) == ("completed", total, total)
            assert seen.items() <= units.items()
            if runtime.database.dialect == "sqlite":
                async with runtime.database.read() as session:
                    assert await session.scalar(text("PRAGMA integrity_check")) == "ok"


@pytest.mark.slow
async def test_a_killed_service_or_engine_loses_and_repeats_no_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
    chance, engine, port = random.Random(11), EngineProcess(), free_port()
    settings = Settings(
        data_dir=str(tmp_path / "var"), engine_url=f"{engine.url}/v1", engine_model="scripted"
    )
    async with open_runtime(settings) as runtime:
        await fill_shop(runtime, items=ITEMS[:SERVED])
        campaign_id = await order(runtime, items=ITEMS[:SERVED])
        try:
            await asyncio.to_thread(engine.start)
            with workers(settings) as service:
                await service.start(port)
                seen: dict[str, datetime | None] = {}
                for kill in range(SERVICE_KILLS):
                    await until(runtime, campaign_id, len(seen))
                    await asyncio.sleep(chance.random() * LONGEST_LIFE_SECONDS)
                    seen |= await finished(runtime)
                    if kill % 2:
                        engine.kill()
                        await asyncio.sleep(chance.random())  # so that some asks find nobody there
                        await asyncio.to_thread(engine.start)
                    else:
                        service.kill(chance)
                        await service.start(port)
                    assert seen.items() <= (await finished(runtime)).items()
                at_last_kill = await job(runtime, campaign_id)
                assert (await answering(f"http://127.0.0.1:{port}/health/live")).status_code == 200
                done = await completed(runtime, campaign_id)
        finally:
            engine.kill()
        units = await finished(runtime)
        assert at_last_kill.status == "running"  # else nothing was killed while it worked
        assert (done.status, done.request_counts.failed) == ("completed", 0)
        assert done.request_counts.completed == len(units) == 2 * SERVED
        assert seen.items() <= units.items()


async def completed(runtime: Runtime, campaign_id: str) -> Job:
    """Wait until the campaign is over, and once more for what was set aside.

    Its worker was killed three times, or was slower on a busy machine than the tests' short leases.
    """
    while (found := await job(runtime, campaign_id)).status == "running":
        await until(runtime, campaign_id, found.request_counts.completed)
    if found.request_counts.failed:
        assert [each.code for each in found.errors.data] == ["worker_stopped"]
        await retry_failed(runtime, "shop", campaign_id)
        return await completed(runtime, campaign_id)
    return found


@pytest.mark.slow
async def test_fifty_kills_lose_and_repeat_no_unit_in_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await killed_again_and_again(Settings(data_dir=str(tmp_path / "var")), monkeypatch)


@pytest.mark.slow
@pytest.mark.postgres
async def test_fifty_kills_lose_and_repeat_no_unit_in_postgresql(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    settings = Settings(data_dir=str(tmp_path / "var"), database_url=postgres_url)
    await killed_again_and_again(settings, monkeypatch)
