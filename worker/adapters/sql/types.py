"""Column types that mean the same in SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

#: ``json.dumps`` with these options would make one for every call.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


class UtcTime(TypeDecorator[datetime]):
    """A moment, to the microsecond: ``timestamptz``, or in SQLite a text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """Plain data as JSON text that every JSON parser reads: a NaN in it is a ValueError."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        if value is None:
            return None
        return dump_json(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def dump_json(value: Any) -> str:
    """Raises ValueError for a NaN, TypeError for what JSON does not know."""
    return _ENCODER.encode(value)


def from_text(text: str) -> datetime:
    """A moment as SQLite keeps it."""
    return datetime.fromisoformat(text)


def in_utc(moment: datetime) -> datetime:
    """A moment as PostgreSQL gives it; connections ask for UTC."""
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """A moment as SQLite keeps it: texts in the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
