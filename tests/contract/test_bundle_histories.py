"""Any interleaving of users, events, workers, sweeps and deaths ends every bundle once."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase

from tests.support.bundle_machine import BundleMachine
from tests.support.clocks import TickingClock
from tests.support.emulators import FirestoreEmulator
from tests.support.exploring import explore, postgresql_stores, sqlite_stores
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.jobs.bundle import BundleChange, BundleSnapshot
from worker.jobs.errors import JobExists, StoreUnavailable
from worker.ports import Store


def test_in_memory() -> None:
    explore(BundleMachine, lambda: MemoryJobStore(TickingClock()), examples=40, steps=30)


def test_in_sqlite(tmp_path: Path) -> None:
    explore(BundleMachine, sqlite_stores(tmp_path), examples=12, steps=25)


@pytest.mark.postgres
def test_in_postgresql(postgres_url: str) -> None:
    explore(BundleMachine, postgresql_stores(postgres_url), examples=5, steps=20)


@pytest.mark.emulator
def test_in_firestore(firestore_emulator: FirestoreEmulator) -> None:
    def new_store() -> Store:
        return FirestoreJobStore(firestore_emulator.new_project())

    explore(BundleMachine, new_store, examples=3, steps=15)


class Unguarded(MemoryJobStore):
    """Writes bundles whatever comes, whoever wrote in between."""

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Any = ()
    ) -> BundleSnapshot:
        now = self.get_bundle(seen.bundle.bundle_id)
        assert now is not None
        return super().commit_bundle(now, change, jobs)


class HalfWay(MemoryJobStore):
    """An expansion is two writes to it, and now and then it is away in between."""

    expansions = 0

    def commit_bundle(
        self, seen: BundleSnapshot, change: BundleChange, jobs: Any = ()
    ) -> BundleSnapshot:
        for job in jobs:
            self.create(job)
        if jobs:
            self.expansions += 1
            if self.expansions % 2:
                raise StoreUnavailable("away")
        return super().commit_bundle(seen, change)


@pytest.mark.parametrize("broken", [Unguarded, HalfWay])
def test_a_store_that_does_not_keep_its_promises_is_found_out(
    broken: type[MemoryJobStore],
) -> None:
    """The search would not be worth much if it missed this."""
    with pytest.raises((AssertionError, JobExists, ExceptionGroup)):
        explore(
            BundleMachine,
            lambda: broken(TickingClock()),
            examples=300,
            steps=30,
            phases=[Phase.generate],
            derandomize=True,
        )
