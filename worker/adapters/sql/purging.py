"""Removing what has expired, a bounded number of rows at a time."""

from datetime import datetime

from sqlalchemy import Column, Delete, Engine, Table, delete, select

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import writing
from worker.adapters.sql.tables import bundles, jobs, results
from worker.jobs.retention import RECORD_OUTLIVES
from worker.jobs.states import JobStatus

_FINAL = [status.value for status in JobStatus if status.is_final]


class SqlPurging:
    """The part of the store that forgets."""

    _engine: Engine

    def purge(self, *, limit: int) -> int:
        with writing(self._engine) as connection:
            now = connection.execute(select(store_clock(self._engine))).scalar_one()
            return sum(
                connection.execute(_expired(table, key, before, limit)).rowcount
                for table, key, before in (
                    (results, results.c.job_id, now),
                    (jobs, jobs.c.job_id, now - RECORD_OUTLIVES),
                    (bundles, bundles.c.bundle_id, now - RECORD_OUTLIVES),
                )
            )


def _expired(table: Table, key: Column[str], before: datetime, limit: int) -> Delete:
    # Judged once more where it is deleted: a replay may have been faster.
    is_over = table.c.expire_at < before
    if "status" in table.c:
        is_over &= table.c.status.in_(_FINAL)
    return delete(table).where(key.in_(select(key).where(is_over).limit(limit)), is_over)
