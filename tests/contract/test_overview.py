"""What the sweep, the quotas and the metrics find, the same in every store."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.jobs import (
    ADMITTED_AT,
    a_job,
    a_lease,
    a_running_job,
    an_admitted_job,
    finish,
    read,
)
from tests.support.patience import PATIENCE_SECONDS
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.lease import Lease
from worker.jobs.states import JobStatus
from worker.ports import JobStore, Pause

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def running(job_id: str, **values: object) -> Job:
    """A job that runs since ``LONG_AGO``, with a lease that is long over unless told otherwise."""
    lease = Lease(lease_id="l", worker_id="w", heartbeat_at=LONG_AGO, seconds=90)
    given = {"status": JobStatus.RUNNING, "attempt": 1, "lease": lease, "started_at": LONG_AGO}
    return an_admitted_job(job_id, **(given | values))


def wait(store: JobStore, job_id: str, place: float = 0.0, **values: object) -> None:
    """A job as admission leaves it that keeps it out of the queue."""
    seen = store.create(a_job(job_id, **values))
    change = transitions.admit(
        seen.job,
        now=ADMITTED_AT + timedelta(seconds=place),
        engine_version="1.0.0",
        priority=seen.job.priority,
        lane="push",
        ageing_seconds=3600,
    )
    assert store.commit(seen, transitions.hold_back(change)).job.is_waiting


def ended(store: JobStore, job_id: str, code: ErrorCode) -> None:
    seen = store.create(an_admitted_job(job_id))
    store.commit(seen, transitions.reject(seen.job, code, "No."))


class TestExpiredLeases:
    def test_a_silent_worker_has_lost_its_lease(self, store: JobStore) -> None:
        store.create(running("silent"))
        store.create(running("beating", lease=a_lease()))

        assert store.expired_leases(limit=9) == ["silent"]

    def test_a_lease_that_was_just_taken_is_not_over(self, store: JobStore) -> None:
        a_running_job(store, seconds=5)

        assert store.expired_leases(limit=9) == []

    def test_a_running_job_without_a_lease_is_held_by_nobody(self, store: JobStore) -> None:
        store.create(running("beating", lease=a_lease()))
        store.create(running("bare", lease=None))

        assert store.expired_leases(limit=9) == ["bare"]

    @pytest.mark.parametrize("lane", ["legacy", None])
    def test_jobs_of_another_system_are_not_ours(self, store: JobStore, lane: str | None) -> None:
        store.create(running("theirs", lane=lane))
        store.create(running("polled", lane="poll"))

        assert store.expired_leases(limit=9) == ["polled"]
        assert store.overdue(longest=60, slack=0, limit=9) == ["polled"]

    def test_no_more_than_asked(self, store: JobStore) -> None:
        for number in range(4):
            store.create(running(f"j{number}"))

        assert len(store.expired_leases(limit=3)) == 3


class TestOverdue:
    def test_by_the_general_limit_and_by_the_jobs_own(self, store: JobStore) -> None:
        now = read_at(store)
        store.create(running("long", started_at=now - timedelta(seconds=1000)))
        store.create(running("own", started_at=now - timedelta(seconds=500), timeout_seconds=300))
        store.create(running("young", started_at=now - timedelta(seconds=500)))
        store.create(
            running("larger", started_at=now - timedelta(seconds=500), timeout_seconds=600)
        )

        assert store.overdue(longest=600, slack=60, limit=9) == ["long", "own"]

    def test_a_job_that_has_not_started_is_not_overdue(self, store: JobStore) -> None:
        store.create(an_admitted_job("queued"))
        store.create(running("never", started_at=None))

        assert store.overdue(longest=1, slack=0, limit=9) == []


class TestFailed:
    def test_the_code_that_was_asked_for_in_the_order_of_the_ends(self, store: JobStore) -> None:
        for job_id in ("b", "a", "c"):
            ended(store, job_id, ErrorCode.INVALID_CONFIG)
        ended(store, "other", ErrorCode.CANCELLED)
        store.create(an_admitted_job("queued"))

        assert store.failed(ErrorCode.INVALID_CONFIG, timedelta(hours=1), limit=9) == [
            *("b", "a", "c"),
        ]
        assert store.failed(ErrorCode.INVALID_CONFIG, timedelta(hours=1), limit=2) == ["b", "a"]
        assert store.failed(ErrorCode.TIMEOUT, timedelta(hours=1), limit=9) == []

    def test_only_of_late(self, store: JobStore) -> None:
        long_ago = {"status": JobStatus.FAILED, "completed_at": LONG_AGO}
        store.create(an_admitted_job("old", error_code=ErrorCode.TIMEOUT, **long_ago))
        ended(store, "new", ErrorCode.TIMEOUT)

        assert store.failed(ErrorCode.TIMEOUT, timedelta(hours=1), limit=9) == ["new"]

    def test_a_job_that_was_replayed_is_not_among_them(self, store: JobStore) -> None:
        ended(store, "again", ErrorCode.TIMEOUT)
        seen = read(store, "again")
        store.commit(seen, transitions.replay(seen.job, now=seen.read_at, ageing_seconds=3600))

        assert store.failed(ErrorCode.TIMEOUT, timedelta(hours=1), limit=9) == []


class TestCancelledInQueue:
    def test_whoever_asked_and_has_not_started(self, store: JobStore) -> None:
        store.create(an_admitted_job("asked", cancel_requested=True))
        wait(store, "waits", cancel_requested=True)
        store.create(an_admitted_job("not"))
        store.create(an_admitted_job("theirs", cancel_requested=True, lane="legacy"))
        store.create(running("runs", cancel_requested=True))

        assert sorted(store.cancelled_in_queue(limit=9)) == ["asked", "waits"]


class TestUnadmitted:
    def test_what_no_admission_has_seen(self, store: JobStore) -> None:
        store.create(a_job("new"))
        store.create(an_admitted_job("admitted"))
        wait(store, "waits")
        store.create(a_job("failed", status=JobStatus.FAILED))

        assert store.unadmitted(limit=9) == ["new"]

    def test_nothing_is_found_where_everything_is_admitted(self, store: JobStore) -> None:
        for number in range(3):
            store.create(an_admitted_job(f"j{number}"))

        assert store.unadmitted(limit=9) == []

    def test_no_more_than_asked(self, store: JobStore) -> None:
        for number in range(4):
            store.create(a_job(f"j{number}"))

        assert len(store.unadmitted(limit=3)) == 3


class TestWaiting:
    def test_the_owners_in_turn(self, store: JobStore) -> None:
        for number, user in enumerate(["cid", "ann", "bob", "ann"]):
            wait(store, f"j{number}", user_id=user)
        store.create(an_admitted_job("ranked", user_id="dan"))

        first = store.waiting_users(limit=2)

        assert first == ["ann", "bob"]
        assert store.waiting_users(limit=2, after=first[-1]) == ["cid"]

    def test_a_users_jobs_by_priority_then_by_admission(self, store: JobStore) -> None:
        wait(store, "second", 1)
        wait(store, "first", 0)
        wait(store, "urgent", 2, priority=3)
        wait(store, "other", 0, user_id="bob")
        store.create(an_admitted_job("ranked"))
        store.create(a_job("new"))

        assert store.waiting_of("ann", limit=9) == ["urgent", "first", "second"]
        assert store.waiting_of("ann", limit=1) == ["urgent"]


class TestBacklog:
    def test_how_many_and_since_when(self, store: JobStore) -> None:
        store.create(an_admitted_job("younger", -5000, admitted_at=ADMITTED_AT))
        store.create(an_admitted_job("older", 5000, admitted_at=ADMITTED_AT - timedelta(hours=1)))
        wait(store, "waits")
        store.create(an_admitted_job("polled", lane="poll"))
        store.create(an_admitted_job("next", engine_version="2.0.0"))
        store.create(running("runs"))

        backlog = store.backlog("push", "1.0.0")

        assert backlog is not None
        assert (backlog.jobs, backlog.oldest_id) == (2, "older")
        expected = (read(store, "older").read_at - ADMITTED_AT).total_seconds() + 3600
        assert backlog.waited == pytest.approx(expected, abs=PATIENCE_SECONDS)

    def test_nothing_waits(self, store: JobStore) -> None:
        assert store.backlog("push", "1.0.0") is None


class TestCounts:
    def test_a_users_queued_and_active_jobs(self, store: JobStore) -> None:
        store.create(an_admitted_job("ranked"))
        wait(store, "waits")
        store.create(running("runs"))
        store.create(a_job("new"))
        store.create(an_admitted_job("done", status=JobStatus.COMPLETED))
        store.create(an_admitted_job("bobs", user_id="bob"))

        assert (store.queued_of("ann"), store.active_of("ann")) == (2, 2)
        assert (store.queued_of("eve"), store.active_of("eve")) == (0, 0)

    def test_a_users_bars_since(self, store: JobStore) -> None:
        store.create(an_admitted_job("old", -100, bars=1))
        store.create(an_admitted_job("new", 10, bars=20, status=JobStatus.COMPLETED))
        store.create(an_admitted_job("newer", 20, bars=300))
        store.create(an_admitted_job("unknown", 20))
        store.create(an_admitted_job("bobs", 20, bars=4000, user_id="bob"))

        assert store.bars_of("ann", ADMITTED_AT) == 320
        assert store.bars_of("ann", ADMITTED_AT + timedelta(days=1)) == 0


class TestFleet:
    def test_an_empty_fleet(self, store: JobStore) -> None:
        fleet = store.fleet(timedelta(minutes=5))

        assert (dict(fleet.queued), dict(fleet.ended)) == ({}, {})
        assert (fleet.waiting, fleet.running, fleet.expired_leases) == (0, 0, 0)
        assert fleet.oldest_seconds == 0

    def test_everything_at_once(self, store: JobStore) -> None:
        finish(store, a_running_job(store, "done"))
        ended(store, "bad", ErrorCode.INVALID_CONFIG)
        ended(store, "gone", ErrorCode.CANCELLED)
        ended(store, "gone-too", ErrorCode.CANCELLED)
        store.create(running("silent"))
        store.create(running("beating", lease=a_lease()))
        store.create(an_admitted_job("plain"))
        store.create(an_admitted_job("polled", lane="poll"))
        store.create(an_admitted_job("urgent", priority=9, rank=0.0))
        store.create(an_admitted_job("theirs", -9000, lane="legacy"))
        wait(store, "waits")

        fleet = store.fleet(timedelta(minutes=5))

        assert dict(fleet.queued) == {0: 2, 9: 1}
        assert (fleet.waiting, fleet.running, fleet.expired_leases) == (1, 2, 1)
        since_admission = (read(store, "plain").read_at - ADMITTED_AT).total_seconds()
        assert fleet.oldest_seconds == pytest.approx(since_admission, abs=PATIENCE_SECONDS)
        assert dict(fleet.ended) == {
            (JobStatus.COMPLETED, None): 1,
            (JobStatus.FAILED, ErrorCode.INVALID_CONFIG): 1,
            (JobStatus.FAILED, ErrorCode.CANCELLED): 2,
        }

    def test_old_ends_are_not_counted(self, store: JobStore) -> None:
        store.create(an_admitted_job("old", status=JobStatus.COMPLETED, completed_at=LONG_AGO))

        assert dict(store.fleet(timedelta(minutes=5)).ended) == {}


class TestPause:
    def test_it_is_off_until_somebody_sets_it(self, store: JobStore) -> None:
        assert store.pause() == Pause(is_on=False)

    def test_it_is_kept_with_its_reason_and_time(self, store: JobStore) -> None:
        before = store.create(a_job("j1")).read_at
        store.set_pause(Pause(is_on=True, reason="prices are wrong"))

        pause = store.pause()

        assert (pause.is_on, pause.reason) == (True, "prices are wrong")
        assert isinstance(pause.changed_at, datetime)
        assert pause.changed_at >= before

    def test_it_is_replaced(self, store: JobStore) -> None:
        store.set_pause(Pause(is_on=True, reason="prices are wrong"))
        store.set_pause(Pause(is_on=False))

        assert (store.pause().is_on, store.pause().reason) == (False, None)


def read_at(store: JobStore) -> datetime:
    """The store's clock."""
    return store.create(a_job("clock")).read_at
