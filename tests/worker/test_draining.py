"""A ring is answered by draining the queue, within the time that the ring has."""

import threading
from typing import Any

import pytest

from tests.support.jobs import read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.workers import ScriptedResult, WorkerParts, make_worker
from worker.adapters.local import LocalDoorbell
from worker.bootstrap import drain_limits
from worker.jobs.errors import StoreUnavailable
from worker.jobs.job import JobChange
from worker.jobs.states import JobStatus
from worker.ports import Ring
from worker.services.draining import LocalDrain, ShuttingDown
from worker.settings import load_settings


def taking(parts: WorkerParts, seconds: float) -> Any:
    def script(*_: object) -> ScriptedResult:
        parts.clock.advance(seconds)
        return ScriptedResult()

    return script


def test_one_ring_empties_the_queue_in_order() -> None:
    parts = make_worker()
    order: list[str] = []
    for place, name in enumerate("cab"):
        parts.queue(name, place=place)

    def script(*_: object) -> ScriptedResult:
        order.extend(
            name for name in "cab" if read(parts.store, name).job.status is JobStatus.RUNNING
        )
        return ScriptedResult()

    parts.engine.script = script
    assert parts.drain() == 3
    assert order == ["c", "a", "b"]
    assert parts.doorbell.rings == []


def test_who_leaves_a_backlog_rings_again() -> None:
    parts = make_worker(drain_seconds=30)
    for place in range(5):
        parts.queue(f"j{place}", place=place)
    parts.engine.script = taking(parts, 20)
    assert parts.drain() == 2
    assert parts.job("j2").status is JobStatus.QUEUED
    assert [ring.job_id for ring in parts.doorbell.rings] == ["j1"]
    assert parts.doorbell.rings[0].engine_version == "1.0.0"


def test_a_ring_that_fails_on_leaving_is_left_to_the_sweep() -> None:
    parts = make_worker(drain_seconds=0)
    parts.queue("j1")
    parts.queue("j2", place=1)
    parts.doorbell.is_down = True
    assert parts.drain() == 1


def test_a_ring_that_waited_too_long_for_its_turn_rings_again_instead() -> None:
    parts = make_worker()
    job = parts.queue("j1")
    arrived = parts.clock.monotonic()
    parts.clock.advance(51)
    assert parts.worker.drain.drain(arrived, job) == 0
    assert parts.job("j1").status is JobStatus.QUEUED
    assert [ring.job_id for ring in parts.doorbell.rings] == ["j1"]


@pytest.mark.parametrize(("timeout", "drain"), [(540, 30), (580, 0), (1, 30)])
def test_a_first_job_claimed_last_minute_still_fits_the_ack_deadline(
    timeout: int, drain: int
) -> None:
    limits = drain_limits(load_settings(job_timeout_seconds=timeout, drain_seconds=drain))
    assert 10 <= limits.first <= 600 - timeout - 10
    assert limits.further == drain


def test_with_the_tightest_settings_a_ring_still_runs_a_job() -> None:
    parts = make_worker(job_timeout_seconds=580, drain_seconds=0)
    parts.queue("j1")
    assert parts.drain() == 1


def test_a_job_whose_lease_is_lost_does_not_stop_the_drain() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.queue("j2", place=1)

    def script(*_: object) -> ScriptedResult:
        seen = read(parts.store, "j1")
        if seen.job.status is JobStatus.RUNNING and seen.job.attempt == 1:
            parts.store.commit(seen, JobChange(attempt=2))
        return ScriptedResult()

    parts.engine.script = script
    assert parts.drain() == 2
    assert parts.job("j2").status is JobStatus.COMPLETED


def test_no_job_is_claimed_after_a_shutdown() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.worker.shutdown.set()
    with pytest.raises(ShuttingDown):
        parts.drain()
    assert parts.job("j1").attempt == 0


def test_a_shutdown_releases_the_job_and_takes_no_other() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.queue("j2", place=1)

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.worker.shutdown.set()
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    with pytest.raises(ShuttingDown):
        parts.drain()
    assert [parts.job(name).status for name in ("j1", "j2")] == [JobStatus.QUEUED] * 2
    assert parts.job("j1").interruptions == 1
    assert parts.job("j1").worker_losses == 0
    assert parts.metric('backtest_jobs_ended_total{error_code="",status="released"}') == 1


class Local:
    """The thread that drains in installations without a broker."""

    def __init__(self, poll_seconds: float) -> None:
        self.parts = make_worker()
        self.bell = LocalDoorbell()
        self.drain = LocalDrain(
            self.parts.worker.drain,
            self.bell,
            self.parts.clock,
            self.parts.worker.shutdown,
            poll_seconds,
        )

    def __enter__(self) -> "Local":
        self.drain.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.parts.worker.shutdown.set()
        self.drain.join(PATIENCE_SECONDS)
        assert not self.drain._thread.is_alive()

    def wait_for(self, job_id: str) -> None:
        pause = threading.Event()
        for _ in range(int(PATIENCE_SECONDS / 0.02)):
            if self.parts.job(job_id).status.is_final:
                return
            pause.wait(0.02)
        raise AssertionError(f"{job_id} did not end")


def test_a_local_ring_wakes_the_drain_at_once() -> None:
    with Local(poll_seconds=PATIENCE_SECONDS * 2) as local:
        local.parts.queue("j1")
        local.bell.ring(Ring(job_id="j1", engine_version="1.0.0"))
        local.wait_for("j1")


def test_without_a_ring_the_queue_is_looked_at_all_the_same() -> None:
    with Local(poll_seconds=0.01) as local:
        local.parts.queue("j1")
        local.wait_for("j1")


@pytest.mark.parametrize("error", [None, ZeroDivisionError("inside")])
def test_an_outage_does_not_end_the_drain(error: Exception | None) -> None:
    with Local(poll_seconds=0.01) as local:
        local.parts.store.fail("commit", error=error)
        local.parts.worker.drain._runner._settling._pause = local.parts.clock.advance
        local.parts.queue("j1")
        assert local.parts.engine.entered.wait(PATIENCE_SECONDS)
        local.parts.store.away.clear()
        local.parts.queue("j2", place=1)
        local.wait_for("j2")


class Counting:
    """A bell that nobody rings; it notes how long each wait is, and ends after some."""

    def __init__(self, waits: int, shutdown: threading.Event) -> None:
        self.waited: list[float] = []
        self._waits = waits
        self._shutdown = shutdown

    def ring(self, ring: Ring) -> None:
        del ring

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        if len(self.waited) == self._waits:
            self._shutdown.set()
        return False

    def close(self) -> None:
        return


@pytest.mark.parametrize("error", [StoreUnavailable("no answer"), ZeroDivisionError("inside")])
def test_after_an_error_it_looks_again_sooner_than_it_polls(error: Exception) -> None:
    parts = make_worker()
    answers: list[Exception | None] = [None, error, error, error, error, None, error]
    bell = Counting(len(answers), parts.worker.shutdown)

    class Drained:
        def drain(self, arrived_at: float) -> int:
            del arrived_at
            failure = answers[len(bell.waited)]
            if failure is not None:
                raise failure
            return 0

    drain: Any = Drained()
    local = LocalDrain(drain, bell, parts.clock, parts.worker.shutdown, 5.0)
    local.start()
    local.join(PATIENCE_SECONDS)
    assert bell.waited == [5.0, 1.0, 2.0, 4.0, 5.0, 5.0, 1.0]
