"""A crowd of users leaves a store behind that keeps every promise; a small one, in the suite."""

from dataclasses import replace

import pytest

import engine
from benchmarks.load.__main__ import load, percentiles, report
from benchmarks.load.checks import broken_promises
from benchmarks.load.systems import on_emulators, on_postgresql
from benchmarks.load.users import BUNDLE_EVERY, Notes, config
from tests.support.clocks import TickingClock
from tests.support.jobs import a_running_job, finish
from tests.support.patience import PATIENCE_SECONDS
from tests.support.postgres import PostgresServer
from worker.adapters.memory import MemoryJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.job import JobChange
from worker.jobs.states import JobStatus

#: How long each user looks at most: longer than it takes.
SECONDS = 2 * PATIENCE_SECONDS


@pytest.mark.postgres
def test_fifty_users_on_a_database_with_a_poller(postgres_process: PostgresServer) -> None:
    with on_postgresql(postgres_process) as system:
        notes, wrong = load(system, 50, SECONDS)
    assert wrong == []
    assert_everything_was_done(notes, 50)


@pytest.mark.emulator
def test_a_few_users_on_the_emulators() -> None:
    with on_emulators() as system:
        notes, wrong = load(system, 25, SECONDS)
    assert wrong == []
    assert_everything_was_done(notes, 25)


def assert_everything_was_done(notes: Notes, users: int) -> None:
    assert len(notes.bundles) == users // BUNDLE_EVERY
    assert len(notes.jobs) == users - len(notes.bundles)
    assert notes.cancelled
    assert len(notes.seconds["job until seen ended"]) == len(notes.jobs)
    assert len(notes.seconds["variants"]) == len(notes.bundles)


def a_store() -> tuple[MemoryJobStore, Notes]:
    """One job of the first kind, completed as it should be."""
    store = MemoryJobStore(TickingClock())
    digest = engine.run_backtest(config(0)).result_digest
    finish(store, a_running_job(store), result_digest=digest)
    return store, Notes(jobs={"j1": 0})


def found(store: MemoryJobStore, notes: Notes) -> list[str]:
    return list(broken_promises(store, notes))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(*a_store()) == []


def test_a_lost_job_is_found() -> None:
    store, notes = a_store()
    assert found(store, replace(notes, jobs={"j2": 0})) == ["job j2 is gone"]


def test_another_result_than_a_calm_runs_is_found() -> None:
    store, notes = a_store()
    assert found(store, replace(notes, jobs={"j1": 1})) == [
        "job j1 has another result than a calm run"
    ]


def test_a_job_that_runs_twice_or_has_not_ended_is_found() -> None:
    store, notes = a_store()
    seen = store.get("j1")
    assert seen is not None
    again = store.commit(seen, JobChange(attempt=2))
    assert found(store, notes) == ["job j1 was begun 2 times, of which 0 broke off"]
    store.commit(again, JobChange(status=JobStatus.RUNNING))
    assert "job j1 is running" in found(store, notes)
    assert "job j1 is running with a result" in found(store, notes)


def test_a_failure_is_found_unless_it_was_asked_for() -> None:
    store = MemoryJobStore(TickingClock())
    running = a_running_job(store)
    store.commit(
        running,
        transitions.fail(running.job, running.job.hold(), code=ErrorCode.CANCELLED, message="No."),
    )
    notes = Notes(jobs={"j1": 0})
    assert found(store, notes) == ["job j1 failed: CANCELLED No."]
    assert found(store, replace(notes, cancelled={"j1"})) == []


def test_a_lost_bundle_is_found() -> None:
    store, notes = a_store()
    assert found(store, replace(notes, bundles=["b1"])) == ["bundle b1 is gone"]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([float(number) for number in range(100)]) == (50.0, 95.0, 99.0)
    assert percentiles([7.0]) == (7.0, 7.0, 7.0)


def test_the_report_has_a_line_for_each_operation() -> None:
    notes = Notes(requests=3)
    notes.seconds["submit"] += [0.1, 0.2, 0.3]
    lines = report("postgresql", 1, 2.0, notes).splitlines()
    assert lines[0] == "1 users on postgresql: 3 requests, 0 jobs and 0 bundles in 2 s"
    assert lines[-1].split() == ["submit", "3", "200", "300", "300"]
