"""The shop of 60 people, filled once and copied for each test."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from service.runtime import Runtime, open_runtime
from tests.contracts.conftest import Clock
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.segments.people_shop import fill_shop, settings_of


@pytest.fixture(scope="session")
def filled_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "var"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
        asyncio.run(fill_shop(folder))
    return folder


@pytest.fixture
async def runtime(
    filled_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Runtime]:
    monkeypatch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
    shutil.copytree(filled_shop, tmp_path / "var")
    async with open_runtime(settings_of(tmp_path / "var"), clock=Clock()) as opened:
        yield opened
