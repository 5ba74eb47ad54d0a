"""The end of an attempt: once, by the holder, and with a result exactly if it completed."""

from dataclasses import replace

import pytest

from tests.support.jobs import (
    WANTED,
    a_result,
    a_running_job,
    an_admitted_job,
    claim_best,
    finish,
    read,
)
from worker.jobs import transitions
from worker.jobs.errors import Conflict, ErrorCode, IllegalTransition, LeaseLost, RecordRefused
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import JobStore

#: Memory holds any Python object.
OUTSIDE_THIS_PROCESS = [
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("firestore", marks=pytest.mark.emulator),
]


def reclaim(store: JobStore) -> Snapshot:
    """Another worker takes the job over after its lease ran out."""
    seen = read(store, "j1")
    store.commit(seen, transitions.expire(seen.job, read_at=seen.read_at, requeue_once=True))
    claimed = claim_best(store, worker_id="worker-2")
    assert claimed is not None
    return claimed


def test_a_completed_job_and_its_result_appear_together(store: JobStore) -> None:
    running = a_running_job(store)
    assert store.result("j1") is None

    done = finish(store, running)

    seen = read(store, "j1")
    assert (seen.job, seen.version) == (done.job, done.version)
    job = seen.job
    assert (job.status, job.progress, job.lease) == (JobStatus.COMPLETED, 1.0, None)
    assert (job.result_digest, job.duration_ms, job.attempt) == ("sha256:1", 1200, 1)
    result = store.result("j1")
    assert result is not None
    assert result.result_digest == job.result_digest
    assert job.completed_at is not None
    assert running.read_at <= job.completed_at <= seen.read_at


def test_a_failed_job_has_no_result(store: JobStore) -> None:
    running = a_running_job(store)

    store.commit(
        running,
        transitions.fail(
            running.job,
            running.job.hold(),
            code=ErrorCode.DATA_NOT_FOUND,
            message="No candles for SPY 1d.",
            duration_ms=7,
        ),
    )

    job = read(store, "j1").job
    assert (job.status, job.error_code, job.error_message, job.duration_ms, job.lease) == (
        JobStatus.FAILED,
        ErrorCode.DATA_NOT_FOUND,
        "No candles for SPY 1d.",
        7,
        None,
    )
    assert job.completed_at is not None
    assert store.result("j1") is None


def test_a_result_of_another_job_is_refused_and_neither_is_written(store: JobStore) -> None:
    store.create(an_admitted_job("j0"))
    first = claim_best(store)
    assert first is not None
    finish(store, first)
    running = a_running_job(store, "j1")
    before = read(store, "j1")

    with pytest.raises(RecordRefused):
        store.commit(
            running,
            transitions.complete(
                running.job, running.job.hold(), result_digest="sha256:other", duration_ms=1
            ),
            a_result("j0", result_digest="sha256:other"),
        )

    after = read(store, "j1")
    assert (after.job, after.version) == (before.job, before.version)
    kept = store.result("j0")
    assert kept is not None
    assert kept.result_digest == "sha256:1"


def test_no_result_comes_with_a_job_that_does_not_complete(store: JobStore) -> None:
    running = a_running_job(store)

    with pytest.raises(RecordRefused):
        store.commit(running, JobChange(progress=0.5), a_result("j1"))

    assert store.result("j1") is None
    assert read(store, "j1").job.progress == 0.0


def queued_by_hand(store: JobStore) -> None:
    """A person writes nothing but the status of a completed job."""
    done = finish(store, a_running_job(store))
    store.commit(done, JobChange(status=JobStatus.QUEUED))


def test_a_completed_job_that_is_queued_by_hand_gets_a_new_result(store: JobStore) -> None:
    queued_by_hand(store)
    again = claim_best(store)
    assert again is not None
    old = store.result("j1")

    done = finish(store, again, result_digest="sha256:new", artifacts={})

    assert old is not None
    assert old.result_digest == "sha256:1"
    new = store.result("j1")
    assert new is not None
    assert new.result_digest == done.job.result_digest == "sha256:new"
    assert new.created_at > old.created_at  # type: ignore[operator]  # both are stored
    assert (read(store, "j1").job, done.job.attempt) == (done.job, 2)


