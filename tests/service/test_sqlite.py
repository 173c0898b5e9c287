"""SQLite's connections: few crossings to their threads, and transactions that begin and end as they must."""

import asyncio
import ctypes
import ctypes.util
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.sqlite import _Connection  # pyright: ignore[reportPrivateUsage] # what crosses is seen nowhere else


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    async with opened.write() as session:
        await session.execute(text("CREATE TABLE words (word TEXT)"))
    yield opened
    await opened.close()


@pytest.fixture
def crossings(monkeypatch: pytest.MonkeyPatch, database: Database) -> list[str]:
    """What is sent to a connection's thread and waited for, from here on."""
    sent: list[str] = []
    execute = _Connection._execute  # pyright: ignore[reportPrivateUsage] # as above

    async def counted(self: _Connection, fn: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(fn.__name__)
        return await execute(self, fn, *args, **kwargs)

    monkeypatch.setattr(_Connection, "_execute", counted)
    return sent


async def words(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(text("SELECT word FROM words")))


async def write(database: Database, word: str) -> None:
    async with database.write() as session:
        await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})


async def test_a_read_waits_for_its_statements_alone(database: Database, crossings: list[str]) -> None:
    assert await words(database) == []
    assert crossings == ["_run"]


async def test_a_write_waits_for_its_statements_and_its_commit(
    database: Database, crossings: list[str]
) -> None:
    await write(database, "one")
    assert crossings == ["_run", "commit"]
    assert await words(database) == ["one"]


async def test_a_session_that_does_nothing_sends_nothing(database: Database, crossings: list[str]) -> None:
    async with database.read(), database.write():
        pass
    assert crossings == []


async def in_transaction(session: AsyncSession) -> bool:
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    return driver.in_transaction


async def test_a_look_is_one_statement_and_no_transaction(database: Database, crossings: list[str]) -> None:
    await write(database, "one")
    crossings.clear()
    query = text("SELECT word FROM words")
    async with database.look() as session:
        assert await session.scalar(query) == "one"
        assert not await in_transaction(session)
    assert crossings == ["_run"]
    async with database.read() as session:
        assert await session.scalar(query) == "one"
        assert await in_transaction(session)
    async with database.look() as session:
        await session.scalar(query)
        with pytest.raises(RuntimeError, match="one statement: several see one state by `read`"):
            await session.scalar(query)
    async with database.read() as session:  # the same connection, which reads as before
        assert [await session.scalar(query) for _ in range(3)] == ["one"] * 3


async def test_a_reader_sees_the_state_of_its_first_statement_to_its_end(database: Database) -> None:
    async with database.read() as session:
        query = text("SELECT count(*) FROM words")
        before = await session.scalar(query)
        await write(database, "one")
        assert await session.scalar(query) == before == 0
    assert await words(database) == ["one"]


async def test_a_writer_that_fails_leaves_nothing_and_the_lock_free(database: Database) -> None:
    async def fail(word: str) -> None:
        async with database.write() as session:
            await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
            raise ZeroDivisionError

    async with asyncio.timeout(20):
        for word in ("one", "two"):
            with pytest.raises(ZeroDivisionError):
                await fail(word)
        await write(database, "three")
    assert await words(database) == ["three"]


async def test_a_reader_that_is_cancelled_leaves_its_connection_fit_for_use(database: Database) -> None:
    slow = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT sum(i) "
        "FROM n"
    )

    async def read(way: Callable[[], AbstractAsyncContextManager[AsyncSession]]) -> None:
        async with way() as session:
            await session.execute(slow)

    for way in (database.read, database.look, database.read, database.look):
        reading = asyncio.create_task(read(way))
        await asyncio.sleep(0.005)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await write(database, "on")
    assert await words(database) == ["on"] * 4


@pytest.fixture
def taken() -> Any:
    """Say what SQLite has taken of this process's memory, in bytes."""
    maps = Path("/proc/self/maps")
    if not maps.exists() or "libsqlite3" not in maps.read_text(encoding="utf-8"):
        pytest.skip("this Python has an SQLite of its own, which cannot be asked what it takes")
    ask = ctypes.CDLL(ctypes.util.find_library("sqlite3")).sqlite3_memory_used
    ask.restype = ctypes.c_longlong
    return ask


async def test_a_connection_keeps_few_of_the_pages_it_has_read(database: Database, taken: Any) -> None:
    before: int = taken()
    async with database.write() as session:
        rows = [{"word": f"{number} {'x' * 2_000}"} for number in range(20_000)]
        await session.execute(text("INSERT INTO words VALUES (:word)"), rows)
        held: int = taken()
    assert held - before > 30 * 2**20, "what is to be committed is not written twice"
    assert await words(database) == [row["word"] for row in rows]
    assert taken() - before < 12 * 2**20
