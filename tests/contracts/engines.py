"""Engines to hold to the contract: in process, over the wire, and the real vLLM behind its marker."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from prompts.engine import EngineInfo
from service.llm.load import POCKET_FOLDER
from service.llm.local_model import open_tokens
from service.llm.openai_engine import OpenAIEngine
from service.llm.pocket import vllm_server as pocket_server
from service.llm.transformers_engine import TransformersEngine
from service.llm.vllm_engine import VllmEngine
from tests.service.chat_server import chat_server, serving

ROOT = Path(__file__).resolve().parent.parent.parent


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


@asynccontextmanager
async def vllm_in_process(llm: Any, timeout_seconds: float = 60.0) -> AsyncGenerator[VllmEngine]:
    """An engine on a vLLM that stays: it takes a minute to start, and belongs to the session."""
    info = EngineInfo(name="vllm", model="pocket@session", dialect="pocket", languages=("en",))
    longest = llm.model_config.max_model_len
    yield VllmEngine(llm, open_tokens(POCKET_FOLDER), info, longest=longest, timeout_seconds=timeout_seconds)


def vllm_python() -> Path:
    """The interpreter that has the real vLLM."""
    return Path(os.environ.get("PITCHWRIGHT_VLLM_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))


@contextmanager
def vllm_server(log: Path) -> Generator[str]:
    """Start the real vLLM on the committed weights; give its address once it is healthy."""
    with pocket_server.vllm_server(vllm_python(), POCKET_FOLDER, log) as url:
        yield url
