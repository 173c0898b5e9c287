"""The store's schema taken back to an older version's: what would be lost is counted before, then done."""

from collections.abc import Mapping

from sqlalchemy import ClauseElement, Connection, DefaultClause, MetaData, Table, func, select, text

from service.db import Database
from service.errors import Conflict, InvalidInput, NotFound
from service.migrations.upgrade import (
    check_schema,
    columns_of,
    current_schema,
    names_of,
    newest_schema,
    steps_after,
)
from service.operations.model import Downgrade, Lost, UndoneStep
from service.postgres import APPLICATION
from service.settings import Settings
from service.sqlite import in_use, sqlite_file

_ALEMBIC = "alembic_version"


async def upgrade_schema(settings: Settings) -> tuple[str | None, str]:
    """Bring the store's schema to this program's; return the one before and the one after.

    Raises DatabaseUnavailable and DatabaseTooNew.
    """
    database = await Database.open(settings.store_url)
    try:
        before = await _schema_of(database)
        await database.upgrade()
        return before, newest_schema()
    finally:
        await database.close()


async def downgrade_schema(settings: Settings, to: str, *, done: bool) -> Downgrade:
    """Say what taking the schema back to `to` would lose; with `done`, do it in one transaction.

    Rows of a table that goes count as lost, and of a column that goes, those whose value is not its default.
    Raises NotFound without a store, InvalidInput for a schema that is not an older one of the store's,
    DatabaseTooNew for a store newer than this program, and Conflict while somebody else uses the store: any
    process that has the file of a SQLite open, any pitchwright connected to a PostgreSQL.
    """
    file = sqlite_file(settings.store_url)
    if file is not None:
        if not file.exists():
            raise NotFound(f"there is no store at {file}: check PITCHWRIGHT_DATA_DIR")
        if done and in_use(file):
            raise Conflict(_BUSY.format(f"another process has {file} open"))
    database = await Database.open(settings.store_url)
    try:
        schema = await _schema_of(database)
        if schema is None:
            raise InvalidInput(f"the store at {database.url} is empty, there is nothing to take back")
        steps = [UndoneStep(schema=each, says=says) for each, says in steps_after(schema, to)]
        async with database.read() as session:
            connection = await session.connection()
            lost = await connection.run_sync(_lost, names_of(to))
            others = await connection.run_sync(_others)
        if done:
            if others:
                raise Conflict(_BUSY.format(f"{others} connections of pitchwright are open"))
            await database.downgrade(to)
        return Downgrade(before=schema, after=to, done=done, steps=tuple(steps), lost=tuple(lost))
    finally:
        await database.close()


_BUSY = "{}: stop every `serve`, `worker` and command of this store, or wait for them, and try again"


async def _schema_of(database: Database) -> str | None:
    async with database.read() as session:
        return check_schema(await (await session.connection()).run_sync(current_schema), "the database")


def _others(connection: Connection) -> int:
    """Count the other connections of this program to a PostgreSQL."""
    if connection.dialect.name != "postgresql":
        return 0
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = :name AND pid <> pg_backend_pid()"
    )
    return int(connection.execute(query, {"name": APPLICATION}).scalar_one())


def _lost(connection: Connection, kept: Mapping[str, frozenset[str]]) -> list[Lost]:
    """Count what stands in tables and columns that an older schema does not have."""
    held = MetaData()
    held.reflect(connection)
    lost = list[Lost]()
    for name, columns in sorted(columns_of(connection).items()):
        table = held.tables[name]
        if name == _ALEMBIC:
            continue
        if name not in kept:
            lost.append(Lost(table=name, rows=_count(connection, table)))
            continue
        gone = sorted(columns - kept[name])
        lost += [Lost(table=name, column=each, rows=_count(connection, table, each)) for each in gone]
    return lost


def _count(connection: Connection, table: Table, column: str | None = None) -> int:
    query = select(func.count()).select_from(table)
    if column is not None:
        value, default = table.c[column], table.c[column].server_default
        query = query.where(value.is_not(None))
        if isinstance(default, DefaultClause):
            usual = default.arg if isinstance(default.arg, ClauseElement) else text(default.arg)
            query = query.where(value != usual)
    return int(connection.execute(query).scalar_one())
