"""A server that no longer answers and does not say so: each wait ends, and work goes on."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.jobs import a_lease, an_admitted_job, claim_best, finish, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.postgres import PostgresServer
from tests.support.silent_network import Proxy, dropping_network
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.notifications import NotifyDoorbell
from worker.adapters.sql.server import ServerConnection, arguments
from worker.adapters.system_clock import SystemClock
from worker.jobs import transitions
from worker.jobs.errors import OutcomeUnknown, StoreUnavailable
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import Wanted
from worker.services.lease_keeper import KeeperTiming, LeaseKeeper

pytestmark = pytest.mark.postgres

CONNECTIONS = "worker.adapters.sql.server.connections"
WANTED = Wanted(lane="push", engine_versions=("1.0.0",))


@pytest.fixture
def direct(postgres_url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(postgres_url)
    store.create_schema()
    yield store
    store.close()


@pytest.fixture
def proxy(postgres_process: PostgresServer) -> Iterator[Proxy]:
    proxy = Proxy(postgres_process.port)
    yield proxy
    proxy.close()


@pytest.fixture
def store(
    direct: SqlJobStore,  # noqa: ARG001 - makes the tables
    proxy: Proxy,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SqlJobStore]:
    """Behind the proxy, and with little patience."""
    monkeypatch.setattr(f"{CONNECTIONS}.ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(f"{CONNECTIONS}.ASK_SECONDS", 1.0)
    monkeypatch.setattr("worker.adapters.sql.server.arguments.CONNECT_SECONDS", 2)
    store = SqlJobStore(proxy.url(postgres_url))
    yield store
    store.close()


def use(store: SqlJobStore, connections: int) -> None:
    """Afterwards as many are open and have just answered, at the driver's hand and in the pool."""

    def use_both(_: int) -> None:
        assert store.get("none") is None
        store.ping()

    with ThreadPoolExecutor(connections) as crowd:
        list(crowd.map(use_both, range(connections)))


Call = Callable[[SqlJobStore, Snapshot], object]
CALLS: dict[str, Call] = {
    "a row": lambda store, _: store.get("j1"),
    "a claim": lambda store, _: claim_best(store),
    "a list": lambda store, _: store.expired_leases(limit=5),
    "a commit": lambda store, seen: store.commit(seen, JobChange(progress=0.5)),
    "a new job": lambda store, _: store.create(an_admitted_job("j2")),
    "a purge": lambda store, _: store.purge_results(limit=5),
}
WRITES = {"a commit", "a new job", "a purge"}


def call_all_at_once(store: SqlJobStore, seen: Snapshot) -> dict[str, Exception | None]:
    def error_of(name: str) -> Exception | None:
        try:
            CALLS[name](store, seen)
        except StoreUnavailable as error:
            return error
        return None

    with ThreadPoolExecutor(len(CALLS)) as crowd:
        return dict(zip(CALLS, crowd.map(error_of, CALLS), strict=True))


def test_every_call_to_a_frozen_server_ends(store: SqlJobStore, proxy: Proxy) -> None:
    seen = store.create(an_admitted_job("j1"))
    use(store, len(CALLS))
    proxy.fall_silent(takes_new=False)

    errors = call_all_at_once(store, seen)

    assert all(isinstance(error, StoreUnavailable) for error in errors.values()), errors


def test_after_a_failover_that_nobody_told_of_reads_go_on_and_writes_do_at_the_next_try(
    store: SqlJobStore, proxy: Proxy
) -> None:
    store.create(an_admitted_job("j1", 1.0))
    seen = store.create(an_admitted_job("j3", 2.0))
    use(store, len(CALLS))
    proxy.fall_silent(takes_new=True)

    errors = call_all_at_once(store, seen)

    assert {name for name, error in errors.items() if error is not None} <= WRITES
    store.create(an_admitted_job("j4"))
    store.purge_results(limit=5)


def test_a_claim_that_a_failover_interrupts_is_not_made_twice(
    store: SqlJobStore, direct: SqlJobStore, proxy: Proxy
) -> None:
    store.create(an_admitted_job("j1"))
    decisions: list[Snapshot] = []

    def decide(seen: Snapshot) -> JobChange:
        decisions.append(seen)
        proxy.fall_silent(takes_new=True)
        return transitions.claim(seen.job, lease=a_lease())

    with pytest.raises(OutcomeUnknown):
        store.take_best(WANTED, decide)

    assert len(decisions) == 1
    assert read(direct, "j1").job.status is JobStatus.QUEUED


