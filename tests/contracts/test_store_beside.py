"""PostgreSQL's schema changes beside a service at work: nobody queues behind a step for long."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from service.db import Database
from service.errors import DatabaseUnavailable
from service.migrations import beside
from service.migrations.upgrade import current_schema, newest_schema
from service.settings import Settings

BREAK = (
    "UPDATE pg_index SET indisvalid = false "
    "WHERE indexrelid = CAST('ix_profiles_workspace_id_merged_into' AS regclass)"
)
pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.fixture
def settings(postgres_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path), database_url=postgres_url)


async def schema_of(database: Database) -> str | None:
    async with database.read() as session:
        return await (await session.connection()).run_sync(current_schema)


async def test_whoever_comes_behind_a_step_that_waits_is_let_pass(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(beside, "LOCK_SECONDS", 0.5)
    monkeypatch.setattr(beside, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(beside, "TRIES", 3)
    database = await Database.open(settings.store_url)
    try:
        await database.upgrade("0004")
        async with database.read() as session:  # somebody reads drafts for long
            await session.execute(text("SELECT count(*) FROM drafts"))
            step = asyncio.create_task(database.upgrade())
            waits = list[float]()
            while not step.done():
                begun = time.perf_counter()
                async with database.read() as another:
                    await another.execute(text("SELECT count(*) FROM drafts"))
                waits.append(time.perf_counter() - begun)
                await asyncio.sleep(0.05)
            with pytest.raises(
                DatabaseUnavailable, match=r"after schema 0004 got no lock in 3 tries .* end it"
            ):
                await step
        assert 0.1 < max(waits) < 2
        assert await schema_of(database) == "0004"
        async with database.write() as session:  # neither the lock nor the turn is kept
            assert await session.scalar(text("SHOW lock_timeout")) == "0"
            assert await session.scalar(text(f"SELECT pg_try_advisory_xact_lock({beside.LOCK})"))
        await database.upgrade()
        assert await schema_of(database) == newest_schema()
    finally:
        await database.close()


async def test_an_index_is_built_while_somebody_writes_and_again_when_it_broke_off(settings: Settings):
    database = await Database.open(settings.store_url)
    try:
        await database.upgrade("0006")
        async with database.write() as session:
            await session.execute(text("CREATE INDEX ix_profiles_workspace_id_merged_into ON profiles (id)"))
            await session.execute(text(BREAK))
        async with database.write() as session:  # a writer that has not committed yet
            await session.execute(text("LOCK TABLE profiles IN ROW EXCLUSIVE MODE"))
            step = asyncio.create_task(database.upgrade("0006a"))
            await asyncio.sleep(1)
            assert not step.done()
            async with asyncio.timeout(5), database.write() as another:  # the next one does not wait
                await another.execute(text("LOCK TABLE profiles IN ROW EXCLUSIVE MODE"))
        await step
        async with database.read() as session:
            asked = "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = "
            found = await session.execute(text(f"{asked} CAST('profiles' AS regclass)"))
            made = {definition: valid for valid, definition in found if "merged_into" in definition}
        (definition,) = made
        assert definition.endswith("(workspace_id, merged_into)")
        assert made[definition]
    finally:
        await database.close()


async def test_no_step_builds_an_index_under_a_lock_of_a_table_that_was_there(settings: Settings):
    database = await Database.open(settings.store_url)
    sent = list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(" ".join(statement.split()))

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)  # pyright: ignore[reportPrivateUsage] # what is sent
    try:
        await database.upgrade()
    finally:
        await database.close()
    made, locking = set[str](), list[str]()
    for statement in sent:
        if statement.startswith("UPDATE alembic_version"):
            made.clear()  # the next step begins
        elif created := re.match(r"CREATE TABLE (\w+)", statement):
            made.add(created[1])
        elif (index := re.match(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\w+ ON (\w+)", statement)) and (
            index[1] not in made
        ):
            locking.append(statement)
    assert any("INDEX CONCURRENTLY" in each for each in sent)
    assert locking == []
