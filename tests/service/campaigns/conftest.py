"""The shop of campaigns, filled once and copied for each test."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from prompts.brief import Brief
from prompts.variant import Variant
from service import runtime as runtime_module
from service.campaigns import writing
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from tests.contracts.conftest import Clock
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.campaigns.shop import SlowEngine, fill_shop


@pytest.fixture(scope="session")
def filled_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaigns") / "var"

    async def fill() -> None:
        async with open_runtime(Settings(data_dir=str(folder)), clock=Clock()) as runtime:
            await fill_shop(runtime)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
        asyncio.run(fill())
    return folder


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SlowEngine:
    made = SlowEngine()
    monkeypatch.setattr(runtime_module, "_load_engine", lambda _: made)
    return made


async def unscored(
    runtime: Runtime, brief: Brief, variants: Sequence[Variant], control: Variant | None, pause_seconds: float
) -> tuple[list[Variant], Variant | None]:
    """Stand in for the scorers, which take longer than all the rest."""
    del runtime, brief, pause_seconds
    return list(variants), control


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(
    filled_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: SlowEngine, clock: Clock
) -> AsyncGenerator[Runtime]:
    monkeypatch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
    monkeypatch.setattr(writing, "score_beside", unscored)
    shutil.copytree(filled_shop, tmp_path / "var")
    async with open_runtime(Settings(data_dir=str(tmp_path / "var")), clock=clock) as opened:
        yield opened
