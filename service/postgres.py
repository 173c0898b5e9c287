"""PostgreSQL behind the stores: its engine, and its own ways with many rows.

Many values travel as arrays, one for each column: a statement is then the same however many there are, and is
parsed once.
"""

import re
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Dialect, Table, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.errors import ExtraMissing, InvalidInput
from service.refusals import UNSTORABLE

APPLICATION = "pitchwright"
"""How PostgreSQL is told who is connected."""

PING_AFTER_SECONDS = 5.0
"""A connection that was idle for longer is asked whether it still works before it is used."""


def postgres_engine(url: URL, **options: Any) -> AsyncEngine:
    """Make the engine of a server; `options` are SQLAlchemy's. Raises ExtraMissing without the driver.

    A connection that the server closed is replaced before it is used. SQLAlchemy's own way (`pool_pre_ping`)
    asks every time, in three round trips, which is as many as a short transaction takes.
    """
    named = {"server_settings": {"application_name": APPLICATION}}
    try:
        engine = create_async_engine(url, connect_args=named, **options)
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"PostgreSQL needs a package that is not installed ({error.name}): "
            'pip install "pitchwright[postgres]"'
        ) from None

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: Any, record: Any) -> None:  # pyright: ignore[reportUnusedFunction] # called by the pool
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:  # pyright: ignore[reportUnusedFunction] # as above
        idle = time.monotonic() - record.info.get("idle_since", time.monotonic())
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed the connection")
        if idle > PING_AFTER_SECONDS:
            try:
                connection.ping()
            except (OSError, engine.dialect.loaded_dbapi.Error) as error:
                raise DisconnectionError(str(error)) from error

    return engine


def inserting(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    """Return the SQL that inserts rows given as an array of each column, in their order."""
    kinds = (table.c[name].type.compile(dialect) for name in columns)
    # Without their lengths: a cast to a type with one would cut silently what an insert refuses.
    bare = (re.sub(r"\(.*?\)| COLLATE .*", "", kind) for kind in kinds)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(bare, 1))
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608 -- names of our own


def finding(table: str, columns: str, lock: str) -> str:
    """Return the SQL that looks rows of a workspace up, `$1`, by an array of their ids, `$2`, in its order.

    One by one by the primary key, whatever the planner believes of the table: without statistics it takes a
    workspace to be small, and reads all of it.
    """
    return (
        f"SELECT found.* FROM unnest($2::VARCHAR[]) AS wanted(id), "  # noqa: S608 -- names of our own
        f"LATERAL (SELECT {columns} FROM {table} WHERE workspace_id = $1 AND id = wanted.id LIMIT 1 {lock}) "
        "AS found"
    )


async def copied(
    connection: AsyncConnection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    on_conflict: str,
) -> int:
    """Copy rows into a temporary table and insert from there; return how many were inserted or replaced.

    COPY itself knows neither duplicates nor what became of them. `rows` hold what the driver takes and are
    drawn as they are sent; names and `on_conflict` are SQL of ours. Raises InvalidInput for a text that no
    database takes, and ConnectionError when the server goes away.
    """
    asyncpg: Any = import_module("asyncpg")  # it has no types
    names, staged = ", ".join(columns), f"staged_{table}"
    made = f"CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA"  # noqa: S608 -- names of our own
    await connection.exec_driver_sql(made)
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(staged, records=rows, columns=columns)
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        raise InvalidInput(UNSTORABLE.format("a text")) from error
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise ConnectionError(str(error)) from error
    moved = f"INSERT INTO {table} ({names}) SELECT {names} FROM {staged} {on_conflict}"  # noqa: S608 -- as above
    count = (await connection.exec_driver_sql(moved)).rowcount
    await connection.exec_driver_sql(f"DROP TABLE {staged}")
    return count
