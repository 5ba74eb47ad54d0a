"""Pollers as real processes: shared queue, prompt starts, an orderly and a disorderly end."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.support.jobs import an_admitted_job, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.pollers import CONFIG, SHUTDOWN_SECONDS, SLOW_PROGRAM, UNFIT_PROGRAM, Poller
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

Start = Callable[..., Poller]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    made: str = request.getfixturevalue("postgres_url")
    return made


@pytest.fixture
def store(url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(url)
    store.create_schema()
    yield store
    store.close()


@pytest.fixture
def start(
    url: str,
    store: SqlJobStore,  # noqa: ARG001 - makes the tables
    tmp_path: Path,
) -> Iterator[Start]:
    """Starts pollers on the store."""
    started: list[Poller] = []

    def one(**options: object) -> Poller:
        started.append(Poller(url, tmp_path, **options))
        return started[-1]

    yield one
    for poller in started:
        poller.stop()


def job(store: SqlJobStore, job_id: str) -> Job:
    return read(store, job_id).job


def queue(store: SqlJobStore, job_id: str, place: float = 0.0) -> None:
    store.create(an_admitted_job(job_id, place, config_used=CONFIG))


def test_two_pollers_run_each_job_once(start: Start, store: SqlJobStore) -> None:
    ids = [f"j{number:02}" for number in range(40)]
    for place, job_id in enumerate(ids[:20]):
        queue(store, job_id, float(place))
    pollers = [
        start(max_concurrent_backtests=2, sweep_seconds=1),
        start(max_concurrent_backtests=1, sweep_seconds=1, log_format="text"),
    ]
    for place, job_id in enumerate(ids[20:], start=20):
        queue(store, job_id, float(place))

    for job_id in ids:
        pollers[0].wait_until(lambda job_id=job_id: job(store, job_id).status.is_final)

    ended = [job(store, job_id) for job_id in ids]
    assert {one.status for one in ended} == {JobStatus.COMPLETED}
    assert {one.attempt for one in ended} == {1}
    assert len({one.result_digest for one in ended}) == 1
    assert all(store.result(job_id) is not None for job_id in ids)
    for poller in pollers:
        poller.wait_until_ready()
    completed = 'backtest_jobs_ended_total{error_code="",status="completed"}'
    assert sum(poller.metric(completed) for poller in pollers) == len(ids)
    assert all(poller.metric("backtest_running_jobs") == 0 for poller in pollers)
    for poller in pollers:
        assert poller.metric("backtest_fleet_up") == 1
    # Each of the two processes sweeps every second; the figures are logged once.
    pollers[0].wait_until_ready(2)
    pollers[0].wait_until(lambda: len(figures(pollers[0])) > 3)
    logged = figures(pollers[0])
    assert min(later - line for line, later in pairwise(logged)).total_seconds() >= 0.9
    # A line each second is nothing for a terminal.
    assert "jobs queued" not in pollers[1].server.output()


def figures(poller: Poller) -> list[datetime]:
    """When the fleet's figures were logged."""
    lines = [line for line in poller.events() if line.get("event") == "fleet"]
    return [datetime.fromisoformat(line["time"]) for line in lines]


def test_an_idle_poller_is_woken_by_the_commit_that_queues_a_job(
    start: Start, store: SqlJobStore
) -> None:
    poller = start(max_concurrent_backtests=1).wait_until_ready()
    for number in range(3):
        queue(store, f"j{number}")
        # The next look of its own would come later than anybody waits here.
        poller.wait_until(lambda number=number: job(store, f"j{number}").status.is_final)
        assert job(store, f"j{number}").status is JobStatus.COMPLETED


def test_sigterm_gives_the_running_jobs_back(start: Start, store: SqlJobStore) -> None:
    for number in range(3):
        queue(store, f"j{number}", float(number))
    poller = start(program=SLOW_PROGRAM, max_concurrent_backtests=2)
    for job_id in ("j0", "j1"):
        poller.wait_until(lambda job_id=job_id: job(store, job_id).status is JobStatus.RUNNING)
    poller.wait_until_ready(2)
    assert poller.metric("backtest_running_jobs") == 2
    slots = poller.slots()
    assert len(slots) == 2

    assert poller.terminate() < SHUTDOWN_SECONDS

    assert poller.server.process.returncode == 0
    for job_id in ("j0", "j1"):
        released = job(store, job_id)
        assert (released.status, released.lease) == (JobStatus.QUEUED, None)
        assert (released.attempt, released.interruptions, released.worker_losses) == (1, 1, 0)
    assert job(store, "j2").attempt == 0
    assert not any(Path(f"/proc/{slot}").exists() for slot in slots)
    assert sum(line.get("event") == "job_released" for line in poller.events()) == 2


