"""What Alembic runs: the steps, on the connection it was handed."""

from alembic import context
from sqlalchemy.engine import Connection

from service.migrations.schema import metadata


def run() -> None:
    """Run inside the caller's transaction, so that a step is applied wholly or not at all."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    context.run_migrations()


run()