def test_if_that_one_fails_the_old_result_goes(store: JobStore) -> None:
    queued_by_hand(store)
    stale = read(store, "j1")
    again = claim_best(store)
    assert again is not None
    failed = transitions.fail(
        again.job, again.job.hold(), code=ErrorCode.TIMEOUT, message="Too slow."
    )

    with pytest.raises(Conflict):
        store.commit(replace(again, version=stale.version), failed)
    assert store.result("j1") is not None

    store.commit(again, failed)
    assert store.result("j1") is None
    assert read(store, "j1").job.status is JobStatus.FAILED


def test_if_that_one_is_refused_in_the_queue_the_old_result_goes_too(store: JobStore) -> None:
    queued_by_hand(store)

    refused = store.take_best(
        WANTED, lambda seen: transitions.reject(seen.job, ErrorCode.CANCELLED, "No.")
    )

    assert refused is not None
    assert refused.job.status is JobStatus.FAILED
    assert store.result("j1") is None


def test_if_the_guard_fails_there_is_no_result(store: JobStore) -> None:
    running = a_running_job(store)
    store.commit(running, JobChange(progress=0.5))

    with pytest.raises(Conflict):
        finish(store, running)

    assert store.result("j1") is None
    assert read(store, "j1").job.status is JobStatus.RUNNING


def test_a_late_finisher_is_refused_while_another_attempt_runs(store: JobStore) -> None:
    late = a_running_job(store, seconds=0)
    current = reclaim(store)

    with pytest.raises(Conflict):
        finish(store, late, result_digest="sha256:late")
    with pytest.raises(LeaseLost):
        transitions.complete(
            read(store, "j1").job, late.job.hold(), result_digest="sha256:late", duration_ms=1
        )
    assert store.result("j1") is None

    finish(store, current, result_digest="sha256:current")
    result = store.result("j1")
    assert result is not None
    assert result.result_digest == "sha256:current"


def test_a_late_finisher_is_refused_after_another_attempt_completed(store: JobStore) -> None:
    late = a_running_job(store, seconds=0)
    finish(store, reclaim(store), result_digest="sha256:current")

    with pytest.raises(Conflict):
        finish(store, late, result_digest="sha256:late")

    result = store.result("j1")
    assert result is not None
    assert result.result_digest == "sha256:current"
    assert read(store, "j1").job.attempt == 2


def test_nobody_finishes_twice(store: JobStore) -> None:
    running = a_running_job(store)
    done = finish(store, running)

    with pytest.raises(Conflict):
        finish(store, running, result_digest="sha256:again")
    with pytest.raises(LeaseLost):
        transitions.complete(
            done.job, running.job.hold(), result_digest="sha256:again", duration_ms=1
        )

    result = store.result("j1")
    assert result is not None
    assert result.result_digest == "sha256:1"


@pytest.mark.parametrize("store", OUTSIDE_THIS_PROCESS, indirect=True)
def test_a_result_that_no_store_can_hold_is_refused_and_the_job_still_runs(
    store: JobStore,
) -> None:
    running = a_running_job(store)
    unstorable = {"totalReturn": object()}

    with pytest.raises(RecordRefused):
        finish(store, running, backtest_result=unstorable)

    assert read(store, "j1").job.status is JobStatus.RUNNING
    assert store.result("j1") is None


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED])
def test_a_job_that_has_ended_is_left_alone(store: JobStore, status: JobStatus) -> None:
    store.create(an_admitted_job("j1", status=status))
    seen = read(store, "j1")

    with pytest.raises(IllegalTransition):
        transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, "Too late.")
    assert transitions.request_cancel(seen.job) is None

    assert replace(read(store, "j1"), read_at=seen.read_at) == seen
