"""Ringing again for jobs that have waited long, whatever was rung for them before."""

import logging
from collections.abc import Callable, Sequence

from worker.ports import Doorbell, JobStore, Ring

logger = logging.getLogger(__name__)

#: A claimable job that is younger has probably been heard.
PATIENCE_SECONDS = 60.0


class Rings:
    """For each engine version as many rings as could be answered at once."""

    name = "rings"

    def __init__(
        self,
        store: JobStore,
        doorbell: Doorbell,
        *,
        lane: str,
        engine_versions: Sequence[str],
        max_workers: int,
        paused: Callable[[], bool],
    ) -> None:
        self._store = store
        self._doorbell = doorbell
        self._lane = lane
        self._versions = engine_versions
        self._max_workers = max_workers
        self._paused = paused

    def run(self) -> int:
        """Raises ``DoorbellUnavailable``."""
        return 0 if self._paused() else sum(self._ring(version) for version in self._versions)

    def _ring(self, version: str) -> int:
        backlog = self._store.backlog(self._lane, version)
        if backlog is None or backlog.waited <= PATIENCE_SECONDS:
            return 0
        rings = min(backlog.jobs, self._max_workers)
        for _ in range(rings):
            self._doorbell.ring(Ring(job_id=backlog.oldest_id, engine_version=version))
        logger.warning(
            "jobs have waited for %.0f s; rang %d times",
            backlog.waited,
            rings,
            extra={"event": "sweep_rang"},
        )
        return rings
