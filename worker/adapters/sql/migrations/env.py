"""Run by Alembic for each migration, inside the transaction that its caller has begun."""

from alembic import context

from worker.adapters.sql.indexes import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite undoes tables and indexes like any other write; Alembic doubts it.
    transactional_ddl=True,
)
context.run_migrations()
