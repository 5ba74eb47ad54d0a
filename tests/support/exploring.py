"""Exploring random histories: how long, and on which fresh stores."""

import shutil
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import create_engine, text

from worker.adapters.sql import SqlJobStore
from worker.ports import Store

NewStore = Callable[[], Store]


def explore(
    machine: Callable[[NewStore], RuleBasedStateMachine],
    new_store: NewStore,
    *,
    examples: int,
    steps: int,
    phases: Sequence[Phase] = tuple(Phase),
    derandomize: bool = False,
) -> None:
    """Run that many histories of the machine, each on a store of its own."""
    run_state_machine_as_test(
        lambda: machine(new_store),
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


def sqlite_stores(directory: Path) -> NewStore:
    """Makers of stores on copies of one file that has its tables."""
    SqlJobStore(f"sqlite:///{directory}/empty.db").close()
    numbers = count()

    def new_store() -> Store:
        path = directory / f"{next(numbers)}.db"
        shutil.copy(directory / "empty.db", path)
        return SqlJobStore(f"sqlite:///{path}")

    return new_store


def postgresql_stores(url: str) -> NewStore:
    """Makers of stores on one database, emptied before each."""
    made = SqlJobStore(url)
    made.create_schema()
    made.close()

    def new_store() -> Store:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE backtest_jobs, backtest_results, backtest_bundles"))
        engine.dispose()
        return SqlJobStore(url)

    return new_store
