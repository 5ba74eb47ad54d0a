"""The stores that must all keep the same promises."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clocks import TickingClock
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.system_clock import SystemClock
from worker.ports import Store

STORES = [
    pytest.param("memory"),
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("firestore", marks=pytest.mark.emulator),
]

#: How long the stores of ``keeping`` keep ended jobs.
KEPT = timedelta(days=7)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store; every test that asks for it runs once for each kind."""
    made: Store = request.getfixturevalue(f"{request.param}_store")
    yield made
    made.close()


@pytest.fixture(params=STORES)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store that keeps ended jobs for as long as KEPT."""
    store: Store
    if request.param == "memory":
        store = MemoryJobStore(SystemClock(), KEPT)
    elif request.param == "sqlite":
        store = SqlJobStore(f"sqlite:///{tmp_path}/jobs.db", KEPT)
    elif request.param == "postgresql":
        sql = SqlJobStore(request.getfixturevalue("postgres_url"), KEPT)
        sql.create_schema()
        store = sql
    else:
        project = request.getfixturevalue("firestore_project")
        store = FirestoreJobStore(project, retention=KEPT)
    yield store
    store.close()


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
