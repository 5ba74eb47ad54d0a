"""Bundles in a database: each write is one transaction guarded by the row's revision."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Engine,
    Row,
    Select,
    Text,
    cast,
    func,
    insert,
    literal,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from worker.adapters.cursor import Cursor
from worker.adapters.sql.bundle_mapping import (
    OUTLINE_COLUMNS,
    bundle_change_row,
    bundle_row,
    read_bundle,
    read_outline,
)
from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import read, writing
from worker.adapters.sql.mapping import job_row
from worker.adapters.sql.statements import CHANNEL
from worker.adapters.sql.tables import OPEN, bundles
from worker.adapters.sql.tables import jobs as job_table
from worker.adapters.sql.types import UtcTime
from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot, is_bundle_id
from worker.jobs.changes import changed_bundle
from worker.jobs.chunks import ChunkTally, start_of, tally
from worker.jobs.errors import BundleExists, Conflict, RecordRefused, StoreUnavailable
from worker.jobs.job import Job, may_name_a_record
from worker.jobs.lanes import OWN_LANES
from worker.jobs.lease import ServerTime
from worker.jobs.retention import bundle_with_expiry
from worker.jobs.states import JobStatus
from worker.ports import BundlePage

#: What is added up of chunk jobs' ``variants``.
_COUNTED = ("count", "completed", "failed")


class SqlBundles(ABC):
    """The part of the store that knows bundles."""

    _engine: Engine
    _retention: timedelta | None

    @abstractmethod
    def _listed(self, query: Select[Any]) -> list[Job]:
        """The jobs of a query for whole rows."""

    def create_bundle(self, bundle: Bundle) -> BundleSnapshot:
        if not is_bundle_id(bundle.bundle_id):
            raise RecordRefused(f"{bundle.bundle_id!r} is not a bundle id")
        row = bundle_row(bundle, self._bundle_now())
        made = insert(bundles).values(row).returning(bundles, self._now_labelled())
        with writing(self._engine) as connection:
            try:
                return _seen(connection.execute(made).one())
            except IntegrityError as error:
                raise BundleExists(bundle.bundle_id) from error
            except (OverflowError, UnicodeError) as error:
                raise RecordRefused(f"the bundle cannot be a row: {error}") from error

    def get_bundle(self, bundle_id: str) -> BundleSnapshot | None:
        if not may_name_a_record(bundle_id):
            return None
        found = self._found(
            select(bundles, self._now_labelled()).where(bundles.c.bundle_id == bundle_id)
        )
        return _seen(found[0]) if found else None

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Sequence[Job] = ()
    ) -> BundleSnapshot:
        bundle_id = seen.bundle.bundle_id
        change = bundle_with_expiry(change, seen.read_at, self._retention)
        timed = [bundles.c[name] for name, value in change.items() if value is ServerTime.NOW]
        written = (
            update(bundles)
            .where(bundles.c.bundle_id == bundle_id, bundles.c.revision == seen.version)
            .values(bundle_change_row(change, self._bundle_now()))
            .values(revision=bundles.c.revision + 1)
            .returning(*timed, self._now_labelled())
        )
        with writing(self._engine) as connection:
            row = connection.execute(written).one_or_none()
            if row is None:
                raise Conflict(bundle_id)
            if jobs:
                rows = [job_row(job, row.now) for job in jobs]
                try:
                    connection.execute(insert(job_table), rows)
                except IntegrityError as error:
                    raise Conflict(f"bundle {bundle_id} has chunk jobs already") from error
                if self._engine.dialect.name == "postgresql":
                    connection.execute(select(func.pg_notify(CHANNEL, "")))
        stored: Any = {**change, **{column.name: row._mapping[column] for column in timed}}
        after = changed_bundle(seen.bundle, stored, row.now)
        return BundleSnapshot(after, seen.version + 1, row.now)

    def bundles_of(self, user_id: str, *, limit: int, cursor: str | None = None) -> BundlePage:
        place = tuple_(bundles.c.admitted_at, bundles.c.bundle_id)
        own = select(*OUTLINE_COLUMNS).where(
            bundles.c.user_id == user_id, bundles.c.admitted_at.is_not(None)
        )
        if cursor:
            behind = Cursor.decode(cursor)
            own = own.where(
                place < tuple_(literal(behind.admitted_at, UtcTime), literal(behind.job_id, Text))
            )
        newest_first = own.order_by(bundles.c.admitted_at.desc(), bundles.c.bundle_id.desc())
        found = self._found(newest_first.limit(limit + 1))
        page = [read_outline(_columns(row)) for row in found[:limit]]
        last = page[-1] if len(found) > limit else None
        return BundlePage(
            bundles=page,
            cursor=Cursor(last.admitted_at, last.bundle_id).encode()
            if last is not None and last.admitted_at is not None
            else None,
        )

    def chunk_jobs(self, bundle_id: str) -> Sequence[Job]:
        found = self._listed(select(job_table).where(job_table.c.bundle_id == bundle_id))
        return sorted(found, key=start_of)

    def chunk_tally(self, bundle_id: str) -> ChunkTally:
        jobs = job_table.c
        counted = select(
            jobs.status,
            func.count().label("jobs"),
            func.sum(jobs.progress).label("progress"),
            *(func.sum(self._in_variants(name)).label(name) for name in _COUNTED),
        )
        try:
            found = self._found(counted.where(jobs.bundle_id == bundle_id).group_by(jobs.status))
        except StoreUnavailable:
            # One row that somebody else wrote is enough: no database counts in what is no JSON.
            return tally(self.chunk_jobs(bundle_id))
        by_status = {row.status: row._mapping for row in found}

        def sums(status: JobStatus, name: str) -> float:
            row = by_status.get(status.value)
            return 0 if row is None else row[name] or 0

        return ChunkTally(
            queued=int(sums(JobStatus.QUEUED, "jobs")),
            running=int(sums(JobStatus.RUNNING, "jobs")),
            completed=int(sums(JobStatus.COMPLETED, "jobs")),
            failed=int(sums(JobStatus.FAILED, "jobs")),
            progress=float(sums(JobStatus.RUNNING, "progress")),
            variants_completed=int(sums(JobStatus.COMPLETED, "completed")),
            variants_failed=int(sums(JobStatus.COMPLETED, "failed")),
            variants_lost=int(sums(JobStatus.FAILED, "count")),
        )

    def unexpanded_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        queued = select(bundles.c.bundle_id).where(
            OPEN,
            bundles.c.status == JobStatus.QUEUED.value,
            bundles.c.lane.is_(None) | bundles.c.lane.in_(OWN_LANES),
            bundles.c.next_expansion_at.is_(None)
            | (bundles.c.next_expansion_at <= self._bundle_now()),
            bundles.c.bundle_id > after,
        )
        found = self._found(queued.order_by(bundles.c.bundle_id).limit(limit))
        return [row.bundle_id for row in found]

    def running_bundles(self, *, limit: int, after: str = "") -> Sequence[str]:
        running = select(bundles.c.bundle_id).where(
            OPEN, bundles.c.status == JobStatus.RUNNING.value, bundles.c.bundle_id > after
        )
        found = self._found(running.order_by(bundles.c.bundle_id).limit(limit))
        return [row.bundle_id for row in found]

    def open_bundles_of(self, user_id: str) -> int:
        counted = select(func.count()).select_from(bundles)
        return int(self._found(counted.where(bundles.c.user_id == user_id, OPEN))[0][0])

    def _found(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return read(self._engine, lambda connection: connection.execute(query).all())

    def _in_variants(self, name: str) -> ColumnElement[int]:
        """A number in the object that a chunk job's ``variants`` holds as text."""
        is_postgresql = self._engine.dialect.name == "postgresql"
        document = (cast if is_postgresql else type_coerce)(job_table.c.variants, JSON)
        number: ColumnElement[int] = document[name].as_integer()
        return number

    def _bundle_now(self) -> Any:
        if self._engine.dialect.name == "sqlite":
            return datetime.now(UTC)
        return store_clock(self._engine)

    def _now_labelled(self) -> Any:
        return store_clock(self._engine).label("now")


def _seen(row: Row[Any]) -> BundleSnapshot:
    columns = _columns(row)
    return BundleSnapshot(read_bundle(columns), columns["revision"], columns["now"])


def _columns(row: Row[Any]) -> Mapping[str, Any]:
    return dict(row._mapping)
