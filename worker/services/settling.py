"""The one write that ends an attempt, made certain however the store answers."""

import logging
from collections.abc import Callable

from worker.jobs.errors import Conflict, LeaseLost, OutcomeUnknown, StoreUnavailable
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.lease import Hold
from worker.jobs.states import JobStatus
from worker.ports import Clock, JobStore

logger = logging.getLogger(__name__)

#: Tries, with pauses that double from the first: 0.2, 0.4, … 3.2 s.
MAX_TRIES = 6
FIRST_PAUSE_SECONDS = 0.2


class Settling:
    """The service. ``pause`` waits between two tries."""

    def __init__(self, store: JobStore, clock: Clock, pause: Callable[[float], None]) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause

    def settle(
        self,
        seen: Snapshot,
        hold: Hold,
        decide: Callable[[Job], JobChange],
        *,
        until: float,
        result: ResultRecord | None = None,
    ) -> Snapshot:
        """Commit what ``decide`` says of the job as it is now; give up at ``until`` (monotonic).

        Raises:
            LeaseLost: somebody else has the job; nothing was written.
            StoreUnavailable: no answer in time; the lease will expire and the job be recovered.
            Conflict: it keeps failing although the job is ours.
        """
        failure: Conflict | StoreUnavailable = Conflict(hold.job_id)
        current: Snapshot | None = seen
        for attempt in range(MAX_TRIES):
            if attempt and not isinstance(failure, Conflict):
                self._pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                if self._clock.monotonic() >= until:
                    break
            try:
                current = current or self._read(hold)
                if _is_settled_by(current.job, hold):
                    return current
                return self._store.commit(current, decide(current.job), result)
            except Conflict as error:
                failure, current = error, None
            except OutcomeUnknown as error:
                failure, current = error, None
            except StoreUnavailable as error:
                failure = error
            logger.warning(
                "the end of an attempt is not written yet: %s",
                type(failure).__name__,
                extra={"event": "settle_retry", "job_id": hold.job_id},
            )
        raise failure

    def _read(self, hold: Hold) -> Snapshot:
        seen = self._store.get(hold.job_id)
        if seen is None:
            raise LeaseLost(f"job {hold.job_id} is gone")
        return seen


def _is_settled_by(job: Job, hold: Hold) -> bool:
    """Whether this attempt's end stands already: an earlier try got through unheard."""
    return job.attempt == hold.attempt and job.status is not JobStatus.RUNNING
