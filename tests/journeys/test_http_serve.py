"""`pitchwright serve` from outside: it starts, answers, ends on Ctrl-C, and says when its port is taken."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 90
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PITCHWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "service.cli", "--data-dir", str(folder), "serve"],
        env={**environ, "PITCHWRIGHT_PORT": str(port), "PITCHWRIGHT_EMBEDDER": "offline"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
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


def test_the_server_answers_and_ends_cleanly_on_ctrl_c(tmp_path: Path):
    port = free_port()
    with served(tmp_path / "var", port) as process:
        response = asyncio.run(answering(f"http://127.0.0.1:{port}/health/live"))
        assert response.json() == {"status": "ok"}
        with served(tmp_path / "other", port) as second:
            out, err = second.communicate(timeout=START_SECONDS)
            assert second.returncode == 3
            assert f"127.0.0.1:{port}" in err
            assert "PITCHWRIGHT_PORT" in err
            assert "Traceback" not in err
            assert out == ""
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode in {0, 130}, err
        assert "Traceback" not in err
        assert out == ""
