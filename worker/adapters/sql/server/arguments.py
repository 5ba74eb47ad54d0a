"""An address as SQLAlchemy writes it, as the arguments that libpq connects with."""

import os
import socket
from typing import Any, Literal

from sqlalchemy import make_url

#: What stands between this program and the server, by the sessions that it gives its clients.
Pooler = Literal["none", "session", "transaction"]

#: For each host of the address.
CONNECT_SECONDS = 5

#: A network that drops everything is an error of the socket within 20 s: an unanswered probe counts
#: while the connection waits, unacknowledged data while it sends.
_LIVELINESS = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}

#: PostgreSQL cuts longer names off, and says so in its log.
_NAME_BYTES = 63
_PROGRAM = "backtest-worker"


def connect_arguments(url: str, role: str) -> dict[str, Any]:
    """The arguments for the hosts, the database and the options of ``url``, which go before ours.

    ``role``: what the process does; see :func:`application_name`.
    """
    parsed = make_url(url)
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        # Neither `application_name` in the address nor PGAPPNAME is overruled.
        "fallback_application_name": application_name(role),
    }
    return {**_LIVELINESS, **ours, **given}


def application_name(role: str) -> str:
    """How ``pg_stat_activity`` shows a connection: program, role, host and process.

    Of a long host name the end is kept, where the members of a group differ.
    """
    head, tail = f"{_PROGRAM} {role} ", f"-{os.getpid()}"
    host = socket.gethostname().encode("ascii", "replace").decode()
    return f"{head}{host[-(_NAME_BYTES - len(head) - len(tail)) :]}{tail}"
