"""Every step of the schema back again, with data in: the schema before it exactly, and the data it had."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from service.db import Database
from service.errors import Conflict, DatabaseTooNew, InvalidInput, NotFound
from service.migrations import upgrade as steps
from service.operations.schema import downgrade_schema, upgrade_schema
from service.runtime import Runtime
from service.settings import Settings
from tests.contracts.test_store_migrations import REWRITTEN, filled, rows

ORDER = steps._order()  # pyright: ignore[reportPrivateUsage] # the numbers of all steps


def shape(connection: Connection) -> dict[str, Any]:
    """Everything a database says of its tables, in no order."""
    found = inspect(connection)

    def named(entries: Any) -> list[str]:
        return sorted(str({key: str(each[key]) for key in sorted(each)}) for each in entries)

    return {
        table: [
            named(found.get_columns(table)),
            str(sorted(found.get_pk_constraint(table).items(), key=str)),
            named(found.get_foreign_keys(table)),
            named(found.get_indexes(table)),
            named(found.get_unique_constraints(table)),
        ]
        for table in sorted(found.get_table_names())
        if table != "alembic_version"
    }


async def told(database: Database, asks: Callable[[Connection], Any]) -> Any:
    async with database.read() as session:
        return await (await session.connection()).run_sync(asks)


@pytest.mark.slow
async def test_each_step_back_restores_the_schema_before_it(settings: Settings):
    database = await Database.open(settings.store_url)
    try:
        shapes = dict[str, Any]()
        for step in ORDER:
            await database.upgrade(step)
            shapes[step] = await told(database, shape)
        for step, before in zip(ORDER[:0:-1], ORDER[-2::-1], strict=True):
            await database.downgrade(before)
            assert await told(database, shape) == shapes[before], step
        await database.downgrade("base")
        assert await told(database, shape) == {}
    finally:
        await database.close()


@pytest.mark.slow
async def test_steps_down_and_up_again_keep_what_both_schemas_hold(settings: Settings):
    database = await Database.open(settings.store_url)
    try:
        await database.upgrade("0001")
        async with database.write() as session:
            first = await (await session.connection()).run_sync(filled)
        await database.upgrade()
        newest: dict[str, list[dict[str, Any]]] = await told(database, rows)
        await database.downgrade("0001")
        back = await told(database, rows)
        assert {name: back[name] for name in set(first) - REWRITTEN} == {
            name: [{**row, **{key: None for key in row if key == "erased_at"}} for row in first[name]]
            for name in set(first) - REWRITTEN
        }
        await database.upgrade()
        again: dict[str, list[dict[str, Any]]] = await told(database, rows)
        for name in set(first) - REWRITTEN:
            assert again[name] == newest[name], name
    finally:
        await database.close()


async def test_what_would_be_lost_is_counted_and_kept_until_somebody_says_yes(
    runtime: Runtime, settings: Settings
):
    async with runtime.database.write() as session:
        await session.execute(
            text(
                "INSERT INTO suppressed_addresses (workspace_id, subject, channel, reason, created_at) "
                "SELECT id, 's', '*', 'bounced', created_at FROM workspaces"
            )
        )
        await session.execute(text("UPDATE workspaces SET contact = '{\"opt_in\": []}'"))
    plan = await downgrade_schema(settings, "0009", done=False)
    lost = {(each.table, each.column): each.rows for each in plan.lost}
    assert (plan.before, plan.after, plan.done) == (steps.newest_schema(), "0009", False)
    assert lost["suppressed_addresses", None] == lost["workspaces", "contact"] == 1
    assert lost["campaigns", None] == lost["exports", "removed"] == 0
    assert [each.schema for each in plan.steps][-3:] == ["0012", "0011", "0010"]
    assert "written to again" in plan.steps[-1].says
    assert steps.newest_schema() == await told(runtime.database, steps.current_schema)
    with pytest.raises(Conflict, match=r"stop every `serve`, `worker`"):
        await downgrade_schema(settings, "0009", done=True)
    await runtime.database.close()
    assert (await downgrade_schema(settings, "0009", done=True)).done
    assert await upgrade_schema(settings) == ("0009", steps.newest_schema())
    await upgrade_schema(settings)
    again = await downgrade_schema(settings, "0009", done=False)
    assert {each.rows for each in again.lost} == {0}


async def test_a_schema_that_is_not_an_older_one_is_refused(runtime: Runtime, settings: Settings):
    for to in ("", "0", "head", "-1", "base", "9999", ORDER[-1]):
        with pytest.raises(InvalidInput, match=f"'{to}' is not one before .* name one of these: 0001, 0003"):
            await downgrade_schema(settings, to, done=False)


def test_each_step_says_what_is_lost_when_it_is_undone():
    undone = steps.steps_after(ORDER[-1], ORDER[0])
    assert [step for step, _ in undone] == ORDER[:0:-1]
    assert [step for step, says in undone if not says.endswith(".")] == []


async def test_a_store_that_is_newer_or_not_there_is_left_alone(runtime: Runtime, settings: Settings):
    async with runtime.database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="install the newer"):
        await downgrade_schema(settings, "0009", done=False)


def test_no_store_is_made_to_take_it_back(tmp_path: Path):
    with pytest.raises(NotFound, match="no store"):
        asyncio.run(downgrade_schema(Settings(data_dir=str(tmp_path / "none")), "0001", done=True))
    assert list(tmp_path.iterdir()) == []
