"""Jobs whose worker died: back into the queue once, then failed."""

import logging

from worker.jobs import transitions
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.guarded import attempt, for_each

logger = logging.getLogger(__name__)

LIMIT = 200


class ExpiredLeases:
    """A lease is judged on the store's clock, by a fresh read of each job."""

    name = "expired_leases"

    def __init__(self, store: JobStore, aftermath: Aftermath, *, requeue_once: bool) -> None:
        self._store = store
        self._aftermath = aftermath
        self._requeue_once = requeue_once

    def run(self) -> int:
        return for_each(self._store.expired_leases(limit=LIMIT), self._reclaim)

    def _reclaim(self, job_id: str) -> int:
        def decide(seen: Snapshot) -> JobChange:
            return transitions.expire(
                seen.job, read_at=seen.read_at, requeue_once=self._requeue_once
            )

        job = attempt(self._store, job_id, decide)
        if job is None:
            return 0
        logger.warning(
            "a lease expired",
            extra={
                "event": "job_reclaimed" if job.status is JobStatus.QUEUED else "job_failed",
                "job_id": job_id,
                "error_code": job.error_code,
            },
        )
        self._aftermath.of(job)
        return 1
