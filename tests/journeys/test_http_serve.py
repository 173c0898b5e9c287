"""`pitchwright serve` from outside: it starts, answers, ends on Ctrl-C, and says when its port is taken."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import httpx
import pytest

from tests.service.chat_server import Reply, Request, chat_server, models, piece

START_SECONDS = 90
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(NamedTuple):
    """A server in a process of its own.

    What it prints goes to files: a pipe that nobody reads holds 64 KiB, some 200 requests' lines of log,
    and then the server stands still.
    """

    process: subprocess.Popen[str]
    out: IO[str]
    err: IO[str]

    def printed(self, seconds: float) -> tuple[str, str]:
        """Wait until it has ended; return what it wrote to stdout and to stderr."""
        self.process.wait(seconds)
        self.out.seek(0)
        self.err.seek(0)
        return self.out.read(), self.err.read()


@contextmanager
def served(folder: Path, port: int, **settings: str) -> Iterator[Server]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PITCHWRIGHT_")}
    environ |= {f"PITCHWRIGHT_{name.upper()}": value for name, value in settings.items()}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "service.cli", "--data-dir", str(folder), "serve"],
            env={**environ, "PITCHWRIGHT_PORT": str(port), "PITCHWRIGHT_EMBEDDER": "offline"},
            stdout=out,
            stderr=err,
            text=True,
        )
        try:
            yield Server(process, out, err)
        finally:
            process.kill()
            process.wait()


async def answering(url: str) -> httpx.Response:
    """The first answer; the server needs a moment to open its store."""
    async with httpx.AsyncClient() as client, asyncio.timeout(START_SECONDS):
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_client_that_goes_away_ends_the_generation(tmp_path: Path):
    writing: set[int] = set()
    numbers = itertools.count()
    ended = asyncio.Event()

    async def slowly(number: int) -> AsyncGenerator[bytes]:
        writing.add(number)
        try:
            while True:
                yield piece("word ")
                await asyncio.sleep(0.05)
        finally:
            writing.discard(number)
            ended.set()

    async def handle(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("m")
        assert request.body["stream"]
        return Reply(pieces=slowly(next(numbers)))

    folder, port = tmp_path / "var", free_port()
    made = await asyncio.to_thread(
        subprocess.check_output,
        [
            sys.executable,
            "-m",
            "service.cli",
            "--data-dir",
            str(folder),
            "keys",
            "create",
            "studio",
            "--scope",
            "copy",
            "--json",
        ],
        text=True,
    )
    key = json.loads(made)["text"]
    async with chat_server(handle) as engine:
        with served(folder, port, engine_url=engine, engine_model="m"):
            await answering(f"http://127.0.0.1:{port}/health/live")
            asked = {"channel": "push", "n": 2, "product": {"id": "1", "title": "Oak bird table"}}
            headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
            async with httpx.AsyncClient(timeout=60) as client:
                url = f"http://127.0.0.1:{port}/v1/drafts"
                async with client.stream("POST", url, json=asked, headers=headers) as response:
                    assert response.status_code == 200
                    async for line in response.aiter_lines():
                        if line.startswith("data:") and len(writing) == 2:
                            break
            async with asyncio.timeout(10):
                while writing:
                    await ended.wait()
                    ended.clear()
    assert writing == set()


def test_the_server_answers_and_ends_cleanly_on_ctrl_c(tmp_path: Path):
    port = free_port()
    with served(tmp_path / "var", port) as server:
        response = asyncio.run(answering(f"http://127.0.0.1:{port}/health/live"))
        assert response.json() == {"status": "ok"}
        with served(tmp_path / "other", port) as second:
            out, err = second.printed(START_SECONDS)
            assert second.process.returncode == 3
            assert f"127.0.0.1:{port}" in err
            assert "PITCHWRIGHT_PORT" in err
            assert "Traceback" not in err
            assert out == ""
        server.process.send_signal(signal.SIGINT)
        out, err = server.printed(STOP_SECONDS)
        assert server.process.returncode in {0, 130}, err
        assert "Traceback" not in err
        assert out == ""
