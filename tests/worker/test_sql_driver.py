"""Statements on bare driver connections: what they leave behind, and what their errors mean."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.postgres import end_sessions
from worker.adapters.sql.connection import connect
from worker.adapters.sql.driver import Driver, Record, Statement
from worker.jobs.errors import Conflict, OutcomeUnknown, RecordRefused, StoreUnavailable


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = (
        f"sqlite:///{tmp_path}/x.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def driver(engine: Engine) -> Iterator[Driver]:
    driver = Driver(engine)
    with driver.transaction() as cursor:
        cursor.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
    yield driver
    driver.close()


def ids(driver: Driver) -> list[int]:
    with driver.transaction() as cursor:
        return [row[0] for row in cursor.execute("SELECT id FROM notes ORDER BY id").fetchall()]


@pytest.mark.parametrize("error", [LookupError("x"), Conflict("j1"), KeyboardInterrupt()])
def test_an_exception_in_a_transaction_undoes_it_and_passes(
    driver: Driver, error: BaseException
) -> None:
    def add_and_fail() -> None:
        with driver.transaction() as cursor:
            cursor.execute("INSERT INTO notes VALUES (1, 'a')")
            raise error

    with pytest.raises(type(error)) as raised:
        add_and_fail()

    assert raised.value is error
    assert ids(driver) == []


def test_a_statement_of_its_own_is_committed(driver: Driver, engine: Engine) -> None:
    row = driver.one("INSERT INTO notes VALUES (1, 'a') RETURNING id", (), writes=True)

    assert row == (1,)
    with engine.connect() as other:
        assert other.exec_driver_sql("SELECT id FROM notes").scalars().all() == [1]
    assert driver.one("SELECT id FROM notes WHERE id = 7", ()) is None


def test_a_key_that_is_there_already_is_refused(driver: Driver) -> None:
    driver.one("INSERT INTO notes VALUES (1, 'a') RETURNING id", (), writes=True)
    with pytest.raises(RecordRefused):
        driver.one("INSERT INTO notes VALUES (1, 'b') RETURNING id", (), writes=True)
    assert ids(driver) == [1]


def test_a_statement_that_fails_leaves_a_connection_that_works(driver: Driver) -> None:
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as raised:
            driver.one("SELECT nothing FROM nowhere", (), writes=True)
        assert type(raised.value) is StoreUnavailable
    assert ids(driver) == []


def test_what_no_row_can_hold_is_refused(driver: Driver, engine: Engine) -> None:
    value, mark = (2**70, "?") if engine.dialect.name == "sqlite" else ("a\x00b", "%s")
    with pytest.raises(RecordRefused):
        driver.one(f"INSERT INTO notes (id) VALUES ({mark}) RETURNING id", (value,), writes=True)
    assert ids(driver) == []


def test_threads_do_not_share_a_connection(driver: Driver) -> None:
    def add(number: int) -> None:
        with driver.transaction() as cursor:
            cursor.execute(f"INSERT INTO notes VALUES ({number}, 'a')")

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(add, range(40)))

    assert ids(driver) == list(range(40))


def test_a_closed_driver_keeps_no_connection(driver: Driver, engine: Engine) -> None:
    ids(driver)
    driver.close()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool's
    assert ids(driver) == []
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a queue pool's


@pytest.fixture
def server_driver(postgres_url: str) -> Iterator[Driver]:
    engine = connect(postgres_url)
    driver = Driver(engine)
    yield driver
    driver.close()
    engine.dispose()


@pytest.mark.postgres
def test_a_connection_that_died_idle_is_replaced_before_anything_is_sent(
    server_driver: Driver, postgres_url: str
) -> None:
    for number in range(3):
        assert server_driver.one("SELECT 1", ()) == (1,)
        end_sessions(postgres_url)
        assert server_driver.one(f"SELECT {number}", (), writes=True) == (number,)


END_OWN_SESSION = "SELECT pg_terminate_backend(pg_backend_pid())"
#: Only the first time: a sequence forgets nothing.
END_OWN_SESSION_ONCE = (
    "SELECT CASE nextval('turns') WHEN 1 THEN pg_terminate_backend(pg_backend_pid()) END IS NULL"
)


@pytest.mark.postgres
def test_a_connection_that_dies_under_a_write_leaves_the_outcome_unknown(
    server_driver: Driver,
) -> None:
    with pytest.raises(OutcomeUnknown):
        server_driver.one(END_OWN_SESSION, (), writes=True)
    assert server_driver.one("SELECT 3", ()) == (3,)


@pytest.mark.postgres
def test_a_read_whose_connection_is_lost_is_asked_once_more(server_driver: Driver) -> None:
    with server_driver.transaction() as cursor:
        cursor.execute("CREATE SEQUENCE turns")
    assert server_driver.one(END_OWN_SESSION_ONCE, ()) == (True,)

    with pytest.raises(StoreUnavailable) as raised:
        server_driver.one(END_OWN_SESSION, ())
    assert type(raised.value) is StoreUnavailable


@pytest.mark.postgres
def test_a_search_whose_connection_is_lost_is_begun_anew_and_a_write_is_not(
    server_driver: Driver,
) -> None:
    with server_driver.transaction() as cursor:
        cursor.execute("CREATE SEQUENCE turns")
    calls: list[Record] = []

    def end_session(found: Record) -> list[Statement]:
        calls.append(found)
        return [(END_OWN_SESSION, ())]

    with pytest.raises(OutcomeUnknown):
        server_driver.locked((END_OWN_SESSION_ONCE, ()), end_session)
    assert calls == [(True,)]
    assert server_driver.one("SELECT last_value FROM turns", ()) == (2,)


def test_a_locked_file_is_a_store_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.adapters.sql.connection._LOCK_SECONDS", 0.1)
    engine = connect(f"sqlite:///{tmp_path}/x.db")
    driver = Driver(engine)
    assert driver.one("SELECT 1", ()) == (1,)
    blocker = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    def write() -> None:
        with driver.transaction():
            pass

    with pytest.raises(StoreUnavailable, match="locked"):
        write()
    blocker.close()
    write()
    driver.close()
    engine.dispose()


def find(driver: Driver) -> tuple[str, list[int]]:
    driver.one("INSERT INTO notes VALUES (1, 'a') RETURNING id", (), writes=True)
    return f"SELECT id, body FROM notes WHERE id = {mark_of(driver)}", [1]


def mark_of(driver: Driver) -> str:
    return "?" if driver._embedded else "%s"


def test_what_is_found_is_locked_and_written_in_one_transaction(driver: Driver) -> None:
    row = driver.locked(
        find(driver),
        lambda found: [(f"UPDATE notes SET body = '{found[1]}b' WHERE id = 1 RETURNING body", ())],
    )

    assert row == ("ab",)
    assert driver.one("SELECT body FROM notes", ()) == ("ab",)


def test_if_nothing_is_found_nothing_is_written(driver: Driver) -> None:
    def write(_: object) -> list[tuple[str, tuple[()]]]:
        raise AssertionError

    assert driver.locked(("SELECT id FROM notes", ()), write) is None
    assert ids(driver) == []


@pytest.mark.parametrize("error", [LookupError("x"), KeyboardInterrupt()])
def test_an_error_between_search_and_write_gives_the_lock_back(
    driver: Driver, error: BaseException
) -> None:
    def write(_: object) -> list[tuple[str, tuple[()]]]:
        raise error

    with pytest.raises(type(error)):
        driver.locked(find(driver), write)

    assert driver.one("UPDATE notes SET body = 'c' RETURNING body", (), writes=True) == ("c",)


@pytest.mark.parametrize("broken", ["search", "write"])
def test_an_error_of_the_database_in_either_half_leaves_a_connection_that_works(
    driver: Driver, broken: str
) -> None:
    good = find(driver)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            driver.locked(
                ("SELECT nothing FROM nowhere", ()) if broken == "search" else good,
                lambda _: [("UPDATE nowhere SET body = 'd'", ())],
            )
    assert ids(driver) == [1]


def test_further_statements_wait_for_the_first_to_find_something(driver: Driver) -> None:
    add = ("INSERT INTO notes VALUES (7, 'x')", ())
    update = "UPDATE notes SET body = 'z' WHERE id = 1 RETURNING id"
    assert driver.all_if_first([(update, ()), add]) is None
    assert ids(driver) == []

    find(driver)
    assert driver.all_if_first([(update, ()), add]) == (1,)
    assert ids(driver) == [1, 7]
