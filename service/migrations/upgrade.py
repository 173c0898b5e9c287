"""Bring a database's schema to this program's, or back to an older one's, on the caller's connection."""

from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool

from service.errors import DatabaseTooNew, InvalidInput


def upgrade(connection: Connection, to: str | None = None) -> None:
    """Run the missing steps, up to `to`; raises DatabaseTooNew for a schema that is not known here."""
    if missing_steps(connection, to):
        command.upgrade(configuration(connection), to or "head")


def upgrade_once(connection: Connection) -> None:
    """Run the first of the steps that are missing."""
    command.upgrade(configuration(connection), "+1")


def missing_steps(connection: Connection, to: str | None = None) -> int:
    """Count the steps up to `to`, by default the newest; raises DatabaseTooNew as `upgrade`."""
    here = check_schema(current_schema(connection), "the database")
    order = _order()
    return max(0, order.index(to or order[-1]) - (order.index(here) if here else -1))


def downgrade(connection: Connection, to: str) -> None:
    """Undo the steps after `to`, with what only they hold (`steps_after`)."""
    command.downgrade(configuration(connection), to)


def steps_after(schema: str, to: str) -> list[tuple[str, str]]:
    """Return the steps from `schema` back to `to`, newest first, each with what undoing it says of itself.

    Raises InvalidInput for a step that is none, or not before `schema`.
    """
    order = _order()
    earlier = order[: order.index(schema)]
    if to not in earlier:
        known = ", ".join(earlier) or "none"
        raise InvalidInput(f"schema {to!r} is not one before {schema!r}: name one of these: {known}")
    undone = reversed(order[order.index(to) + 1 : order.index(schema) + 1])
    scripts = _steps()
    return [(each, _first_line(scripts.get_revision(each).module.downgrade.__doc__)) for each in undone]


def names_of(schema: str) -> Mapping[str, frozenset[str]]:
    """Return the tables of a schema and their columns, found by making it in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            command.upgrade(configuration(connection), schema)
            return columns_of(connection)
    finally:
        engine.dispose()


def columns_of(connection: Connection) -> Mapping[str, frozenset[str]]:
    """Return a database's tables and their columns."""
    found = inspect(connection)
    return {
        table: frozenset(each["name"] for each in found.get_columns(table))
        for table in found.get_table_names()
    }


def current_schema(connection: Connection) -> str | None:
    """Return the number of the last step a database has seen; none where there was none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_schema() -> str:
    """Return the number of this program's last step."""
    return _steps().get_current_head() or ""


def check_schema(schema: str | None, where: str) -> str | None:
    """Return the schema; raises DatabaseTooNew for one this program has never heard of."""
    if schema is not None and schema not in _order():
        raise DatabaseTooNew(
            f"{where} has schema {schema!r}, which this version does not know (newest: "
            f"{newest_schema()!r}): install the newer pitchwright that wrote it"
        )
    return schema


def _order() -> list[str]:
    """Return the numbers of all steps, the oldest first."""
    return [step.revision for step in _steps().walk_revisions()][::-1]


def _steps() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def configuration(connection: Connection) -> Config:
    """Tell Alembic where the steps are, shipped inside the package, and which connection to use."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
