"""Jobs from plain rows, by position: every claim reads one."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from worker.adapters.sql.tables import jobs
from worker.adapters.sql.types import JsonText, UtcTime, from_text, in_utc
from worker.adapters.sql.unreadable_rows import read_as_far_as_possible
from worker.jobs.changes import JOB_SLOTS
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.lease import Lease
from worker.jobs.states import EnumStyle, JobStatus

#: The order in which these rows have their columns.
COLUMNS = tuple(column.name for column in jobs.columns)
REVISION = COLUMNS.index("revision")

_SUBMITTED_TEXT = COLUMNS.index("submitted_text")
_LEASE = slice(COLUMNS.index("lease_id"), COLUMNS.index("lease_expires_at") + 1)

_put_lease, _put_submitted = JOB_SLOTS["lease"], JOB_SLOTS["submitted_at"]


class JobRows:
    """``embedded``: SQLite, whose times and truths are texts and numbers."""

    def __init__(self, embedded: bool) -> None:
        self._plan = tuple(
            (JOB_SLOTS.get(column.name), _reader(column.name, column.type, embedded))
            for column in jobs.columns
        )
        self._time = from_text if embedded else in_utc

    def job(self, row: Sequence[Any]) -> Job:
        """What is behind the columns of a job does not matter."""
        try:
            return self._as_written(row)
        except (ValueError, TypeError, RecursionError):
            return read_as_far_as_possible(dict(zip(COLUMNS, row, strict=False)))

    def _as_written(self, row: Sequence[Any]) -> Job:
        made: Job = object.__new__(Job)
        for (put, convert), value in zip(self._plan, row, strict=False):
            if put is not None:
                put(made, value if convert is None or value is None else convert(value))
        if row[_SUBMITTED_TEXT] is not None:
            _put_submitted(made, row[_SUBMITTED_TEXT])
        _put_lease(made, self._lease(*row[_LEASE]))
        return made

    def _lease(
        self, lease_id: str | None, worker_id: str, heartbeat_at: Any, seconds: int, expires_at: Any
    ) -> Lease | None:
        if lease_id is None:
            return None
        return Lease(
            lease_id=lease_id,
            worker_id=worker_id,
            heartbeat_at=self._time(heartbeat_at),
            seconds=seconds,
            expires_at=None if expires_at is None else self._time(expires_at),
        )


def _reader(name: str, kind: Any, embedded: bool) -> Callable[[Any], Any] | None:
    if name in _NAMED:
        return _NAMED[name]
    if isinstance(kind, JsonText):
        return _map
    if isinstance(kind, UtcTime):
        return from_text if embedded else in_utc
    return bool if embedded and name == "cancel_requested" else None


def _map(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("no map")
    return value


def _defects(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


_NAMED: dict[str, Callable[[Any], Any]] = {
    "status": JobStatus,
    "enum_style": EnumStyle,
    "error_code": ErrorCode,
    "defects": _defects,
}
