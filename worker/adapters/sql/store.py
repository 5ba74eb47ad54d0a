"""The job store over SQL: every write is one transaction guarded by the row's revision."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Row,
    Text,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.base import Executable

from worker.adapters.cursor import Cursor
from worker.adapters.sql.connection import connect, reading, writing
from worker.adapters.sql.mapping import (
    Moment,
    change_row,
    job_row,
    read_job,
    read_result,
    result_row,
)
from worker.adapters.sql.tables import jobs, metadata, results
from worker.adapters.sql.types import UtcTime
from worker.jobs.errors import Conflict, JobExists, RecordRefused
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot, is_job_id
from worker.jobs.states import JobStatus
from worker.ports import Page, Wanted

#: Any number that is always the same: two processes that make the schema take turns.
_SCHEMA_LOCK = 8_230_511


class SqlJobStore:
    """``url`` as SQLAlchemy writes it: ``sqlite:///file.db``, ``postgresql+psycopg://…``.

    A SQLite file gets its tables at once; on PostgreSQL they are made by ``create_schema``.
    """

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        self._embedded = self._engine.dialect.name == "sqlite"
        if self._embedded:
            self.create_schema()

    def create_schema(self) -> None:
        """Make the tables that are not there yet."""
        with writing(self._engine) as connection:
            if not self._embedded:
                connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            metadata.create_all(connection)

    def create(self, job: Job) -> Snapshot:
        if not is_job_id(job.job_id):
            raise RecordRefused(f"{job.job_id!r} is not a job id")
        with writing(self._engine) as connection:
            try:
                return _snapshot(
                    _execute(
                        connection,
                        insert(jobs)
                        .values(job_row(job, self._now()))
                        .returning(jobs, self._read_at()),
                    ).one()
                )
            except IntegrityError as error:
                raise JobExists(job.job_id) from error

    def get(self, job_id: str) -> Snapshot | None:
        if not is_job_id(job_id):
            return None
        with reading(self._engine) as connection:
            row = connection.execute(
                select(jobs, self._read_at()).where(jobs.c.job_id == job_id)
            ).one_or_none()
        return None if row is None else _snapshot(row)

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        best = (
            select(jobs, self._read_at())
            .where(
                jobs.c.status == JobStatus.QUEUED.value,
                jobs.c.lane == wanted.lane,
                jobs.c.engine_version.in_(wanted.engine_versions),
                jobs.c.rank.is_not(None),
            )
            .order_by(jobs.c.rank, jobs.c.job_id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine) as connection:
            row = connection.execute(best).one_or_none()
            if row is None:
                return None
            seen = _snapshot(row)
            return self._write(connection, seen, decide(seen))

    def commit(
        self, seen: Snapshot, change: JobChange, result: ResultRecord | None = None
    ) -> Snapshot:
        with writing(self._engine) as connection:
            after = self._write(connection, seen, change)
            if result is not None:
                try:
                    _execute(connection, insert(results).values(result_row(result, self._now())))
                except IntegrityError as error:
                    raise Conflict(f"job {result.job_id} has a result already") from error
            return after

    def result(self, job_id: str) -> ResultRecord | None:
        if not is_job_id(job_id):
            return None
        with reading(self._engine) as connection:
            row = connection.execute(
                select(results).where(results.c.job_id == job_id)
            ).one_or_none()
        return None if row is None else read_result(_columns(row))

    def jobs_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        own = select(jobs).where(jobs.c.user_id == user_id, jobs.c.admitted_at.is_not(None))
        if cursor:
            behind = Cursor.decode(cursor)
            own = own.where(
                tuple_(jobs.c.admitted_at, jobs.c.job_id)
                < tuple_(literal(behind.admitted_at, UtcTime), literal(behind.job_id, Text))
            )
        newest_first = own.order_by(jobs.c.admitted_at.desc(), jobs.c.job_id.desc())
        with reading(self._engine) as connection:
            rows = connection.execute(newest_first.limit(limit + 1)).all()
        page = [read_job(_columns(row)) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(jobs=page, cursor=Cursor.after(page[-1]).encode() if more else None)

    def ping(self) -> None:
        with reading(self._engine) as connection:
            connection.execute(select(jobs.c.job_id).limit(1)).all()

    def close(self) -> None:
        self._engine.dispose()

    def _write(self, connection: Connection, seen: Snapshot, change: JobChange) -> Snapshot:
        row = _execute(
            connection,
            update(jobs)
            .where(jobs.c.job_id == seen.job.job_id, jobs.c.revision == seen.version)
            .values(**change_row(change, self._now()), revision=jobs.c.revision + 1)
            .returning(jobs, self._read_at()),
        ).one_or_none()
        if row is None:
            raise Conflict(seen.job.job_id)
        return _snapshot(row)

    def _now(self) -> Moment:
        """The store's clock: the server's, or this machine's where the store is a file on it."""
        if self._embedded:
            return datetime.now(UTC)
        return func.clock_timestamp(type_=UtcTime)

    def _read_at(self) -> Any:
        if self._embedded:
            return literal(datetime.now(UTC), UtcTime).label("read_at")
        return func.clock_timestamp(type_=UtcTime).label("read_at")


def _execute(connection: Connection, statement: Executable) -> CursorResult[Any]:
    """Run a write; what the driver cannot even encode is refused."""
    try:
        return connection.execute(statement)
    except (OverflowError, UnicodeError) as error:
        raise RecordRefused(f"the record cannot be a row: {error}") from error


def _columns(row: Row[Any]) -> Mapping[str, Any]:
    return dict(row._mapping)


def _snapshot(row: Row[Any]) -> Snapshot:
    columns = _columns(row)
    return Snapshot(read_job(columns), columns["revision"], columns["read_at"])
