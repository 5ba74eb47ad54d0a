"""What happens when a new bundle is heard of: it is expanded, and workers are rung for."""

from collections.abc import Callable

from worker import logs
from worker.jobs.bundle import Bundle
from worker.jobs.chunks import chunk_job_id
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.services.arrivals import Arrival
from worker.services.bundles.expansion import Expansion


class BundleArrivals:
    """The service."""

    def __init__(
        self, expansion: Expansion, ring: Callable[[Job, str | None], None], max_workers: int
    ) -> None:
        """``ring`` rings for a job, with a trace; see :meth:`Arrivals.ring`."""
        self._expansion = expansion
        self._ring = ring
        self._max_workers = max_workers

    def announce(self, bundle_id: str, traceparent: str | None = None) -> Arrival:
        """Expand the bundle if it needs it, and ring once for each worker that could help.

        Raises:
            StoreUnavailable: nothing was decided; the event must come again.
            DoorbellUnavailable: the bundle is expanded, but not everybody was rung. The sweep
                rings again.
        """
        with logs.about(traceparent=traceparent):
            seen = self._expansion.expand_id(bundle_id)
        if seen is None:
            return Arrival.UNKNOWN
        if seen.bundle.status is JobStatus.FAILED:
            return Arrival.REFUSED
        if seen.bundle.status is not JobStatus.RUNNING:
            return Arrival.UNDER_WAY
        self.ring(seen.bundle, traceparent)
        return Arrival.RUNG

    def ring(self, bundle: Bundle, traceparent: str | None = None) -> None:
        """For as many of its chunk jobs as there are workers. Raises ``DoorbellUnavailable``."""
        if bundle.created_at is None:
            return
        for number in range(min(bundle.chunks or 0, self._max_workers)):
            job = Job(
                job_id=chunk_job_id(bundle.bundle_id, bundle.created_at, number),
                engine_version=bundle.engine_version,
                lane=bundle.lane,
            )
            self._ring(job, traceparent)
