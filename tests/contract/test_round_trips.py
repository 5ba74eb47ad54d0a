"""Back into the queue: shutdown, death of a worker, replay; and out of it before the start."""

from datetime import timedelta

import pytest

from tests.support.jobs import a_job, a_running_job, an_admitted_job, claim_best, finish, read
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, IllegalTransition
from worker.jobs.job import Snapshot
from worker.jobs.states import JobStatus
from worker.ports import JobStore


def expire(store: JobStore) -> Snapshot:
    seen = read(store, "j1")
    return store.commit(seen, transitions.expire(seen.job, read_at=seen.read_at, requeue_once=True))


def test_admission_puts_a_job_in_the_queue(store: JobStore) -> None:
    store.create(a_job("j1", priority=2))
    seen = read(store, "j1")

    store.commit(
        seen,
        transitions.admit(
            seen.job,
            now=seen.read_at,
            engine_version="1.0.0",
            priority=1,
            lane="push",
            ageing_seconds=3600,
        ),
    )

    job = read(store, "j1").job
    assert (job.priority, job.engine_version, job.lane) == (1, "1.0.0", "push")
    assert job.admitted_at == seen.read_at
    assert job.rank == pytest.approx(seen.read_at.timestamp() - 3600, abs=1e-6)
    assert claim_best(store) is not None


def test_a_rejected_job_is_failed_and_never_claimed(store: JobStore) -> None:
    store.create(a_job("j1"))
    seen = read(store, "j1")

    store.commit(seen, transitions.reject(seen.job, ErrorCode.MISSING_USER, "No userId."))

    job = read(store, "j1").job
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.MISSING_USER)
    assert job.error_message == "No userId."
    assert claim_best(store) is None


def test_a_released_job_is_next_again_and_remembers_its_interruption(store: JobStore) -> None:
    running = a_running_job(store)
    store.create(an_admitted_job("later", 1.0))

    store.commit(running, transitions.release(running.job, running.job.hold()))

    released = read(store, "j1").job
    assert (released.status, released.lease, released.interruptions) == (JobStatus.QUEUED, None, 1)
    assert (released.started_at, released.progress, released.attempt) == (None, 0.0, 1)
    again = claim_best(store)
    assert again is not None
    assert (again.job.job_id, again.job.attempt, again.job.interruptions) == ("j1", 2, 1)


def test_the_first_death_of_a_worker_requeues_and_the_second_ends_the_job(
    store: JobStore,
) -> None:
    a_running_job(store, seconds=0)

    requeued = expire(store).job
    assert (requeued.status, requeued.worker_losses) == (JobStatus.QUEUED, 1)
    assert claim_best(store, seconds=0) is not None
    ended = expire(store).job

    assert (ended.status, ended.error_code) == (JobStatus.FAILED, ErrorCode.WORKER_LOST)
    assert ended.worker_losses == 2
    assert read(store, "j1").job == ended


def test_a_job_whose_worker_answers_is_not_taken_from_it(store: JobStore) -> None:
    running = a_running_job(store, seconds=90)

    with pytest.raises(IllegalTransition):
        expire(store)

    assert read(store, "j1").version == running.version


def test_a_queued_job_is_cancelled_at_once(store: JobStore) -> None:
    store.create(an_admitted_job("j1"))
    seen = read(store, "j1")
    wish = transitions.request_cancel(seen.job)
    assert wish is not None

    store.commit(seen, wish)

    job = read(store, "j1").job
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.CANCELLED)
    assert job.cancel_requested
    assert claim_best(store) is None


def test_a_replayed_job_runs_again_from_a_clean_slate(store: JobStore) -> None:
    running = a_running_job(store)
    store.commit(
        running,
        transitions.fail(
            running.job, running.job.hold(), code=ErrorCode.TIMEOUT, message="Out of time."
        ),
    )
    failed = read(store, "j1")
    later = failed.read_at + timedelta(hours=1)

    store.commit(failed, transitions.replay(failed.job, now=later, ageing_seconds=3600))

    queued = read(store, "j1").job
    assert (queued.status, queued.error_code, queued.error_message) == (
        JobStatus.QUEUED,
        None,
        None,
    )
    assert (queued.completed_at, queued.started_at, queued.lease) == (None, None, None)
    assert queued.admitted_at == later
    again = claim_best(store)
    assert again is not None
    assert again.job.attempt == 2
    assert finish(store, again).job.status is JobStatus.COMPLETED
    assert store.result("j1") is not None


def test_an_illegal_transition_writes_nothing(store: JobStore) -> None:
    running = a_running_job(store)
    store.create(a_job("waiting"))
    waiting = read(store, "waiting")

    with pytest.raises(IllegalTransition):
        transitions.replay(running.job, now=running.read_at, ageing_seconds=3600)
    with pytest.raises(IllegalTransition):
        transitions.expire(waiting.job, read_at=waiting.read_at, requeue_once=True)

    assert read(store, "j1").version == running.version
    assert read(store, "waiting").version == waiting.version
