"""A row that a forgotten transaction has locked stops nothing but itself. On a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.bundles import a_bundle, read_bundle
from tests.support.jobs import a_job, an_admitted_job, read
from tests.support.maintenance import LONG_AGO, abandoned, maintenance
from worker.adapters.sql import SqlJobStore
from worker.jobs.states import JobStatus
from worker.services.quotas import QuotaLimits

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlJobStore]:
    """One that waits half a second for a lock."""
    impatient = f"{postgres_url}?options=-clock_timeout%3D500"
    made = SqlJobStore(impatient, timedelta(days=7))
    made.create_schema()
    yield made
    made.close()


@contextmanager
def forgotten_transaction(url: str, statement: str, *values: str) -> Iterator[None]:
    """Somebody has written, and neither commits nor leaves."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(conninfo) as other:
        other.execute(statement, values)
        yield
        other.rollback()


LOCKED = "SELECT 1 FROM backtest_jobs WHERE job_id = %s FOR UPDATE"


def test_one_expired_job_does_not_stop_the_recovery_of_anything_else(
    store: SqlJobStore, postgres_url: str
) -> None:
    store.create(abandoned("locked"))
    store.create(abandoned("lost"))
    store.create(an_admitted_job("cancelled", cancel_requested=True))
    store.create(a_job("unheard"))
    store.create(a_job("waits", user_id="bob", admitted_at=LONG_AGO))
    sweep = maintenance(store, quotas=QuotaLimits(running=5))
    with forgotten_transaction(postgres_url, LOCKED, "locked"):
        assert sweep.run() == {
            "expired_leases": 1,
            "cancelled": 1,
            "unadmitted": 1,
            "waiting": 1,
            "rings": 3,
        }
    assert read(store, "locked").job.status is JobStatus.RUNNING
    assert sweep.run()["expired_leases"] == 1
    assert read(store, "locked").job.status is JobStatus.QUEUED


@pytest.mark.parametrize("held", ["cancelled1", "unheard1", "waits1", "overdue1"])
def test_whatever_is_locked_its_like_go_on(
    store: SqlJobStore, postgres_url: str, held: str
) -> None:
    for number in (1, 2):
        store.create(an_admitted_job(f"cancelled{number}", cancel_requested=True))
        store.create(a_job(f"unheard{number}"))
        store.create(a_job(f"waits{number}", user_id="bob", admitted_at=LONG_AGO))
        store.create(abandoned(f"overdue{number}", lease=None))
    others = {"cancelled2", "unheard2", "waits2", "overdue2"}
    before = {job_id: read(store, job_id).version for job_id in others}
    sweep = maintenance(store, quotas=QuotaLimits(running=5))
    with forgotten_transaction(postgres_url, LOCKED, held):
        sweep.sweep.run()
        assert all(read(store, job_id).version > before[job_id] for job_id in others)
    sweep.sweep.run()
    assert read(store, held).version > 1


def test_a_locked_bundle_does_not_keep_others_from_being_expanded(
    store: SqlJobStore, postgres_url: str
) -> None:
    for bundle_id in ("b1", "b2"):
        store.create_bundle(a_bundle(bundle_id))
    locked = "SELECT 1 FROM backtest_bundles WHERE bundle_id = %s FOR UPDATE"
    with forgotten_transaction(postgres_url, locked, "b1"):
        maintenance(store).sweep.run()
        assert read_bundle(store, "b1").bundle.expansion_tries == 0
        assert read_bundle(store, "b2").bundle.expansion_tries == 1


def test_a_locked_result_does_not_keep_others_from_being_removed(
    store: SqlJobStore, postgres_url: str
) -> None:
    with psycopg.connect(
        make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    ) as owner:
        for job_id in ("r1", "r2"):
            owner.execute(
                "INSERT INTO backtest_results (job_id, user_id, engine_version, result_digest, "
                "backtest_result, artifacts, created_at, expire_at) "
                "VALUES (%s, 'ann', '1.0.0', 'd', '{}', '{}', %s, %s)",
                (job_id, LONG_AGO, LONG_AGO),
            )
    locked = "SELECT 1 FROM backtest_results WHERE job_id = %s FOR UPDATE"
    with forgotten_transaction(postgres_url, locked, "r1"):
        assert store.purge_results(limit=10) == 1
    assert store.purge_results(limit=10) == 1
