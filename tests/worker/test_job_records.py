"""Ids, leases, ranks, spellings and changes: the small parts of a job."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from worker.jobs.changes import changed
from worker.jobs.job import Job, JobChange, is_job_id, may_name_a_record
from worker.jobs.lease import SERVER_TIME, Hold, Lease
from worker.jobs.rank import queue_rank
from worker.jobs.states import EnumStyle, JobStatus, read_status

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LEASE = Lease(lease_id="l1", worker_id="w1", heartbeat_at=NOW, seconds=90)


@pytest.mark.parametrize("text", ["a", "A-b_9", "x" * 128, "__a", "a__", "_-_", "-"])
def test_ids_that_a_job_may_bear(text: str) -> None:
    assert is_job_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a/b", "a.b", "é", "a b", "a\n", "__a__", "____"])
def test_ids_that_no_job_may_bear(text: str) -> None:
    assert not is_job_id(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("queued", (JobStatus.QUEUED, EnumStyle.PLAIN)),
        ("CloudBacktestStatus.queued", (JobStatus.QUEUED, EnumStyle.DART)),
        ("Pending", (JobStatus.QUEUED, EnumStyle.PLAIN)),
        ("running", (JobStatus.RUNNING, EnumStyle.PLAIN)),
        ("completed", (JobStatus.COMPLETED, EnumStyle.PLAIN)),
        ("failed", (JobStatus.FAILED, EnumStyle.PLAIN)),
    ],
)
def test_spellings_of_a_status(text: str, read: tuple[JobStatus, EnumStyle]) -> None:
    assert read_status(text) == read


@pytest.mark.parametrize("text", ["", "done", "Queued", "CloudBacktestStatus.running"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JobStatus"):
        read_status(text)


def test_only_completed_and_failed_are_final() -> None:
    assert [status for status in JobStatus if status.is_final] == [
        JobStatus.COMPLETED,
        JobStatus.FAILED,
    ]


@pytest.mark.parametrize(("seconds", "expired"), [(0, False), (90, False), (90.001, True)])
def test_a_lease_outlives_its_heartbeat_by_its_seconds(seconds: float, expired: bool) -> None:
    assert LEASE.is_expired(NOW + timedelta(seconds=seconds)) is expired


def test_a_lease_that_is_being_written_is_not_expired() -> None:
    assert not replace(LEASE, heartbeat_at=SERVER_TIME).is_expired(NOW + timedelta(days=1))


def test_the_fencing_token_of_a_running_job() -> None:
    assert Job(job_id="j1", attempt=3, lease=LEASE).hold() == Hold("j1", 3, "l1")
    with pytest.raises(ValueError, match="j1"):
        Job(job_id="j1").hold()


class TestRank:
    def test_earlier_runs_first(self) -> None:
        assert queue_rank(NOW, 0, 3600) < queue_rank(NOW + timedelta(microseconds=1), 0, 3600)

    def test_priority_is_strict_within_its_horizon(self) -> None:
        almost = NOW + timedelta(seconds=3599)
        assert queue_rank(almost, 1, 3600) < queue_rank(NOW, 0, 3600)

    def test_an_old_job_overtakes_beyond_it(self) -> None:
        beyond = NOW + timedelta(seconds=18 * 3600 + 1)
        assert queue_rank(NOW, -9, 3600) < queue_rank(beyond, 9, 3600)


class TestChanged:
    def test_only_named_fields_change(self) -> None:
        job = Job(job_id="j1", user_id="ann", priority=3)

        after = changed(job, JobChange(progress=0.5), NOW)

        assert after == replace(job, progress=0.5)

    def test_the_stores_clock_stands_where_it_was_asked_for(self) -> None:
        change = JobChange(
            started_at=SERVER_TIME,
            completed_at=None,
            lease=replace(LEASE, heartbeat_at=SERVER_TIME),
        )

        after = changed(Job(job_id="j1", completed_at=NOW), change, NOW + timedelta(seconds=5))

        assert (after.started_at, after.completed_at) == (NOW + timedelta(seconds=5), None)
        assert after.lease == replace(LEASE, heartbeat_at=NOW + timedelta(seconds=5))

    def test_a_given_time_stays(self) -> None:
        after = changed(Job(job_id="j1"), JobChange(lease=LEASE, admitted_at=NOW), NOW)

        assert (after.lease, after.admitted_at) == (LEASE, NOW)


@pytest.mark.parametrize("text", ["j1", "a b", "é", "x" * 1500, "..."])
def test_ids_that_a_server_may_have_written(text: str) -> None:
    assert may_name_a_record(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a\0b", "__x__", "\ud800", "é" * 751])
def test_ids_that_no_store_can_have(text: str) -> None:
    assert not may_name_a_record(text)
