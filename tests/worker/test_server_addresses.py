"""What of a store's address reaches the server, by the store's connections and the listener's."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.jobs import an_admitted_job, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import free_port
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.connection import connect
from worker.adapters.sql.connection import read as read_once
from worker.adapters.sql.driver import Driver
from worker.adapters.sql.notifications import NotifyDoorbell
from worker.adapters.sql.server import arguments, connections, limits
from worker.adapters.sql.server.arguments import application_name, connect_arguments
from worker.services.lease_keeper import SAFETY_SECONDS

POLLING = (Path(__file__).parents[2] / "docs" / "polling.md").read_text(encoding="utf-8")
ADDRESS = "postgresql+psycopg://ann@db:6543/jobs"


def test_several_hosts_are_one_list_for_libpq() -> None:
    hosts = "postgresql+psycopg://ann@/jobs?host=a:5432&host=b:5433&target_session_attrs=primary"
    made = connect_arguments(hosts, "worker")

    assert (made["host"], made["port"]) == ("a,b", "5432,5433")
    assert (made["user"], made["dbname"]) == ("ann", "jobs")
    assert made["target_session_attrs"] == "primary"


def test_the_address_goes_before_what_the_program_asks_for() -> None:
    ours = connect_arguments(ADDRESS, "worker")
    theirs = connect_arguments(f"{ADDRESS}?connect_timeout=9&keepalives_idle=60", "worker")

    assert (ours["connect_timeout"], ours["keepalives_idle"]) == (5, 10)
    assert (theirs["connect_timeout"], theirs["keepalives_idle"]) == ("9", "60")


@pytest.mark.parametrize("host", ["box", "backtest-poller-7d9f8b6c5d-x2x4z" * 3, "büro-7"])
def test_a_connection_is_named_by_program_role_host_and_process(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    name = application_name("poller")

    assert re.fullmatch(rf"backtest-worker poller [\x20-\x7e]+-{os.getpid()}", name)
    assert len(name.encode()) == min(63, len(f"backtest-worker poller {host}-{os.getpid()}"))
    assert host.encode("ascii", "replace").decode()[-3:] in name


@pytest.fixture
def url(postgres_url: str) -> str:
    """Of an empty database with a second schema."""
    engine = connect(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA elsewhere"))
    engine.dispose()
    return postgres_url


def shown(url: str, *settings: str, role: str = "worker") -> list[str]:
    engine = connect(url, role=role)
    columns = ", ".join(f"current_setting('{name}')" for name in settings)
    query = text(f"SELECT {columns}")
    pooled = read_once(engine, lambda connection: list(connection.execute(query).one()))
    driver = Driver(engine)
    assert list(driver.one(f"SELECT {columns}", ()) or ()) == pooled
    driver.close()
    engine.dispose()
    return pooled


@pytest.mark.postgres
def test_every_session_has_the_limits_and_what_the_address_asks_for(url: str) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    assert shown(url, *names, "TimeZone") == ["5s", "10s", "30s", "UTC"]

    options = "options=-csearch_path%3Delsewhere%20-cstatement_timeout%3D7s"
    assert shown(f"{url}?{options}", *names, "search_path") == ["5s", "7s", "30s", "elsewhere"]

    liveliness = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout")
    assert shown(url, *liveliness) == ["30", "10", "30000"]


@pytest.mark.postgres
def test_tables_in_another_schema_are_made_and_found_there(url: str) -> None:
    store = SqlJobStore(f"{url}?options=-csearch_path%3Delsewhere")
    store.create_schema()
    store.create(an_admitted_job("j1"))
    store.close()

    engine = connect(url)
    query = text("SELECT job_id FROM elsewhere.backtest_jobs")
    assert read_once(engine, lambda connection: connection.execute(query).scalars().all()) == ["j1"]
    engine.dispose()


@pytest.mark.postgres
def test_the_server_shows_who_is_connected(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGAPPNAME", raising=False)
    assert shown(url, "application_name", role="poller") == [application_name("poller")]
    assert shown(f"{url}?application_name=mine", "application_name") == ["mine"]
    monkeypatch.setenv("PGAPPNAME", "theirs")
    assert shown(url, "application_name") == ["theirs"]


def test_the_document_has_the_limits_of_the_code() -> None:
    table = dict(re.findall(r"^\| ([^|]+?) \| (\d+) s \|", POLLING, flags=re.MULTILINE))
    network = arguments._LIVELINESS
    assert {name: int(seconds) for name, seconds in table.items()} == {
        "to open a connection, for each host": arguments.CONNECT_SECONDS,
        "an idle connection, asked whether it lives": connections.ASK_SECONDS,
        "a lock on a row": limits.LOCK_SECONDS,
        "a statement": limits.STATEMENT_SECONDS,
        "an answer of any kind": connections.ANSWER_SECONDS,
        "a network without any sign of life": network["tcp_user_timeout"] / 1000,
        "a transaction whose client is silent": limits.IDLE_IN_TRANSACTION_SECONDS,
        "a client without any sign of life": 60,
    }
    assert f"`LEASE_SECONDS` less {SAFETY_SECONDS:g}" in POLLING


@pytest.mark.postgres
def test_the_documents_question_who_holds_a_lock_is_answered(url: str) -> None:
    (question,) = re.findall(r"^SELECT waiting.*?;$", POLLING, flags=re.MULTILINE | re.DOTALL)
    engine = connect(url, role="poller")
    driver = Driver(engine)
    with driver.transaction() as cursor:
        cursor.execute("CREATE TABLE notes AS SELECT 1 AS id")

    with ThreadPoolExecutor(1) as crowd, driver.transaction() as cursor:
        cursor.execute("SELECT * FROM notes FOR UPDATE")
        waiting = crowd.submit(driver.one, "UPDATE notes SET id = 2 RETURNING id", ())
        until = time.monotonic() + PATIENCE_SECONDS
        while (row := driver.one(question, ())) is None:
            assert time.monotonic() < until
        cursor.execute("SELECT pg_backend_pid()")
        (holding,) = cursor.fetchone()

    assert row[1:4] == (holding, application_name("poller"), "idle in transaction")
    assert waiting.result() == (2,)
    driver.close()
    engine.dispose()


@pytest.mark.postgres
def test_of_several_hosts_one_that_answers_is_taken_to_work_and_to_listen(url: str) -> None:
    head, _, database = url.rpartition("/")
    user, _, place = head.rpartition("@")
    several = f"{user}@/{database}?host=127.0.0.1:{free_port()}&host={place}"
    store = SqlJobStore(several)
    store.create_schema()
    bell = NotifyDoorbell(several)
    assert bell.wait(PATIENCE_SECONDS), "it rings once when it has begun to listen"

    store.create(an_admitted_job("j1"))

    assert bell.wait(PATIENCE_SECONDS)
    assert read(store, "j1").version == 1
    bell.close()
    store.close()
