"""A sweep that has met an outage: for a while a silent lease says nothing about its worker."""

from dataclasses import replace

import pytest

from tests.support.clocks import TickingClock
from tests.support.control import FragileStore
from tests.support.jobs import a_running_job, claim_best, read
from tests.support.maintenance import maintenance
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, StoreUnavailable
from worker.jobs.lease import SERVER_TIME
from worker.jobs.states import JobStatus
from worker.services.sweep.sweeping import Sweep

LEASE = 90
SWEEP_SECONDS = 30


class Fleet:
    """One job that runs, and one process that sweeps, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = TickingClock()
        self.store = FragileStore(self.clock)
        self.seen = a_running_job(self.store, seconds=LEASE)
        self.sweep: Sweep = maintenance(self.store, clock=self.clock).sweep

    def outage(self, seconds: float) -> None:
        """Nothing is answered meanwhile, and every sweep meets that."""
        self.store.fail("expired_leases", "ping")
        for _ in range(int(seconds / SWEEP_SECONDS)):
            self.clock.advance(SWEEP_SECONDS)
            with pytest.raises(StoreUnavailable):
                self.sweep.run()
        self.store.away.clear()
        self.sweep.run()

    def beat(self) -> None:
        lease = self.seen.job.lease
        assert lease is not None
        change = transitions.beat(
            self.seen.job,
            self.seen.job.hold(),
            lease=replace(lease, heartbeat_at=SERVER_TIME),
            progress=0.5,
        )
        self.seen = self.store.commit(self.seen, change)

    def sweep_for(self, seconds: float) -> None:
        for _ in range(int(seconds / SWEEP_SECONDS)):
            self.clock.advance(SWEEP_SECONDS)
            self.sweep.run()


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_a_worker_gets_the_time_of_its_lease_to_be_heard_again(fleet: Fleet) -> None:
    fleet.outage(3 * LEASE)
    fleet.sweep_for(LEASE - SWEEP_SECONDS)
    assert read(fleet.store, "j1").version == fleet.seen.version
    fleet.beat()
    fleet.sweep_for(LEASE - SWEEP_SECONDS)
    assert read(fleet.store, "j1").version == fleet.seen.version


def test_outages_never_end_a_job_as_lost(fleet: Fleet) -> None:
    for lost in range(1, 4):
        fleet.outage(2 * LEASE)
        fleet.sweep_for(LEASE + 2 * SWEEP_SECONDS)
        job = read(fleet.store, "j1").job
        assert (job.status, job.interruptions, job.worker_losses) == (JobStatus.QUEUED, lost, 0)
        assert claim_best(fleet.store) is not None


def test_a_worker_that_falls_silent_after_the_outage_is_lost_as_ever(fleet: Fleet) -> None:
    for losses in (1, 2):
        fleet.outage(2 * LEASE)
        fleet.seen = read(fleet.store, "j1")
        fleet.beat()
        fleet.sweep_for(LEASE + 2 * SWEEP_SECONDS)
        assert read(fleet.store, "j1").job.worker_losses == losses
        claim_best(fleet.store)
    assert read(fleet.store, "j1").job.error_code is ErrorCode.WORKER_LOST


def test_nor_does_the_time_of_an_outage_make_a_job_overdue(fleet: Fleet) -> None:
    fleet.outage(3600)
    assert read(fleet.store, "j1").job.status is JobStatus.RUNNING
    fleet.sweep_for(LEASE + 2 * SWEEP_SECONDS)
    assert read(fleet.store, "j1").job.status is JobStatus.QUEUED
