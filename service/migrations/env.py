"""What Alembic runs: the steps, on the connection it was handed."""

from alembic import context
from sqlalchemy.engine import Connection

from service.migrations.schema import metadata


def run() -> None:
    """Run each step in a transaction, the caller's if there is one: a step is applied wholly or not at all.

    Only a step that says so leaves it (`autocommit_block`), to build an index beside writers in PostgreSQL.
    """
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=metadata, compare_type=True, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


run()
