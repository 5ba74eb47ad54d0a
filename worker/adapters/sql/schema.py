"""The schema of a database: which revision it has, and how it gets the one that the code needs.

A connection is always inside a transaction of the caller's: a migration happens whole or not.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from worker.adapters.schema_revision import HEAD
from worker.jobs.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

#: What this program works on: its own, and what the next release makes of it.
_SERVED = (HEAD, f"{int(HEAD) + 1:04}")

#: The revision of tables that were made before there were revisions.
_UNVERSIONED = "0001"

#: Any number that is always the same: two processes that migrate take turns.
_LOCK = 8_230_511
_LOCK_WAIT_SECONDS = 60


class SchemaMismatch(StoreError):
    """The database needs a migration, or is newer than this program."""


def revision_of(connection: Connection) -> str | None:
    """The database's revision, ``None`` for an empty one."""
    tables = inspect(connection)
    if not tables.has_table("alembic_version"):
        return _UNVERSIONED if tables.has_table("backtest_jobs") else None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def require_head(connection: Connection) -> None:
    """Raises ``SchemaMismatch`` unless the database has the revision that this code needs, or the
    next one: that has only grown, so that a release can be taken back without undoing it.
    """
    found = revision_of(connection)
    if found in _SERVED:
        return
    if found is not None and found > HEAD:
        raise SchemaMismatch(
            f"the database has schema revision {found} and this program knows {HEAD}: "
            "run a newer version of it"
        )
    raise SchemaMismatch(
        f"the database has {f'schema revision {found}' if found else 'no tables'} and this program "
        f"needs {HEAD}: run backtest-worker migrate"
    )


def migrate(connection: Connection, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the database to ``revision``, up or down; its revisions before and after.

    ``base`` is the empty database. Whoever comes second waits and finds nothing to do.

    Raises:
        SchemaMismatch: there is no such revision.
    """
    if connection.dialect.name == "postgresql":
        from worker.adapters.sql.server import unbounded

        with unbounded(connection):
            _wait_for_turn(connection)
            return _to(connection, revision)
    return _to(connection, revision)


def _wait_for_turn(connection: Connection) -> None:
    """All limits are this transaction's own, so that a pooled session keeps its usual ones."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_SECONDS}s'"))
    # An index over many jobs takes longer than any statement of a job's life may.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _to(connection: Connection, revision: str) -> tuple[str | None, str | None]:
    before = revision_of(connection)
    if revision == "head" and before in _SERVED:
        return before, before
    _run(connection, before, revision)
    return before, revision_of(connection)


def alembic_config(connection: Connection | None = None) -> "Config":
    """How Alembic finds the migrations and, through ``env.py``, the connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _run(connection: Connection, before: str | None, revision: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = alembic_config(connection)
    history = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    target = {"head": history[0], "base": None}.get(revision, revision)
    if (target is not None and target not in history) or (
        before is not None and before not in history
    ):
        known = ", ".join(reversed(history))
        raise SchemaMismatch(f"cannot go from revision {before} to {revision}; known: {known}")
    if before == _UNVERSIONED:
        # Tables without a mark, or marked so already.
        command.stamp(config, before)
    try:
        if target is not None and (before is None or target > before):
            command.upgrade(config, target)
        else:
            command.downgrade(config, target or "base")
    except CommandError as error:
        raise SchemaMismatch(str(error)) from error
