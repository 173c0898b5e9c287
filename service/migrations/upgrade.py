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
    config = configuration(connection)
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"the database has schema {current!r}, which this version does not know (newest: "
            f"{scripts.get_current_head()!r}): install the newer pitchwright that wrote it"
        )
    if current != scripts.get_current_head():
        command.upgrade(config, "head")


def configuration(connection: Connection) -> Config:
    """Tell Alembic where the steps are, shipped inside the package, and which connection to use."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
