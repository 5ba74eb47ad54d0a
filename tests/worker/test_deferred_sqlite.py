"""A SQLite store that is made when it is needed, and answers a start's questions before."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.jobs import a_job, an_admitted_job, claim_best, read
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.deferred_sqlite import DeferredSqlite, deferred_sqlite
from worker.adapters.sql import SqlJobStore
from worker.jobs.errors import StoreError, StoreUnavailable
from worker.jobs.states import JobStatus
from worker.ports import Pause, Store


class Makes:
    """Makes stores of one file, and keeps them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.made: list[SqlJobStore] = []

    def __call__(self) -> Store:
        self.made.append(SqlJobStore(f"sqlite:///{self.file}"))
        return self.made[-1]

    def deferred(self) -> Store:
        return deferred_sqlite(self.file, self)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs of a #1 laptop.db"


@pytest.fixture
def there(file: Path) -> SqlJobStore:
    """A store that had the file before."""
    return SqlJobStore(f"sqlite:///{file}")


@pytest.fixture
def makes(file: Path) -> Makes:
    return Makes(file)


@pytest.mark.usefixtures("there")
def test_a_start_on_an_empty_queue_needs_no_store(makes: Makes) -> None:
    store = makes.deferred()

    store.ping()
    assert store.pause() == Pause(is_on=False)
    assert claim_best(store) is None
    store.ping()
    store.close()

    assert makes.made == []


@pytest.mark.usefixtures("there")
def test_the_second_look_at_the_queue_makes_it(makes: Makes) -> None:
    store = makes.deferred()

    assert claim_best(store) is None
    assert claim_best(store) is None
    assert claim_best(store) is None

    assert len(makes.made) == 1


def test_the_first_look_finds_a_job_that_is_there(there: SqlJobStore, makes: Makes) -> None:
    there.create(an_admitted_job("first"))

    claimed = claim_best(makes.deferred())

    assert claimed is not None
    assert claimed.job.job_id == "first"
    assert read(there, "first").job.status is JobStatus.RUNNING


def test_jobs_of_other_lanes_and_jobs_that_wait_are_not_looked_at(
    there: SqlJobStore, makes: Makes
) -> None:
    there.create(an_admitted_job("elsewhere", lane="canary"))
    there.create(a_job("waiting"))

    assert claim_best(makes.deferred()) is None
    assert makes.made == []


@pytest.mark.parametrize("is_on", [True, False])
def test_a_switch_that_was_touched_is_read_by_the_store(
    there: SqlJobStore, makes: Makes, is_on: bool
) -> None:
    there.set_pause(Pause(is_on=is_on, reason="a look"))

    pause = makes.deferred().pause()

    assert (pause.is_on, pause.reason) == (is_on, "a look")
    assert len(makes.made) == 1


def test_everything_else_is_the_store_s(there: SqlJobStore, makes: Makes) -> None:
    store = makes.deferred()

    store.create(an_admitted_job("first"))

    assert read(there, "first").job == read(store, "first").job
    assert store.queued_of("ann") == there.queued_of("ann")
    assert len(makes.made) == 1


def test_it_has_all_that_a_store_has(makes: Makes, there: SqlJobStore) -> None:
    store = makes.deferred()
    asked = [name for name in dir(Store) if not name.startswith("_")]

    assert len(asked) > 20
    for name in asked:
        own = name in vars(DeferredSqlite)
        assert own or getattr(store, name).__func__ is getattr(SqlJobStore, name)
    del there


def test_a_file_that_is_not_there_is_made_at_once(makes: Makes) -> None:
    store = makes.deferred()

    assert makes.file.exists()
    assert [store] == makes.made


def test_older_tables_are_renewed_at_once(there: SqlJobStore, makes: Makes) -> None:
    there.migrate("0001")

    store = makes.deferred()

    assert [store] == makes.made
    assert there.migrate("head")[0] != "0001"


def test_what_is_no_database_is_refused_as_the_store_refuses_it(makes: Makes) -> None:
    makes.file.write_text("a letter, long enough to be no header of a database " * 40)
    with pytest.raises(StoreError, match="expected a SQLite database"):
        makes.deferred()


def test_a_directory_is_refused_as_the_store_refuses_it(makes: Makes) -> None:
    makes.file.mkdir()
    with pytest.raises(StoreError, match="got a directory"):
        makes.deferred()


def test_tables_that_have_gone_are_missed(there: SqlJobStore, makes: Makes) -> None:
    store = makes.deferred()
    there.close()
    with closing(sqlite3.connect(makes.file)) as connection:
        connection.execute("DROP TABLE backtest_jobs")

    with pytest.raises(StoreUnavailable, match="no such table"):
        store.ping()


def test_a_store_that_was_made_is_closed(there: SqlJobStore, makes: Makes) -> None:
    store = makes.deferred()
    store.create(an_admitted_job("first"))
    (made,) = makes.made
    closed = []
    made.close = lambda: closed.append(made)  # type: ignore[method-assign]  # in its place

    store.close()

    assert closed == [made]
    del there


@pytest.mark.usefixtures("there")
def test_many_first_uses_make_one(makes: Makes) -> None:
    store = makes.deferred()
    together = threading.Barrier(8)
    counts: list[int] = []

    def first_use() -> None:
        together.wait(PATIENCE_SECONDS)
        counts.append(store.queued_of("nobody"))

    threads = [threading.Thread(target=first_use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert counts == [0] * 8
    assert len(makes.made) == 1
