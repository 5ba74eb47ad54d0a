"""The store's promises through a PgBouncer: in session mode, and with sessions that are shared."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import psycopg
import pytest

from tests.contract.test_claiming import (
    test_a_crowd_empties_the_queue_without_doubles_and_without_leaving_any,
)
from tests.contract.test_ending import (
    test_a_completed_job_and_its_result_appear_together,
    test_if_the_guard_fails_there_is_no_result,
)
from tests.contract.test_running import (
    test_beats_and_cancellations_at_once_lose_neither,
)
from tests.support.jobs import an_admitted_job, claim_best, finish, read
from tests.support.pgbouncer import PgBouncer, give_limits, pgbouncer
from tests.support.postgres import PostgresServer
from worker.adapters.sql import SqlJobStore
from worker.jobs.errors import StoreUnavailable
from worker.jobs.job import JobChange

__all__ = [
    "test_a_completed_job_and_its_result_appear_together",
    "test_a_crowd_empties_the_queue_without_doubles_and_without_leaving_any",
    "test_beats_and_cancellations_at_once_lose_neither",
    "test_if_the_guard_fails_there_is_no_result",
]

pytestmark = pytest.mark.postgres

Mode = Literal["session", "transaction"]
#: In session mode each connection of a store has one; else they are few enough to be shared.
SESSIONS: dict[Mode, int] = {"session": 100, "transaction": 4}


@pytest.fixture(scope="module", params=SESSIONS)
def mode(request: pytest.FixtureRequest) -> Mode:
    mode: Mode = request.param
    return mode


@pytest.fixture(scope="module")
def pooler(postgres_process: PostgresServer, mode: Mode) -> Iterator[PgBouncer]:
    with pgbouncer(postgres_process.port, mode, sessions=SESSIONS[mode]) as pooler:
        yield pooler


@pytest.fixture
def store(pooler: PgBouncer, mode: Mode, postgres_url: str) -> Iterator[SqlJobStore]:
    if mode == "transaction":
        give_limits(postgres_url)
    store = SqlJobStore(pooler.url(postgres_url), pooler=mode)
    store.migrate("head")
    store.require_pool_mode()
    store.require_schema()
    yield store
    store.close()


def test_a_crowd_submits_while_others_claim_and_finish(
    store: SqlJobStore, pooler: PgBouncer, mode: Mode, postgres_url: str
) -> None:
    """More often than psycopg executes a statement before it prepares it."""
    other = SqlJobStore(pooler.url(postgres_url), pooler=mode)
    count, ran = 400, Counter[str]()

    def submit(number: int) -> None:
        store.create(an_admitted_job(f"j{number}", float(number)))

    def work(mine: SqlJobStore) -> None:
        while ran.total() < count:
            if (claimed := claim_best(mine)) is not None:
                finish(mine, mine.commit(claimed, JobChange(progress=0.5)))
                ran[claimed.job.job_id] += 1

    with ThreadPoolExecutor(40) as crowd, ThreadPoolExecutor(6) as workers:
        done = [workers.submit(work, mine) for mine in (store, other) * 3]
        list(crowd.map(submit, range(count)))
        for one in done:
            one.result()

    assert ran == Counter(f"j{number}" for number in range(count))
    other.close()


@pytest.fixture
def short_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.adapters.sql.server.limits.LOCK_SECONDS", 1)


@pytest.mark.usefixtures("short_locks")
def test_the_server_ends_what_waits_for_a_lock(store: SqlJobStore, postgres_url: str) -> None:
    """Its own time is over long before this program would give up."""
    seen = store.create(an_admitted_job("j1"))
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as blocker:
        blocker.execute("SELECT * FROM backtest_jobs FOR UPDATE")

        with pytest.raises(StoreUnavailable, match="lock timeout"):
            store.commit(seen, JobChange(progress=0.5))

    assert read(store, "j1").version == seen.version
