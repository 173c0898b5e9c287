"""Fixtures of the HTTP tests, which run on both stores."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import pytest

from indexing.embedder import Embedder
from service import runtime
from service.settings import Settings
from tests.contracts.stores import Store
from tests.contracts.stores import store as store
from tests.service.http.shop import Shop, client_of, copy_of, make_shop


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
def made_shop(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return asyncio.run(make_shop(tmp_path_factory.mktemp("shop") / "var", store.empty()))


@pytest.fixture
def shop(store: Store, made_shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    with copy_of(made_shop, store, tmp_path / "var") as copy:
        yield copy


@pytest.fixture
async def client(shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(shop.settings(), shop.keys["default/admin"]) as opened:
        yield opened
