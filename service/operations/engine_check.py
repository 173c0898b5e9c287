"""The doctor's look at engines: their model's files or their servers, and one token of an answer."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from prompts.engine import Ask, Engine, Message
from prompts.errors import EngineError
from service.errors import ServiceError
from service.llm.load import POCKET_FOLDER, load_engine
from service.llm.transformers_engine import digest
from service.operations.model import Check, failed
from service.settings import Settings, mask_url

NEEDED = ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors")
"""Files without which the embedded model does not open."""
CARD = "MODEL_CARD.md"
ASK = Ask(messages=(Message(role="user", content="Say yes."),), max_tokens=1, temperature=0.0)


async def check_engines(settings: Settings) -> AsyncGenerator[Check]:
    """Look at the embedded model's files, then ask whatever writes for one token; each server by itself."""
    if settings.engine_url is None and settings.engine_model is None:
        yield await asyncio.to_thread(_files_check, POCKET_FOLDER)
    if settings.engine_url is None and settings.engine_runtime == "vllm":
        detail = "vLLM in this process takes a minute to load and was not tried: `pitchwright draft` does"
        yield Check(name="engine", status="warning", detail=detail)
        return
    urls = [url.strip() for url in (settings.engine_url or "").split(",") if url.strip()]
    if not urls:
        yield await _engine_check("engine", settings)
    for url in urls:
        yield await _engine_check(
            f"engine {mask_url(url)}", msgspec.structs.replace(settings, engine_url=url)
        )


def _files_check(folder: Path) -> Check:
    """Hold the embedded model's weights against the digest its card lists."""
    name, again = "model files", "install pitchwright again"
    missing = [each for each in (*NEEDED, CARD) if not (folder / each).is_file()]
    if missing:
        return Check(name=name, status="failed", detail=f"{folder} lacks {', '.join(missing)}: {again}")
    listed = re.search(r"\| sha256 \| `([0-9a-f]{64})`", (folder / CARD).read_text(encoding="utf-8"))
    found = digest([folder / "model.safetensors"])
    if listed is None or listed[1] != found:
        wanted = listed[1] if listed else "none"
        detail = f"{folder / 'model.safetensors'} has sha256 {found}, its card lists {wanted}: {again}"
        return Check(name=name, status="failed", detail=detail)
    return Check(name=name, status="ok", detail=f"{folder}, sha256 {found[:8]} as listed")


async def _engine_check(name: str, settings: Settings) -> Check:
    try:
        engine = await asyncio.to_thread(load_engine, settings)
        try:
            return await _asked(name, engine)
        finally:
            await engine.close()
    except (EngineError, ServiceError, OSError) as error:
        return failed(name, error)


async def _asked(name: str, engine: Engine) -> Check:
    well = await engine.healthy()
    started = time.perf_counter()
    (answer,) = await engine.generate([ASK])
    took = time.perf_counter() - started
    said = f"{engine.info.model} by {engine.info.name}, {answer.completion_tokens} token in {took:.2f} s"
    if not well:
        detail = f"{said}, but its list of models does not answer: readiness will say that it is down"
        return Check(name=name, status="warning", detail=detail)
    note = f". {engine.info.note}" if engine.info.note else ""
    return Check(name=name, status="ok", detail=said + note)
