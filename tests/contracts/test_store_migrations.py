"""Every step of the schema with data in: what lay in a table before lies in it afterwards."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Boolean, Connection, DateTime, Float, Integer, LargeBinary, MetaData, select

from service.db import Database
from service.migrations.upgrade import current_schema, newest_schema
from service.settings import Settings

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REWRITTEN = {"erasures", "suppressions"}
"""What a step turns into something else; tests of their own say into what."""


def value(kind: Any) -> object:
    """A value of a column's type; all texts are the same, so that every reference holds."""
    table: tuple[tuple[type, object], ...] = (
        (Boolean, True),
        (DateTime, MOMENT),
        (Integer, 1),
        (Float, 1.5),
        (LargeBinary, b"x"),
    )
    if "JSON" in type(kind).__name__:
        return {}
    return next((each for known, each in table if isinstance(kind, known)), "x")


def rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as the database has it."""
    held = MetaData()
    held.reflect(connection)
    return {
        table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for table in held.sorted_tables
        if table.name != "alembic_version"
    }


def filled(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """A row in each table of the first schema."""
    held = MetaData()
    held.reflect(connection)
    for table in held.sorted_tables:
        if table.name != "alembic_version":
            needed = (each for each in table.columns if not each.nullable)
            connection.execute(table.insert().values({each.name: value(each.type) for each in needed}))
    return rows(connection)


@pytest.mark.slow
async def test_all_steps_keep_what_was_there(settings: Settings):
    database = await Database.open(settings.store_url)
    try:
        await database.upgrade("0001")
        async with database.write() as session:
            before = await (await session.connection()).run_sync(filled)
        assert len(before) >= 12
        assert all(len(each) == 1 for each in before.values())
        await database.upgrade()
        async with database.read() as session:
            connection = await session.connection()
            assert await connection.run_sync(current_schema) == newest_schema()
            after = await connection.run_sync(rows)
    finally:
        await database.close()
    assert set(before) <= set(after)
    for table in set(before) - REWRITTEN:
        ((old,), (new,)) = before[table], after[table]
        said = {name: each for name, each in old.items() if each is not None}
        assert {name: new.get(name) for name in said} == said, table