def test_a_process_that_is_killed_is_replaced(start: Start, store: SqlJobStore) -> None:
    poller = start(max_concurrent_backtests=1).wait_until_ready()
    (slot,) = poller.slots()

    os.kill(slot, signal.SIGKILL)
    poller.wait_until(lambda: poller.slots() not in ([], [slot]))
    queue(store, "j1")

    poller.wait_until(lambda: job(store, "j1").status is JobStatus.COMPLETED)
    assert any(line.get("event") == "slot_ended" for line in poller.events())


def test_when_the_poller_is_killed_its_processes_give_their_jobs_back_and_go(
    start: Start, store: SqlJobStore
) -> None:
    queue(store, "j1")
    poller = start(program=SLOW_PROGRAM, max_concurrent_backtests=1)
    poller.wait_until(lambda: job(store, "j1").status is JobStatus.RUNNING)
    (slot,) = poller.slots()

    watcher = start(program=SLOW_PROGRAM, max_concurrent_backtests=1)
    poller.server.process.kill()
    poller.server.process.wait(PATIENCE_SECONDS)

    watcher.wait_until(lambda: not Path(f"/proc/{slot}").exists())
    watcher.wait_until(lambda: job(store, "j1").attempt == 2)
    assert (job(store, "j1").interruptions, job(store, "j1").worker_losses) == (1, 0)


def test_the_probes_answer_while_jobs_run(start: Start, store: SqlJobStore) -> None:
    queue(store, "j1")
    poller = start(program=SLOW_PROGRAM, max_concurrent_backtests=1).wait_until_ready()
    poller.wait_until(lambda: job(store, "j1").status is JobStatus.RUNNING)

    health = httpx.get(f"{poller.url}/health", timeout=PATIENCE_SECONDS)
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    assert httpx.get(f"{poller.url}/nothing", timeout=PATIENCE_SECONDS).headers["content-type"] == (
        "application/problem+json"
    )
    assert (
        httpx.post(f"{poller.url}/run", json={"jobId": "j1"}, timeout=PATIENCE_SECONDS).status_code
        == 404
    )


def test_a_poller_that_cannot_load_its_kernels_takes_nothing_and_leaves(
    start: Start, store: SqlJobStore
) -> None:
    for place in range(3):
        queue(store, f"j{place}", float(place))
    poller = start(program=UNFIT_PROGRAM, max_concurrent_backtests=2)
    assert poller.server.process.wait(PATIENCE_SECONDS) == 1
    assert "warm_up_failed" in {event.get("event") for event in poller.events()}
    for place in range(3):
        seen = job(store, f"j{place}")
        assert (seen.status, seen.attempt) == (JobStatus.QUEUED, 0)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("candles", "expected a directory that can be read, got: No such file or directory"),
        ("artifacts", "expected a directory, got: Not a directory"),
    ],
)
def test_a_poller_without_its_directories_does_not_start(
    start: Start, store: SqlJobStore, tmp_path: Path, setting: str, expected: str
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / ("nowhere" if setting == "candles" else "file/artifacts")
    queue(store, "j1")
    poller = start(**{setting: place})
    assert poller.server.process.wait(PATIENCE_SECONDS) == 1
    assert f"Error: {setting.upper()}={place}: {expected}" in poller.server.output()
    assert job(store, "j1").attempt == 0


def test_while_its_candles_are_away_a_poller_takes_nothing_and_then_goes_on(
    start: Start, store: SqlJobStore, tmp_path: Path
) -> None:
    poller = start(job_poll_interval_seconds=0.1).wait_until_ready()
    (tmp_path / "candles").rmdir()
    queue(store, "j1")
    poller.wait_until(lambda: "machine_unfit" in poller.server.output())
    answer = httpx.get(f"{poller.url}/ready", timeout=PATIENCE_SECONDS)
    assert answer.status_code == 503
    assert "CANDLES=" in answer.json()["detail"]
    assert job(store, "j1").attempt == 0
    (tmp_path / "candles").mkdir()
    poller.wait_until(lambda: job(store, "j1").status is JobStatus.COMPLETED)


def test_a_poller_with_other_artifacts_than_the_first_does_not_start(
    start: Start, tmp_path: Path
) -> None:
    start().wait_until_ready()
    other = start(artifacts=tmp_path / "elsewhere")
    assert other.server.process.wait(PATIENCE_SECONDS) == 1
    assert f"Error: ARTIFACTS={tmp_path}/elsewhere: expected the place" in other.server.output()
