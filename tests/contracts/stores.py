"""A store that tests fill once and copy for each of them: SQLite, and PostgreSQL where the marker is.

Whoever imports the fixture `store` has its tests run on both.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from tests.contracts.postgres_cluster import cluster

STORES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


class Store(msgspec.Struct, frozen=True):
    """One kind of store: a file in the data folder, or databases on a cluster."""

    socket: Path | None = None
    """The cluster's; none for SQLite."""

    def empty(self) -> str | None:
        """URL of a database with nothing in it; none for SQLite, whose file is made when it is opened."""
        return self._made("template1") if self.socket else None

    @contextmanager
    def copied(self, folder: Path, url: str | None, into: Path) -> Iterator[str | None]:
        """Copy a data folder and its database, which nobody may have open; yields the copy's URL."""
        shutil.copytree(folder, into)
        if url is None:
            yield None
            return
        copy = self._made(_name(url))
        try:
            yield copy
        finally:
            self._execute(f"DROP DATABASE {_name(copy)} WITH (FORCE)")

    def _made(self, template: str) -> str:
        name = f"t{uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql://postgres@/{name}?host={self.socket}"

    def _execute(self, statement: str) -> None:
        import asyncpg

        async def execute() -> None:
            connection = await asyncpg.connect(host=str(self.socket), user="postgres", database="postgres")
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(execute())


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "sqlite":
        yield Store()
        return
    with cluster() as socket:
        yield Store(socket)


@pytest.fixture
def database_url(store: Store) -> str | None:
    """An empty database of a test's own."""
    return store.empty()
