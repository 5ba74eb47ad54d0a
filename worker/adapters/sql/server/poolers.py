"""Poolers between this program and the server: which work, and what each needs.

In session mode a client has a session of the server for itself. In transaction mode it has one for
each transaction, and finds another the next time. In statement mode there are no transactions.
"""

from collections.abc import Callable

import psycopg

from worker.adapters.sql.server.arguments import Pooler
from worker.adapters.sql.server.connections import ServerConnection
from worker.adapters.sql.server.limits import time_limits
from worker.jobs.errors import StoreError

UNNAMED_POOLER = (
    "STORE_POOLER=none: expected a PostgreSQL server at the address in STORE, got a connection "
    "pooler: set STORE_POOLER=session or STORE_POOLER=transaction, as the pooler's mode is"
)
_SHARED_SESSIONS = (
    "STORE_POOLER=session: expected a session of its own for each connection to STORE, got a "
    "pooler that shares them: set STORE_POOLER=transaction"
)
_OPTIONS_REFUSED = (
    "STORE: expected an address whose options the pooler takes, got one that it refuses ({}): "
    "make them defaults of the role with ALTER ROLE … SET"
)
_NO_TRANSACTIONS = (
    "STORE: expected a pooler in session or transaction mode, got one in statement mode, which "
    "refuses transactions"
)
#: How often each of two connections is asked for its session.
_LOOKS = 3


class PoolerMismatch(StoreError):
    """The pooler at STORE is not the one that STORE_POOLER names, or one that cannot work."""


def refusal_of(error: psycopg.Error) -> PoolerMismatch | None:
    """What a pooler means that refuses a connection; ``None`` for any other error."""
    said = str(error)
    if "unsupported startup parameter" in said:
        reason = said[said.index("unsupported startup parameter") :].splitlines()[0]
        return PoolerMismatch(_OPTIONS_REFUSED.format(reason))
    return None


def require_pool_mode(open_one: Callable[[], ServerConnection], pooler: Pooler) -> None:
    """Raises ``PoolerMismatch`` unless sessions and their limits are as ``pooler`` says.

    Without a pooler there is nothing to ask: each connection has found out when it was opened.
    """
    if pooler == "session":
        with open_one() as one, open_one() as other:
            looks = [(_session_of(one), _session_of(other)) for _ in range(_LOOKS)]
        ones, others = map(set, zip(*looks, strict=True))
        if len(ones) > 1 or len(others) > 1 or ones & others:
            raise PoolerMismatch(_SHARED_SESSIONS)
    elif pooler == "transaction":
        with open_one() as one:
            _require_transactions(one)
            _require_limits(one)


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
            raise PoolerMismatch(_NO_TRANSACTIONS) from error
        raise


def _require_limits(connection: ServerConnection) -> None:
    """Of sessions that others prepared: nothing that is set lasts beyond a transaction there."""
    limits = time_limits()
    found = connection.execute(
        "SELECT name, setting::bigint, current_user, current_database() FROM pg_settings "
        "WHERE name = ANY(%s)",
        [list(limits)],
    ).fetchall()
    missing = [
        (name, milliseconds)
        for name, milliseconds, _, _ in found
        if not 0 < milliseconds <= 1000 * limits[name]
    ]
    if not missing:
        return
    _, _, role, database = found[0]
    told = ", ".join(f"{name}={milliseconds}ms" for name, milliseconds in missing)
    commands = " ".join(
        f'ALTER ROLE "{role}" IN DATABASE "{database}" SET {name} = \'{limits[name]}s\';'
        for name, _ in missing
    )
    raise PoolerMismatch(
        "STORE_POOLER=transaction: expected limits of time as defaults of the role, which every "
        f"session begins with, got {told} (0ms is none). Run {commands} Then let the pooler "
        "connect anew (PgBouncer: RECONNECT)"
    )
