"""SQLite behind the stores: its engine, what every connection is told first, and how a transaction begins."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.errors import DatabaseUnavailable, SettingsError

SQLITE_BUSY_SECONDS = 30
SQLITE_PRAGMAS = (
    f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}",
    "synchronous=FULL",  # an acknowledged write survives a power cut, too
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-8192",
    "cache_spill=-65536",
)
"""What every connection to SQLite is told first.

Each keeps 8 MiB of the file's pages, and up to 64 MiB of those it has changed and not yet committed. There
are up to 32 connections, and the system has the file's pages in memory as well.
"""
_ROWS_AHEAD = 100
"""Rows that come along with a statement's execution; most statements have no more."""


def sqlite_file(store: str) -> Path | None:
    """Return the file that a store's URL names; none when that is no SQLite."""
    url = make_url(store)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def in_use(file: Path) -> bool:
    """Whether another connection, of any process, has a database of ours open.

    Each in WAL mode holds a shared lock as long as it is open, and leaving that mode needs the only one.
    """
    with closing(sqlite3.connect(file, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            return True
    return False


def sqlite_engine(url: URL, **options: Any) -> AsyncEngine:
    """Make the engine of a file, whose folder is made; `options` are SQLAlchemy's.

    Raises SettingsError for a URL without a file, DatabaseUnavailable when the folder cannot be made.
    """
    if not url.database or url.database == ":memory:":
        raise SettingsError(f"PITCHWRIGHT_DATABASE_URL {url} names no file: write sqlite:///PATH")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"the folder of {url.database} cannot be made ({error}): choose another PITCHWRIGHT_DATA_DIR"
        ) from None
    connecting = {"timeout": SQLITE_BUSY_SECONDS, "async_creator_fn": _connect}
    # The connection given back last is the next one used, so that a burst warms no more than it needs.
    engine = create_async_engine(url, connect_args=connecting, pool_use_lifo=True, **options)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction] # called by the engine
        # The driver's own transaction control neither covers reads nor takes the write lock up front.
        connection.isolation_level = None
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction] # called by the engine
        options, driver = connection.get_execution_options(), _driver(connection)
        if options.get("pitchwright_looks"):
            driver.look()
        else:
            driver.begin(writes=bool(options.get("pitchwright_writes")))

    return engine


def _driver(connection: Connection) -> "_Connection":
    driver: Any = connection.connection.driver_connection
    return driver


def _connect(database: str, **options: Any) -> "_Connection":
    """Make a connection as `aiosqlite.connect` does; its thread does not keep the process alive."""
    connection = _Connection(partial(sqlite3.connect, database, **options), iter_chunk_size=_ROWS_AHEAD)
    connection.as_daemon()
    return connection


class _Connection(aiosqlite.Connection):
    """A connection whose statements cross to its thread and back once.

    The driver's own crosses four times, for a cursor, to execute, for the rows and to close, and again to
    begin a transaction and to end it; each crossing costs more than most statements of this program do. So a
    transaction begins in the crossing of its first statement, and one that only reads ends unwaited for: what
    the thread is given it does in order. Only for connections that any thread may use
    (`check_same_thread=False`, as SQLAlchemy has it): cursors are made and closed outside the thread, when it
    is idle.
    """

    _to_begin: str | None = None
    _open = False
    """Whether a transaction was begun and not ended; what is done outside of one needs no end."""
    _writes = False
    _looks: int | None = None
    """Statements that may still come where there is no transaction; none where there is."""

    def look(self) -> None:
        """Take one statement as it is, outside of a transaction."""
        self._to_begin, self._looks = None, 1

    def count(self) -> None:
        """Count a statement. Raises RuntimeError for the second of a look."""
        if self._looks is None:
            return
        if not self._looks:
            raise RuntimeError("a look at the store is one statement: several see one state by `read`")
        self._looks -= 1

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction with the next statement; one that writes takes the write lock there."""
        self._to_begin, self._writes = "BEGIN IMMEDIATE" if writes else "BEGIN", writes
        self._looks = None

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        first, self._to_begin = self._to_begin, None
        crossing = super()._execute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # aiosqlite leaves it untyped
        if first is None:
            return await crossing(fn, *args, **kwargs)
        self._open = True
        return await crossing(self._begun, first, partial(fn, *args, **kwargs))

    def _begun(self, first: str, work: Callable[[], Any]) -> Any:
        self._conn.execute(first)
        return work()

    async def commit(self) -> None:
        if self._ends():
            await super().commit()

    async def rollback(self) -> None:
        if self._ends():
            if self._writes:
                await super().rollback()
            else:
                self._tx.put_nowait((None, self._conn.rollback))  # pyright: ignore[reportUnknownMemberType] # as above

    def _ends(self) -> bool:
        """Whether there is a transaction to end; from now on there is none."""
        ends, self._open, self._to_begin, self._looks = self._open, False, None, None
        return ends

    def as_daemon(self) -> None:
        """Let the process end without this connection's thread; before it is opened."""
        self._thread.daemon = True

    async def cursor(self) -> "_Cursor":  # pyright: ignore[reportIncompatibleMethodOverride] # SQLAlchemy awaits it, and no more
        return _Cursor(self, self._conn.cursor())


class _Cursor(aiosqlite.Cursor):
    """Brings the first rows along when it executes, and closes where it is."""

    _ahead: tuple[Any, ...] = ()
    _conn: _Connection

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "_Cursor":
        self._conn.count()
        done = self._execute(self._run, sql, parameters or ())  # pyright: ignore[reportUnknownMemberType] # aiosqlite leaves it untyped
        self._ahead = await done
        return self

    def _run(self, sql: str, parameters: Any) -> tuple[Any, ...]:
        self._cursor.execute(sql, parameters)
        return tuple(self._cursor.fetchmany(_ROWS_AHEAD)) if self._cursor.description else ()

    async def fetchall(self) -> Iterable[Any]:
        rows, self._ahead = self._ahead, ()
        return rows if len(rows) < _ROWS_AHEAD else (*rows, *await super().fetchall())

    async def fetchmany(self, size: int | None = None) -> Iterable[Any]:
        wanted = size or self.arraysize
        rows, self._ahead = self._ahead[:wanted], self._ahead[wanted:]
        return rows if len(rows) == wanted else (*rows, *await super().fetchmany(wanted - len(rows)))

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchmany(1)), None)

    async def close(self) -> None:
        self._cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Put a database into WAL mode, which it then keeps. Raises as the driver does when it stays locked.

    Two that switch a new file at once can each hold what the other waits for: so each gives up within
    milliseconds, not the same number of them, and asks again.
    """
    until = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute(f"PRAGMA busy_timeout={random.randint(5, 50)}")  # noqa: S311 -- no secret
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
        else:
            return
