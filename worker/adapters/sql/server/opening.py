"""Opening a connection, and giving its session the limits that everything here relies on."""

from collections.abc import Mapping
from typing import Any

import psycopg

from worker.adapters.sql.server import connections
from worker.adapters.sql.server.arguments import Pooler
from worker.adapters.sql.server.connections import Losses, ServerConnection
from worker.adapters.sql.server.limits import session_settings
from worker.jobs.errors import StoreError

# A setting that the server does not know, or that the address gives in `options`, is left out. So
# is everything if the session has not the number that was expected: a pooler, which gives its
# clients numbers of its own, would keep it for others.
_PREPARE_SESSION = """
    SELECT pg_backend_pid(), count(set_config(name, wanted, false))
    FROM unnest(%s::text[], %s::text[]) AS ours (name, wanted)
    JOIN pg_settings USING (name)
    WHERE source <> 'client' AND pg_backend_pid() = coalesce(%s, pg_backend_pid())
"""
#: How a pooler refuses options, whatever stands in them.
_REFUSED_OPTIONS = "unsupported startup parameter"
#: psycopg's usual number of executions before it prepares a statement.
_PREPARE_AFTER = 5


class PoolerMismatch(StoreError):
    """What answers at the store's address is not what STORE_POOLER says, or cannot work."""


def open_connection(
    arguments: Mapping[str, Any], *, pooler: Pooler = "none", losses: Losses | None = None
) -> ServerConnection:
    """A connection whose waits are bounded at both ends. It is in autocommit mode.

    ``losses`` are those of the connections that share its fate.

    Raises:
        psycopg.Error: the server does not answer, or refuses.
        PoolerMismatch: a pooler answers, and ``pooler`` says otherwise.
    """
    shares_sessions = pooler == "transaction"
    # The next transaction may be in another session, which knows no statement prepared in this one.
    prepare_threshold = None if shares_sessions else _PREPARE_AFTER
    try:
        opened = ServerConnection.connect(
            **arguments, autocommit=True, prepare_threshold=prepare_threshold
        )
    except psycopg.Error as error:
        if _REFUSED_OPTIONS in str(error):
            raise PoolerMismatch(
                "STORE: expected an address without options, which the pooler refuses, got some: "
                "make them defaults of the role with ALTER ROLE … SET"
            ) from error
        raise
    opened.answer_seconds = connections.ANSWER_SECONDS
    opened.losses = losses or opened.losses
    if not shares_sessions:
        # There it would be set for others: require_pool_mode asks for defaults of the role.
        _prepare(opened, is_direct=pooler == "none")
    return opened


def _prepare(opened: ServerConnection, *, is_direct: bool) -> None:
    settings = session_settings()
    expected = opened.info.backend_pid if is_direct else None
    values = [list(settings), list(settings.values()), expected]
    try:
        row = opened.execute(_PREPARE_SESSION, values).fetchone()
        assert row is not None
        if expected not in (None, row[0]):
            raise PoolerMismatch(
                "STORE_POOLER=none: expected a PostgreSQL server at the address in STORE, got a "
                "pooler: set STORE_POOLER to session or transaction, whichever its mode is"
            )
    except BaseException:
        opened.close()
        raise
