"""Submitting against the races that HTTP tests do not meet."""

import threading
from typing import Any

import pytest

import engine
from tests.support.clocks import TickingClock
from tests.support.control import CONFIG, FragileStore, check_config, laptop_settings
from tests.support.patience import PATIENCE_SECONDS
from worker.bootstrap import admission_policy
from worker.jobs.errors import Conflict, ErrorCode, JobFailure, RecordRefused, StoreUnavailable
from worker.jobs.job import Job, Snapshot
from worker.services.admission import Admission
from worker.services.cancelling import cancel
from worker.services.submission import KeyReused, NewJob, Submission


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def store(clock: TickingClock) -> FragileStore:
    return FragileStore(clock)


@pytest.fixture
def submission(store: FragileStore, clock: TickingClock) -> Submission:
    admission = Admission(store, admission_policy(laptop_settings()), check_config)
    return Submission(store, admission, clock, check_config)


def new_job(**values: Any) -> NewJob:
    return NewJob(**{"user_id": "ann", "config_used": CONFIG, **values})


def test_a_new_job_is_stored_and_admitted(submission: Submission, store: FragileStore) -> None:
    submitted = submission.submit(new_job(priority=2, timeout_seconds=30))

    stored = store.get(submitted.snapshot.job.job_id)
    assert submitted.is_new
    assert stored is not None
    assert stored.job == submitted.snapshot.job
    assert (stored.job.user_id, stored.job.priority, stored.job.timeout_seconds) == ("ann", 2, 30)
    assert stored.job.is_admitted
    assert stored.job.submitted_at is not None


def test_two_jobs_have_two_ids(submission: Submission) -> None:
    ids = {submission.submit(new_job()).snapshot.job.job_id for _ in range(20)}
    assert len(ids) == 20


def test_a_bad_config_is_not_stored(submission: Submission, store: FragileStore) -> None:
    with pytest.raises(engine.ConfigError, match="strategyId"):
        submission.submit(new_job(config_used={}))
    assert store.jobs_of("ann", limit=5).jobs == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"engine_version": "9.9.9"}, ErrorCode.UNSUPPORTED_ENGINE_VERSION),
        ({"timeout_seconds": 0}, ErrorCode.INVALID_CONFIG),
        ({"user_id": " "}, ErrorCode.MISSING_USER),
    ],
)
def test_what_admission_would_refuse_is_not_stored(
    submission: Submission, store: FragileStore, values: dict[str, Any], code: ErrorCode
) -> None:
    store.fail("create", error=AssertionError("nothing shall be stored"))
    with pytest.raises(JobFailure) as refused:
        submission.submit(new_job(**values))
    assert refused.value.code is code


def test_an_admission_by_somebody_else_in_between_is_as_good(
    submission: Submission, store: FragileStore
) -> None:
    """The event of the job's creation may be handled before the request goes on."""
    other = Admission(store, admission_policy(laptop_settings()), check_config)
    create = store.create

    def create_and_admit(job: Job) -> Snapshot:
        created = create(job)
        other.admit(created)
        return created

    store.create = create_and_admit  # type: ignore[method-assign]  # in its place
    submitted = submission.submit(new_job())
    assert submitted.snapshot.job.is_admitted


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RecordRefused("too large")])
def test_a_store_that_does_not_take_the_job_is_heard(
    submission: Submission, store: FragileStore, error: Exception
) -> None:
    store.fail("create", error=error)
    with pytest.raises(type(error)):
        submission.submit(new_job())


def test_simultaneous_requests_with_one_key_make_one_job(
    submission: Submission, store: FragileStore
) -> None:
    at_once = threading.Barrier(8)
    answers: list[tuple[str, bool]] = []

    def request() -> None:
        at_once.wait(PATIENCE_SECONDS)
        submitted = submission.submit(new_job(idempotency_key="k"))
        answers.append((submitted.snapshot.job.job_id, submitted.is_new))

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len({job_id for job_id, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 7 + [True]
    assert len(store.jobs_of("ann", limit=9).jobs) == 1


def test_a_key_is_a_users_own(submission: Submission) -> None:
    ann = submission.submit(new_job(idempotency_key="k")).snapshot.job
    bob = submission.submit(new_job(user_id="bob", idempotency_key="k")).snapshot.job
    assert ann.job_id != bob.job_id


def test_a_user_cannot_spell_another_users_key(submission: Submission) -> None:
    first = submission.submit(new_job(user_id="ann", idempotency_key="x\0y")).snapshot.job
    second = submission.submit(new_job(user_id="ann\0x", idempotency_key="y")).snapshot.job
    assert first.job_id != second.job_id


def test_a_key_with_another_version_is_another_request(submission: Submission) -> None:
    submission.submit(new_job(idempotency_key="k", timeout_seconds=5))
    with pytest.raises(KeyReused):
        submission.submit(new_job(idempotency_key="k", timeout_seconds=6))


def test_an_explicit_current_version_is_the_same_request(submission: Submission) -> None:
    first = submission.submit(new_job(idempotency_key="k"))
    second = submission.submit(new_job(idempotency_key="k", engine_version=engine.ENGINE_VERSION))
    assert second.snapshot.job.job_id == first.snapshot.job.job_id


def test_a_cancellation_gives_up_on_a_job_that_never_stands_still(
    submission: Submission, store: FragileStore
) -> None:
    job_id = submission.submit(new_job()).snapshot.job.job_id
    store.fail("commit", error=Conflict("always somebody else"))
    with pytest.raises(Conflict):
        cancel(store, job_id)


def test_cancelling_an_unknown_job(store: FragileStore) -> None:
    assert cancel(store, "nobody") is None
