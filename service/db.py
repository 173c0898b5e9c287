"""The database behind the stores: SQLite in a file or PostgreSQL by URL, one code for both.

`async with database.read() as session`, `database.look()` for a single statement, and `database.write()` are
the only ways in. A write commits when its block ends and rolls back when it raises; once it has returned, the
data survives the process.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, cast

import msgspec
from advanced_alchemy.types import DateTimeUTC, JsonB
from sqlalchemy import Dialect, MetaData, String, Table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

from service.errors import DatabaseUnavailable, InvalidInput, SettingsError
from service.postgres import copied, finding, inserting, postgres_engine
from service.refusals import ID_LENGTH, UNSTORABLE, quoted
from service.settings import mask_url
from service.sqlite import sqlite_engine
from service.tracing import span
from service.vault import Vault, entrust

MOST_PARAMETERS = 30_000
"""Below what one statement may hold in SQLite (32,766) and PostgreSQL (32,767)."""

POOL_SIZE, POOL_OVERFLOW = 16, 16
"""Connections of a process that stay open, and how many more there may be for a while."""

_REFUSED_TEXT = ("CharacterNotInRepertoireError", "UntranslatableCharacterError", "surrogates not allowed")
"""How PostgreSQL's driver says so."""

Instant = DateTimeUTC
"""A moment in UTC; refuses one without an offset."""

Json = JsonB
"""JSON: `jsonb` in PostgreSQL, text in SQLite."""

Id = String(ID_LENGTH).with_variant(String(ID_LENGTH, collation="C"), "postgresql")
"""An id. Both databases and Polars order it by code point, so a cursor means the same everywhere."""


class Base(DeclarativeBase):
    """What all rows share: predictable constraint names, which migrations need."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
        }
    )


class Connections(NamedTuple):
    """A database's connections."""

    busy: int
    idle: int
    limit: int


