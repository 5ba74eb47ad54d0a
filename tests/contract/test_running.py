"""While a job runs: heartbeats, progress, cancellation, and who may write."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.jobs import a_lease, a_running_job, claim_best, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stack import eventually
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import Conflict, LeaseLost
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.lease import SERVER_TIME, Lease
from worker.jobs.states import JobStatus
from worker.ports import JobStore


def beat(store: JobStore, seen: Snapshot, progress: float) -> Snapshot:
    assert seen.job.lease is not None
    lease = Lease(
        lease_id=seen.job.lease.lease_id,
        worker_id=seen.job.lease.worker_id,
        heartbeat_at=SERVER_TIME,
        seconds=seen.job.lease.seconds,
    )
    return store.commit(
        seen, transitions.beat(seen.job, seen.job.hold(), lease=lease, progress=progress)
    )


def heartbeat(seen: Snapshot) -> datetime:
    assert seen.job.lease is not None
    assert isinstance(seen.job.lease.heartbeat_at, datetime)
    return seen.job.lease.heartbeat_at


def test_a_beat_renews_the_heartbeat_by_the_stores_clock(store: JobStore) -> None:
    running = a_running_job(store)
    before = read(store, "j1")

    after = beat(store, running, 0.1)

    assert heartbeat(running) < heartbeat(after)
    assert before.read_at <= heartbeat(after) <= read(store, "j1").read_at
    assert heartbeat(read(store, "j1")) == heartbeat(after)


def test_progress_never_goes_back(store: JobStore) -> None:
    seen = a_running_job(store)

    shown = []
    for progress in (0.25, 0.75, 0.5, 7.0):
        seen = beat(store, seen, progress)
        shown.append(read(store, "j1").job.progress)

    assert shown == [0.25, 0.75, 0.75, 1.0]


def test_a_beat_leaves_everything_else_as_it_is(store: JobStore) -> None:
    running = a_running_job(store)

    after = beat(store, running, 0.5).job

    for name in ("status", "attempt", "rank", "lane", "config_used", "started_at", "user_id"):
        assert getattr(after, name) == getattr(running.job, name), name


def test_a_write_with_an_old_snapshot_conflicts_and_writes_nothing(store: JobStore) -> None:
    running = a_running_job(store)
    beat(store, running, 0.5)
    before = read(store, "j1")

    with pytest.raises(Conflict):
        beat(store, running, 0.75)

    after = read(store, "j1")
    assert (after.job, after.version) == (before.job, before.version)


def test_a_write_on_a_job_that_nobody_created_conflicts(store: JobStore) -> None:
    running = a_running_job(store)
    unknown = replace(running, job=replace(running.job, job_id="unknown"))

    with pytest.raises(Conflict):
        store.commit(unknown, JobChange(progress=0.5))

    assert store.get("unknown") is None


def test_a_cancellation_between_two_beats_is_seen_and_kept(store: JobStore) -> None:
    """The next beat fails its guard; reading again shows that the lease is still held."""
    running = a_running_job(store)
    wish = transitions.request_cancel(running.job)
    assert wish is not None
    store.commit(read(store, "j1"), wish)

    with pytest.raises(Conflict):
        beat(store, running, 0.5)
    seen = read(store, "j1")
    assert seen.job.cancel_requested
    assert seen.job.hold() == running.job.hold()
    after = beat(store, seen, 0.5)

    assert after.job.cancel_requested
    assert read(store, "j1").job.cancel_requested


def test_a_cancelled_attempt_ends_with_that_code(store: JobStore) -> None:
    running = a_running_job(store)
    wish = transitions.request_cancel(running.job)
    assert wish is not None
    seen = store.commit(running, wish)

    store.commit(seen, transitions.release(seen.job, running.job.hold()))

    job = read(store, "j1").job
    assert (job.status, job.error_code, job.lease) == (JobStatus.FAILED, "CANCELLED", None)
    assert job.completed_at is not None


def test_a_lease_expires_on_the_stores_clock(store: JobStore) -> None:
    held = a_running_job(store, seconds=90)
    assert held.job.lease is not None
    assert not held.job.lease.is_expired(read(store, "j1").read_at)

    beaten = store.commit(held, JobChange(lease=a_lease(seconds=0)))

    seen = read(store, "j1")
    assert beaten.job.lease is not None
    assert seen.job.lease is not None
    assert seen.job.lease.is_expired(read(store, "j1").read_at)


def test_the_old_holder_may_not_write_after_another_claim(store: JobStore) -> None:
    old = a_running_job(store, seconds=0)
    seen = read(store, "j1")
    store.commit(seen, transitions.expire(seen.job, read_at=seen.read_at, requeue_once=True))
    new = claim_best(store, worker_id="worker-2")
    assert new is not None
    assert new.job.attempt == 2

    with pytest.raises(Conflict):
        beat(store, old, 0.5)
    with pytest.raises(LeaseLost):
        transitions.beat(
            read(store, "j1").job, old.job.hold(), lease=a_lease("worker-1"), progress=0.5
        )

    assert read(store, "j1").job == new.job


def test_beats_and_cancellations_at_once_lose_neither(store: JobStore) -> None:
    running = a_running_job(store)
    start = threading.Barrier(2)

    def cancel() -> None:
        start.wait(PATIENCE_SECONDS)
        while True:
            seen = read(store, "j1")
            wish = transitions.request_cancel(seen.job)
            assert wish is not None
            try:
                store.commit(seen, wish)
            except Conflict:
                continue
            return

    canceller = threading.Thread(target=cancel)
    canceller.start()
    start.wait(PATIENCE_SECONDS)
    seen, beats = running, 0
    while beats < 20:
        try:
            seen = beat(store, seen, beats / 20)
            beats += 1
        except Conflict:
            seen = read(store, "j1")
            assert seen.job.hold() == running.job.hold()
    canceller.join(PATIENCE_SECONDS)

    job = read(store, "j1").job
    assert (job.cancel_requested, job.progress) == (True, 0.95)


def renewal(seen: Snapshot) -> JobChange:
    lease = replace(a_lease(), lease_id=seen.job.hold().lease_id)
    return transitions.beat(seen.job, seen.job.hold(), lease=lease, progress=0.5)


@pytest.mark.parametrize("store_name", ["memory", "sqlite", "postgresql"])
class TestTooLate:
    """Stores that judge the moment where they write."""

    @pytest.fixture
    def store(self, request: pytest.FixtureRequest, store_name: str) -> Iterator[JobStore]:
        if store_name == "postgresql":
            request.applymarker(pytest.mark.postgres)
        made: JobStore = request.getfixturevalue(f"{store_name}_store")
        yield made
        made.close()

    def test_a_renewal_after_its_time_is_not_written(self, store: JobStore) -> None:
        seen = a_running_job(store)
        late = seen.read_at - timedelta(milliseconds=2)
        with pytest.raises(Conflict):
            store.commit(seen, renewal(seen), by=late)
        assert read(store, "j1").version == seen.version

    def test_one_in_time_is(self, store: JobStore) -> None:
        seen = a_running_job(store)
        after = store.commit(seen, renewal(seen), by=seen.read_at + timedelta(hours=1))
        assert read(store, "j1").job.progress == 0.5
        assert after.version != seen.version


@pytest.mark.postgres
def test_a_renewal_that_waited_for_a_lock_is_judged_when_it_gets_it(
    postgresql_store: SqlJobStore, postgres_url: str
) -> None:
    seen = a_running_job(postgresql_store)
    conninfo = make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(conninfo) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT 1 FROM backtest_jobs FOR UPDATE")
        soon = seen.read_at + timedelta(seconds=1)
        beat = pool.submit(postgresql_store.commit, seen, renewal(seen), by=soon)
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
        asked = "SELECT clock_timestamp() > %s"
        eventually(lambda: other.execute(waits).fetchone() is not None, "the beat waits")
        eventually(lambda: other.execute(asked, (soon,)).fetchone() == (True,), "it is too late")
        other.rollback()
        with pytest.raises(Conflict):
            beat.result()
    assert read(postgresql_store, "j1").version == seen.version
    postgresql_store.close()
