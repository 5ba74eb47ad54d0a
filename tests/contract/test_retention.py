"""With a retention, whatever ends a job also says how long it is kept; with its result."""

from datetime import timedelta

import pytest

from tests.contract.conftest import KEPT, STORES
from tests.support.bundles import (
    an_expanded_bundle,
    claim_chunk,
    finish_chunk,
    read_bundle,
)
from tests.support.ended import expire, expire_bundle, reject
from tests.support.jobs import (
    ADMITTED_AT,
    WANTED,
    a_running_job,
    an_admitted_job,
    finish,
    read,
)
from worker.jobs import transitions
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import Conflict, ErrorCode
from worker.jobs.lease import SERVER_TIME
from worker.jobs.retention import CHUNK_OUTLIVES
from worker.jobs.states import JobStatus
from worker.ports import Store

#: The stores that do not forget by themselves.
FORGETFUL = STORES[:3]


def test_a_completed_job_and_its_result_expire_together(keeping: Store) -> None:
    done = finish(keeping, a_running_job(keeping)).job

    stored = read(keeping, "j1").job
    result = keeping.result("j1")
    assert result is not None
    assert stored.expire_at == result.expire_at == done.expire_at
    assert stored.expire_at is not None
    assert stored.completed_at is not None
    assert abs(stored.expire_at - stored.completed_at - KEPT) < timedelta(minutes=1)


def test_a_bundle_expires_and_its_chunk_jobs_outlive_it(keeping: Store) -> None:
    """The first of them may end long before the last."""
    seen = an_expanded_bundle(keeping, size=6)
    running = claim_chunk(keeping)
    finish_chunk(keeping, running, completed=6, failed=0)
    ended = keeping.commit_bundle(
        seen, BundleChange(status=JobStatus.COMPLETED, completed_at=SERVER_TIME)
    ).bundle

    stored = read_bundle(keeping).bundle
    (chunk,) = keeping.chunk_jobs("b1")
    result = keeping.result(chunk.job_id)
    assert stored.expire_at is not None
    assert stored.expire_at == ended.expire_at
    assert stored.completed_at is not None
    assert abs(stored.expire_at - stored.completed_at - KEPT) < timedelta(minutes=1)
    assert chunk.expire_at is not None
    assert chunk.completed_at is not None
    outlives = chunk.expire_at - chunk.completed_at - KEPT
    assert abs(outlives - CHUNK_OUTLIVES) < timedelta(minutes=1)
    assert result is not None
    assert result.expire_at is None, "the bundle refers to it"


def test_a_failed_job_expires(keeping: Store) -> None:
    seen = keeping.create(an_admitted_job("j1"))
    keeping.commit(seen, transitions.reject(seen.job, ErrorCode.CANCELLED, "No."))

    assert read(keeping, "j1").job.expire_at is not None


def test_one_that_ends_instead_of_being_claimed_does_too(keeping: Store) -> None:
    keeping.create(an_admitted_job("j1"))

    keeping.take_best(WANTED, lambda seen: transitions.reject(seen.job, ErrorCode.CANCELLED, "No."))

    assert read(keeping, "j1").job.expire_at is not None


def test_a_job_that_goes_on_does_not(keeping: Store) -> None:
    running = a_running_job(keeping)
    keeping.commit(running, transitions.release(running.job, running.job.hold()))

    assert read(keeping, "j1").job.expire_at is None


def test_a_replay_takes_the_end_back(keeping: Store) -> None:
    seen = keeping.create(an_admitted_job("j1"))
    failed = keeping.commit(seen, transitions.reject(seen.job, ErrorCode.ENGINE_ERROR, "No."))

    again = transitions.replay(failed.job, now=failed.read_at, ageing_seconds=3600)
    keeping.commit(failed, again)

    assert read(keeping, "j1").job.expire_at is None


