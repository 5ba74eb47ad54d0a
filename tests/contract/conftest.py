"""The stores that must all keep the same promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clocks import TickingClock
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.ports import Store

STORES = [
    pytest.param("memory"),
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("firestore", marks=pytest.mark.emulator),
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store; every test that asks for it runs once for each kind."""
    made: Store = request.getfixturevalue(f"{request.param}_store")
    yield made
    made.close()


@pytest.fixture
def memory_store() -> MemoryJobStore:
    return MemoryJobStore(TickingClock())


@pytest.fixture
def sqlite_store(tmp_path: Path) -> SqlJobStore:
    return SqlJobStore(f"sqlite:///{tmp_path}/jobs.db")


@pytest.fixture
def postgresql_store(postgres_url: str) -> SqlJobStore:
    store = SqlJobStore(postgres_url)
    store.create_schema()
    return store


@pytest.fixture
def firestore_store(firestore_project: str) -> FirestoreJobStore:
    return FirestoreJobStore(firestore_project)
