"""Jobs that their owner's running quota keeps out of the queue, and how they get into it."""

import logging
from collections.abc import Sequence

from worker.jobs.errors import StoreUnavailable
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.admission import Admission
from worker.services.passing_over import PassingOver

logger = logging.getLogger(__name__)

#: No more are let in at once, however much room there is; the sweep comes back for the others.
MAX_RELEASED = 100


class Waiting:
    """The service."""

    def __init__(self, store: JobStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._over = PassingOver(store)

    def release(self, user_id: str) -> Sequence[Job]:
        """Rank as many of a user's waiting jobs as there is room for; those that are claimable now.

        Two callers at once may let in one job more each than there is room for.
        """
        room = self._admission.quotas.room_of(user_id)
        room = MAX_RELEASED if room is None else min(room, MAX_RELEASED)
        if not room:
            return []
        admitted = self._over.each(
            self._store.waiting_of(user_id, limit=room), self._admission.admit_id
        )
        return [
            seen.job
            for seen in admitted
            if seen is not None and seen.job.status is JobStatus.QUEUED and seen.job.is_admitted
        ]

    def after(self, ended: Job) -> Sequence[Job]:
        """What the end of a job lets in. If the store is away now, the sweep does it."""
        if not ended.status.is_final or not ended.user_id or not self._admission.quotas.holds_back:
            return []
        try:
            return self.release(ended.user_id)
        except StoreUnavailable as error:
            logger.warning(
                "waiting jobs are not ranked yet: %s", error, extra={"event": "release_delayed"}
            )
            return []
