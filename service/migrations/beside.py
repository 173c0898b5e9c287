"""PostgreSQL's schema changed beside a service at work: nobody queues for long behind a step.

A step that waits for a table's lock has everybody wait who comes after it, readers too. So each step is a
transaction of its own and waits `LOCK_SECONDS` at most; then it lets everybody pass and is tried again.
"""

import asyncio

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.errors import DatabaseUnavailable
from service.migrations.upgrade import current_schema, missing_steps, upgrade_once

LOCK = 7205759403792793
"""Of PostgreSQL's advisory locks, the one of whoever changes the schema."""
LOCK_SECONDS, PAUSE_SECONDS, TRIES = 2.0, 3.0, 12
"""How long a step waits for its locks, how long everybody else is let pass, and how often it tries."""
_TURN_SECONDS = 0.2
_LOCKED = "55P03"


async def upgrade_beside(engine: AsyncEngine, to: str | None = None) -> None:
    """Run the missing steps of a PostgreSQL, one at a time; of processes that start together one does.

    Raises DatabaseTooNew, and DatabaseUnavailable when the locks of a step cannot be had: the steps before
    it are done, and the next start goes on there.
    """
    async with engine.connect() as connection:
        if not await connection.run_sync(missing_steps, to):
            return
        await _take_turn(connection)
        try:
            while await connection.run_sync(missing_steps, to):
                await connection.commit()
                await _step(connection)
        finally:
            await connection.rollback()
            await connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
            await connection.exec_driver_sql("RESET lock_timeout")
            await connection.commit()


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait for whoever changes the schema now.

    By asking again: an index that is built beside others waits for their transactions, ours that waited too.
    """
    while True:
        turn = (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK})")).scalar_one()
        await connection.commit()
        if turn:
            return
        await asyncio.sleep(_TURN_SECONDS)


async def _step(connection: AsyncConnection) -> None:
    for left in reversed(range(TRIES)):
        await connection.exec_driver_sql(f"SET lock_timeout = {round(LOCK_SECONDS * 1000)}")
        await connection.commit()
        try:
            await connection.run_sync(upgrade_once)
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", None) != _LOCKED:
                raise
            if not left:
                raise DatabaseUnavailable(
                    f"the step after schema {await connection.run_sync(current_schema)} got no lock in "
                    f"{TRIES} tries of {LOCK_SECONDS:g} s, a long transaction holds one of its tables: "
                    "find it in pg_stat_activity, where state is not idle, end it and start again"
                ) from error
        else:
            return
        await asyncio.sleep(PAUSE_SECONDS)
