"""Many rows into PostgreSQL by COPY, through a table of their own that settles and counts conflicts."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import InvalidInput
from service.refusals import UNSTORABLE


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
