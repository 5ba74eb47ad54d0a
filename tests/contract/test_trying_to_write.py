"""A write that is tried for a probe: nothing of it stays, and a refusal says why."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from google.cloud import firestore
from sqlalchemy import func, make_url, select

from tests.support.jobs import a_job, an_admitted_job
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.connection import read, unavailable
from worker.adapters.sql.tables import jobs
from worker.jobs.errors import StoreRefuses, StoreUnavailable
from worker.ports import Store


def test_it_leaves_everything_as_it_was(store: Store) -> None:
    seen = store.create(an_admitted_job("j1"))
    for _ in range(2):
        store.try_write()
    after = store.get("j1")
    assert after is not None
    assert after.version == seen.version
    assert [job.job_id for job in store.jobs_of("ann", limit=10).jobs] == ["j1"]


@pytest.mark.emulator
def test_it_touches_one_document_of_its_own_in_firestore(
    firestore_store: FirestoreJobStore, firestore_project: str
) -> None:
    firestore_store.try_write()
    client = firestore.Client(project=firestore_project)
    assert [found.id for found in client.collection("backtestJobs").stream()] == []
    (marker,) = client.collection("backtestSwitches").stream()
    assert marker.id.startswith("write-probe-")
    assert set(marker.to_dict() or {}) == {"at"}
    assert not firestore_store.pause().is_on
    client.close()  # type: ignore[no-untyped-call]  # Google's
    firestore_store.close()


@pytest.fixture
def limited(postgres_url: str) -> Iterator[tuple[SqlJobStore, psycopg.Connection]]:
    """The store of a role with no right that it was not given, and its database's owner."""
    owner_store = SqlJobStore(postgres_url)
    owner_store.create_schema()
    owner_store.close()
    place = make_url(postgres_url)
    role = f"role_{place.database}"
    owner_place = place.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(owner_place, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
        store = SqlJobStore(place.set(username=role).render_as_string(False))
        yield store, owner
        store.close()
        owner.execute(f"DROP OWNED BY {role}")
        owner.execute(f"DROP ROLE {role}")


@pytest.mark.postgres
class TestRefusals:
    @pytest.mark.parametrize("right", ["INSERT", "UPDATE"])
    def test_a_missing_right(
        self, limited: tuple[SqlJobStore, psycopg.Connection], right: str
    ) -> None:
        store, owner = limited
        store.try_write()
        role = f"role_{owner.info.dbname}"
        owner.execute(f"REVOKE {right} ON backtest_jobs FROM {role}")
        store.ping()
        with pytest.raises(StoreRefuses, match="permission denied for table backtest_jobs"):
            store.try_write()
        owner.execute(f"GRANT {right} ON backtest_jobs TO {role}")
        store.try_write()

    def test_a_standby_that_is_asked_to_write(
        self, limited: tuple[SqlJobStore, psycopg.Connection]
    ) -> None:
        store, owner = limited
        owner.execute(f"ALTER ROLE role_{owner.info.dbname} SET default_transaction_read_only = on")
        store.ping()
        with pytest.raises(StoreRefuses, match="read-only transaction"):
            store.try_write()
        with pytest.raises(StoreRefuses, match="read-only transaction"):
            store.create(a_job("j1"))

    def test_nobody_else_sees_it(self, limited: tuple[SqlJobStore, psycopg.Connection]) -> None:
        store, _ = limited
        store.try_write()
        count = select(func.count()).select_from(jobs)
        assert read(store._engine, lambda connection: connection.scalar(count)) == 0


def test_a_full_disk_is_told_from_a_lock(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "full.db")
    file.execute("CREATE TABLE t (x)")
    file.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        file.execute("INSERT INTO t VALUES (zeroblob(100000))")
    file.close()
    assert type(unavailable(full.value)) is StoreRefuses
    assert type(unavailable(sqlite3.OperationalError("database is locked"))) is StoreUnavailable
