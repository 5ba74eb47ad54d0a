"""What happens when a new job is heard of: it is admitted, and a worker is rung for.

An event only says that there may be something to do. It can come late, twice, or long after the
job has ended; the store alone says what is so.
"""

import logging
from collections.abc import Callable
from enum import StrEnum

from worker.jobs.job import Job
from worker.jobs.lanes import OWN_LANES
from worker.jobs.states import JobStatus
from worker.ports import Doorbell, Ring
from worker.services.admission import Admission

logger = logging.getLogger(__name__)


class Arrival(StrEnum):
    """What became of an arrival."""

    RUNG = "rung"
    REFUSED = "refused"
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"


class Arrivals:
    """The service."""

    def __init__(
        self,
        admission: Admission,
        doorbell: Doorbell,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """``paused`` is the kill switch: while it is on jobs are admitted, but nobody is rung."""
        self._admission = admission
        self._doorbell = doorbell
        self._paused = paused

    def announce(self, job_id: str, traceparent: str | None = None) -> Arrival:
        """Admit the job if it needs it, and ring if it waits for a worker.

        A job that was admitted before is rung for again: the ring may be what failed last time.

        Raises:
            StoreUnavailable: nothing was decided; the event must come again.
            DoorbellUnavailable: the job is admitted, but nobody was rung. Another event rings
                again, and without one the sweep finds the job.
        """
        seen = self._admission.admit_id(job_id)
        if seen is None:
            return Arrival.UNKNOWN
        if seen.job.status is JobStatus.FAILED:
            return Arrival.REFUSED
        if seen.job.status is not JobStatus.QUEUED or not seen.job.is_admitted:
            return Arrival.UNDER_WAY
        if seen.job.is_chunk:
            # Whoever expanded its bundle rings, once for each worker and not for each chunk job.
            return Arrival.UNDER_WAY
        self.ring(seen.job, traceparent)
        return Arrival.RUNG

    def ring(self, job: Job, traceparent: str | None = None) -> None:
        """Ring for an admitted job that runs here, unless the kill switch is on.

        Raises ``DoorbellUnavailable``, and ``StoreUnavailable`` if nobody can tell.
        """
        if job.lane not in OWN_LANES or self._paused():
            return
        self._doorbell.ring(
            Ring(
                job_id=job.job_id,
                engine_version=job.engine_version or "",
                traceparent=traceparent or job.traceparent,
            )
        )
        logger.info("rang for a job", extra={"event": "job_rung", "job_id": job.job_id})
