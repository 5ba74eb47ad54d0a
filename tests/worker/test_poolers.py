"""A pooler at the store's address: what is refused at the start, and what is done without."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.jobs import an_admitted_job
from tests.support.patience import PATIENCE_SECONDS
from tests.support.pgbouncer import PgBouncer, PoolMode, give_limits, pgbouncer
from tests.support.postgres import PostgresServer
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.notifications import NotifyDoorbell
from worker.adapters.sql.server import Pooler, PoolerMismatch
from worker.settings import SettingsError, load_settings

pytestmark = pytest.mark.postgres

POLLING = (Path(__file__).parents[2] / "docs" / "polling.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def poolers(postgres_process: PostgresServer) -> Iterator[dict[PoolMode, PgBouncer]]:
    port = postgres_process.port
    with (
        pgbouncer(port, "session") as sessions,
        pgbouncer(port, "transaction") as transactions,
        pgbouncer(port, "statement") as statements,
    ):
        yield {"session": sessions, "transaction": transactions, "statement": statements}


def refusal(url: str, pooler: Pooler) -> str:
    store = SqlJobStore(url, pooler=pooler)
    try:
        store.require_pool_mode()
        store.ping()
    except PoolerMismatch as error:
        return str(error)
    finally:
        store.close()
    return ""


@pytest.mark.parametrize(
    ("mode", "setting", "told"),
    [
        ("session", "none", "STORE_POOLER=none: expected a PostgreSQL server at the address"),
        ("transaction", "none", "set STORE_POOLER to session or transaction"),
        ("transaction", "session", "a pooler that shares them: set STORE_POOLER=transaction"),
        ("transaction", "transaction", "expected sessions that begin with"),
        ("statement", "session", "set STORE_POOLER=transaction"),
        ("statement", "transaction", "got one in statement mode, which refuses transactions"),
    ],
)
def test_a_pooler_that_is_not_as_told_is_refused(
    poolers: dict[PoolMode, PgBouncer],
    postgres_url: str,
    mode: PoolMode,
    setting: Pooler,
    told: str,
) -> None:
    assert told in refusal(poolers[mode].url(postgres_url), setting)


def test_sessions_that_are_shared_must_begin_with_limits(
    poolers: dict[PoolMode, PgBouncer], postgres_url: str
) -> None:
    url = poolers["transaction"].url(postgres_url)
    give_limits(postgres_url, lock_timeout=60, statement_timeout=0)

    told = refusal(url, "transaction")

    assert "lock_timeout of at most 5s, statement_timeout of at most 10s" in told
    assert "got lock_timeout=60000ms, statement_timeout=0ms" in told
    assert "idle_in_transaction" not in told
    assert "SET lock_timeout = '5s'; ALTER ROLE" in told


def test_the_commands_of_the_document_give_them(
    poolers: dict[PoolMode, PgBouncer], postgres_url: str
) -> None:
    commands = re.findall(r"^ALTER ROLE .*$", POLLING, flags=re.MULTILINE)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        for command in commands:
            named = command.replace("USER", "tests").replace("NAME", admin.info.dbname)
            admin.execute(named.encode())

    store = SqlJobStore(poolers["transaction"].url(postgres_url), pooler="transaction")
    store.require_pool_mode()
    store.close()


def test_nothing_is_left_in_sessions_of_a_pooler_that_nobody_told_of(
    poolers: dict[PoolMode, PgBouncer], postgres_url: str
) -> None:
    url = poolers["transaction"].url(postgres_url)
    assert refusal(url, "none")
    assert refusal(url, "session")
    assert "lock_timeout=0ms" in refusal(url, "transaction")


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_options_that_a_pooler_refuses_are_named(
    poolers: dict[PoolMode, PgBouncer], postgres_url: str, mode: Pooler
) -> None:
    url = f"{poolers[mode].url(postgres_url)}?options=-csearch_path%3Delsewhere"
    assert "expected an address without options" in refusal(url, mode)


def test_notifications_pass_a_pooler_in_session_mode(
    poolers: dict[PoolMode, PgBouncer], postgres_url: str
) -> None:
    store = SqlJobStore(postgres_url)
    store.create_schema()
    bell = NotifyDoorbell(poolers["session"].url(postgres_url), "session")
    assert bell.wait(PATIENCE_SECONDS), "it rings once when it has begun to listen"

    store.create(an_admitted_job("j1"))

    assert bell.wait(PATIENCE_SECONDS)
    bell.close()
    store.close()


def test_in_transaction_mode_the_waiter_is_told_that_it_only_looks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bell = NotifyDoorbell("postgresql+psycopg://nobody@127.0.0.1:9/nothing", "transaction")
    with caplog.at_level(logging.WARNING):
        assert not bell.wait(0.01)
        assert not bell.wait(0.01)
        bell.close()

    (record,) = caplog.records
    assert "passes no notifications" in record.message


@pytest.mark.parametrize("store", ["sqlite:///x.db", "firestore://p/d"])
def test_a_pooler_stands_before_a_server_only(store: str) -> None:
    with pytest.raises(SettingsError, match="STORE_POOLER=session: expected none"):
        load_settings(store=store, store_pooler="session")
