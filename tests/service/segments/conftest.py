"""The shop of 60 people, filled once on each store and copied for each test."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from service.runtime import Runtime, open_runtime
from service.settings import Settings
from tests.contracts.stores import Store
from tests.contracts.stores import store as store
from tests.service.segments.people_shop import NOW, fill_shop, settings_of


@pytest.fixture(scope="session")
def filled_shop(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder, url = tmp_path_factory.mktemp("people") / "var", store.empty()
    asyncio.run(fill_shop(folder, url))
    return settings_of(folder, url)


@pytest.fixture
def copied_shop(store: Store, filled_shop: Settings, tmp_path: Path) -> Iterator[Settings]:
    with store.copied(Path(filled_shop.data_dir), filled_shop.database_url, tmp_path / "var") as url:
        yield settings_of(tmp_path / "var", url)


@pytest.fixture
async def runtime(copied_shop: Settings) -> AsyncGenerator[Runtime]:
    async with open_runtime(copied_shop, clock=lambda: NOW) as opened:
        yield opened
