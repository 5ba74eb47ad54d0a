"""The audit of a store's writes finds nothing in a good life, and each thing that must not be."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.audit import BUNDLES, JOBS, RESULTS, Audit, Write, violations
from tests.support.bundles import a_bundle
from tests.support.jobs import a_running_job, an_admitted_job, claim_best, finish, read
from tests.support.maintenance import abandoned, maintenance
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def store(postgresql_store: SqlJobStore) -> Iterator[SqlJobStore]:
    yield postgresql_store
    postgresql_store.close()


@pytest.mark.postgres
def test_a_good_life_is_none(store: SqlJobStore, postgres_url: str) -> None:
    audit = Audit(postgres_url)
    finish(store, a_running_job(store))
    store.create(abandoned("lost"))
    maintenance(store).run()
    again = claim_best(store)
    assert again is not None
    late = transitions.fail(
        again.job, again.job.hold(), code=ErrorCode.TIMEOUT, message="Late.", duration_ms=1
    )
    store.commit(again, late)
    store.create_bundle(a_bundle("b1"))
    trail = audit.trail()
    assert {write.place for write in trail} == {JOBS, RESULTS, BUNDLES}
    assert violations(trail) == []


@pytest.mark.postgres
def test_no_table_goes_unnoticed(store: SqlJobStore, postgres_url: str) -> None:
    store.ping()
    assert Audit(postgres_url).tables >= {JOBS, RESULTS, BUNDLES, "backtest_switches"}


@pytest.mark.postgres
def test_what_a_person_writes_by_hand_is_found(store: SqlJobStore, postgres_url: str) -> None:
    audit = Audit(postgres_url)
    finish(store, a_running_job(store))
    store.create(an_admitted_job("j2"))
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE backtest_jobs SET status = 'queued'")
    assert "j1 was written after its end" in violations(audit.trail())
    assert read(store, "j2").job.attempt == 0


def state(**values: Any) -> dict[str, Any]:
    """A running job's row, as the trail has it."""
    return {
        "job_id": "j1",
        "status": "running",
        "attempt": 1,
        "revision": 2,
        "lease_id": "mine",
        "lease_heartbeat_at": NOON.isoformat(),
        "lease_seconds": 90,
        "progress": 0.5,
        "worker_losses": 0,
    } | values


def write(
    old: dict[str, Any] | None, new: dict[str, Any] | None, place: str = JOBS, after: float = 10
) -> Write:
    return Write(xid=7, at=NOON + timedelta(seconds=after), place=place, old=old, new=new)


RUNNING, NEXT = state(), {"revision": 3}
QUEUED = {"status": "queued", "lease_id": None, "lease_heartbeat_at": None, "attempt": 0}
RESULT = write(None, {"job_id": "j1"}, RESULTS)
ENDED = write(RUNNING, state(status="completed", **NEXT))


@pytest.mark.parametrize(
    ("trail", "found"),
    [
        ([write(RUNNING, None)], "was deleted"),
        ([write(RUNNING, state(revision=4))], "revision 2 became 4"),
        ([write(RUNNING, state(attempt=2, **NEXT))], "attempt 1 became 2"),
        ([write(RUNNING, state(attempt=0, **NEXT))], "attempt 1 became 0"),
        ([write(state(**QUEUED), RUNNING | NEXT | {"attempt": 0})], "attempt 0 became 0"),
        ([write(state(**QUEUED), RUNNING | NEXT | {"lease_id": None})], "runs without a lease"),
        ([write(RUNNING, state(lease_id="other", **NEXT))], "went to another worker"),
        ([write(RUNNING, state(progress=0.4, **NEXT))], "progress went back"),
        (
            [
                write(
                    RUNNING,
                    state(lease_heartbeat_at=(NOON + timedelta(seconds=91)).isoformat(), **NEXT),
                    after=91,
                )
            ],
            "a lease that had run out was renewed",
        ),
        (
            [write(RUNNING, state(**QUEUED | {"attempt": 1}, worker_losses=1, **NEXT), after=80)],
            "taken from a worker that still answered",
        ),
        ([write(state(status="failed"), state(status="queued", **NEXT))], "written after its end"),
        (
            [
                write(state(status="failed"), state(status="queued", **NEXT)),
                write(RUNNING | NEXT, state(status="failed", revision=4)),
                write(state(revision=4), state(status="failed", revision=5)),
            ],
            "ended 2 times",
        ),
        (
            [write(RUNNING, state(**NEXT)), write(state(revision=9), state(revision=10))],
            "does not follow the one before",
        ),
        ([write(state(**QUEUED), state(status="completed", attempt=0, **NEXT))], "by nobody"),
        ([ENDED], "completed without its result"),
        ([ENDED, replace(RESULT, xid=8)], "completed without its result"),
        ([RESULT], "stored without its end"),
        ([write({"job_id": "j1"}, None, RESULTS)], "the result of j1 was deleted"),
        (
            [
                write(
                    {"bundle_id": "b1", "status": "running"},
                    {
                        "bundle_id": "b1",
                        "status": "completed",
                        "total": 6,
                        "completed": 4,
                        "failed": 1,
                    },
                    BUNDLES,
                )
            ],
            "ended with 5 of 6 variants",
        ),
        (
            [
                write(
                    {"bundle_id": "b1", "status": "failed"},
                    {"bundle_id": "b1", "status": "running", "completed": 0, "failed": 0},
                    BUNDLES,
                )
            ],
            "bundle b1 was written after its end",
        ),
    ],
)
def test_each_of_these_is_found(trail: list[Write], found: str) -> None:
    assert any(found in sentence for sentence in violations(trail)), violations(trail)


def test_these_are_not() -> None:
    renewed = state(lease_heartbeat_at=(NOON + timedelta(seconds=80)).isoformat(), **NEXT)
    taken = state(**QUEUED | {"attempt": 1}, worker_losses=1, **NEXT)
    assert violations([ENDED, RESULT]) == []
    assert violations([write(RUNNING, renewed, after=80)]) == []
    assert violations([write(RUNNING, taken, after=91)]) == []
