"""The store's clock as SQL."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Engine, func, literal

from worker.adapters.sql.types import UtcTime


def store_clock(engine: Engine) -> ColumnElement[datetime]:
    """The server's, or this machine's where the store is a file on it."""
    if engine.dialect.name == "sqlite":
        return literal(datetime.now(UTC), UtcTime)
    return func.clock_timestamp(type_=UtcTime)
