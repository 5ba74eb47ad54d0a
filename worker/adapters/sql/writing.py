"""One guarded write of a job: its statement, and the job that it leaves behind."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from worker.adapters.sql.driver import Record
from worker.adapters.sql.mapping import change_row, storable
from worker.adapters.sql.statements import Statement, Statements
from worker.jobs.changes import changed
from worker.jobs.errors import Conflict
from worker.jobs.job import Job, JobChange, Snapshot
from worker.jobs.lease import ServerTime
from worker.jobs.states import JobStatus


class Write:
    """``clock``: the moment that is written wherever the change says "now", or the server's."""

    def __init__(
        self, sql: Statements, seen: Snapshot, change: JobChange, clock: datetime | ServerTime
    ) -> None:
        self._sql = sql
        self._seen = seen
        self.change = storable(change)
        self.clock = clock

    def update(self) -> Statement:
        job = self._seen.job
        row = change_row(self.change, self.clock)
        return self._sql.update(job.job_id, self._seen.version, row, wakes=self._wakes(job))

    def update_with(self, result: Mapping[str, Any]) -> Statement:
        """Together with the result's row, in one statement."""
        row = change_row(self.change, self.clock)
        return self._sql.update_with_result(self._seen.job.job_id, self._seen.version, row, result)

    def done(self, row: Record | None) -> Snapshot:
        """What the statement has made of the job. Raises ``Conflict`` if it found none to write.

        The job is not read back: its config may be long, and is as it was.
        """
        if row is None:
            raise Conflict(self._seen.job.job_id)
        now = self.clock if isinstance(self.clock, datetime) else row[0].astimezone(UTC)
        return Snapshot(changed(self._seen.job, self.change, now), self._seen.version + 1, now)

    def _wakes(self, job: Job) -> bool:
        """Whether this write makes a job claimable that was not."""
        status, rank = self.change.get("status", job.status), self.change.get("rank", job.rank)
        return status is JobStatus.QUEUED and rank is not None and not is_claimable(job)


def is_claimable(job: Job) -> bool:
    """Whether a worker that looks at the queue may take it."""
    return job.status is JobStatus.QUEUED and job.is_admitted
