"""Jobs that run beyond their time although their worker beats: it failed to stop them itself."""

import logging

from worker.jobs import transitions
from worker.jobs.job import JobChange, Snapshot
from worker.ports import JobStore
from worker.services.passing_over import PassingOver
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.guarded import attempt, for_each

logger = logging.getLogger(__name__)

LIMIT = 200

#: A worker has this long to end the job by itself.
SLACK_SECONDS = 60.0


class Overdue:
    """``longest`` is the deployment's time-out in seconds; a job may have a shorter one."""

    name = "overdue"

    def __init__(self, store: JobStore, aftermath: Aftermath, *, longest: float) -> None:
        self._store = store
        self._over = PassingOver(store)
        self._aftermath = aftermath
        self._longest = longest

    def run(self) -> int:
        overdue = self._store.overdue(longest=self._longest, slack=SLACK_SECONDS, limit=LIMIT)
        return for_each(overdue, self._time_out, self._over)

    def _time_out(self, job_id: str) -> int:
        def decide(seen: Snapshot) -> JobChange:
            limit = min(self._longest, seen.job.timeout_seconds or self._longest)
            return transitions.time_out(
                seen.job, read_at=seen.read_at, limit=limit, slack=SLACK_SECONDS
            )

        job = attempt(self._store, job_id, decide)
        if job is None:
            return 0
        logger.warning(
            "a job ran beyond its time",
            extra={"event": "job_failed", "job_id": job_id, "error_code": job.error_code},
        )
        self._aftermath.of(job)
        return 1
