"""SIGTERM under load, from outside: whoever asked while the server took requests gets an answer."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.journeys.test_http_serve import answering, free_port, served
from tests.service.chat_server import Reply, Request, chat_server, event, models, piece

pytestmark = pytest.mark.slow

STOP_SECONDS = 90


def made_key(folder: Path) -> str:
    command = [sys.executable, "-m", "service.cli", "--data-dir", str(folder), "keys", "create", "crm"]
    made = subprocess.check_output([*command, "--scope", "admin", "--json"], text=True)
    return str(json.loads(made)["text"])


async def slowly() -> AsyncGenerator[bytes]:
    """An answer that takes two seconds to write."""
    for text in [*json.dumps({"title": "Oak bird table", "body": "Somewhere to land."}), None]:
        yield piece(text, None if text else "stop")
        await asyncio.sleep(0.04)
    yield event(b"[DONE]")


async def handle(request: Request) -> Reply:
    if request.path == "/v1/models":
        return models("m")
    return Reply(pieces=slowly(), headers=(("content-type", "text/event-stream"),))


async def test_nobody_notices_that_a_server_ends(tmp_path: Path):
    folder, port = tmp_path / "var", free_port()
    key = await asyncio.to_thread(made_key, folder)
    url, told_to_leave, answers, readiness = (
        f"http://127.0.0.1:{port}",
        asyncio.Event(),
        list[int](),
        list[int](),
    )

    async def watch() -> None:
        """A load balancer: it sends nobody here any more once readiness says no."""
        async with httpx.AsyncClient() as client:
            while not told_to_leave.is_set():
                readiness.append((await client.get(f"{url}/health/ready")).status_code)
                if readiness[-1] == 503:
                    told_to_leave.set()
                await asyncio.sleep(0.05)

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        while not told_to_leave.is_set():
            rows = [{"id": f"i-{number}-{len(answers)}", "title": "Trowel"}]
            answers.append((await client.post(f"{url}/v1/items", json=rows)).status_code)

    async def write(client: httpx.AsyncClient) -> list[str]:
        asked = {"channel": "push", "n": 1, "product": {"id": "1", "title": "Oak bird table"}}
        headers = {"Accept": "text/event-stream"}
        async with client.stream("POST", f"{url}/v1/drafts", json=asked, headers=headers) as response:
            assert response.status_code == 200
            return [line async for line in response.aiter_lines() if line.startswith("event:")]

    async with chat_server(handle) as engine:
        settings = {"engine_url": engine, "engine_model": "m", "drain_seconds": "3", "shutdown_seconds": "60"}
        with served(folder, port, **settings) as server:
            await answering(f"{url}/health/live")
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(timeout=90, headers=headers) as client:
                await write(client)  # from here on everything is loaded
                stream = asyncio.create_task(write(client))
                load = [asyncio.create_task(ask(client, number)) for number in range(8)]
                watching = asyncio.create_task(watch())
                await asyncio.sleep(1)
                before = len(answers)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.gather(watching, *load)
                events = await stream
            _, err = await asyncio.to_thread(server.printed, STOP_SECONDS)
    assert server.process.returncode == 0, err
    assert (readiness[0], readiness[-1]) == (200, 503)
    assert len(answers) > before > 0
    assert set(answers) == {200}
    assert events[-1] == "event: done"
    assert "Traceback" not in err
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [line["seconds"] for line in lines if line["event"] == "draining"] == [3.0]


async def test_what_takes_longer_than_the_limit_is_broken_off(tmp_path: Path):
    folder, port = tmp_path / "var", free_port()
    key = await asyncio.to_thread(made_key, folder)
    asked_for = asyncio.Event()

    async def hang(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("m")
        asked_for.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with chat_server(hang) as engine:
        settings = {"engine_url": engine, "engine_model": "m", "shutdown_seconds": "0.5"}
        with served(folder, port, **settings) as server:
            await answering(f"http://127.0.0.1:{port}/health/live")
            asked = {"channel": "push", "n": 1, "product": {"id": "1", "title": "Oak bird table"}}
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(timeout=90, headers=headers) as client:
                writing = asyncio.create_task(client.post(f"http://127.0.0.1:{port}/v1/drafts", json=asked))
                await asyncio.wait_for(asked_for.wait(), 30)
                server.process.send_signal(signal.SIGTERM)
                _, err = await asyncio.to_thread(server.printed, STOP_SECONDS)
                answer = await writing
    assert server.process.returncode == 0, err
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "requests broken off" in err
