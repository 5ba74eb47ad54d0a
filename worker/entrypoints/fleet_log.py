"""The fleet's figures as one log line, from which Cloud Monitoring makes metrics.

The names of the fields are those in ``deploy/metrics``.
"""

import logging

from worker.jobs.errors import OUR_FAULT
from worker.jobs.states import JobStatus
from worker.ports import Fleet

logger = logging.getLogger(__name__)


def log_fleet(fleet: Fleet, is_paused: bool) -> None:
    """``event: fleet``; shares are fractions, 0 while nothing ends, ages in seconds.

    While the kill switch is on the age and the number of queued jobs are told as
    ``heldSeconds`` and ``heldJobs``: they wait on purpose, and no alert should count them.
    """
    queued = sum(fleet.queued.values())
    ended = sum(fleet.ended.values())
    broken = sum(count for (_, code), count in fleet.ended.items() if code in OUR_FAULT)
    wait = "held" if is_paused else "queued"
    logger.info(
        "%d jobs queued, %d running",
        queued,
        fleet.running,
        extra={
            "event": "fleet",
            f"{wait}_jobs": queued,
            f"{wait}_seconds": round(fleet.oldest_seconds, 1),
            "waiting_jobs": fleet.waiting,
            "running_jobs": fleet.running,
            "expired_leases": fleet.expired_leases,
            "recently_completed": sum(
                count for (status, _), count in fleet.ended.items() if status is JobStatus.COMPLETED
            ),
            "recently_ended": ended,
            "recent_failure_share": round(broken / ended, 4) if ended else 0.0,
        },
    )
