"""What a script of one's own would do with the same events: rows into the same schema by the driver alone."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.errors import DependencyError, ExtraMissing, SettingsError
from service.settings import mask_url
from service.sqlite import SQLITE_PRAGMAS

Row = tuple[Any, ...]
Batch = Sequence[Row]

COLUMNS = (
    "workspace_id",
    "id",
    "profile_id",
    "type",
    "item_id",
    "value",
    "quantity",
    "occurred_at",
    "properties",
    "recorded_at",
)
_TIMES = (COLUMNS.index("occurred_at"), COLUMNS.index("recorded_at"))
_SQLITE_TIME = "%Y-%m-%d %H:%M:%S.%f"
_RECORDED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Bare(Protocol):
    """A store with the service's schema in it, and one way to write events there."""

    def ready(self, batch: Batch) -> Batch:
        """Give a batch as the driver takes it."""
        ...

    async def write(self, batches: Sequence[Batch]) -> float:
        """Write batches, each durable before the next; give the seconds."""
        ...


def event_rows(batch: Sequence[dict[str, Any]], workspace: str) -> Batch:
    """Give the rows that events, as they go over HTTP, are stored as."""
    return [
        (
            workspace,
            *(event[name] for name in COLUMNS[1:7]),
            datetime.fromisoformat(event["occurred_at"]),
            msgspec.json.encode(event["properties"]).decode(),
            _RECORDED_AT,
        )
        for event in batch
    ]


class SqliteInserts:
    """`executemany` of Python's own driver."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        marks = ", ".join("?" * len(COLUMNS))
        self._insert = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 # our own names

    def ready(self, batch: Batch) -> Batch:
        """Give times as the store keeps them: text."""
        return [
            tuple(each.strftime(_SQLITE_TIME) if place in _TIMES else each for place, each in enumerate(row))
            for row in batch
        ]

    async def write(self, batches: Sequence[Batch]) -> float:
        """Write each batch as a transaction."""
        return await asyncio.to_thread(self._write, batches)

    def _write(self, batches: Sequence[Batch]) -> float:
        begun = time.perf_counter()
        for rows in batches:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(self._insert, rows)
            self._connection.execute("COMMIT")
        return time.perf_counter() - begun


class PostgresInserts:
    """`executemany` of asyncpg, or `COPY` where that is asked for; either is a transaction of its own."""

    def __init__(self, connection: Any, *, copying: bool = False) -> None:
        self._connection, self._copying = connection, copying
        marks = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
        self._insert = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 # our own names

    def ready(self, batch: Batch) -> Batch:
        """Give it as it is."""
        return batch

    async def write(self, batches: Sequence[Batch]) -> float:
        """Write each batch as a transaction."""
        begun = time.perf_counter()
        for rows in batches:
            if self._copying:
                await self._connection.copy_records_to_table("events", records=rows, columns=COLUMNS)
            else:
                await self._connection.executemany(self._insert, rows)
        return time.perf_counter() - begun


@asynccontextmanager
async def opened(folder: Path, url: str | None, *, copying: bool = False) -> AsyncGenerator[Bare]:
    """Open a migrated store by its driver: the SQLite file of a data folder, or a PostgreSQL database."""
    if url is None:
        file = folder / "pitchwright.db"
        with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as connection:
            for pragma in SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            yield SqliteInserts(connection)
        return
    connection = await _connected(url)
    try:
        yield PostgresInserts(connection, copying=copying)
    finally:
        await connection.close()


@asynccontextmanager
async def own_databases(url: str, count: int) -> AsyncGenerator[list[str]]:
    """Make empty databases on the server that a URL names, give their URLs, and drop them at the end.

    Raises SettingsError for a URL that is not PostgreSQL's, ExtraMissing without the driver, and
    DependencyError where nothing answers or no database may be made.
    """
    try:
        server = make_url(url)
    except ArgumentError:
        server = None
    if server is None or server.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingsError(
            f"{mask_url(url)!r} names no PostgreSQL server: write postgresql://USER:PASSWORD@HOST/NAME, or "
            "leave it out for SQLite"
        )
    names = [f"pitchwright_bench_{uuid4().hex}" for _ in range(count)]
    made: list[str] = []
    connection = await _connected(url)
    try:
        for name in names:
            try:
                await connection.execute(f"CREATE DATABASE {name}")
            except import_module("asyncpg").PostgresError as error:
                raise DependencyError(
                    f"the benchmark makes databases of its own, and cannot: {error}"
                ) from error
            made.append(name)
        yield [server.set(database=name).render_as_string(hide_password=False) for name in names]
    finally:
        for name in made:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def _connected(url: str) -> Any:
    try:
        asyncpg: Any = import_module("asyncpg")  # it has no types
    except ModuleNotFoundError:
        raise ExtraMissing(
            'PostgreSQL needs a package that is not installed (asyncpg): pip install "pitchwright[postgres]"'
        ) from None
    try:
        return await asyncpg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
    except (OSError, asyncpg.PostgresError) as error:
        raise DependencyError(f"PostgreSQL at {mask_url(url)!r} does not answer: {error}") from error
