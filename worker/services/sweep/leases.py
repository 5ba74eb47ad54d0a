"""Jobs whose worker died: back into the queue once, then failed."""

import logging

from worker.jobs import transitions
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.passing_over import PassingOver
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.contact import StoreContact
from worker.services.sweep.guarded import attempt, for_each

logger = logging.getLogger(__name__)

LIMIT = 200


class ExpiredLeases:
    """A lease is judged on the store's clock, by a fresh read of each job.

    After an outage no lease is judged until its holder has had as long as the lease lasts to be
    heard again; a job whose holder is silent even then is queued again without the outage being
    counted against it.
    """

    name = "expired_leases"

    def __init__(
        self, store: JobStore, contact: StoreContact, aftermath: Aftermath, *, requeue_once: bool
    ) -> None:
        self._store = store
        self._contact = contact
        self._over = PassingOver(store)
        self._aftermath = aftermath
        self._requeue_once = requeue_once

    def run(self) -> int:
        silent = self._store.expired_leases(limit=LIMIT)
        answering = self._contact.answered()
        return for_each(silent, lambda job_id: self._reclaim(job_id, answering), self._over)

    def _reclaim(self, job_id: str, answering: float | None) -> int:
        def decide(seen: Snapshot) -> JobChange:
            return transitions.expire(
                seen.job,
                read_at=seen.read_at,
                requeue_once=self._requeue_once,
                answering=answering,
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
