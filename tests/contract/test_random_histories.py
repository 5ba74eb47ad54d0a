"""Any interleaving of users, events, workers, sweeps and deaths keeps the promises of a job: the
eight invariants of docs/architecture.md, checked on what was written and on what is stored."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import Phase

from tests.support.clocks import TickingClock
from tests.support.emulators import FirestoreEmulator
from tests.support.exploring import explore, postgresql_stores, sqlite_stores
from tests.support.fleet_machine import FleetMachine
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.ports import JobStore


def test_in_memory() -> None:
    explore(FleetMachine, lambda: MemoryJobStore(TickingClock()), examples=100, steps=40)


def test_in_sqlite(tmp_path: Path) -> None:
    explore(FleetMachine, sqlite_stores(tmp_path), examples=25, steps=30)


@pytest.mark.postgres
def test_in_postgresql(postgres_url: str) -> None:
    explore(FleetMachine, postgresql_stores(postgres_url), examples=8, steps=25)


@pytest.mark.emulator
def test_in_firestore(firestore_emulator: FirestoreEmulator) -> None:
    def new_store() -> JobStore:
        return FirestoreJobStore(firestore_emulator.new_project())

    explore(FleetMachine, new_store, examples=4, steps=20)


class Unguarded(MemoryJobStore):
    """Writes whatever comes, whoever wrote in between."""

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        now = self.get(seen.job.job_id)
        assert now is not None
        return super().commit(now, change, result, by=by)


def test_a_store_without_guards_is_found_out() -> None:
    """The search would not be worth much if it missed this."""
    with pytest.raises((AssertionError, ExceptionGroup)):
        explore(
            FleetMachine,
            lambda: Unguarded(TickingClock()),
            examples=300,
            steps=40,
            phases=[Phase.generate],
            derandomize=True,
        )
