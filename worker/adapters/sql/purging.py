"""Removing what has expired, a bounded number of rows at a time, or one record under its guard."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, Engine, delete, select

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import read, writing
from worker.adapters.sql.tables import bundles, jobs, results
from worker.jobs.bundle import BundleSnapshot
from worker.jobs.errors import Conflict
from worker.jobs.job import Snapshot
from worker.jobs.retention import RECORD_OUTLIVES
from worker.jobs.states import JobStatus

_FINAL = [status.value for status in JobStatus if status.is_final]


class SqlPurging:
    """The part of the store that forgets."""

    _engine: Engine

    def purge_results(self, *, limit: int) -> int:
        with writing(self._engine) as connection:
            is_over = results.c.expire_at < connection.scalar(select(store_clock(self._engine)))
            # A row that somebody else has locked is left to the next call.
            some = (
                select(results.c.job_id)
                .where(is_over)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            # Judged once more where it is deleted: a replay may have been faster.
            gone = connection.execute(delete(results).where(results.c.job_id.in_(some), is_over))
        return gone.rowcount

    def outlived_jobs(self, *, limit: int) -> Sequence[str]:
        return self._outlived(jobs.c.job_id, jobs.c.expire_at, jobs.c.status, limit)

    def outlived_bundles(self, *, limit: int) -> Sequence[str]:
        return self._outlived(bundles.c.bundle_id, bundles.c.expire_at, bundles.c.status, limit)

    def forget(self, seen: Snapshot) -> None:
        job_id = seen.job.job_id
        with writing(self._engine) as connection:
            gone = connection.execute(
                delete(jobs).where(jobs.c.job_id == job_id, jobs.c.revision == seen.version)
            )
            if not gone.rowcount:
                raise Conflict(job_id)
            connection.execute(delete(results).where(results.c.job_id == job_id))

    def forget_bundle(self, seen: BundleSnapshot) -> None:
        bundle_id = seen.bundle.bundle_id
        is_that = (bundles.c.bundle_id == bundle_id) & (bundles.c.revision == seen.version)
        with writing(self._engine) as connection:
            if not connection.execute(delete(bundles).where(is_that)).rowcount:
                raise Conflict(bundle_id)

    def _outlived(
        self,
        key: Column[str],
        expire_at: Column[datetime],
        status: Column[str],
        limit: int,
    ) -> Sequence[str]:
        def outlived(connection: Connection) -> Sequence[str]:
            now: datetime = connection.execute(select(store_clock(self._engine))).scalar_one()
            over = select(key).where(expire_at < now - RECORD_OUTLIVES, status.in_(_FINAL))
            return connection.scalars(over.order_by(expire_at).limit(limit)).all()

        return read(self._engine, outlived)
