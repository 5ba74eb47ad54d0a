"""The keeper's thread, one look at a time, on a clock that the test moves."""

import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.support.clocks import TickingClock
from tests.support.control import FragileStore
from tests.support.jobs import a_running_job, finish, read
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.memory import MemoryJobStore
from worker.jobs import transitions
from worker.jobs.errors import Conflict, LeaseLost, OutcomeUnknown, StoreUnavailable
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.services.lease_keeper import (
    PROGRESS_SECONDS,
    TICK_SECONDS,
    KeeperTiming,
    LeaseKeeper,
    StopReason,
)

TIMING = KeeperTiming(heartbeat=30, lease=90, timeout=540, stall=120)


class CountingStore(FragileStore):
    """Counts commits and can meet foreign writes in between."""

    def __init__(self, clock: TickingClock) -> None:
        super().__init__(clock)
        self.commits = 0

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        self.commits += 1
        return super().commit(seen, change, result, by=by)


class Kept:
    """A running job with its keeper."""

    def __init__(self, timing: KeeperTiming = TIMING) -> None:
        self.clock = TickingClock()
        self.store = CountingStore(self.clock)
        self.running = a_running_job(self.store)
        self.shutdown = threading.Event()
        self.beaten = threading.Event()
        self.keeper = LeaseKeeper(
            self.store,
            self.running,
            claimed_at=self.clock.monotonic(),
            clock=self.clock,
            timing=timing,
            shutdown=self.shutdown,
            on_beat=self.beaten.set,
        )

    def job(self) -> Snapshot:
        return read(self.store, "j1")

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.keeper.tick()


def cancel(kept: Kept) -> None:
    seen = kept.job()
    change = transitions.request_cancel(seen.job)
    assert change is not None
    kept.store.commit(seen, change)
    kept.store.commits = 0


def test_nothing_is_written_before_it_is_due() -> None:
    kept = Kept()
    kept.after(29)
    assert kept.store.commits == 0


def test_a_beat_renews_the_lease() -> None:
    kept = Kept()
    before = kept.running.job.lease
    kept.after(30)
    lease = kept.job().job.lease
    assert before is not None
    assert lease is not None
    assert (lease.lease_id, lease.worker_id) == (before.lease_id, before.worker_id)
    assert (lease.heartbeat_at - before.heartbeat_at).total_seconds() >= 30
    assert not lease.is_expired(kept.job().read_at)


def test_progress_is_written_once_a_second_and_only_when_it_moved() -> None:
    kept = Kept()
    kept.keeper.report(0.2)
    kept.after(0.5)
    assert kept.store.commits == 0
    kept.after(0.6)
    assert kept.job().job.progress == 0.2
    kept.after(5)
    assert kept.store.commits == 1


def test_progress_never_goes_back_nor_beyond_one() -> None:
    kept = Kept()
    kept.keeper.report(0.7)
    kept.keeper.report(0.3)
    kept.after(2)
    assert kept.job().job.progress == 0.7
    kept.keeper.report(7.0)
    kept.after(2)
    assert kept.job().job.progress == 1.0


def test_a_cancellation_is_heard_at_the_next_beat_which_still_happens() -> None:
    kept = Kept()
    cancel(kept)
    kept.after(30)
    assert kept.keeper.reason is StopReason.CANCELLED
    assert kept.keeper.should_stop()
    assert kept.job().job.cancel_requested
    lease = kept.job().job.lease
    assert lease is not None
    assert not lease.is_expired(kept.job().read_at)
    assert kept.keeper.stop().version == kept.job().version


def stops_after(kept: Kept) -> float:
    """Seconds until an engine that makes progress is told to stop, by the keeper's own looks."""
    for look in range(1, 1000):
        kept.keeper.report(0.01 + look / 1000)
        kept.after(TICK_SECONDS)
        if kept.keeper.should_stop():
            return look * TICK_SECONDS
    raise AssertionError


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.6, 0.9])
def test_while_progress_flows_a_cancellation_is_heard_within_two_seconds(phase: float) -> None:
    kept = Kept()
    kept.keeper.report(0.01)
    kept.after(1 + phase)
    cancel(kept)
    assert stops_after(kept) <= 2 - 2 * TICK_SECONDS
    assert kept.keeper.reason is StopReason.CANCELLED


