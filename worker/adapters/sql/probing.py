"""A write that is tried and undone."""

from contextlib import suppress
from uuid import uuid4

from sqlalchemy import Engine, false, insert, update

from worker.adapters.sql.clock import store_clock
from worker.adapters.sql.connection import writing
from worker.adapters.sql.mapping import job_row
from worker.adapters.sql.tables import jobs
from worker.jobs.job import Job
from worker.jobs.states import JobStatus


class _Undone(Exception):
    """Ends a transaction that is not to be committed."""


class SqlProbing:
    """The part of the store that says whether it could write."""

    _engine: Engine

    def try_write(self) -> None:
        # No id that a job may have, and no status in which anybody looks for work.
        job = Job(job_id=f".{uuid4().hex}", status=JobStatus.FAILED)
        row = job_row(job, store_clock(self._engine))
        may_change = update(jobs).where(false()).values(revision=jobs.c.revision)
        with suppress(_Undone), writing(self._engine) as connection:
            connection.execute(insert(jobs).values(row))
            connection.execute(may_change)
            raise _Undone
