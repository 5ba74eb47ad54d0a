"""Doorbells that the database itself rings: a file that changes, a notification of PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.jobs import a_job, an_admitted_job, claim_best, finish
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.file_doorbell import FileDoorbell
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.notifications import NotifyDoorbell
from worker.jobs import transitions
from worker.jobs.job import JobChange
from worker.ports import Ring

RING = Ring(job_id="j1", engine_version="1.0.0")
#: Long enough to be sure of a silence, short enough to wait for it.
SILENCE = 0.3


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqlJobStore]:
    store = SqlJobStore(f"sqlite:///{tmp_path}/jobs.db")
    yield store
    store.close()


@pytest.fixture
def file_bell(file_store: SqlJobStore, tmp_path: Path) -> FileDoorbell:
    file_store.ping()
    bell = FileDoorbell(tmp_path / "jobs.db")
    while bell.wait(0.0):
        pass
    return bell


def heard_while_waiting(bell: FileDoorbell | NotifyDoorbell, act: threading.Thread) -> bool:
    act.start()
    heard = bell.wait(PATIENCE_SECONDS)
    act.join(PATIENCE_SECONDS)
    return heard


def test_a_commit_of_another_connection_rings_the_file(
    file_store: SqlJobStore, file_bell: FileDoorbell
) -> None:
    began = time.monotonic()
    act = threading.Thread(target=lambda: file_store.create(an_admitted_job("j1")))

    assert heard_while_waiting(file_bell, act)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_a_commit_before_the_wait_is_heard_once(
    file_store: SqlJobStore, file_bell: FileDoorbell
) -> None:
    file_store.create(an_admitted_job("j1"))
    assert file_bell.wait(0.0)
    assert not file_bell.wait(SILENCE)


def test_a_look_at_the_file_rings_nobody(file_store: SqlJobStore, file_bell: FileDoorbell) -> None:
    assert claim_best(file_store) is None
    assert file_store.get("j1") is None
    assert not file_bell.wait(SILENCE)


def test_a_ring_of_this_process_and_a_close_wake_the_file_bell(file_bell: FileDoorbell) -> None:
    assert heard_while_waiting(file_bell, threading.Timer(0.05, file_bell.ring, [RING]))
    assert heard_while_waiting(file_bell, threading.Timer(0.05, file_bell.close))


def test_a_file_that_is_not_there_yet_rings_when_it_comes(tmp_path: Path) -> None:
    bell = FileDoorbell(tmp_path / "later.db")
    assert not bell.wait(0.0)
    SqlJobStore(f"sqlite:///{tmp_path}/later.db").close()
    assert bell.wait(0.0)


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(postgres_url)
    store.create_schema()
    yield store
    store.close()


@pytest.fixture
def bell(store: SqlJobStore, postgres_url: str) -> Iterator[NotifyDoorbell]:  # noqa: ARG001 - makes the tables
    """One that listens already."""
    bell = NotifyDoorbell(postgres_url)
    assert bell.wait(PATIENCE_SECONDS), "it rings once when it has begun to listen"
    yield bell
    bell.close()


@pytest.mark.postgres
def test_the_commit_of_an_admitted_job_is_heard(store: SqlJobStore, bell: NotifyDoorbell) -> None:
    store.create(an_admitted_job("j1"))
    assert bell.wait(PATIENCE_SECONDS)
    assert not bell.wait(SILENCE)


@pytest.mark.postgres
def test_only_what_makes_a_job_claimable_is_told(store: SqlJobStore, bell: NotifyDoorbell) -> None:
    seen = store.create(a_job("j1"))
    assert not bell.wait(SILENCE)

    seen = store.commit(seen, JobChange(rank=1.0, lane="push", engine_version="1.0.0"))
    assert bell.wait(PATIENCE_SECONDS)

    running = claim_best(store)
    assert running is not None
    running = store.commit(running, JobChange(progress=0.5))
    assert not bell.wait(SILENCE)

    store.commit(running, transitions.release(running.job, running.job.hold()))
    assert bell.wait(PATIENCE_SECONDS)

    again = claim_best(store)
    assert again is not None
    finish(store, again)
    assert not bell.wait(SILENCE)


@pytest.mark.postgres
def test_a_bell_that_lost_its_connection_listens_again(
    store: SqlJobStore, bell: NotifyDoorbell, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.adapters.sql.notifications._RETRY_SECONDS", 0.05)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    assert bell.wait(PATIENCE_SECONDS), "it rings, because it may have missed something"

    store.create(an_admitted_job("j1"))
    assert bell.wait(PATIENCE_SECONDS)


def test_a_bell_that_never_waited_opens_no_connection() -> None:
    bell = NotifyDoorbell("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    bell.ring(RING)
    bell.close()


def test_without_a_server_the_waiter_just_waits_its_time() -> None:
    bell = NotifyDoorbell("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    assert not bell.wait(0.1)
    assert heard_while_waiting(bell, threading.Timer(0.05, bell.ring, [RING]))
    bell.close()
