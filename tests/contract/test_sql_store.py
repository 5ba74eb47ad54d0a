"""What is particular to a store over SQL: its file, its schema, its processes."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.support.jobs import CONFIG, a_job, a_lease, an_admitted_job, claim_best, read
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.sql import SqlJobStore
from worker.jobs import transitions
from worker.jobs.errors import RecordRefused, StoreError, StoreUnavailable
from worker.jobs.job import JobChange, Snapshot
from worker.ports import Wanted


def test_a_sqlite_store_makes_its_directory_and_file(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "still" / "jobs.db"

    store = SqlJobStore(f"sqlite:///{file}")
    store.create(a_job("j1"))
    store.close()

    reopened = SqlJobStore(f"sqlite:///{file}")
    assert read(reopened, "j1").job.config_used == CONFIG
    reopened.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises((ValueError, ModuleNotFoundError)):
        SqlJobStore(url)


def test_a_nan_in_a_config_is_noted_and_the_rest_kept(sqlite_store: SqlJobStore) -> None:
    bad = CONFIG | {"startingCapital": float("inf"), "pricePath": [1.0, float("nan"), 2.0]}
    sqlite_store.create(a_job("j1", config_used=bad))

    job = read(sqlite_store, "j1").job

    assert job.config_used == CONFIG | {"startingCapital": None, "pricePath": [1.0, None, 2.0]}
    assert job.defects == (
        "configUsed.startingCapital: expected a finite number, got inf",
        "configUsed.pricePath[1]: expected a finite number, got nan",
    )
    sqlite_store.close()


@pytest.mark.postgres
def test_a_text_that_postgresql_cannot_hold_is_refused(postgresql_store: SqlJobStore) -> None:
    with pytest.raises(RecordRefused):
        postgresql_store.create(a_job("j1", user_id="a\x00b"))

    assert postgresql_store.get("j1") is None
    postgresql_store.create(a_job("j2", config_used={"label": "a\x00b\ud800"}))
    assert read(postgresql_store, "j2").job.config_used == {"label": "a\x00b\ud800"}
    postgresql_store.close()


def test_while_one_writes_others_read(sqlite_store: SqlJobStore, tmp_path: Path) -> None:
    sqlite_store.create(a_job("j1"))
    writer = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE backtest_jobs SET priority = 5")

    assert read(sqlite_store, "j1").job.priority == 0

    writer.execute("COMMIT")
    assert read(sqlite_store, "j1").job.priority == 5
    writer.close()
    sqlite_store.close()


def test_a_writer_waits_for_another_one(sqlite_store: SqlJobStore, tmp_path: Path) -> None:
    sqlite_store.create(an_admitted_job("j1"))
    blocker = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, blocker.execute, ["COMMIT"]).start()

    assert claim_best(sqlite_store) is not None

    blocker.close()
    sqlite_store.close()


def test_a_file_that_is_no_database_is_no_store(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"these are not the pages of a database" * 100)

    with pytest.raises(StoreError, match="expected a SQLite database, got"):
        SqlJobStore(f"sqlite:///{file}")


_CLAIM_ALL = """
import sys
from tests.support.jobs import claim_best
from worker.adapters.sql import SqlJobStore
store = SqlJobStore(sys.argv[1])
print(*[claimed.job.job_id for claimed in iter(lambda: claim_best(store), None)])
store.close()
"""


def test_processes_that_share_a_file_share_the_queue(
    sqlite_store: SqlJobStore, tmp_path: Path
) -> None:
    ids = [f"j{number:02}" for number in range(40)]
    for place, job_id in enumerate(ids):
        sqlite_store.create(an_admitted_job(job_id, float(place)))
    command = [sys.executable, "-c", _CLAIM_ALL, f"sqlite:///{tmp_path}/jobs.db"]

    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        for _ in range(2)
    ]
    taken = [worker.communicate(timeout=PATIENCE_SECONDS)[0].split() for worker in workers]

    assert sorted(taken[0] + taken[1]) == ids
    sqlite_store.close()


@pytest.mark.parametrize("file", range(20))
def test_many_may_make_the_schema_at_once(tmp_path: Path, file: int) -> None:
    """Whoever comes second waits, whatever it is that the first one holds."""
    start = threading.Barrier(6)

    def open_store(_number: int) -> None:
        start.wait(PATIENCE_SECONDS)
        store = SqlJobStore(f"sqlite:///{tmp_path}/{file}.db")
        store.ping()
        store.close()

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(open_store, range(6)))


@pytest.mark.postgres
def test_the_schema_of_postgresql_is_made_when_asked_for(postgres_url: str) -> None:
    store = SqlJobStore(postgres_url)
    with pytest.raises(StoreUnavailable, match="backtest_jobs"):
        store.ping()
    with pytest.raises(StoreUnavailable, match="backtest_jobs"):
        store.create(a_job("j1"))

    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda _: store.create_schema(), range(4)))

    store.ping()
    store.create(a_job("j1"))
    store.close()


@pytest.mark.postgres
def test_a_claimer_does_not_wait_for_a_row_that_somebody_else_decides_about(
    postgresql_store: SqlJobStore,
) -> None:
    postgresql_store.create(an_admitted_job("j1", 1.0))
    postgresql_store.create(an_admitted_job("j2", 2.0))
    wanted = Wanted(lane="push", engine_versions=("1.0.0",))
    inner: list[Snapshot | None] = []

    def decide(seen: Snapshot) -> JobChange:
        inner.append(claim_best(postgresql_store))
        return transitions.claim(seen.job, lease=a_lease())

    outer = postgresql_store.take_best(wanted, decide)

    (other,) = inner
    assert outer is not None
    assert other is not None
    assert (outer.job.job_id, other.job.job_id) == ("j1", "j2")
    postgresql_store.close()


@pytest.mark.postgres
def test_a_lock_that_is_not_given_back_is_not_waited_for_forever(
    postgresql_store: SqlJobStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.adapters.sql.server.limits.LOCK_SECONDS", 1)
    impatient = SqlJobStore(postgres_url)
    seen = postgresql_store.create(an_admitted_job("j1"))
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as blocker:
        blocker.execute("SELECT * FROM backtest_jobs FOR UPDATE")

        with pytest.raises(StoreUnavailable):
            impatient.commit(seen, JobChange(progress=0.5))

    assert read(postgresql_store, "j1").version == seen.version
    impatient.close()
    postgresql_store.close()


def test_a_server_that_is_not_there_is_a_store_that_does_not_answer() -> None:
    store = SqlJobStore("postgresql+psycopg://nobody@127.0.0.1:9/nothing")

    with pytest.raises(StoreUnavailable):
        store.ping()
    with pytest.raises(StoreUnavailable):
        store.create(a_job("j1"))
    store.close()
