"""Engines to hold to the contract: in process, over the wire, and the real vLLM behind its marker."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from service.llm.load import POCKET_FOLDER
from service.llm.openai_engine import OpenAIEngine
from service.llm.transformers_engine import TransformersEngine
from tests.service.chat_server import chat_server, serving

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 240.0


def pocket(timeout_seconds: float = 60.0) -> TransformersEngine:
    return TransformersEngine.open(
        POCKET_FOLDER, dialect="pocket", languages=("en",), timeout_seconds=timeout_seconds
    )


async def connected(url: str, timeout_seconds: float = 60.0) -> OpenAIEngine:
    def connect() -> OpenAIEngine:
        return OpenAIEngine.open(
            url, dialect="pocket", languages=("en",), timeout_seconds=timeout_seconds, retries=0
        )

    return await asyncio.to_thread(connect)


@asynccontextmanager
async def transformers_engine(timeout_seconds: float = 60.0) -> AsyncGenerator[TransformersEngine]:
    engine = pocket(timeout_seconds)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def openai_engine(timeout_seconds: float = 60.0) -> AsyncGenerator[OpenAIEngine]:
    """The pocket model behind a real HTTP server in this process."""
    async with transformers_engine() as behind, chat_server(serving(behind, "pocket")) as url:
        engine = await connected(url, timeout_seconds)
        try:
            yield engine
        finally:
            await engine.close()


@asynccontextmanager
async def vllm_engine(url: str, timeout_seconds: float = 60.0) -> AsyncGenerator[OpenAIEngine]:
    engine = await connected(url, timeout_seconds)
    try:
        yield engine
    finally:
        await engine.close()


@contextmanager
def vllm_server(log: Path) -> Generator[str]:
    """Start the real vLLM on the committed weights, in its own venv; give its address once it is healthy."""
    python = Path(os.environ.get("PITCHWRIGHT_VLLM_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))
    if not python.exists():
        raise FileNotFoundError(f"no vLLM at {python}: run `make test-vllm`, or set PITCHWRIGHT_VLLM_PYTHON")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", POCKET_FOLDER]
    command += ["--served-model-name", "pocket", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "512", "--enforce-eager"]
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_healthy(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            pass
        else:
            break
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            continue
    raise TimeoutError(f"vLLM did not come up, exit status {process.poll()}:\n{log.read_text()[-4000:]}")
