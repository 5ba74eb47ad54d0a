"""Workers are killed in the middle of their jobs and their store goes away, and no job is lost or
run to two ends.
"""

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.audit import Audit, violations
from tests.support.bundles import a_bundle
from tests.support.chaos import Blow, Workers, death, endure, wait_for
from tests.support.emulators import FirestoreEmulator
from tests.support.patience import PATIENCE_SECONDS
from tests.support.postgres import PostgresServer, end_sessions
from tests.support.traffic import Traffic, calm_digests, config, import_candles, patiently
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

#: Eight blows, and for each the time that it takes on the slowest machine.
pytestmark = pytest.mark.timeout(8 * PATIENCE_SECONDS)

#: Which order things befall in, and how often: `make chaos` takes more rounds.
SEED = int(os.environ.get("CHAOS_SEED", "8"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
LEASE_SECONDS = 4
#: SIGKILL is a death that the sweep finds out about, SIGTERM one that gives the job back.
DEATHS = [signal.SIGKILL] * 3 + [signal.SIGTERM] * 2
#: Longer than the time in which a commit is tried once more, shorter than a lease.
AWAY_SECONDS = 1.5


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("candles")
    import_candles(directory)
    return directory


@pytest.fixture(scope="module")
def digests(candles: Path) -> list[str]:
    return calm_digests(candles)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that this test may stop and start."""
    server = PostgresServer(durable=True)
    yield server
    server.stop()


def environment(store: str, candles: Path, directory: Path) -> dict[str, str]:
    return {
        "STORE": store,
        "CANDLES": str(candles),
        "ARTIFACTS": str(directory / "artifacts"),
        "PORT": "0",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "HEARTBEAT_SECONDS": "1",
        "SWEEP_SECONDS": "0.5",
        "SHUTDOWN_SECONDS": "20",
        "JOB_POLL_INTERVAL_SECONDS": "0.5",
        "MAX_CONCURRENT_BACKTESTS": "2",
    }


def in_any_order(*blows: Blow) -> list[Blow]:
    shuffled = list(blows)
    random.Random(SEED).shuffle(shuffled)
    return shuffled


def assert_they_died(jobs: list[Job]) -> None:
    """The test would prove nothing of workers that nobody caught. A death around an outage may be
    counted as an interruption.
    """
    assert sum(job.worker_losses + job.interruptions for job in jobs) >= len(DEATHS)
    assert sum(job.interruptions for job in jobs) >= DEATHS.count(signal.SIGTERM)


def test_on_a_file_that_is_locked_for_a_while(
    tmp_path: Path, candles: Path, digests: list[str]
) -> None:
    file = tmp_path / "jobs.db"
    store = SqlJobStore(f"sqlite:///{file}")
    traffic = Traffic(store)

    def lock() -> bool:
        with closing(sqlite3.connect(file, PATIENCE_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            threading.Event().wait(AWAY_SECONDS)
            connection.execute("ROLLBACK")
        return True

    workers = Workers(2, "serve", environment(f"sqlite:///{file}", candles, tmp_path))
    try:
        deaths = (death(workers, traffic, how) for how in DEATHS)
        endure(workers, traffic, in_any_order(lock, *deaths), jobs=250)
        assert_they_died(traffic.check(digests))
    finally:
        workers.stop()
        store.close()


@pytest.mark.postgres
@pytest.mark.timeout(8 * ROUNDS * PATIENCE_SECONDS)
def test_on_a_database_that_everything_befalls(
    own_postgres: PostgresServer, tmp_path: Path, candles: Path, digests: list[str]
) -> None:
    """Every write to every table is noted, and what must never be written is looked for."""
    url = own_postgres.url(own_postgres.new_database())
    store = SqlJobStore(url)
    store.create_schema()
    audit = Audit(url)
    traffic = Traffic(store)
    bundles = [f"b{number}" for number in range(2 * ROUNDS)]
    for bundle_id in bundles:
        store.create_bundle(a_bundle(bundle_id, base_config=config(1)))
    workers = Workers(2, "poll", environment(url, candles, tmp_path))
    print(f"CHAOS_SEED={SEED} CHAOS_ROUNDS={ROUNDS}")
    try:
        blows = [
            restarting(own_postgres, signal.SIGINT),
            restarting(own_postgres, signal.SIGQUIT),
            freezing(own_postgres, AWAY_SECONDS),
            freezing(own_postgres, LEASE_SECONDS + 2),
            ending_sessions(url),
            forgetting(url, traffic),
            standing_still(workers, traffic),
            workers.terminate_one,
            *(death(workers, traffic, how) for how in DEATHS),
        ]
        endure(workers, traffic, in_any_order(*blows * ROUNDS), jobs=200 * ROUNDS)
        ended = [patiently(partial(store.get_bundle, bundle_id)) for bundle_id in bundles]
        wait_for(
            lambda: all(_has_ended(store, bundle_id) for bundle_id in bundles),
            lambda: f"{ended}\n{workers}",
        )
        assert_they_died(traffic.check(digests))
    finally:
        workers.stop()
        store.close()
    trail = audit.trail()
    assert {write.place for write in trail} >= {"backtest_jobs", "backtest_results"}
    assert violations(trail) == []


def _has_ended(store: SqlJobStore, bundle_id: str) -> bool:
    seen = patiently(partial(store.get_bundle, bundle_id))
    return seen is not None and seen.bundle.status is JobStatus.COMPLETED


def restarting(server: PostgresServer, how: signal.Signals) -> Blow:
    def falls() -> bool:
        server.restart(how)
        return True

    return falls


def freezing(server: PostgresServer, seconds: float) -> Blow:
    """The database stands still; after longer than a lease nobody knows which workers live."""

    def falls() -> bool:
        with server.frozen():
            threading.Event().wait(seconds)
        return True

    return falls


def ending_sessions(url: str) -> Blow:
    def falls() -> bool:
        end_sessions(url)
        return True

    return falls


def forgetting(url: str, traffic: Traffic) -> Blow:
    """Somebody has a job locked, in a transaction that ends when its lease is over."""

    def falls() -> bool:
        conninfo = make_url(url).set(drivername="postgresql").render_as_string(False)
        for job in traffic.running():
            with psycopg.connect(conninfo) as connection:
                asked = "SELECT 1 FROM backtest_jobs WHERE job_id = %s AND status = 'running'"
                found = connection.execute(f"{asked} FOR UPDATE", (job.job_id,)).fetchone()
                if found is not None:
                    threading.Event().wait(LEASE_SECONDS + 1)
                    return True
        return False

    return falls


def standing_still(workers: Workers, traffic: Traffic) -> Blow:
    """A worker does nothing for longer than its lease, and then goes on as if nothing was."""

    def falls() -> bool:
        lasting = [job for job in traffic.running() if traffic.lasts(job)]
        return any(workers.freeze(traffic, job, LEASE_SECONDS + 1) for job in lasting)

    return falls


@pytest.mark.emulator
def test_on_documents_that_cannot_be_reached_for_a_while(
    firestore_emulator: FirestoreEmulator, tmp_path: Path, candles: Path, digests: list[str]
) -> None:
    project = firestore_emulator.new_project()
    store = FirestoreJobStore(project)
    traffic = Traffic(store)

    def freeze() -> bool:
        with firestore_emulator.frozen():
            threading.Event().wait(AWAY_SECONDS)
        return True

    settings = environment(f"firestore://{project}/(default)", candles, tmp_path)
    settings["FIRESTORE_EMULATOR_HOST"] = os.environ["FIRESTORE_EMULATOR_HOST"]
    workers = Workers(2, "serve", settings)
    try:
        deaths = (death(workers, traffic, how) for how in DEATHS)
        endure(workers, traffic, in_any_order(freeze, *deaths), jobs=80)
        assert_they_died(traffic.check(digests))
    finally:
        workers.stop()
        store.close()