class Database:
    """One store. Open it with `Database.open(url)`, close it with `close()`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(pitchwright_writes=True)
        self._reader = engine
        self._looker = engine.execution_options(pitchwright_looks=True)
        if engine.dialect.name == "postgresql":
            # SQLite's transactions see one state as they are; PostgreSQL's default does so per statement.
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._looker = engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite has one writer at a time: a queue here is fair, and nobody burns his busy timeout.
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else None

    @classmethod
    async def open(cls, url: str, vault: Vault | None = None) -> "Database":
        """Connect, without touching the schema (see `upgrade`); its columns seal and open with the vault.

        Raises SettingsError for a URL that is none, ExtraMissing without the driver, and
        DatabaseUnavailable when nothing answers.
        """
        parsed = _async_url(url)
        make = sqlite_engine if parsed.get_backend_name() == "sqlite" else postgres_engine
        engine = make(parsed, **_engine_options())
        if vault is not None:
            entrust(engine.dialect, vault)
        database = cls(engine)
        try:
            await database.ping()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @property
    def url(self) -> str:
        """Where the store lives, without a password."""
        return mask_url(self._engine.url.render_as_string(hide_password=True))

    @property
    def connections(self) -> Connections:
        """How many connections are in use and how many wait to be."""
        pool = cast("QueuePool", self._engine.pool)
        return Connections(busy=pool.checkedout(), idle=pool.checkedin(), limit=POOL_SIZE + POOL_OVERFLOW)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """Open a session that sees one consistent state; nothing it changes is kept."""
        with span("store.read"):
            async with self._translated(), AsyncSession(self._reader, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def look(self) -> AsyncGenerator[AsyncSession]:
        """Open a session for one statement that reads: it sees one state by itself, without a transaction.

        Beginning and ending one are two more round trips to PostgreSQL, and as costly as a short statement to
        SQLite, where a second statement raises RuntimeError.
        """
        with span("store.read"):
            async with self._translated(), AsyncSession(self._looker, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """Open a session that commits at the end of the block, or rolls back when the block raises."""
        with span("store.write"):
            async with (
                self._turn or nullcontext(),
                self._translated(),
                AsyncSession(self._writer, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session

    async def ping(self) -> None:
        """Ask the database for an answer; raises DatabaseUnavailable."""
        async with self._translated(), self._engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")

    async def upgrade(self, to: str | None = None) -> None:
        """Bring the schema to this program's, or to an older step; raises DatabaseTooNew for a newer one.

        SQLite: one transaction. PostgreSQL: one for each step, beside whoever is at work
        (`migrations.beside`). Of two processes that start together one waits.
        """
        from service.migrations.beside import upgrade_beside
        from service.migrations.upgrade import upgrade

        async with self._turn or nullcontext(), self._translated():
            if self.dialect == "postgresql":
                await upgrade_beside(self._engine, to)
                return
            async with self._writer.begin() as connection:
                await connection.run_sync(upgrade, to)

    async def downgrade(self, to: str) -> None:
        """Take the schema back to an older step, in one transaction; what only newer ones hold is lost.

        Nobody else may be at work: see `operations.schema`, which looks.
        """
        from service.migrations.upgrade import downgrade

        async with self._turn or nullcontext(), self._translated(), self._writer.begin() as connection:
            await connection.run_sync(downgrade, to)

    async def compact(self) -> bool:
        """Write the database anew, without what was deleted; False while a reader holds the old state.

        SQLite: `VACUUM` and an empty write-ahead log; writers wait meanwhile, and as much room is
        needed again. PostgreSQL: `VACUUM`, after which its own files forget deleted rows as their pages are
        used again.
        """
        async with self._turn or nullcontext(), self._translated(), self._engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            if self.dialect == "postgresql":
                await driver.execute("VACUUM")
                return True
            await driver.execute("PRAGMA temp_store=FILE")
            try:
                await driver.execute("VACUUM")
            finally:
                await driver.execute("PRAGMA temp_store=MEMORY")
            busy = await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).fetchone()
            return busy[0] == 0

    async def close(self) -> None:
        """Give back every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _translated(self) -> AsyncGenerator[None]:
        """Turn what drivers raise about a database that is not there, or a text it cannot take, into ours."""
        try:
            yield
        except UnicodeEncodeError as error:  # SQLite's, for half a character
            raise InvalidInput(UNSTORABLE.format(quoted(error.object))) from error
        except StatementError as error:
            if any(reason in str(error.orig) for reason in _REFUSED_TEXT):
                raise InvalidInput(UNSTORABLE.format("a text")) from error
            if isinstance(error.orig, OverflowError):
                raise InvalidInput(
                    "a time lies outside of the years 1 to 9999 in UTC: name another"
                ) from error
            if not (isinstance(error, DBAPIError) and _is_unavailable(error)):
                raise
            raise DatabaseUnavailable(self._unavailable(error.orig)) from error
        except OSError as error:
            if self.dialect == "sqlite":
                raise
            raise DatabaseUnavailable(self._unavailable(error)) from error

    def _unavailable(self, cause: object) -> str:
        reason = " ".join(str(cause).split("\n")[0].split())
        reason = reason.rpartition("'>: ")[2] or type(cause).__name__
        advice = "check that it runs and that PITCHWRIGHT_DATABASE_URL names it"
        if self.dialect == "sqlite":
            advice = "check that its folder exists, is writable and has space left"
        if "not a database" in reason or "malformed" in reason:
            advice = "name another file, or put this one right from a backup"
        if "locked" in reason:
            advice = "another process has been writing for long: try again when it is done"
        return f"the database at {self.url} cannot be used ({reason}): {advice}"


async def insert_rows(
    session: AsyncSession,
    table: type[Base],
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    *,
    replace: Sequence[str] = (),
    replace_where: str | None = None,
) -> int:
    """Insert many rows in few statements; return how many were inserted or replaced.

    A row whose primary key is there stays as it is, unless `replace` names columns to take over: those
    are, where `replace_where` holds (a condition over the stored row and `excluded`, e.g.
    `items.digest <> excluded.digest`); then no key may occur twice in `rows`. `rows` is drawn one
    statement at a time, so a generator keeps the event loop's waits short. PostgreSQL gets more rows than one
    statement holds by COPY. Both databases count exactly, which their `executemany` does not.
    """
    dialect = session.get_bind().dialect
    target = cast(Table, table.__table__)
    binds = [_bind(target, name, dialect) for name in columns]
    connection = await session.connection()
    size = MOST_PARAMETERS // len(columns)
    affected = 0
    conflict = _on_conflict(target, replace, replace_where)
    drawn = iter(rows)
    while batch := list(islice(drawn, size)):
        bound = _bound(batch, binds)
        # Every name is a column or table of ours; every value travels as a parameter.
        if dialect.name == "sqlite":
            row = f"({', '.join('?' * len(columns))})"
            names, places = ", ".join(columns), ", ".join([row] * len(batch))
            insert = f"INSERT INTO {target.name} ({names}) VALUES {places}"  # noqa: S608 -- names of ours
            parameters = tuple(chain.from_iterable(zip(*bound, strict=True)))
        elif len(batch) < size:
            insert = inserting(target, columns, dialect)
            parameters = tuple(list(each) for each in bound)
        else:
            rest = iter(lambda: list(islice(drawn, size)), [])
            parts = chain([bound], (_bound(each, binds) for each in rest))
            records = chain.from_iterable(zip(*each, strict=True) for each in parts)
            return affected + await copied(connection, target.name, columns, records, conflict)
        affected += (await connection.exec_driver_sql(f"{insert} {conflict}", parameters)).rowcount
    return affected