def test_without_a_retention_nothing_expires(store: Store) -> None:
    assert finish(store, a_running_job(store)).job.expire_at is None


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_a_result_goes_when_it_has_expired(store: Store) -> None:
    for number in range(4):
        finish(store, a_running_job(store, f"j{number}"))
    for number, ago in enumerate((timedelta(days=8), timedelta(minutes=1), -timedelta(minutes=1))):
        expire(store, f"j{number}", ago)

    assert store.purge_results(limit=10) == 2

    assert [store.result(f"j{number}") is None for number in range(4)] == [True, True, False, False]
    assert store.purge_results(limit=10) == 0


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_no_more_results_go_at_once_than_asked_for(store: Store) -> None:
    for number in range(3):
        finish(store, a_running_job(store, f"j{number}"))
        expire(store, f"j{number}", timedelta(days=8))

    assert [store.purge_results(limit=2) for _ in range(3)] == [2, 1, 0]


@pytest.mark.emulator
@pytest.mark.parametrize("store", ["firestore"], indirect=True)
def test_firestore_removes_results_by_itself(store: Store) -> None:
    done = finish(store, a_running_job(store), expire_at=ADMITTED_AT)
    assert done.job.status is JobStatus.COMPLETED
    assert store.purge_results(limit=10) == 0
    assert store.result("j1") is not None


def test_records_are_found_a_week_after_they_expired_the_first_ones_first(store: Store) -> None:
    for number, ago in enumerate((7.1, 9, 6.9, 8)):
        reject(store, f"j{number}")
        expire(store, f"j{number}", timedelta(days=ago))
    reject(store, "kept")

    assert store.outlived_jobs(limit=10) == ["j1", "j3", "j0"]
    assert store.outlived_jobs(limit=2) == ["j1", "j3"]


def test_a_job_that_is_to_run_again_is_not_forgotten(store: Store) -> None:
    seen = reject(store, "j1")
    expire(store, "j1", timedelta(days=8))
    seen = read(store, "j1")
    store.commit(seen, transitions.replay(seen.job, now=seen.read_at, ageing_seconds=3600))

    assert store.outlived_jobs(limit=10) == []
    with pytest.raises(Conflict):
        store.forget(seen)
    assert read(store, "j1").job.status is JobStatus.QUEUED


def test_a_job_is_forgotten_with_a_result_that_is_still_there(store: Store) -> None:
    finish(store, a_running_job(store))
    seen = read(store, "j1")

    store.forget(seen)

    assert store.get("j1") is None
    assert store.result("j1") is None
    with pytest.raises(Conflict):
        store.forget(seen)


def test_bundles_are_found_a_week_after_they_expired(store: Store) -> None:
    for bundle_id, days in (("readable", 6), ("over", 8), ("first", 9)):
        seen = an_expanded_bundle(store, bundle_id)
        store.commit_bundle(seen, BundleChange(status=JobStatus.COMPLETED))
        expire_bundle(store, bundle_id, timedelta(days=days))
    an_expanded_bundle(store, "kept")

    assert store.outlived_bundles(limit=10) == ["first", "over"]
    assert store.outlived_bundles(limit=1) == ["first"]


def test_a_bundle_is_forgotten_as_it_was_read_or_not_at_all(store: Store) -> None:
    seen = an_expanded_bundle(store)
    after = store.commit_bundle(seen, BundleChange(progress=0.5))

    with pytest.raises(Conflict):
        store.forget_bundle(seen)
    store.forget_bundle(after)

    assert store.get_bundle("b1") is None
    assert len(store.chunk_jobs("b1")) == 3
    with pytest.raises(Conflict):
        store.forget_bundle(after)


def test_without_a_retention_nothing_is_found(store: Store) -> None:
    finish(store, a_running_job(store))
    seen = an_expanded_bundle(store)
    store.commit_bundle(seen, BundleChange(status=JobStatus.COMPLETED))

    assert store.purge_results(limit=10) == 0
    assert store.outlived_jobs(limit=10) == []
    assert store.outlived_bundles(limit=10) == []
