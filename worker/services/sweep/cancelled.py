"""Queued jobs whose owner asked, through the document, for them not to run."""

from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, IllegalTransition
from worker.jobs.job import JobChange, Snapshot
from worker.ports import JobStore
from worker.services.passing_over import PassingOver
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.guarded import attempt, for_each

LIMIT = 500


class CancelledInQueue:
    """They would end at their next claim; with a long queue that is late."""

    name = "cancelled"

    def __init__(self, store: JobStore, aftermath: Aftermath) -> None:
        self._store = store
        self._over = PassingOver(store)
        self._aftermath = aftermath

    def run(self) -> int:
        return for_each(self._store.cancelled_in_queue(limit=LIMIT), self._end, self._over)

    def _end(self, job_id: str) -> int:
        def decide(seen: Snapshot) -> JobChange:
            if not seen.job.cancel_requested:
                raise IllegalTransition(f"job {job_id} is not cancelled")
            return transitions.reject(seen.job, ErrorCode.CANCELLED, transitions.CANCELLED_MESSAGE)

        job = attempt(self._store, job_id, decide)
        if job is None:
            return 0
        self._aftermath.of(job)
        return 1
