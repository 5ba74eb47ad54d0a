"""Cancelling at a person's wish: a queued job ends now, a running one at its next beat."""

from worker.jobs import transitions
from worker.jobs.errors import Conflict
from worker.jobs.job import Snapshot
from worker.ports import JobStore

#: A running job is written once a second; five conflicts in a row do not happen to one caller.
MAX_TRIES = 20


def cancel(store: JobStore, job_id: str) -> Snapshot | None:
    """Ask for the end of a job; the job as it stands then, ``None`` for an unknown id.

    A job that has ended, or is asked to end already, stays as it is.

    Raises:
        Conflict: somebody else wrote the job at every try.
        StoreUnavailable: the store did not answer.
    """
    for _ in range(MAX_TRIES):
        seen = store.get(job_id)
        change = transitions.request_cancel(seen.job) if seen else None
        if seen is None or change is None:
            return seen
        try:
            return store.commit(seen, change)
        except Conflict:
            continue
    raise Conflict(f"job {job_id} is written faster than it can be cancelled")
