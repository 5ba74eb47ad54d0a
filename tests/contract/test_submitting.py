"""Submitting with an idempotency key, and cancelling, mean the same on every store."""

from typing import Any

import pytest

from tests.support.control import check_config, laptop_settings
from tests.support.jobs import WANTED, a_job, a_running_job, claim_best, read
from worker.adapters.system_clock import SystemClock
from worker.bootstrap import admission_policy
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.admission import Admission
from worker.services.cancelling import cancel
from worker.services.submission import KeyReused, NewJob, Submission

#: Every kind of value that a config may hold, each of which a store might hand back as another.
CONFIG: dict[str, Any] = {
    "strategyId": "wheel",
    "symbol": "BTC/USDT",
    "startingCapital": 100_000,
    "pricePath": [100.0, 101, 99.5],
    "label": "größer als 1 — ✓",
    "maxCycles": None,
    "parameters": {"put": {"delta": 0.3}, "contracts": "max", "closeAtDte": None},
    "execution": {"sizing": {"type": "units", "value": 2}, "closeAtEnd": True},
}


@pytest.fixture
def submission(store: JobStore) -> Submission:
    admission = Admission(store, admission_policy(laptop_settings()), check_config)
    return Submission(store, admission, SystemClock(), check_config)


def new_job(**values: Any) -> NewJob:
    return NewJob(**{"user_id": "ann", "config_used": CONFIG, "idempotency_key": "k", **values})


def test_a_submitted_job_can_be_claimed(store: JobStore, submission: Submission) -> None:
    job_id = submission.submit(new_job()).snapshot.job.job_id

    claimed = claim_best(store, WANTED)

    assert claimed is not None
    assert (claimed.job.job_id, claimed.job.config_used) == (job_id, CONFIG)


def test_the_same_request_again_meets_its_job(store: JobStore, submission: Submission) -> None:
    first = submission.submit(new_job(priority=4))
    claim_best(store, WANTED)
    second = submission.submit(new_job(priority=4))

    assert (first.is_new, second.is_new) == (True, False)
    assert second.snapshot.job.job_id == first.snapshot.job.job_id
    assert second.snapshot.job.status is JobStatus.RUNNING
    assert len(store.jobs_of("ann", limit=5).jobs) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"config_used": {**CONFIG, "startingCapital": 100_001}},
        {"config_used": {**CONFIG, "pricePath": [100.0, 101, 99.6]}},
        {"priority": -1},
        {"timeout_seconds": 10},
    ],
    ids=["capital", "prices", "priority", "time"],
)
def test_another_request_with_the_key_is_refused(
    store: JobStore, submission: Submission, other: dict[str, Any]
) -> None:
    submission.submit(new_job())
    with pytest.raises(KeyReused):
        submission.submit(new_job(**other))
    assert len(store.jobs_of("ann", limit=5).jobs) == 1


def test_a_queued_job_is_cancelled_at_once(store: JobStore) -> None:
    store.create(a_job("j1"))

    ended = cancel(store, "j1")

    assert ended is not None
    assert (ended.job.status, ended.job.error_code) == (JobStatus.FAILED, ErrorCode.CANCELLED)
    assert read(store, "j1").job == ended.job
    assert claim_best(store) is None


def test_a_running_job_is_asked_once(store: JobStore) -> None:
    a_running_job(store, "j1")
    cancel(store, "j1")
    asked = read(store, "j1")
    cancel(store, "j1")

    assert (asked.job.status, asked.job.cancel_requested) == (JobStatus.RUNNING, True)
    assert read(store, "j1").version == asked.version
