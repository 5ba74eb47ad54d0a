"""A person's explicit act puts a failed job back; nothing else does."""

import pytest

from tests.support.jobs import a_running_job, finish
from tests.support.workers import WorkerParts, at_once, make_worker, raising
from worker.jobs.errors import Conflict, ErrorCode, IllegalTransition
from worker.jobs.states import JobStatus
from worker.services.replaying import Replaying, UnknownJob


def replaying(parts: WorkerParts) -> Replaying:
    return Replaying(parts.store, parts.worker.services.admission)


def a_failed_job(parts: WorkerParts) -> None:
    parts.queue("j1")
    parts.engine.script = raising(RuntimeError("x"))
    parts.drain()
    assert parts.job().error_code is ErrorCode.ENGINE_ERROR


def test_a_failed_job_is_queued_again_with_a_new_place() -> None:
    parts = make_worker()
    a_failed_job(parts)
    before = parts.job()
    job = replaying(parts).replay("j1").job
    assert job.status is JobStatus.QUEUED
    assert job.error_code is None
    assert job.rank is not None
    assert before.rank is not None
    assert job.rank > before.rank
    parts.engine.script = at_once
    parts.drain()
    assert (parts.job().status, parts.job().attempt) == (JobStatus.COMPLETED, 2)


def test_nothing_replays_by_itself() -> None:
    parts = make_worker()
    a_failed_job(parts)
    assert parts.drain() == 0
    assert parts.job().attempt == 1


@pytest.mark.parametrize("state", ["queued", "running", "completed"])
def test_only_failed_jobs_are_replayed(state: str) -> None:
    parts = make_worker()
    if state == "queued":
        parts.queue("j1")
    else:
        running = a_running_job(parts.store)
        if state == "completed":
            finish(parts.store, running)
    before = parts.job()
    with pytest.raises(IllegalTransition):
        replaying(parts).replay("j1")
    assert parts.job() == before


def test_an_unknown_job_cannot_be_replayed() -> None:
    with pytest.raises(UnknownJob):
        replaying(make_worker()).replay("nobody")


def test_conflicts_without_end_are_told() -> None:
    parts = make_worker()
    a_failed_job(parts)
    parts.store.fail("commit", error=Conflict("j1"))
    with pytest.raises(IllegalTransition, match="keeps changing"):
        replaying(parts).replay("j1")
