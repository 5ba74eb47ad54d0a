"""Any interleaving of users, events, workers, sweeps and deaths keeps the promises of a job: the
eight invariants of docs/architecture.md, checked on what was written and on what is stored."""

import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text

from tests.support.clocks import TickingClock
from tests.support.emulators import FirestoreEmulator
from tests.support.fleet_machine import FleetMachine
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.ports import JobStore


def explore(
    new_store: Callable[[], JobStore],
    *,
    examples: int,
    steps: int,
    phases: Sequence[Phase] = tuple(Phase),
    derandomize: bool = False,
) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: FleetMachine(new_store),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=phases,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_in_memory() -> None:
    explore(lambda: MemoryJobStore(TickingClock()), examples=100, steps=40)


def test_in_sqlite(tmp_path: Path) -> None:
    SqlJobStore(f"sqlite:///{tmp_path}/empty.db").close()
    numbers = count()

    def new_store() -> JobStore:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(tmp_path / "empty.db", path)
        return SqlJobStore(f"sqlite:///{path}")

    explore(new_store, examples=25, steps=30)


@pytest.mark.postgres
def test_in_postgresql(postgres_url: str) -> None:
    made = SqlJobStore(postgres_url)
    made.create_schema()
    made.close()

    def new_store() -> JobStore:
        engine = create_engine(postgres_url)
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE backtest_jobs, backtest_results"))
        engine.dispose()
        return SqlJobStore(postgres_url)

    explore(new_store, examples=8, steps=25)


@pytest.mark.emulator
def test_in_firestore(firestore_emulator: FirestoreEmulator) -> None:
    def new_store() -> JobStore:
        return FirestoreJobStore(firestore_emulator.new_project())

    explore(new_store, examples=4, steps=20)


class Unguarded(MemoryJobStore):
    """Writes whatever comes, whoever wrote in between."""

    def commit(
        self, seen: Snapshot, change: JobChange, result: ResultRecord | None = None
    ) -> Snapshot:
        now = self.get(seen.job.job_id)
        assert now is not None
        return super().commit(now, change, result)


def test_a_store_without_guards_is_found_out() -> None:
    """The search would not be worth much if it missed this."""
    with pytest.raises((AssertionError, ExceptionGroup)):
        explore(
            lambda: Unguarded(TickingClock()),
            examples=300,
            steps=40,
            phases=[Phase.generate],
            derandomize=True,
        )
