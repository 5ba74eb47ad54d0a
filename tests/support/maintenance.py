"""A sweep over any store, with a doorbell that remembers."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.support.admissions import POLICY, check
from tests.support.control import RecordingDoorbell, laptop_settings
from tests.support.jobs import an_admitted_job
from worker.adapters.system_clock import SystemClock
from worker.bootstrap import Services, build_sweep
from worker.jobs.job import Job
from worker.jobs.lease import Lease
from worker.jobs.states import JobStatus
from worker.ports import Clock, JobStore
from worker.services.admission import Admission
from worker.services.quotas import QuotaLimits
from worker.services.sweep.sweeping import Sweep

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Maintenance:
    """One installation's sweep and what it rang."""

    store: JobStore
    services: Services
    sweep: Sweep
    doorbell: RecordingDoorbell = field(default_factory=RecordingDoorbell)

    def run(self) -> dict[str, int]:
        """What was done, without the steps that had nothing to do."""
        swept = self.sweep.run()
        assert swept.failed == []
        return {name: count for name, count in swept.done.items() if count}

    @property
    def rang(self) -> list[str]:
        return [ring.job_id for ring in self.doorbell.rings]


def maintenance(
    store: JobStore,
    *,
    clock: Clock | None = None,
    quotas: QuotaLimits | None = None,
    **settings: Any,
) -> Maintenance:
    policy = replace(POLICY, quotas=quotas or QuotaLimits())
    doorbell = RecordingDoorbell()
    services = Services(
        settings=laptop_settings(**settings),
        store=store,
        doorbell=doorbell,
        candles=None,  # type: ignore[arg-type]  # nobody reads any
        artifacts=None,  # type: ignore[arg-type]  # nobody reads any
        clock=clock or SystemClock(),
        admission=Admission(store, policy, check),
    )
    return Maintenance(store, services, build_sweep(services), doorbell)


def abandoned(job_id: str, **values: Any) -> Job:
    """A job whose worker has been silent for years."""
    lease = Lease(lease_id="l", worker_id="w", heartbeat_at=LONG_AGO, seconds=90)
    given = {"status": JobStatus.RUNNING, "attempt": 1, "lease": lease, "started_at": LONG_AGO}
    return an_admitted_job(job_id, **(given | values))
