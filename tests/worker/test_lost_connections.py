"""Connections that the server ends: only calls that it interrupts, or that come meanwhile, fail."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.support.jobs import an_admitted_job, claim_best
from tests.support.postgres import PostgresServer, end_sessions
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.connection import connect, read, writing
from worker.jobs.errors import StoreUnavailable
from worker.ports import Pause

pytestmark = pytest.mark.postgres

CALLS = 40


def call(store: SqlJobStore, number: int) -> None:
    """By each of the ways to the database in turn."""
    match number % 5:
        case 0:
            store.create(an_admitted_job(f"j{number}"))
        case 1:
            assert store.get("none") is None
        case 2:
            store.expired_leases(limit=5)
        case 3:
            store.set_pause(Pause(is_on=False))
        case _:
            claim_best(store)


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(postgres_url)
    store.create_schema()
    store.set_pause(Pause(is_on=False))
    yield store
    store.close()


def test_when_all_sessions_have_been_ended_no_call_fails(
    store: SqlJobStore, postgres_url: str
) -> None:
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda number: call(store, number), range(CALLS)))

        end_sessions(postgres_url)

        list(crowd.map(lambda number: call(store, number), range(CALLS, 2 * CALLS)))


def test_after_a_restart_no_call_fails_and_without_a_server_each_does() -> None:
    server = PostgresServer()
    try:
        store = SqlJobStore(server.url("postgres"))
        store.create_schema()
        numbers = iter(range(1000))
        for how in (signal.SIGINT, signal.SIGQUIT):
            for _ in range(10):
                call(store, next(numbers))
            server.restart(how)
        server.stop()
        for number in range(5):
            with pytest.raises(StoreUnavailable):
                call(store, number)
        store.close()
    finally:
        server.stop()


#: Ends its own session, the first time.
INTERRUPTION = text(
    "SELECT CASE nextval('turns') WHEN 1 THEN pg_terminate_backend(pg_backend_pid()) END IS NULL"
)


def test_a_read_that_is_interrupted_is_repeated_and_a_write_is_not(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with writing(engine) as connection:
        connection.execute(text("CREATE SEQUENCE turns"))

    assert read(engine, lambda connection: connection.execute(INTERRUPTION).scalar())

    with writing(engine) as connection:
        connection.execute(text("SELECT setval('turns', 1, false)"))
    with pytest.raises(StoreUnavailable), writing(engine) as connection:
        connection.execute(INTERRUPTION)
    engine.dispose()
