"""Fixtures of the HTTP tests."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from indexing.embedder import Embedder
from service import runtime
from service.settings import Settings
from tests.service.http.shop import Shop, client_of, make_shop


@pytest.fixture(scope="session", autouse=True)
def one_embedder() -> Iterator[None]:
    """Read the sentence encoder's weights once for all applications of the session."""
    loaded: dict[str, Embedder] = {}
    load = runtime._load_embedder  # pyright: ignore[reportPrivateUsage]

    def once(settings: Settings) -> Embedder:
        return loaded.setdefault(settings.embedder, loaded.get(settings.embedder) or load(settings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_load_embedder", once)
        yield


@pytest.fixture(scope="session")
def made_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return asyncio.run(make_shop(tmp_path_factory.mktemp("shop") / "var"))


@pytest.fixture
def shop(made_shop: Shop, tmp_path: Path) -> Shop:
    folder = tmp_path / "var"
    shutil.copytree(made_shop.folder, folder)
    return msgspec.structs.replace(made_shop, folder=folder)


@pytest.fixture
async def client(shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(shop.settings(), shop.keys["default/admin"]) as opened:
        yield opened
