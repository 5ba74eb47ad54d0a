"""Connections to a PostgreSQL server: the store's, and the one that listens for notifications."""

from worker.adapters.sql.server.arguments import Pooler
from worker.adapters.sql.server.connections import Losses, ServerConnection, unbounded
from worker.adapters.sql.server.opening import PoolerMismatch, open_connection
from worker.adapters.sql.server.poolers import require_pool_mode

__all__ = [
    "Losses",
    "Pooler",
    "PoolerMismatch",
    "ServerConnection",
    "open_connection",
    "require_pool_mode",
    "unbounded",
]
