"""Cancelling a bundle as a whole: no chunk job of it starts any more, those that run stop."""

import logging
from collections.abc import Callable

from worker.jobs import bundle_transitions
from worker.jobs.bundle import BundleSnapshot
from worker.jobs.errors import Conflict
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.bundles.progress import BundleProgress
from worker.services.cancelling import MAX_TRIES, cancel
from worker.services.passing_over import PassingOver

logger = logging.getLogger(__name__)

#: So many chunk jobs are stopped while a user waits; the sweep stops the others, and each of them
#: that a worker takes before ends at once.
LIMIT = 100


class BundleCancelling:
    """The service. ``on_ended`` hears when jobs have ended by it: there is room for others."""

    def __init__(
        self, store: Store, progress: BundleProgress, on_ended: Callable[[Job], None]
    ) -> None:
        self._store = store
        self._progress = progress
        self._on_ended = on_ended
        self._over = PassingOver(store)

    def cancel(self, bundle_id: str, *, limit: int = LIMIT) -> BundleSnapshot | None:
        """Ask for the end of a bundle; the bundle as it stands then, ``None`` for an unknown id.

        A queued one has ended then, and so has one of which nothing runs.

        Raises:
            Conflict: somebody else wrote the bundle at every try.
            StoreUnavailable: the store did not answer; ask again.
        """
        seen = self._mark(bundle_id)
        if seen is None or seen.bundle.status is not JobStatus.RUNNING:
            return seen
        self.stop_chunks(bundle_id, limit=limit)
        return self._progress.update(bundle_id)

    def stop_chunks(self, bundle_id: str, *, limit: int) -> int:
        """Ask for the end of chunk jobs that have not ended, running ones first; how many.

        Those that wait go before those in the queue, whose place they would be given.
        """
        unfinished = [
            job
            for job in self._store.chunk_jobs(bundle_id)
            if not job.status.is_final and not job.cancel_requested
        ]
        unfinished.sort(key=lambda job: (job.status is not JobStatus.RUNNING, job.is_admitted))
        asked = self._over.each([job.job_id for job in unfinished[:limit]], self._stopped)
        ended = [job for job in asked if job is not None]
        if ended:
            self._on_ended(ended[-1])
        return len(asked)

    def _mark(self, bundle_id: str) -> BundleSnapshot | None:
        for _ in range(MAX_TRIES):
            seen = self._store.get_bundle(bundle_id)
            change = bundle_transitions.request_cancel(seen.bundle) if seen else None
            if seen is None or change is None:
                return seen
            try:
                return self._store.commit_bundle(seen, change)
            except Conflict:
                continue
        raise Conflict(f"bundle {bundle_id} is written faster than it can be cancelled")

    def _stopped(self, job_id: str) -> Job | None:
        """The job if it has ended by this; one that runs stops later."""
        try:
            seen = cancel(self._store, job_id)
        except Conflict:
            return None
        return seen.job if seen is not None and seen.job.status.is_final else None
