"""SQLite behind the stores: its engine, what every connection is told first, and how a transaction begins."""

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.errors import DatabaseUnavailable, SettingsError

SQLITE_BUSY_SECONDS = 30
SQLITE_PRAGMAS = (
    f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}",
    "synchronous=FULL",  # an acknowledged write survives a power cut, too
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-65536",
)
"""What every connection to SQLite is told first."""


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
    engine = create_async_engine(
        url, connect_args={"timeout": SQLITE_BUSY_SECONDS}, pool_size=8, max_overflow=24, **options
    )

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
        writes = connection.get_execution_options().get("pitchwright_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


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
