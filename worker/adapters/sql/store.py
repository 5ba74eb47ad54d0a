"""The job store over SQL: every write is one transaction guarded by the row's revision."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, Text, func, insert, literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from worker.adapters.cursor import Cursor
from worker.adapters.schema_revision import HEAD
from worker.adapters.sql.bundles import SqlBundles
from worker.adapters.sql.connection import connect, read, writing
from worker.adapters.sql.driver import Driver, Record
from worker.adapters.sql.mapping import job_row, read_job, read_result, result_row
from worker.adapters.sql.overview import SqlOverview
from worker.adapters.sql.probing import SqlProbing
from worker.adapters.sql.purging import SqlPurging
from worker.adapters.sql.rows import REVISION, JobRows
from worker.adapters.sql.schema import migrate, require_head, revision_of
from worker.adapters.sql.statements import CHANNEL, Statement, Statements
from worker.adapters.sql.switches import SqlSwitches
from worker.adapters.sql.tables import jobs, results
from worker.adapters.sql.types import UtcTime, in_utc
from worker.adapters.sql.writing import Write, is_claimable
from worker.jobs.errors import JobExists, RecordRefused, StoreError
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot, is_job_id, may_name_a_record
from worker.jobs.lease import ServerTime
from worker.jobs.outcomes import require_outcome
from worker.jobs.retention import expiry_of_result, with_expiry
from worker.ports import Page, Wanted

if TYPE_CHECKING:
    from worker.adapters.sql.server import Pooler


class SqlJobStore(SqlOverview, SqlSwitches, SqlBundles, SqlPurging, SqlProbing):
    """``url`` as SQLAlchemy writes it: ``sqlite:///file.db``, ``postgresql+psycopg://…``.

    A SQLite file gets its tables, or the newest form of them, at once. PostgreSQL's are made by
    ``create_schema``, and asked for by ``require_schema``. ``role`` is what the server shows of
    this process, ``pooler`` how a pooler at ``url`` shares sessions.
    """

    def __init__(
        self,
        url: str,
        retention: timedelta | None = None,
        *,
        role: str = "command",
        pooler: "Pooler" = "none",
    ) -> None:
        self._engine = connect(url, role=role, pooler=pooler)
        self._place: tuple[str, str, Pooler] = (url, role, pooler)
        self._retention = retention
        self._embedded = self._engine.dialect.name == "sqlite"
        self._driver = Driver(self._engine)
        self._sql = Statements(self._embedded)
        self._job_rows = JobRows(self._embedded)
        if self._embedded:
            try:
                self.create_schema()
            except StoreError:
                self.close()
                raise

    def create_schema(self) -> None:
        """Bring the tables to their newest form. Writes nothing if they have it."""
        if read(self._engine, revision_of) != HEAD:
            self.migrate("head")

    def migrate(self, revision: str) -> tuple[str | None, str | None]:
        """Bring the tables to a revision, up or down; the revisions before and after."""
        with writing(self._engine) as connection:
            return migrate(connection, revision)

    def require_schema(self) -> None:
        """Raises ``SchemaMismatch`` unless the tables are those that this code needs."""
        read(self._engine, require_head)

    def require_pool_mode(self) -> None:
        """Raises ``PoolerMismatch`` unless a pooler, if there is one, is as told and can work."""
        if not self._embedded:
            from worker.adapters.sql.server import require_pool_mode

            require_pool_mode(*self._place)

    def create(self, job: Job) -> Snapshot:
        if not is_job_id(job.job_id):
            raise RecordRefused(f"{job.job_id!r} is not a job id")
        made = insert(jobs).values(job_row(job, self._now())).returning(jobs, self._read_at())
        with writing(self._engine) as connection:
            try:
                row = connection.execute(made).one()
            except IntegrityError as error:
                raise JobExists(job.job_id) from error
            except (OverflowError, UnicodeError) as error:
                raise RecordRefused(f"the record cannot be a row: {error}") from error
            if not self._embedded and is_claimable(job):
                connection.execute(select(func.pg_notify(CHANNEL, "")))
        columns = _columns(row)
        return Snapshot(read_job(columns), columns["revision"], columns["read_at"])

    def get(self, job_id: str) -> Snapshot | None:
        if not may_name_a_record(job_id):
            return None
        row = self._driver.one(self._sql.get, (job_id,))
        return None if row is None else self._snapshot(row)

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        taken: list[Write] = []

        def write(row: Record) -> list[Statement]:
            seen = self._snapshot(row)
            taken.append(self._write(seen, decide(seen)))
            return taken[0].statements()

        for version in self._in_turn(wanted):
            row = self._driver.locked(self._sql.best(wanted.lane, version), write)
            if taken:
                return taken[0].done(row)
        return None

    def _in_turn(self, wanted: Wanted) -> Sequence[str]:
        """The engine versions that have something in the queue, by the rank of their first job.

        Each has its own part of the index, and no index has them in one order.
        """
        if len(wanted.engine_versions) == 1:
            return wanted.engine_versions
        heads = {
            version: head
            for version in wanted.engine_versions
            if (head := self._driver.one(*self._sql.head(wanted.lane, version))) is not None
        }
        return sorted(heads, key=heads.__getitem__)

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        require_outcome(seen.job, change, result)
        write = self._write(seen, change, by)
        row = None
        if result is not None:
            expire_at = expiry_of_result(seen.job, write.change, result)
            row = result_row(result, write.clock) | {"expire_at": expire_at}
        return write.done(self._driver.all_if_first(write.statements(row)))

    def result(self, job_id: str) -> ResultRecord | None:
        if not may_name_a_record(job_id):
            return None
        query = select(results).where(results.c.job_id == job_id)
        row = read(self._engine, lambda connection: connection.execute(query).one_or_none())
        return None if row is None else read_result(_columns(row))

    def jobs_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        own = select(jobs).where(
            jobs.c.user_id == user_id, jobs.c.admitted_at.is_not(None), jobs.c.bundle_id.is_(None)
        )
        if cursor:
            behind = Cursor.decode(cursor)
            own = own.where(
                tuple_(jobs.c.admitted_at, jobs.c.job_id)
                < tuple_(literal(behind.admitted_at, UtcTime), literal(behind.job_id, Text))
            )
        newest_first = own.order_by(jobs.c.admitted_at.desc(), jobs.c.job_id.desc())
        found = self._listed(newest_first.limit(limit + 1))
        page, more = found[:limit], len(found) > limit
        # One whose time cannot be read has no place that a cursor could name.
        placed = [job for job in page if job.admitted_at is not None]
        return Page(
            jobs=page, cursor=Cursor.after(placed[-1]).encode() if more and placed else None
        )

    def _listed(self, query: Select[Any]) -> list[Job]:
        """Several jobs at once, or one by one if one of them is not as this store writes them."""
        try:
            return [read_job(_columns(row)) for row in self._found(query)]
        except (ValueError, TypeError, RecursionError):
            found = self._found(query.with_only_columns(jobs.c.job_id))
        return [seen.job for seen in map(self.get, (row[0] for row in found)) if seen is not None]

    def ping(self) -> None:
        self._found(select(jobs.c.job_id).limit(1))

    def close(self) -> None:
        self._driver.close()
        self._engine.dispose()

    def _write(self, seen: Snapshot, change: JobChange, by: datetime | None = None) -> Write:
        clock = datetime.now(UTC) if self._embedded else ServerTime.NOW
        return Write(self._sql, seen, with_expiry(seen, change, self._retention), clock, by)

    def _snapshot(self, row: Record) -> Snapshot:
        read_at = datetime.now(UTC) if self._embedded else in_utc(row[-1])
        return Snapshot(self._job_rows.job(row), row[REVISION], read_at)

    def _now(self) -> datetime | ColumnElement[datetime]:
        """The store's clock: the server's, or this machine's where the store is a file on it."""
        if self._embedded:
            return datetime.now(UTC)
        return func.clock_timestamp(type_=UtcTime)

    def _read_at(self) -> Any:
        if self._embedded:
            return literal(datetime.now(UTC), UtcTime).label("read_at")
        return func.clock_timestamp(type_=UtcTime).label("read_at")


def _columns(row: Row[Any]) -> Mapping[str, Any]:
    return dict(row._mapping)
