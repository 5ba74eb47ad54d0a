"""While the switch is on nothing is claimed and nobody is rung; what runs goes on."""

import pytest

from tests.support.clocks import TickingClock
from tests.support.control import make_control
from tests.support.jobs import a_job
from tests.support.workers import make_worker
from worker.adapters.memory import MemoryJobStore
from worker.jobs.errors import StoreUnavailable
from worker.jobs.states import JobStatus
from worker.ports import Pause
from worker.services.kill_switch import KillSwitch

ON = Pause(is_on=True)
OFF = Pause(is_on=False)


class CountingSwitches(MemoryJobStore):
    reads = 0
    is_away = False

    def pause(self) -> Pause:
        if self.is_away:
            raise StoreUnavailable("no answer")
        self.reads += 1
        return super().pause()


class TestReading:
    def test_it_is_heard_within_thirty_seconds_and_not_asked_each_time(self) -> None:
        clock = TickingClock()
        switches = CountingSwitches(clock)
        switch = KillSwitch(switches, clock)
        assert not switch.is_on()
        switches.set_pause(ON)
        assert not switch.is_on()
        assert switches.reads == 1
        clock.advance(29)
        assert switch.is_on()

    def test_a_store_that_is_away_for_a_moment_changes_nothing(self) -> None:
        clock = TickingClock()
        switches = CountingSwitches(clock)
        switches.set_pause(ON)
        switch = KillSwitch(switches, clock)
        assert switch.is_on()
        switches.is_away = True
        clock.advance(15)
        assert switch.is_on()
        clock.advance(20)
        with pytest.raises(StoreUnavailable):
            switch.is_on()


class TestWorker:
    def test_a_push_is_acknowledged_and_nothing_is_claimed(self) -> None:
        parts = make_worker()
        parts.queue("j1")
        parts.store.set_pause(ON)
        answer = parts.client.post("/pubsub/push", json={"jobId": "j1"})
        assert answer.status_code == 204
        assert parts.job("j1").status is JobStatus.QUEUED
        assert parts.doorbell.rings == []

    def test_after_the_pause_the_queue_goes_on(self) -> None:
        parts = make_worker()
        parts.queue("j1")
        parts.store.set_pause(ON)
        assert parts.drain() == 0
        parts.store.set_pause(OFF)
        parts.clock.advance(30)
        assert parts.drain() == 1

    def test_a_person_may_still_run_one_job(self) -> None:
        parts = make_worker()
        parts.queue("j1")
        parts.store.set_pause(ON)
        assert parts.client.post("/run", json={"jobId": "j1"}).status_code == 200
        assert parts.job("j1").status is JobStatus.COMPLETED


class TestControl:
    def test_jobs_are_taken_but_not_rung_for(self) -> None:
        control = make_control()
        control.store.set_pause(ON)
        answer = control.client.post(
            "/v1/backtests", json={"configUsed": {"strategyId": "smaCross"}}
        )
        assert answer.status_code == 201
        assert control.job(answer.json()["jobId"]).is_admitted
        assert control.doorbell.rings == []

    def test_nor_does_the_sweep_ring(self) -> None:
        control = make_control()
        control.store.create(a_job("j1"))
        control.store.set_pause(ON)
        control.clock.advance(10_000)
        done = control.client.post("/tasks/sweep").json()["done"]
        assert (done["unadmitted"], done["rings"]) == (1, 0)
        assert control.doorbell.rings == []
