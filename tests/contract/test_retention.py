"""With a retention, whatever ends a job also says how long it is kept; with its result."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.conftest import STORES
from tests.support.clocks import TickingClock
from tests.support.jobs import WANTED, a_running_job, an_admitted_job, finish, read
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.ports import JobStore

KEPT = timedelta(days=30)


@pytest.fixture(params=STORES)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobStore]:
    """An empty store that keeps ended jobs for 30 days."""
    store: JobStore
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


def test_a_completed_job_and_its_result_expire_together(keeping: JobStore) -> None:
    done = finish(keeping, a_running_job(keeping)).job

    stored = read(keeping, "j1").job
    result = keeping.result("j1")
    assert result is not None
    assert stored.expire_at == result.expire_at == done.expire_at
    assert stored.expire_at is not None
    assert stored.completed_at is not None
    assert abs(stored.expire_at - stored.completed_at - KEPT) < timedelta(minutes=1)


def test_a_failed_job_expires(keeping: JobStore) -> None:
    seen = keeping.create(an_admitted_job("j1"))
    keeping.commit(seen, transitions.reject(seen.job, ErrorCode.CANCELLED, "No."))

    assert read(keeping, "j1").job.expire_at is not None


def test_one_that_ends_instead_of_being_claimed_does_too(keeping: JobStore) -> None:
    keeping.create(an_admitted_job("j1"))

    keeping.take_best(WANTED, lambda seen: transitions.reject(seen.job, ErrorCode.CANCELLED, "No."))

    assert read(keeping, "j1").job.expire_at is not None


def test_a_job_that_goes_on_does_not(keeping: JobStore) -> None:
    running = a_running_job(keeping)
    keeping.commit(running, transitions.release(running.job, running.job.hold()))

    assert read(keeping, "j1").job.expire_at is None


def test_a_replay_takes_the_end_back(keeping: JobStore) -> None:
    seen = keeping.create(an_admitted_job("j1"))
    failed = keeping.commit(seen, transitions.reject(seen.job, ErrorCode.ENGINE_ERROR, "No."))

    again = transitions.replay(failed.job, now=failed.read_at, ageing_seconds=3600)
    keeping.commit(failed, again)

    assert read(keeping, "j1").job.expire_at is None


def test_without_a_retention_nothing_expires(store: JobStore) -> None:
    assert finish(store, a_running_job(store)).job.expire_at is None
