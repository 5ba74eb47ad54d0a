"""Jobs from rows that somebody else wrote: whatever cannot be read becomes a defect of the job.

A file or a database can be written by other programs, and SQLite keeps any text in any column. One
such row must not stop whoever reads the queue: its job is read as far as that goes, and ends.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from worker.adapters.plain import note, plain_json
from worker.adapters.sql.types import from_text, in_utc
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.lease import Lease
from worker.jobs.states import EnumStyle, JobStatus, read_status

_TEXTS = ("user_id", "engine_version", "error_message", "lane", "bundle_id", "result_digest")
_TIMES = ("created_at", "started_at", "completed_at", "admitted_at", "expire_at")
_COUNTS = ("priority", "attempt", "interruptions", "worker_losses")
_NUMBERS = ("timeout_seconds", "bars", "duration_ms")

Parse = Callable[[Any], Any]


def read_as_far_as_possible(row: Mapping[str, Any]) -> Job:
    """The job in a row of plain values, by the columns' names; never raises."""
    defects: list[str] = []

    def value(name: str, expected: str, convert: Parse, default: Any = None) -> Any:
        given = row[name]
        if given is None:
            return default
        try:
            return convert(given)
        except (ValueError, TypeError, OverflowError, RecursionError):
            note(defects, _camel(name), expected, given)
            return default

    status, style = value(
        "status", "queued, running, completed or failed", read_status, _UNKNOWN_STATUS
    )
    if style is EnumStyle.PLAIN:
        style = value("enum_style", "plain or dart", EnumStyle, EnumStyle.PLAIN)
    config = value("config_used", "a map", _map, {})
    if config is None:
        note(defects, "configUsed", "a map (required)", None)
        config = {}
    variants = value("variants", "a map", _map)
    earlier = value("defects", "a list", _texts, [])
    submitted = value("submitted_at", "a time", _moment)
    return Job(
        job_id=row["job_id"],
        status=status,
        enum_style=style,
        config_used=plain_json(config, "configUsed", defects),
        variants=variants,
        submitted_at=value("submitted_text", "a text", _text) or submitted,
        cancel_requested=bool(row["cancel_requested"]),
        error_code=value("error_code", "a code", ErrorCode),
        progress=value("progress", "a number", _finite, 0.0),
        rank=value("rank", "a number", _finite),
        traceparent=value("traceparent", "a text", _text),
        lease=value("lease_id", "a lease", lambda _: _lease(row)),
        **{name: value(name, "a text", _text) for name in _TEXTS},
        **{name: value(name, "a time", _moment) for name in _TIMES},
        **{name: value(name, "an integer", _whole, 0) for name in _COUNTS},
        **{name: value(name, "an integer", _whole) for name in _NUMBERS},
        defects=(*earlier, *defects),
    )


_UNKNOWN_STATUS = (JobStatus.QUEUED, EnumStyle.PLAIN)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _map(text: str) -> dict[str, Any] | None:
    """The map in a JSON text, which may also say null."""
    value = json.loads(text)
    if value is not None and not isinstance(value, dict):
        raise TypeError("no map")
    return value


def _texts(text: str) -> list[str]:
    """The list in a JSON text, none in null."""
    value = json.loads(text)
    return [] if value is None else [str(one) for one in value]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError("no integer")
    return value


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no finite number")
    return float(value)


def _moment(value: Any) -> datetime:
    return in_utc(value if isinstance(value, datetime) else from_text(value))


def _lease(row: Mapping[str, Any]) -> Lease:
    expires_at = row["lease_expires_at"]
    return Lease(
        lease_id=_text(row["lease_id"]),
        worker_id=_text(row["lease_worker_id"]),
        heartbeat_at=_moment(row["lease_heartbeat_at"]),
        seconds=_whole(row["lease_seconds"]),
        expires_at=None if expires_at is None else _moment(expires_at),
    )
