"""What follows a sweep's write: a claimable job is rung for, an end lets others in, and a bundle
hears of the end of its chunk jobs.
"""

import logging
from collections.abc import Callable

from worker.jobs.errors import DoorbellUnavailable
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.services.waiting import Waiting

logger = logging.getLogger(__name__)


class Aftermath:
    """``ring`` rings for one admitted job; if that fails the next sweep rings again."""

    def __init__(
        self,
        waiting: Waiting,
        ring: Callable[[Job], None],
        on_ended: Callable[[Job], object] = lambda _: None,
    ) -> None:
        """``on_ended`` hears of each job that a sweep has written."""
        self._waiting = waiting
        self._ring = ring
        self._on_ended = on_ended

    def of(self, job: Job) -> None:
        """Once, after the write."""
        for one in (job, *self._waiting.after(job)):
            if one.status is JobStatus.QUEUED and one.is_admitted:
                try:
                    self._ring(one)
                except DoorbellUnavailable as error:
                    logger.warning(
                        "could not ring: %s",
                        error,
                        extra={"event": "ring_failed", "job_id": one.job_id},
                    )
        self._on_ended(job)
