"""What a pooler between this program and the server must be like for each STORE_POOLER.

In session mode a client has a session of the server for itself. In transaction mode it has one for
each transaction, and finds another the next time. In statement mode there are no transactions.
"""

from functools import partial

import psycopg

from worker.adapters.sql.connection import told
from worker.adapters.sql.server.arguments import Pooler, connect_arguments
from worker.adapters.sql.server.connections import ServerConnection
from worker.adapters.sql.server.limits import time_limits
from worker.adapters.sql.server.opening import PoolerMismatch, open_connection
from worker.jobs.errors import StoreUnavailable

#: How often each of two connections is asked for its session.
_LOOKS = 3


def require_pool_mode(url: str, role: str, pooler: Pooler) -> None:
    """See that sessions, and the limits they begin with, are as ``pooler`` says.

    Without a pooler there is nothing to ask: each connection finds out when it is opened.

    Raises:
        PoolerMismatch: they are not.
        StoreUnavailable: the pooler or the server does not answer.
    """
    # Sessions are looked at as they are: if they are shared, nothing must be set in them.
    open_one = partial(open_connection, connect_arguments(url, role), pooler="transaction")
    try:
        if pooler == "session":
            with open_one() as one, open_one() as other:
                _require_own_sessions(one, other)
        elif pooler == "transaction":
            with open_one() as one:
                _require_transactions(one)
                _require_limits(one)
    except psycopg.Error as error:
        raise StoreUnavailable(told(error)) from error


def _require_own_sessions(one: ServerConnection, other: ServerConnection) -> None:
    looks = [(_session_of(one), _session_of(other)) for _ in range(_LOOKS)]
    if len(set(looks)) > 1 or looks[0][0] == looks[0][1]:
        raise PoolerMismatch(
            "STORE_POOLER=session: expected a session of its own for each connection to STORE, got "
            "a pooler that shares them: set STORE_POOLER=transaction"
        )


def _session_of(connection: ServerConnection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _require_transactions(connection: ServerConnection) -> None:
    try:
        connection.execute("BEGIN")
        connection.execute("COMMIT")
    except psycopg.Error as error:
        if "statement pooling" in str(error):
            raise PoolerMismatch(
                "STORE: expected a pooler in session or transaction mode, got one in statement "
                "mode, which refuses transactions"
            ) from error
        raise


def _require_limits(connection: ServerConnection) -> None:
    """Of sessions that others open and share: what is set in one transaction is lost in the next.

    So each session must begin with them, by a default of the role.
    """
    limits = time_limits()
    found = connection.execute(
        "SELECT name, setting::bigint, current_user, current_database() FROM pg_settings "
        "WHERE name = ANY(%s) ORDER BY name",
        [list(limits)],
    ).fetchall()
    missing = {
        name: f"{milliseconds}ms"
        for name, milliseconds, _, _ in found
        if not 0 < milliseconds <= 1000 * limits[name]
    }
    if missing:
        _, _, role, database = found[0]
        expected = ", ".join(f"{name} of at most {limits[name]}s" for name in missing)
        got = ", ".join(f"{name}={value}" for name, value in missing.items())
        commands = " ".join(
            f'ALTER ROLE "{role}" IN DATABASE "{database}" SET {name} = \'{limits[name]}s\';'
            for name in missing
        )
        raise PoolerMismatch(
            f"STORE_POOLER=transaction: expected sessions that begin with {expected}, got {got} "
            f"(0 is no limit): run {commands} and have the pooler connect anew "
            "(PgBouncer: RECONNECT)"
        )
