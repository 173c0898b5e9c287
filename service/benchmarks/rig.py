"""What a benchmark of the desk sets up: recorded answers, a stand-in that gives them, the service itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.copywriter import first_asks
from prompts.engine import Dialect
from service.benchmarks.paced import Recorded, ask_key, save_answers
from service.benchmarks.processes import free_port, started
from service.llm.load import POCKET_FOLDER
from service.llm.transformers_engine import TransformersEngine
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import create_key, create_workspace

Progress = Callable[[str, int, int | None], None]


class Service(msgspec.Struct, frozen=True):
    """The service under measurement."""

    url: str
    """Where drafts are asked for."""
    headers: Mapping[str, dict[str, str]]
    """What opens it, by workspace."""
    process: int


async def record(briefs: Sequence[Brief], tell: Progress) -> dict[str, dict[int, Recorded]]:
    """Let the embedded model answer every first ask: what the stand-in will say."""
    opening = partial(TransformersEngine.open, POCKET_FOLDER, dialect="pocket", timeout_seconds=3600)
    engine = await asyncio.to_thread(opening)
    recorded: dict[str, dict[int, Recorded]] = {}
    try:
        for first in range(0, len(briefs), 64):
            tell("recording answers", first, len(briefs))
            chunk = briefs[first : first + 64]
            asks = [ask for brief in chunk for ask in first_asks(brief, engine.info, Catalog.load())]
            for ask, answer in zip(asks, await engine.generate(asks), strict=True):
                kept = recorded.setdefault(ask_key(ask), {})
                kept[ask.seed] = Recorded(answer.text, answer.completion_tokens)
    finally:
        await engine.close()
    return recorded


@contextmanager
def paced_engine(
    answers: Mapping[str, Mapping[int, Recorded]],
    tokens_per_second: float,
    folder: Path,
    slots: int | None = None,
) -> Generator[str]:
    """Run the stand-in until the block ends; give its address."""
    path, port = folder / "answers.json", free_port()
    save_answers(path, answers)
    numbers = (tokens_per_second, port) if slots is None else (tokens_per_second, port, slots)
    arguments = ("-m", "service.benchmarks.paced", path, *map(str, numbers))
    url = f"http://127.0.0.1:{port}"
    with started(arguments, f"{url}/health", folder / "engine.log"):
        yield url


@asynccontextmanager
async def served(
    settings: Settings,
    folder: Path,
    *,
    engine: str,
    model: str,
    concurrency: int,
    dialect: Dialect = "pocket",
    queue: int | None = None,
    workspaces: Sequence[str] = (),
) -> AsyncGenerator[Service]:
    """Run `pitchwright serve` on a store of its own until the block ends.

    `workspaces` beside the one of the settings; `queue` is the setting, its default when none. Raises
    DependencyError when it does not come up.
    """
    own = msgspec.structs.replace(
        settings, data_dir=str(folder / "var"), database_url=None, engine_url=engine, engine_model=model
    )
    headers: dict[str, dict[str, str]] = {}
    async with open_runtime(own) as runtime:
        for workspace in (own.workspace, *workspaces):
            await create_workspace(runtime, workspace)
            key = (await create_key(runtime, workspace, "bench", ["copy"])).text
            headers[workspace] = {"Authorization": f"Bearer {key}"}
    port = free_port()
    environment = {
        "PITCHWRIGHT_ENGINE_URL": engine,
        "PITCHWRIGHT_ENGINE_MODEL": model,
        "PITCHWRIGHT_ENGINE_DIALECT": dialect,
        "PITCHWRIGHT_ENGINE_CONCURRENCY": str(concurrency),
        "PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS": "600",
        "PITCHWRIGHT_EMBEDDER": settings.embedder,
        "PITCHWRIGHT_WORKSPACE": own.workspace,
        "PITCHWRIGHT_PORT": str(port),
        "PITCHWRIGHT_LOG_LEVEL": "warning",
    }
    if queue is not None:
        environment["PITCHWRIGHT_ENGINE_QUEUE"] = str(queue)
    arguments = ("-m", "service.cli", "--data-dir", own.data_dir, "serve")
    url = f"http://127.0.0.1:{port}"
    with started(arguments, f"{url}/health/live", folder / "service.log", environment) as process:
        yield Service(f"{url}/v1/drafts", headers, process)


def request_of(brief: Brief) -> dict[str, Any]:
    """Ask over HTTP for what a brief says."""
    fields = ("channel", "product", "audience", "offer", "tone", "goal", "personalise", "n", "seed")
    return msgspec.to_builtins({name: getattr(brief, name) for name in fields})
