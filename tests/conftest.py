"""Servers shared by a test session, started by the first test that asks for one.

With several pytest-xdist workers each starts its own set. Isolation is by a fresh project or
database for each test, so nothing is ever cleaned up.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.postgres import PostgresServer
from tests.support.storage import StorageEmulator

# How long an example takes says something of the machine, and of what is compiled for the first.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def firestore_process() -> Iterator[FirestoreEmulator]:
    emulator = FirestoreEmulator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", emulator.host)
        emulator.warm_up()
    yield emulator
    emulator.stop()


@pytest.fixture
def firestore_emulator(
    firestore_process: FirestoreEmulator, monkeypatch: pytest.MonkeyPatch
) -> FirestoreEmulator:
    """The Firestore emulator, with Google's clients pointed at it."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_process.host)
    return firestore_process


@pytest.fixture
def firestore_project(firestore_emulator: FirestoreEmulator) -> Iterator[str]:
    """An empty project; its triggers fall silent after the test."""
    project = firestore_emulator.new_project()
    yield project
    firestore_emulator.bridge.off(project)


@pytest.fixture(scope="session")
def pubsub_process() -> Iterator[PubSubEmulator]:
    emulator = PubSubEmulator()
    emulator.warm_up()
    yield emulator
    emulator.stop()


@pytest.fixture
def pubsub_emulator(
    pubsub_process: PubSubEmulator, monkeypatch: pytest.MonkeyPatch
) -> PubSubEmulator:
    """The Pub/Sub emulator, with Google's clients pointed at it."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_process.host)
    return pubsub_process


@pytest.fixture(scope="session")
def postgres_process() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_process: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own, as SQLAlchemy names it."""
    name = postgres_process.new_database()
    yield postgres_process.url(name)
    postgres_process.drop_database(name)


@pytest.fixture(scope="session")
def storage_process() -> Iterator[StorageEmulator]:
    emulator = StorageEmulator()
    yield emulator
    emulator.stop()


@pytest.fixture
def bucket(storage_process: StorageEmulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, with Google's client pointed at the emulator that has it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_process.address)
    return storage_process.new_bucket()
