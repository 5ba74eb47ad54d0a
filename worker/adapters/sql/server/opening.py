"""Opening a connection, and giving its session the limits that everything here relies on."""

from collections.abc import Mapping
from typing import Any

import psycopg

from worker.adapters.sql.server import connections
from worker.adapters.sql.server.arguments import Pooler
from worker.adapters.sql.server.connections import Losses, ServerConnection
from worker.adapters.sql.server.limits import session_settings
from worker.adapters.sql.server.poolers import UNNAMED_POOLER, PoolerMismatch, refusal_of

# The server skips a setting that it does not know, or that the address gives in `options`.
_PREPARE_SESSION = """
    SELECT pg_backend_pid(), count(set_config(name, wanted, false))
    FROM unnest(%s::text[], %s::text[]) AS ours (name, wanted)
    JOIN pg_settings USING (name) WHERE source <> 'client'
"""


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
    try:
        # The next transaction may be in another session, which knows no prepared statement of ours.
        opened = ServerConnection.connect(
            **arguments, autocommit=True, prepare_threshold=None if shares_sessions else 5
        )
    except psycopg.Error as error:
        raise refusal_of(error) or error from None
    opened.answer_seconds = connections.ANSWER_SECONDS
    if losses is not None:
        opened.losses = losses
    if shares_sessions:
        # Whatever is set here would be set for others; see require_pool_mode.
        return opened
    try:
        _prepare(opened, is_direct=pooler == "none")
    except BaseException:
        opened.close()
        raise
    return opened


def _prepare(opened: ServerConnection, *, is_direct: bool) -> None:
    settings = session_settings()
    row = opened.execute(_PREPARE_SESSION, [list(settings), list(settings.values())]).fetchone()
    assert row is not None
    # A pooler gives its clients numbers of its own.
    if is_direct and row[0] != opened.info.backend_pid:
        raise PoolerMismatch(UNNAMED_POOLER)
