"""The fleet's figures as one log line, from which Cloud Monitoring makes metrics.

The names of the fields are those in ``deploy/metrics``.
"""

import logging
import threading

from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.jobs.errors import OUR_FAULT
from worker.jobs.states import JobStatus
from worker.ports import Fleet
from worker.settings import Settings

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


def logs_by_itself(settings: Settings) -> bool:
    """Whether a process that no scheduler calls logs the figures: a line a minute is for programs
    that read logs, not for a terminal.
    """
    return settings.log_style == "json"


def log_figures(figures: FleetMetrics) -> None:
    """Log the figures once; nothing while the store does not answer."""
    if seen := figures.look():
        log_fleet(*seen)


class FleetLog:
    """Logs the figures every ``seconds`` in a thread, for a group of processes that sweep by
    themselves: one line for the group, however many of its processes sweep.
    """

    def __init__(self, figures: FleetMetrics, seconds: float) -> None:
        self._figures = figures
        self._seconds = seconds
        self._shutdown = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Log no more, and wait at most ``timeout`` seconds for a look at the store to end."""
        self._shutdown.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._shutdown.wait(self._seconds):
            try:
                log_figures(self._figures)
            except Exception:
                logger.exception(
                    "the fleet's figures cannot be logged", extra={"event": "fleet_log_failed"}
                )
