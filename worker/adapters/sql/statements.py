"""The SQL of a job's life, written out once for each shape and kept.

Every statement reads or writes whole rows by position; what a value is to the driver follows from
its column's type in :mod:`tables`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Table

from worker.adapters.sql.rows import COLUMNS
from worker.adapters.sql.tables import jobs, results
from worker.adapters.sql.types import JsonText, UtcTime, dump_json, utc_text
from worker.jobs.errors import RecordRefused
from worker.jobs.lease import ServerTime

#: The channel on which PostgreSQL tells that the queue has grown.
CHANNEL = "backtest_queue"

Convert = Callable[[Any], Any]
#: The text and what fills its placeholders.
Statement = tuple[str, list[Any]]

#: As :func:`utc_text` writes a moment, to the millisecond.
_SQLITE_CLOCK = "strftime('%Y-%m-%dT%H:%M:%f', 'now')"
_CLOCK = "(SELECT clock_timestamp() AS now) AS clock"
#: The same, read when the lock of the row has been got, however long that took.
_HELD = "WITH held AS (SELECT 1 FROM backtest_jobs WHERE job_id = %s AND revision = %s FOR UPDATE)"
_CLOCK_THEN = "(SELECT clock_timestamp() AS now FROM held) AS clock"


class Statements:
    """In the dialect of one database: its placeholders, its clock, its kinds of values.

    A :class:`ServerTime` in a row becomes the server's clock; SQLite has none, so there the caller
    gives the time.
    """

    def __init__(self, embedded: bool) -> None:
        self._embedded = embedded
        self._mark = "?" if embedded else "%s"
        self._write: dict[str, dict[str, Convert | None]] = {
            table.name: {column.name: _writer(column.type, embedded) for column in table.columns}
            for table in (jobs, results)
        }
        self._update = cache(self._update_text)
        self._insert = cache(self._insert_text)
        #: One job by its id.
        self.get = f"SELECT {self._seen()} FROM backtest_jobs WHERE job_id = {self._mark}"

    def best(self, lane: str, version: str) -> Statement:
        """The first of one engine version in the queue that nobody else is about to take; locked
        where rows can be.
        """
        locking = "" if self._embedded else " FOR UPDATE SKIP LOCKED"
        return f"SELECT {self._seen()} {self._queue()}{locking}", [lane, version]

    def head(self, lane: str, version: str) -> Statement:
        """Rank and id of the first of one engine version in the queue, whoever takes it."""
        return f"SELECT rank, job_id {self._queue()}", [lane, version]

    def update(
        self,
        job_id: str,
        revision: int,
        row: Mapping[str, Any],
        *,
        wakes: bool = False,
        by: datetime | None = None,
    ) -> Statement:
        """Write columns of the row that still has this revision; gives the server's clock.

        ``wakes``: tell whoever listens that there is a job to run, when this is committed. ``by``:
        the moment after which nothing is written.
        """
        timed = tuple(value is ServerTime.NOW for value in row.values())
        sql = self._update(tuple(row), timed, wakes, by is not None)
        values = [*self._values("backtest_jobs", row), job_id, revision]
        if by is None:
            return sql, values
        if self._embedded:
            return sql, [*values, utc_text(by)]
        return sql, [job_id, revision, *values, by]

    def put_result(self, row: Mapping[str, Any]) -> Statement:
        """A result by itself, in place of whatever was there."""
        return self._insert(tuple(row)), self._values("backtest_results", row)

    def drop_result(self, job_id: str) -> Statement:
        """No result from now on."""
        return f"DELETE FROM backtest_results WHERE job_id = {self._mark}", [job_id]

    def update_with_result(
        self, job_id: str, revision: int, row: Mapping[str, Any], result: Mapping[str, Any]
    ) -> Statement:
        """PostgreSQL: both in one statement, nothing of the result unless the job was written."""
        update, parameters = self.update(job_id, revision, row)
        timed = tuple(value is ServerTime.NOW for value in result.values())
        return (
            f"WITH written AS ({update}), {self._kept(tuple(result), timed)} "
            "SELECT now FROM written",
            [*parameters, *self._values("backtest_results", result)],
        )

    def update_without_result(
        self, job_id: str, revision: int, row: Mapping[str, Any]
    ) -> Statement:
        """PostgreSQL: the same with a result removed, if there is one."""
        update, parameters = self.update(job_id, revision, row)
        return (
            f"WITH written AS ({update}), gone AS (DELETE FROM backtest_results USING written "
            "WHERE job_id = %s) SELECT now FROM written",
            [*parameters, job_id],
        )

    def _seen(self) -> str:
        columns = ", ".join(COLUMNS)
        return columns if self._embedded else f"{columns}, clock_timestamp()"

    def _queue(self) -> str:
        return (
            f"FROM backtest_jobs WHERE status = 'queued' AND lane = {self._mark} "
            f"AND engine_version = {self._mark} AND rank IS NOT NULL ORDER BY rank, job_id LIMIT 1"
        )

    def _values(self, table: str, row: Mapping[str, Any]) -> list[Any]:
        writers = self._write[table]
        values = []
        for name, value in row.items():
            if value is ServerTime.NOW:
                continue
            convert = writers[name]
            try:
                values.append(value if convert is None or value is None else convert(value))
            except (TypeError, ValueError) as error:
                raise RecordRefused(f"{name} cannot be stored: {error}") from error
        return values

    def _update_text(
        self, names: tuple[str, ...], timed: tuple[bool, ...], wakes: bool, in_time: bool
    ) -> str:
        written = [
            f"{name} = {'clock.now' if is_clock else self._mark}"
            for name, is_clock in zip(names, timed, strict=True)
        ]
        text = f"UPDATE backtest_jobs SET {', '.join(written)}, revision = revision + 1"
        guard = f" WHERE job_id = {self._mark} AND revision = {self._mark}"
        if self._embedded:
            late = f" AND {_SQLITE_CLOCK} <= ?" if in_time else ""
            return f"{text}{guard}{late} RETURNING revision"
        notify = f", pg_notify('{CHANNEL}', '')" if wakes else ""
        if in_time:
            return (
                f"{_HELD} {text} FROM {_CLOCK_THEN}{guard} AND clock.now <= %s "
                f"RETURNING clock.now AS now{notify}"
            )
        return f"{text} FROM {_CLOCK}{guard} RETURNING clock.now AS now{notify}"

    def _insert_text(self, names: tuple[str, ...]) -> str:
        marks = ", ".join(self._mark for _ in names)
        return (
            f"INSERT INTO backtest_results ({', '.join(names)}) VALUES ({marks})"
            f"{_in_place_of(names)}"
        )

    @staticmethod
    @cache
    def _kept(names: tuple[str, ...], timed: tuple[bool, ...]) -> str:
        # In a SELECT a parameter is text unless it says otherwise.
        values = [
            "written.now" if is_clock else f"%s{_cast(results, name)}"
            for name, is_clock in zip(names, timed, strict=True)
        ]
        return (
            f"kept AS (INSERT INTO backtest_results ({', '.join(names)}) "
            f"SELECT {', '.join(values)} FROM written{_in_place_of(names)})"
        )


def _in_place_of(names: tuple[str, ...]) -> str:
    taken = ", ".join(f"{name} = excluded.{name}" for name in names if name != "job_id")
    return f" ON CONFLICT (job_id) DO UPDATE SET {taken}"


def _cast(table: Table, name: str) -> str:
    return "::timestamptz" if isinstance(table.c[name].type, UtcTime) else "::text"


def _writer(kind: Any, embedded: bool) -> Convert | None:
    if isinstance(kind, JsonText):
        return dump_json
    if isinstance(kind, UtcTime) and embedded:
        return utc_text
    return None
