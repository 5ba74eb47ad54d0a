"""One guarded write of a job: its statement, and the job that it leaves behind."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.adapters.sql.driver import Record
from worker.adapters.sql.mapping import change_row, storable
from worker.adapters.sql.statements import Statement, Statements
from worker.adapters.sql.types import in_utc
from worker.jobs.changes import changed
from worker.jobs.errors import Conflict
from worker.jobs.job import Job, JobChange, Snapshot
from worker.jobs.lease import ServerTime
from worker.jobs.outcomes import leaves_none
from worker.jobs.states import JobStatus


class Write:
    """``clock``: the moment that is written wherever the change says "now", or the server's.
    ``by``: after that moment nothing is written.
    """

    def __init__(
        self,
        sql: Statements,
        seen: Snapshot,
        change: JobChange,
        clock: datetime | ServerTime,
        by: datetime | None = None,
    ) -> None:
        self._sql = sql
        self._embedded = isinstance(clock, datetime)
        self._seen = seen
        self.change = storable(change)
        self.clock = clock
        self._by = by

    def statements(self, result: Mapping[str, Any] | None = None) -> list[Statement]:
        """What writes the change and the result's row, and gives the server's clock first.

        In PostgreSQL it is one; in SQLite they belong into one transaction.
        """
        job_id, version = self._seen.job.job_id, self._seen.version
        row = change_row(self.change, self.clock)
        drops = leaves_none(self.change)
        if self._embedded:
            statements = [self._sql.update(job_id, version, row, by=self._by)]
            if result is not None:
                statements.append(self._sql.put_result(result))
            elif drops:
                statements.append(self._sql.drop_result(job_id))
            return statements
        if result is not None:
            return [self._sql.update_with_result(job_id, version, row, result)]
        if drops:
            return [self._sql.update_without_result(job_id, version, row)]
        wakes = self._wakes(self._seen.job)
        return [self._sql.update(job_id, version, row, wakes=wakes, by=self._by)]

    def done(self, row: Record | None) -> Snapshot:
        """What the statement has made of the job. Raises ``Conflict`` if it found none to write.

        The job is not read back: its config may be long, and is as it was.
        """
        if row is None:
            raise Conflict(self._seen.job.job_id)
        now = self.clock if isinstance(self.clock, datetime) else in_utc(row[0])
        return Snapshot(changed(self._seen.job, self.change, now), self._seen.version + 1, now)

    def _wakes(self, job: Job) -> bool:
        """Whether this write makes a job claimable that was not."""
        status, rank = self.change.get("status", job.status), self.change.get("rank", job.rank)
        return status is JobStatus.QUEUED and rank is not None and not is_claimable(job)


def is_claimable(job: Job) -> bool:
    """Whether a worker that looks at the queue may take it."""
    return job.status is JobStatus.QUEUED and job.is_admitted
