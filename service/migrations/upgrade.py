"""Bring a database's schema to this program's, inside the caller's transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from service.errors import DatabaseTooNew


def upgrade(connection: Connection) -> None:
    """Run the missing steps; raises DatabaseTooNew for a schema this program has never heard of."""
    if check_schema(current_schema(connection), "the database") != newest_schema():
        command.upgrade(configuration(connection), "head")


def current_schema(connection: Connection) -> str | None:
    """Return the number of the last step a database has seen; none where there was none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_schema() -> str:
    """Return the number of this program's last step."""
    return _steps().get_current_head() or ""


def check_schema(schema: str | None, where: str) -> str | None:
    """Return the schema; raises DatabaseTooNew for one this program has never heard of."""
    if schema is not None and schema not in {step.revision for step in _steps().walk_revisions()}:
        raise DatabaseTooNew(
            f"{where} has schema {schema!r}, which this version does not know (newest: "
            f"{newest_schema()!r}): install the newer pitchwright that wrote it"
        )
    return schema


def _steps() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def configuration(connection: Connection) -> Config:
    """Tell Alembic where the steps are, shipped inside the package, and which connection to use."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