async def find_rows(
    session: AsyncSession, table: type[Base], columns: str, workspace: str, ids: Iterable[str], lock: str = ""
) -> list[tuple[Any, ...]]:
    """Look many rows of a workspace up by their ids, in the order of those, as the driver gives them.

    `columns` is SQL of ours. `lock`, such as `FOR SHARE`, is what PostgreSQL is asked for; SQLite has one
    writer anyway. A tenth of what it costs to build, bind and convert the same through the ORM.
    """
    connection = await session.connection()
    ordered, found = sorted(set(ids)), list[tuple[Any, ...]]()
    for start in range(0, len(ordered), MOST_PARAMETERS - 1):
        part = ordered[start : start + MOST_PARAMETERS - 1]
        # Names come from our own tables; every value is a bound parameter.
        if connection.dialect.name == "postgresql":
            query = finding(table.__tablename__, columns, lock)
            parameters = (workspace, part)
        else:
            places = ", ".join("?" * len(part))
            where = f"workspace_id = ? AND id IN ({places}) ORDER BY id"
            query = f"SELECT {columns} FROM {table.__tablename__} WHERE {where}"  # noqa: S608 -- as above
            parameters = (workspace, *part)
        found += (await connection.exec_driver_sql(query, parameters)).tuples()
    return found


def _bind(target: Table, name: str, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what turns a value of the column into what the driver takes; none when it takes it as it is."""
    return cast(
        "Callable[[Any], Any] | None", target.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    )


def _bound(rows: list[tuple[Any, ...]], binds: Sequence[Callable[[Any], Any] | None]) -> list[Iterable[Any]]:
    """Return rows by columns, as the driver takes their values."""
    columns: Iterable[tuple[Any, ...]] = zip(*rows, strict=True)
    return [_bound_column(bind, column) for bind, column in zip(binds, columns, strict=True)]


def _bound_column(bind: Callable[[Any], Any] | None, values: tuple[Any, ...]) -> Iterable[Any]:
    if bind is None:
        return values
    # The same value in every row, such as the time of recording, is converted once.
    first = values[0]
    return repeat(bind(first), len(values)) if all(one is first for one in values) else map(bind, values)


def _on_conflict(target: Table, replace: Sequence[str], replace_where: str | None) -> str:
    key = ", ".join(column.name for column in target.primary_key.columns)
    if not replace:
        return f"ON CONFLICT ({key}) DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in replace)
    return f"ON CONFLICT ({key}) DO UPDATE SET {changes}" + (
        f" WHERE {replace_where}" if replace_where else ""
    )


def _async_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(
            f"PITCHWRIGHT_DATABASE_URL {mask_url(url)!r} is no database URL: "
            "use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    drivers = {
        "sqlite": "sqlite+aiosqlite",
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
    }
    backend = parsed.drivername.partition("+")[0]
    if backend not in drivers:
        raise SettingsError(
            f"PITCHWRIGHT_DATABASE_URL names the database {backend!r}, which is not supported: "
            "use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        )
    return parsed.set(drivername=drivers[backend])


def _engine_options() -> dict[str, Any]:
    return {
        "pool_size": POOL_SIZE,
        "max_overflow": POOL_OVERFLOW,
        "json_serializer": _write_json,
        "json_deserializer": msgspec.json.decode,
        "hide_parameters": True,  # an error is logged, and rows are about people
    }


def _write_json(value: Any) -> str:
    """Equal values give equal text, so that content digests agree."""
    return msgspec.json.encode(value, order="deterministic").decode()


def _is_unavailable(error: DBAPIError) -> bool:
    """Whether the database, rather than the statement, is at fault."""
    # sqlite3 says a plain DatabaseError of a file that is no database, or a damaged one.
    kinds = {"OperationalError", "InterfaceError", "InternalError", "DatabaseError"}
    return type(error).__name__ in kinds or error.connection_invalidated