def test_while_progress_flows_a_lost_lease_stops_the_engine_at_the_next_beat() -> None:
    kept = Kept()
    kept.keeper.report(0.01)
    kept.after(1)
    seen = kept.job()
    kept.store.commit(seen, JobChange(attempt=2))
    assert stops_after(kept) <= PROGRESS_SECONDS + TICK_SECONDS
    assert kept.keeper.reason is StopReason.LEASE_LOST
    with pytest.raises(LeaseLost):
        kept.keeper.stop()
    assert kept.job().job.progress == seen.job.progress


def test_another_writer_is_not_yet_a_lost_lease() -> None:
    kept = Kept()
    seen = kept.job()
    kept.store.commit(seen, JobChange(interruptions=0))
    kept.after(30)
    assert kept.keeper.reason is None
    assert kept.keeper.stop().job.lease is not None


@pytest.mark.parametrize("thief", ["attempt", "lease", "status", "gone"])
def test_only_another_attempt_lease_or_state_means_lost(
    thief: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    seen = kept.job()
    lease = seen.job.lease
    assert lease is not None
    changes = {
        "attempt": JobChange(attempt=2),
        "lease": JobChange(lease=replace(lease, lease_id="another")),
        "status": transitions.fail(
            seen.job, seen.job.hold(), code=transitions.ErrorCode.WORKER_LOST, message="x"
        ),
        "gone": JobChange(interruptions=0),
    }
    after = kept.store.commit(seen, changes[thief])
    if thief == "gone":
        monkeypatch.setattr(kept.store, "get", lambda _: None)
    kept.store.commits = 0
    kept.after(30)
    assert kept.keeper.reason is StopReason.LEASE_LOST
    assert kept.keeper.should_stop()
    kept.after(30)
    assert kept.store.commits == 1
    with pytest.raises(LeaseLost):
        kept.keeper.stop()
    monkeypatch.undo()
    assert kept.job().job == after.job


def test_beats_that_fail_for_the_lease_less_fifteen_seconds_stop_the_worker() -> None:
    kept = Kept()
    kept.store.fail("commit")
    kept.after(30)
    kept.after(30)
    assert kept.keeper.reason is None
    kept.clock.advance(16)
    assert kept.keeper.should_stop()
    assert kept.keeper.reason is StopReason.LEASE_LOST
    kept.store.away.clear()
    kept.store.commits = 0
    kept.after(30)
    assert kept.store.commits == 0
    with pytest.raises(LeaseLost):
        kept.keeper.stop()


def test_an_outage_that_ends_in_time_costs_nothing() -> None:
    kept = Kept()
    kept.store.fail("commit")
    kept.after(60)
    kept.store.away.clear()
    kept.after(5)
    kept.after(50)
    assert kept.keeper.reason is None
    assert kept.store.commits == 3


def test_a_beat_whose_answer_got_lost_is_found_to_have_happened() -> None:
    kept = Kept()
    real = kept.store.commit

    def unheard(*arguments: Any, **more: Any) -> Snapshot:
        real(*arguments, **more)
        raise OutcomeUnknown("no answer")

    kept.store.commit = unheard  # type: ignore[method-assign]  # in its place
    kept.after(30)
    kept.store.commit = real  # type: ignore[method-assign]  # in its place
    kept.after(30)
    assert kept.keeper.reason is None
    assert kept.keeper.stop().version == kept.job().version


def test_conflicts_without_end_are_left_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()

    def busy(*_: object, **__: object) -> Snapshot:
        raise Conflict("j1")

    monkeypatch.setattr(kept.store, "commit", busy)
    kept.after(30)
    assert kept.keeper.reason is None


def test_the_time_is_up() -> None:
    kept = Kept(replace(TIMING, timeout=10))
    kept.keeper.report(0.5)
    kept.after(9)
    assert not kept.keeper.should_stop()
    kept.clock.advance(1)
    assert kept.keeper.should_stop()
    assert kept.keeper.reason is StopReason.TIMEOUT


def test_no_progress_for_the_stall_limit_stops_the_attempt() -> None:
    kept = Kept()
    for _ in range(3):
        kept.after(30)
    kept.keeper.report(0.1)
    for _ in range(3):
        kept.after(30)
    assert kept.keeper.reason is None
    kept.after(30)
    assert kept.keeper.reason is StopReason.STALLED


def test_the_same_progress_again_is_no_progress() -> None:
    kept = Kept()
    kept.keeper.report(0.1)
    for _ in range(4):
        kept.after(30)
        kept.keeper.report(0.1)
    assert kept.keeper.reason is StopReason.STALLED


def test_a_shutdown_stops_the_engine_at_once() -> None:
    kept = Kept()
    kept.shutdown.set()
    assert kept.keeper.should_stop()
    assert kept.keeper.reason is StopReason.SHUTDOWN


def test_the_first_reason_stays_but_a_lost_lease_outweighs_it() -> None:
    kept = Kept(replace(TIMING, timeout=10))
    kept.clock.advance(10)
    assert kept.keeper.should_stop()
    kept.shutdown.set()
    assert kept.keeper.should_stop()
    assert kept.keeper.reason is StopReason.TIMEOUT
    kept.clock.advance(80)
    assert kept.keeper.should_stop()
    assert kept.keeper.reason is StopReason.LEASE_LOST


def test_a_short_lease_is_trusted_for_half_of_it() -> None:
    assert replace(TIMING, lease=90).trust == 75
    assert replace(TIMING, lease=20).trust == 10


def test_the_thread_beats_by_itself_until_it_is_stopped() -> None:
    kept = Kept(replace(TIMING, heartbeat=0.001, lease=90))
    kept.keeper.start()
    assert kept.beaten.wait(PATIENCE_SECONDS)
    seen = kept.keeper.stop()
    assert seen.version == kept.job().version
    assert seen.version != kept.running.version


def test_an_error_of_ours_in_a_beat_does_not_end_the_thread() -> None:
    kept = Kept(replace(TIMING, heartbeat=0.001, lease=90))
    failed = threading.Event()
    real = kept.store.commit

    def broken(*_: object, **__: object) -> Snapshot:
        kept.store.commit = real  # type: ignore[method-assign]  # in its place
        failed.set()
        raise ZeroDivisionError

    kept.store.commit = broken  # type: ignore[method-assign]  # in its place
    kept.keeper.start()
    assert failed.wait(PATIENCE_SECONDS)
    assert kept.beaten.wait(PATIENCE_SECONDS)
    kept.keeper.stop()


def test_a_beat_after_the_end_does_not_touch_the_result() -> None:
    kept = Kept()
    done = finish(kept.store, kept.job())
    kept.after(30)
    assert kept.keeper.reason is StopReason.LEASE_LOST
    assert kept.job().job == done.job


def test_store_outages_are_told_apart_from_lost_leases() -> None:
    kept = Kept()
    kept.store.fail("commit", error=StoreUnavailable("away"))
    kept.after(30)
    assert kept.keeper.reason is None


class HeldUp(MemoryJobStore):
    """A beat waits for a connection before it is written."""

    def __init__(self, clock: TickingClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.seconds = 0.0

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        self.clock.advance(self.seconds)
        return super().commit(seen, change, result, by=by)


def kept_on(store: HeldUp, claimed_at: float = 0.0) -> LeaseKeeper:
    return LeaseKeeper(
        store,
        a_running_job(store),
        claimed_at=claimed_at,
        clock=store.clock,
        timing=TIMING,
        shutdown=threading.Event(),
        on_beat=lambda: None,
    )


@pytest.mark.parametrize("seconds", [46.0, 61.0, 500.0])
def test_a_beat_that_arrives_when_the_lease_is_given_up_renews_nothing(seconds: float) -> None:
    store = HeldUp(TickingClock())
    keeper = kept_on(store)
    before = read(store, "j1").version
    store.clock.advance(TIMING.heartbeat)
    store.seconds = seconds
    keeper.tick()
    assert read(store, "j1").version == before
    assert keeper.reason is StopReason.LEASE_LOST


def test_a_beat_that_arrives_in_time_renews() -> None:
    store = HeldUp(TickingClock())
    keeper = kept_on(store)
    store.clock.advance(TIMING.heartbeat)
    store.seconds = 44.0
    before = read(store, "j1").version
    keeper.tick()
    assert read(store, "j1").version == before + 1
    assert keeper.reason is None


def test_trust_counts_from_before_the_claim_was_sent() -> None:
    """The claim was on its way for twenty seconds, and may have been written in the first."""
    store = HeldUp(TickingClock())
    keeper = kept_on(store, claimed_at=-20.0)
    store.clock.advance(TIMING.heartbeat)
    store.seconds = 30.0
    before = read(store, "j1").version
    keeper.tick()
    assert read(store, "j1").version == before


def test_no_beat_is_sent_after_that_time() -> None:
    kept = Kept()
    kept.store.fail("commit")
    kept.after(30)
    kept.clock.advance(60)
    kept.store.away.clear()
    kept.store.commits = 0
    kept.keeper._beat()
    assert kept.store.commits == 0
    assert kept.keeper.reason is StopReason.LEASE_LOST
