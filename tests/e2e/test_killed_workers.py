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
from pathlib import Path

import pytest

from tests.support.chaos import Blow, Workers, death, endure
from tests.support.emulators import FirestoreEmulator
from tests.support.patience import PATIENCE_SECONDS
from tests.support.postgres import PostgresServer
from tests.support.traffic import Traffic, calm_digests, import_candles
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import Job

#: Eight blows, and for each the time that it takes on the slowest machine.
pytestmark = pytest.mark.timeout(8 * PATIENCE_SECONDS)

SEED = 8
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
        "LEASE_SECONDS": "4",
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
    """The test would prove nothing of workers that nobody caught."""
    assert sum(job.worker_losses for job in jobs) >= DEATHS.count(signal.SIGKILL)
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
def test_on_a_database_that_is_restarted_and_crashes(
    own_postgres: PostgresServer, tmp_path: Path, candles: Path, digests: list[str]
) -> None:
    url = own_postgres.url(own_postgres.new_database())
    store = SqlJobStore(url)
    store.create_schema()
    traffic = Traffic(store)

    def restart(how: signal.Signals) -> Blow:
        def falls() -> bool:
            own_postgres.restart(how)
            return True

        return falls

    workers = Workers(2, "poll", environment(url, candles, tmp_path))
    try:
        blows = in_any_order(
            restart(signal.SIGINT),
            restart(signal.SIGQUIT),
            workers.terminate_one,
            *(death(workers, traffic, how) for how in DEATHS),
        )
        endure(workers, traffic, blows, jobs=250)
        assert_they_died(traffic.check(digests))
    finally:
        workers.stop()
        store.close()


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
