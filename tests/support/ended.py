"""Jobs and bundles whose retention ran out some time ago."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from tests.support.bundles import read_bundle
from tests.support.jobs import an_admitted_job, read
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.tables import results as results_table
from worker.jobs import transitions
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import ErrorCode
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.retention import RECORD_OUTLIVES
from worker.ports import Store

#: As long ago as an artifact that was written a moment ago can at most be said to have expired.
JUST_OVER = RECORD_OUTLIVES


def reject(store: Store, job_id: str) -> Snapshot:
    """A job that has ended without a result."""
    seen = store.create(an_admitted_job(job_id))
    return store.commit(seen, transitions.reject(seen.job, ErrorCode.CANCELLED, "No."))


def expire(store: Store, job_id: str, ago: timedelta) -> None:
    """Let the retention of an ended job and its result have run out that long ago."""
    seen = read(store, job_id)
    store.commit(seen, JobChange(expire_at=seen.read_at - ago))
    if isinstance(store, MemoryJobStore) and job_id in store._results:
        found = store._results[job_id]
        store._results[job_id] = replace(found, expire_at=seen.read_at - ago)
    elif isinstance(store, SqlJobStore):
        with store._engine.begin() as connection:
            connection.execute(
                update(results_table)
                .where(results_table.c.job_id == job_id)
                .values(expire_at=seen.read_at - ago)
            )


def expire_bundle(store: Store, bundle_id: str, ago: timedelta) -> None:
    """The same for an ended bundle."""
    seen = read_bundle(store, bundle_id)
    store.commit_bundle(seen, BundleChange(expire_at=seen.read_at - ago))
