"""Stores to hold to the contract: SQLite always, PostgreSQL where the marker is selected."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace
from tests.contracts.postgres_cluster import cluster

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: float) -> None:
        self.now += timedelta(**step)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    with cluster() as folder:
        yield folder


@pytest.fixture
def postgres_url(postgres_socket: Path) -> str:
    """An empty database of its own."""
    import asyncpg

    name = f"t{uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(host=str(postgres_socket), user="postgres", database="postgres")
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    asyncio.run(create())
    return f"postgresql://postgres@/{name}?host={postgres_socket}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return Settings(data_dir=str(tmp_path / "var"), database_url=url, executor_threads=2, embedder="offline")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(settings: Settings, clock: Clock) -> AsyncIterator[Runtime]:
    """A migrated store with one empty workspace, `shop`."""
    async with open_runtime(settings, clock=clock) as opened:
        await create_workspace(opened, "shop")
        yield opened
