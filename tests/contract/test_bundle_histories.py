"""Any interleaving of users, events, workers, sweeps and deaths ends every bundle once."""

import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text

from tests.support.bundle_machine import BundleMachine
from tests.support.clocks import TickingClock
from tests.support.emulators import FirestoreEmulator
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.memory import MemoryJobStore
from worker.adapters.sql import SqlJobStore
from worker.jobs.bundle import BundleChange, BundleSnapshot
from worker.jobs.errors import JobExists, StoreUnavailable
from worker.ports import Store


def explore(
    new_store: Callable[[], Store],
    *,
    examples: int,
    steps: int,
    phases: Sequence[Phase] = tuple(Phase),
    derandomize: bool = False,
) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: BundleMachine(new_store),
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
    explore(lambda: MemoryJobStore(TickingClock()), examples=40, steps=30)


def test_in_sqlite(tmp_path: Path) -> None:
    SqlJobStore(f"sqlite:///{tmp_path}/empty.db").close()
    numbers = count()

    def new_store() -> Store:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(tmp_path / "empty.db", path)
        return SqlJobStore(f"sqlite:///{path}")

    explore(new_store, examples=12, steps=25)


@pytest.mark.postgres
def test_in_postgresql(postgres_url: str) -> None:
    made = SqlJobStore(postgres_url)
    made.create_schema()
    made.close()

    def new_store() -> Store:
        engine = create_engine(postgres_url)
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE backtest_jobs, backtest_results, backtest_bundles"))
        engine.dispose()
        return SqlJobStore(postgres_url)

    explore(new_store, examples=5, steps=20)


@pytest.mark.emulator
def test_in_firestore(firestore_emulator: FirestoreEmulator) -> None:
    def new_store() -> Store:
        return FirestoreJobStore(firestore_emulator.new_project())

    explore(new_store, examples=3, steps=15)


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
            lambda: broken(TickingClock()),
            examples=300,
            steps=30,
            phases=[Phase.generate],
            derandomize=True,
        )