def test_idle_connections_are_asked_and_after_one_loss_replaced(
    store: SqlJobStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(store, 8)
    proxy.fall_silent(takes_new=True)
    asked: list[ServerConnection] = []
    ask = ServerConnection._answers
    monkeypatch.setattr(ServerConnection, "_answers", lambda one: asked.append(one) or ask(one))
    monkeypatch.setattr(f"{CONNECTIONS}.TRUSTED_SECONDS", 0)

    for number in range(8):
        store.create(an_admitted_job(f"j{number}"))
        assert store.get(f"j{number}") is not None

    # Those that were opened since are asked as well, at once and with an answer.
    assert sum(one.closed for one in asked) == 1


def test_a_job_that_runs_through_a_failover_keeps_its_lease_and_completes(
    store: SqlJobStore, direct: SqlJobStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.services.lease_keeper.RETRY_SECONDS", 0)
    store.create(an_admitted_job("j1"))
    claimed_at = time.monotonic()
    claimed = claim_best(store)
    assert claimed is not None
    beats = threading.Semaphore(0)
    keeper = LeaseKeeper(
        store,
        claimed,
        claimed_at=claimed_at,
        clock=SystemClock(),
        timing=KeeperTiming(heartbeat=0.05, lease=900, timeout=900, stall=900),
        shutdown=threading.Event(),
        on_beat=beats.release,
    )
    keeper.start()
    assert beats.acquire(timeout=PATIENCE_SECONDS)

    proxy.fall_silent(takes_new=True)

    for _ in range(3):
        assert beats.acquire(timeout=PATIENCE_SECONDS)
    assert keeper.reason is None
    finish(store, keeper.stop())
    assert read(direct, "j1").job.status is JobStatus.COMPLETED


def test_the_claim_of_a_worker_that_vanished_is_undone_by_the_server(
    direct: SqlJobStore,
    store: SqlJobStore,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.adapters.sql.server.limits.IDLE_IN_TRANSACTION_SECONDS", 1)
    direct.create(an_admitted_job("j1"))
    vanished = threading.Event()

    def vanish(seen: Snapshot) -> JobChange:
        proxy.fall_silent(takes_new=True)
        assert claim_best(direct) is None, "its row is locked"
        vanished.set()
        until = time.monotonic() + PATIENCE_SECONDS
        while (claimed := claim_best(direct)) is None:
            assert time.monotonic() < until
        assert claimed.job.job_id == "j1"
        return transitions.claim(seen.job, lease=a_lease())

    with pytest.raises(StoreUnavailable):
        store.take_best(WANTED, vanish)
    assert vanished.is_set()
    assert read(direct, "j1").job.attempt == 1


def test_a_listener_of_a_frozen_server_connects_anew(
    store: SqlJobStore,  # noqa: ARG001 - is impatient
    direct: SqlJobStore,
    proxy: Proxy,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.adapters.sql.notifications._ASK_SECONDS", 0.2)
    monkeypatch.setattr("worker.adapters.sql.notifications._RETRY_SECONDS", 0.05)
    bell = NotifyDoorbell(proxy.url(postgres_url))
    assert bell.wait(PATIENCE_SECONDS), "it rings once when it has begun to listen"
    proxy.fall_silent(takes_new=True)

    assert bell.wait(PATIENCE_SECONDS), "it rings, because it may have missed something"
    direct.create(an_admitted_job("j1"))
    assert bell.wait(PATIENCE_SECONDS)
    bell.close()


def test_a_network_that_drops_everything_is_an_error_of_the_socket(
    direct: SqlJobStore,
    postgres_process: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the system's own means, whether it sends or waits: this program would wait much longer."""
    monkeypatch.setattr(f"{CONNECTIONS}.ANSWER_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(
        "worker.adapters.sql.server.arguments._LIVELINESS",
        {
            **arguments._LIVELINESS,
            "keepalives_idle": 1,
            "keepalives_interval": 1,
            "tcp_user_timeout": 1_000,
        },
    )
    monkeypatch.setattr("worker.adapters.sql.server.limits.STATEMENT_SECONDS", 600)
    with dropping_network(postgres_process.port) as network:
        store = SqlJobStore(network.proxy.url(postgres_url))
        store.create(an_admitted_job("j1"))
        watcher = direct._driver

        def wait_for_an_answer() -> None:
            store._driver.one("SELECT pg_sleep(600)", (), writes=True)

        def is_asleep() -> bool:
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            return watcher.one(query, ()) == (1,)

        def drop(_seen: Snapshot) -> JobChange:
            waiting = crowd.submit(wait_for_an_answer)
            while not is_asleep():
                assert not waiting.done(), waiting.exception()
            network.drop_everything()
            calls.append(waiting)
            return JobChange(progress=0.5)

        calls: list[Future[None]] = []
        with ThreadPoolExecutor(1) as crowd:
            with pytest.raises(OutcomeUnknown, match="timed out"):
                store.take_best(WANTED, drop)
            with pytest.raises(OutcomeUnknown, match="timed out"):
                calls[0].result(PATIENCE_SECONDS)
        store.close()
