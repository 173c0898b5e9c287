"""What only PostgreSQL does: connections that die, and plans of tables without statistics."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from service import postgres
from service.db import find_rows, insert_rows
from service.events.store import COLUMNS
from service.events.tables import EventRow
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.profiles.tables import ProfileRow
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace, get_workspace
from tests.contracts.conftest import NOW
from tests.contracts.postgres_cluster import server_binaries
from tests.contracts.test_store_plans import caught

pytestmark = pytest.mark.postgres


@pytest.fixture
async def runtime(postgres_url: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = Settings(data_dir=str(tmp_path), database_url=postgres_url, executor_threads=1)
    async with open_runtime(settings) as opened:
        await create_workspace(opened, "shop")
        yield opened


def break_connections(socket: Path) -> None:
    """From outside, and without giving the event loop a moment to notice."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pitchwright'"
    psql = server_binaries() / "psql"
    command = [str(psql), "-qAt", "-h", str(socket), "-U", "postgres", "-c", ended]
    assert "t" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_a_connection_that_the_server_closed_is_replaced(runtime: Runtime, postgres_socket: Path):
    async with runtime.database.read() as session:
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    await asyncio.to_thread(break_connections, postgres_socket)
    while not driver.is_closed():  # noqa: ASYNC110 -- the driver tells nobody
        await asyncio.sleep(0.01)
    assert (await get_workspace(runtime, "shop")).id == "shop"


async def test_one_that_was_idle_for_long_is_asked_first(
    runtime: Runtime, postgres_socket: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "PING_AFTER_SECONDS", -1.0)
    await get_workspace(runtime, "shop")
    break_connections(postgres_socket)
    assert (await get_workspace(runtime, "shop")).id == "shop"


async def test_many_rows_are_found_by_their_keys_before_there_are_statistics(runtime: Runtime):
    people = [f"p-{number:05}" for number in range(20_000)]
    await upsert_profiles(runtime, "shop", (Profile(id=each) for each in people))
    async with runtime.database.write() as session:
        with caught(session) as sent:
            rows = await find_rows(session, ProfileRow, "id", "shop", people[::40], "FOR SHARE")
        assert [row[0] for row in rows] == people[::40]
        ((statement, parameters),) = sent
        connection = await session.connection()
        explained = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(explained.scalars())
    assert "Index Scan using pk_profiles" in plan, plan
    assert "Seq Scan" not in plan, plan


async def test_a_text_that_is_too_long_is_refused_and_not_cut(runtime: Runtime):
    await upsert_profiles(runtime, "shop", [Profile(id="p-1")])
    properties: dict[str, Any] = {}
    row = ("shop", "e-1", "p-1", "x" * 65, NOW, None, None, None, None, properties, NOW)
    with pytest.raises(DBAPIError, match="too long for type character varying"):
        async with runtime.database.write() as session:
            await insert_rows(session, EventRow, COLUMNS, [row])
