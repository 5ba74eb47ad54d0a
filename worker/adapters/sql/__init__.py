"""Jobs and results in SQLite or PostgreSQL."""

from worker.adapters.sql.store import SqlJobStore

__all__ = ["SqlJobStore"]
