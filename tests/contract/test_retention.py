"""With a retention, whatever ends a job also says how long it is kept; with its result."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.contract.conftest import STORES
from tests.support.bundles import (
    an_expanded_bundle,
    claim_chunk,
    finish_chunk,
    read_bundle,
)
from tests.support.clocks import TickingClock
from tests.support.jobs import WANTED, a_running_job, an_admitted_job, claim_best, finish, read
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.tables import results as results_table
from worker.jobs import transitions
from worker.jobs.bundle import BundleChange
from worker.jobs.errors import ErrorCode
from worker.jobs.job import JobChange
from worker.jobs.lease import SERVER_TIME
from worker.jobs.retention import CHUNK_RETENTION
from worker.jobs.states import JobStatus
from worker.ports import Store

KEPT = timedelta(days=7)
#: The stores that do not forget by themselves.
FORGETFUL = STORES[:3]


@pytest.fixture(params=STORES)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store that keeps ended jobs for a week."""
    store: Store
    if request.param == "memory":
        store = MemoryJobStore(TickingClock(), KEPT)
    elif request.param == "sqlite":
        store = SqlJobStore(f"sqlite:///{tmp_path}/jobs.db", KEPT)
    elif request.param == "postgresql":
        sql = SqlJobStore(request.getfixturevalue("postgres_url"), KEPT)
        sql.create_schema()
        store = sql
    else:
        project = request.getfixturevalue("firestore_project")
        store = FirestoreJobStore(project, retention=KEPT)
    yield store
    store.close()


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
    assert abs(chunk.expire_at - chunk.completed_at - CHUNK_RETENTION) < timedelta(minutes=1)
    assert result is not None
    assert result.expire_at == chunk.expire_at


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


def expire(store: Store, job_id: str, ago: timedelta) -> None:
    """Let the retention of an ended job have run out that long ago."""
    seen = read(store, job_id)
    store.commit(seen, JobChange(expire_at=seen.read_at - ago))
    if job_id in getattr(store, "_results", {}):
        results = store._results  # type: ignore[attr-defined]  # the memory's own
        results[job_id] = replace(results[job_id], expire_at=seen.read_at - ago)
    elif isinstance(store, SqlJobStore):
        with store._engine.begin() as connection:
            connection.execute(
                update(results_table)
                .where(results_table.c.job_id == job_id)
                .values(expire_at=seen.read_at - ago)
            )


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_a_result_goes_when_it_has_expired_and_the_record_a_week_later(store: Store) -> None:
    for number in range(3):
        finish(store, a_running_job(store, f"j{number}"))
    expire(store, "j0", timedelta(days=8))
    expire(store, "j1", timedelta(minutes=1))
    expire(store, "j2", -timedelta(minutes=1))

    assert store.purge(limit=10) == 3

    assert [store.get(f"j{number}") is None for number in range(3)] == [True, False, False]
    assert [store.result(f"j{number}") is None for number in range(3)] == [True, True, False]
    assert store.purge(limit=10) == 0


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_no_more_goes_at_once_than_asked_for(store: Store) -> None:
    for number in range(3):
        seen = store.create(an_admitted_job(f"j{number}"))
        failed = transitions.reject(seen.job, ErrorCode.CANCELLED, "No.")
        store.commit(seen, failed)
        expire(store, f"j{number}", timedelta(days=8))

    assert [store.purge(limit=2) for _ in range(3)] == [2, 1, 0]


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_a_job_that_is_to_run_again_stays(store: Store) -> None:
    done = finish(store, a_running_job(store))
    store.commit(
        done, JobChange(status=JobStatus.QUEUED, expire_at=done.read_at - timedelta(days=8))
    )

    assert store.purge(limit=10) == 0
    claimed = claim_best(store)
    assert claimed is not None
    assert claimed.job.expire_at is None


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_the_record_of_a_bundle_goes_a_week_after_it_has_expired(store: Store) -> None:
    for bundle_id, status, days in (
        ("over", JobStatus.COMPLETED, 8),
        ("readable", JobStatus.COMPLETED, 1),
        ("running", JobStatus.RUNNING, 8),
    ):
        seen = an_expanded_bundle(store, bundle_id)
        expire_at = seen.read_at - timedelta(days=days)
        store.commit_bundle(seen, BundleChange(status=status, expire_at=expire_at))

    assert store.purge(limit=10) == 1
    assert store.get_bundle("over") is None
    assert read_bundle(store, "readable").bundle.expire_at is not None
    assert read_bundle(store, "running").bundle.status is JobStatus.RUNNING


@pytest.mark.parametrize("store", FORGETFUL, indirect=True)
def test_without_a_retention_nothing_goes(store: Store) -> None:
    finish(store, a_running_job(store))
    assert store.purge(limit=10) == 0
    assert store.result("j1") is not None


@pytest.mark.emulator
@pytest.mark.parametrize("store", ["firestore"], indirect=True)
def test_firestore_forgets_by_itself(store: Store) -> None:
    done = finish(store, a_running_job(store))
    store.commit(done, JobChange(expire_at=done.read_at - timedelta(days=8)))
    assert store.purge(limit=10) == 0
    assert store.get("j1") is not None
