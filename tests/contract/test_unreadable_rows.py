"""Rows that no store of ours wrote: each ends by itself, and none keeps others from their work."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.jobs import CONFIG, WANTED, a_job, an_admitted_job, claim_best, read
from tests.support.maintenance import maintenance
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import EnumStyle, JobStatus

Overwrite = Callable[[str, str, Any], None]


@pytest.fixture
def overwrite(sqlite_store: SqlJobStore, tmp_path: Path) -> Overwrite:
    """Writes a column of a job as any other program could."""

    def write(job_id: str, column: str, value: Any) -> None:
        with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as connection:
            connection.execute(
                f"UPDATE backtest_jobs SET {column} = ? WHERE job_id = ?",
                (value, job_id),
            )

    assert sqlite_store.get("nobody") is None
    return write


def refused_or_claimed(store: SqlJobStore) -> Snapshot | None:
    """What a worker does with the best job of the queue."""

    def decide(seen: Snapshot) -> JobChange:
        assert seen.job.defects
        return transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, seen.job.defects[0])

    return store.take_best(WANTED, decide)


@pytest.mark.parametrize(
    ("column", "value", "defect"),
    [
        ("config_used", "{broken", "configUsed: expected a map, got '{broken'"),
        ("config_used", "5", "configUsed: expected a map, got '5'"),
        ("config_used", "[" * 5_000, "configUsed: expected a map"),
        ("config_used", b"\xff", "configUsed: expected a map, got a value of type bytes"),
        ("enum_style", "swift", "enumStyle: expected plain or dart, got 'swift'"),
        ("started_at", "yesterday", "startedAt: expected a time, got 'yesterday'"),
        ("admitted_at", 5.5, "admittedAt: expected a time"),
        ("error_code", "OOPS", "errorCode: expected a code, got 'OOPS'"),
        ("variants", "[]", "variants: expected a map, got '[]'"),
        ("defects", "no", "defects: expected a list, got 'no'"),
    ],
)
def test_one_ends_and_the_next_is_claimed(
    sqlite_store: SqlJobStore, overwrite: Overwrite, column: str, value: Any, defect: str
) -> None:
    sqlite_store.create(an_admitted_job("bad", -10, user_id="ann"))
    sqlite_store.create(an_admitted_job("good", user_id="ann"))
    overwrite("bad", column, value)

    refused = refused_or_claimed(sqlite_store)
    claimed = claim_best(sqlite_store)

    assert refused is not None
    assert (refused.job.job_id, refused.job.status) == ("bad", JobStatus.FAILED)
    assert (refused.job.error_message or "").startswith(defect)
    assert claimed is not None
    assert claimed.job.job_id == "good"
    assert claimed.job.config_used == CONFIG
    assert {job.job_id for job in sqlite_store.jobs_of("ann", limit=5).jobs} == {"bad", "good"}
    sqlite_store.close()


def test_pages_of_a_list_go_on_behind_one(sqlite_store: SqlJobStore, overwrite: Overwrite) -> None:
    for number in range(5):
        sqlite_store.create(an_admitted_job(f"j{number}", number, user_id="ann"))
    overwrite("j3", "config_used", "null")

    first = sqlite_store.jobs_of("ann", limit=2)
    second = sqlite_store.jobs_of("ann", limit=2, cursor=first.cursor)

    assert [job.job_id for job in (*first.jobs, *second.jobs)] == ["j4", "j3", "j2", "j1"]
    assert first.jobs[1].config_used == {}
    sqlite_store.close()


@pytest.mark.parametrize("value", ["later", 5.5])
def test_pages_go_on_behind_one_whose_place_cannot_be_read(
    sqlite_store: SqlJobStore, overwrite: Overwrite, value: Any
) -> None:
    """Words are behind all times, and numbers before them: it is on the first page or the last."""
    for number in range(5):
        sqlite_store.create(an_admitted_job(f"j{number}", number, user_id="ann"))
    overwrite("j2", "admitted_at", value)

    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = sqlite_store.jobs_of("ann", limit=2, cursor=cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.cursor
        if cursor is None:
            break

    assert cursor is None
    assert sorted(seen) == ["j0", "j1", "j2", "j3", "j4"]
    sqlite_store.close()


def assert_counted_without_the_range_of(store: SqlJobStore, bad: str) -> None:
    """``bad`` is one of two queued chunk jobs of three variants, the other of which runs."""
    jobs = {job.job_id: job for job in store.chunk_jobs("b1")}
    counted = store.chunk_tally("b1")

    assert jobs.keys() == {"c1", "c2"}
    assert jobs[bad].variants in (None, {})
    assert jobs[bad].defects
    assert jobs["c2"].variants == {"start": 3, "count": 3}
    assert (counted.queued, counted.running, counted.unfinished) == (1, 1, 2)


@pytest.mark.parametrize("value", ["{", '"no range"', "5", b"\xff"])
def test_a_chunk_job_that_cannot_be_read_keeps_its_bundle_from_nothing(
    sqlite_store: SqlJobStore, overwrite: Overwrite, value: Any
) -> None:
    for place, name in enumerate(["c1", "c2"]):
        of_bundle = {"start": 3 * place, "count": 3}
        sqlite_store.create(
            an_admitted_job(name, -place, bundle_id="b1", variants=of_bundle, user_id="ann")
        )
    claimed = claim_best(sqlite_store)
    assert claimed is not None
    assert claimed.job.job_id == "c2"
    overwrite("c1", "variants", value)

    assert_counted_without_the_range_of(sqlite_store, "c1")

    refused = refused_or_claimed(sqlite_store)
    assert refused is not None
    assert refused.job.job_id == "c1"
    counted = sqlite_store.chunk_tally("b1")
    assert (counted.running, counted.failed, counted.variants_lost) == (1, 1, 0)
    sqlite_store.close()


def test_a_lease_that_cannot_be_read_is_none(
    sqlite_store: SqlJobStore, overwrite: Overwrite
) -> None:
    sqlite_store.create(an_admitted_job("j1"))
    claim_best(sqlite_store)
    overwrite("j1", "lease_heartbeat_at", "soon")

    job = read(sqlite_store, "j1").job

    assert (job.status, job.attempt, job.lease) == (JobStatus.RUNNING, 1, None)
    assert [defect.partition(",")[0] for defect in job.defects] == ["leaseId: expected a lease"]
    sqlite_store.close()


@pytest.mark.parametrize(
    ("spelling", "style"),
    [("Pending", EnumStyle.PLAIN), ("CloudBacktestStatus.queued", EnumStyle.DART)],
)
def test_a_job_that_another_system_queued_is_admitted_by_the_sweep(
    sqlite_store: SqlJobStore, overwrite: Overwrite, spelling: str, style: EnumStyle
) -> None:
    sqlite_store.create(a_job("j1"))
    overwrite("j1", "status", spelling)
    sweep = maintenance(sqlite_store)

    assert sweep.run() == {"unadmitted": 1}

    job = read(sqlite_store, "j1").job
    assert (job.status, job.enum_style, job.is_admitted) == (JobStatus.QUEUED, style, True)
    assert job.defects == ()
    sqlite_store.close()


@pytest.mark.postgres
def test_so_it_is_on_postgresql(postgresql_store: SqlJobStore, postgres_url: str) -> None:
    postgresql_store.create(a_job("older"))
    postgresql_store.create(an_admitted_job("bad", -10))
    postgresql_store.create(an_admitted_job("good"))
    for place, name in enumerate(["c1", "c2"]):
        of_bundle = {"start": 3 * place, "count": 3}
        postgresql_store.create(
            an_admitted_job(name, -50 - place, bundle_id="b1", variants=of_bundle)
        )
    assert claim_best(postgresql_store) is not None
    address = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE backtest_jobs SET config_used = '{' WHERE job_id = 'bad'")
        connection.execute("UPDATE backtest_jobs SET status = 'Pending' WHERE job_id = 'older'")
        connection.execute("UPDATE backtest_jobs SET variants = '{' WHERE job_id = 'c1'")

    assert_counted_without_the_range_of(postgresql_store, "c1")
    assert refused_or_claimed(postgresql_store) is not None
    refused = refused_or_claimed(postgresql_store)
    claimed = claim_best(postgresql_store)

    assert refused is not None
    assert claimed is not None
    assert (refused.job.job_id, claimed.job.job_id) == ("bad", "good")
    assert list(postgresql_store.unadmitted(limit=5)) == ["older"]
    assert read(postgresql_store, "older").job.status is JobStatus.QUEUED
    postgresql_store.close()
