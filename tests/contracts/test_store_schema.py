"""The migrated schema is the one the code means, on both databases."""

import asyncio
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from service.contact.actions import get_policy, list_consents
from service.contact.model import PERSONAL, ContactPolicy
from service.db import Database
from service.errors import DatabaseTooNew
from service.migrations.schema import metadata
from service.privacy.actions import list_erasures
from service.privacy.model import Removed
from service.profiles.actions import list_profiles, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings


async def test_migrations_make_exactly_the_tables_of_the_code(runtime: Runtime):
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with runtime.database.read() as session:
        connection = await session.connection()
        assert await connection.run_sync(differences) == []


def test_every_primary_key_starts_with_the_workspace():
    first_columns = {
        table.name: next(iter(table.primary_key.columns)).name for table in metadata.sorted_tables
    }
    assert first_columns.pop("workspaces") == "id"
    assert first_columns.pop("trait_keys") == "fingerprint"  # the whole store's, as the keys are
    assert set(first_columns.values()) == {"workspace_id"}


async def test_tombstones_of_older_stores_become_receipts(settings: Settings):
    def old_store(connection: Connection) -> None:
        moment = "2026-01-02 03:04:05+00:00" if connection.dialect.name == "postgresql" else _SQLITE_MOMENT
        for statement in _OLD_ROWS:
            connection.execute(text(statement.replace("AT", f"'{moment}'")))

    database = await Database.open(settings.store_url)
    await database.upgrade("0006")
    async with database.write() as session:
        await (await session.connection()).run_sync(old_store)
    await database.close()
    async with open_runtime(settings) as runtime:
        (receipt,) = (await list_erasures(runtime, "old")).rows
        for each in ("p-1", "p-0"):
            assert (await list_erasures(runtime, "old", profile_id=each)).rows == (receipt,)
            assert (await upsert_profiles(runtime, "old", [Profile(id=each)])).rejected == 1
        assert receipt.erased_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert receipt.removed == (Removed(where="store.events", count=7),)
        assert [each.id for each in (await list_profiles(runtime, "old")).rows] == ["p-2"]
        async with runtime.database.read() as session:
            assert await session.scalar(text("SELECT count(*) FROM suppressions")) == 0


_SQLITE_MOMENT = "2026-01-02 03:04:05.000000"
_OLD_ROWS = (
    "INSERT INTO workspaces VALUES ('old', 'old', 'UTC', 'now', 'GBP', '{}', '{}', AT)",
    "INSERT INTO profiles VALUES ('old', 'p-1', '{}', 'd', AT, AT, AT, NULL, '{}')",
    "INSERT INTO profiles VALUES ('old', 'p-0', '{}', 'd', AT, AT, AT, 'p-1', '{}')",
    "INSERT INTO profiles VALUES ('old', 'p-2', '{}', 'd', AT, AT, NULL, NULL, '{}')",
    "INSERT INTO suppressions VALUES ('old', 'p-1', '*', 'bounced', AT)",
    "INSERT INTO erasures VALUES ('old', 'p-1', AT, 7)",
    "INSERT INTO erasures VALUES ('old', 'p-0', AT, 0)",
)


async def test_whoever_unsubscribed_before_consent_was_kept_is_taken_at_their_word(settings: Settings):
    def old_store(connection: Connection) -> None:
        moment = "2026-01-02 03:04:05+00:00" if connection.dialect.name == "postgresql" else _SQLITE_MOMENT
        for statement in _OLD_EVENTS:
            connection.execute(text(statement.replace("AT", f"'{moment}'")))

    database = await Database.open(settings.store_url)
    await database.upgrade("0008")
    async with database.write() as session:
        await (await session.connection()).run_sync(old_store)
    await database.close()
    async with open_runtime(settings) as runtime:
        said = await list_consents(runtime, "old", "p-1")
        assert [(each.channel, each.granted) for each in said] == [(name, False) for name in PERSONAL]
        assert {each.changed_at for each in said} == {datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}
        assert await list_consents(runtime, "old", "p-2") == ()
        assert await get_policy(runtime, "old") == ContactPolicy()


_OLD_EVENTS = (
    "INSERT INTO workspaces (id, name, timezone, reference_time, currency, event_weights, brand, "
    "retention_days, created_at) VALUES ('old', 'old', 'UTC', 'now', 'GBP', '{}', '{}', '{}', AT)",
    "INSERT INTO profiles (workspace_id, id, traits, digest, created_at, updated_at, trait_times) "
    "VALUES ('old', 'p-1', '{}', 'd', AT, AT, '{}'), ('old', 'p-2', '{}', 'd', AT, AT, '{}')",
    "INSERT INTO events (workspace_id, id, profile_id, type, occurred_at, properties, recorded_at) "
    "VALUES ('old', 'e-1', 'p-1', 'complaint', AT, '{}', AT), ('old', 'e-2', 'p-2', 'view', AT, '{}', AT), "
    "('old', 'e-3', 'p-1', 'unsubscribe', AT, '{}', AT)",
)


async def test_two_processes_that_start_together_both_find_the_schema(settings: Settings):
    async def opens() -> str:
        async with open_runtime(settings) as runtime:
            return runtime.database.dialect

    assert len({*await asyncio.gather(opens(), opens(), opens())}) == 1


async def test_a_schema_from_the_future_is_refused_and_left_alone(runtime: Runtime, settings: Settings):
    async with runtime.database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database = await Database.open(settings.store_url)
    try:
        with pytest.raises(DatabaseTooNew, match=r"'9999'.*newest: '\d{4}a?'.*install the newer"):
            await database.upgrade()
    finally:
        await database.close()


async def test_a_write_that_raises_leaves_nothing(runtime: Runtime):
    async def fails() -> None:
        async with runtime.database.write() as session:
            await session.execute(text("DELETE FROM workspaces"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    async with runtime.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM workspaces")) == 1


async def test_a_read_keeps_nothing_and_sees_one_state(runtime: Runtime):
    async with runtime.database.read() as session:
        before = await session.scalar(text("SELECT count(*) FROM workspaces"))
        async with runtime.database.write() as other:
            await other.execute(text("DELETE FROM workspaces"))
        assert await session.scalar(text("SELECT count(*) FROM workspaces")) == before == 1
    async with runtime.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM workspaces")) == 0


async def test_a_store_is_written_anew_without_what_was_deleted(runtime: Runtime):
    assert await runtime.database.compact()
    async with runtime.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM workspaces")) == 1
