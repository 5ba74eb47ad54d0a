"""Waiting for a job: with a worker in this process, or for one elsewhere."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import worker.bootstrap as bootstrap
from tests.support.interruptions import interrupt_waits
from tests.support.jobs import a_running_job
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.memory import MemoryJobStore
from worker.adapters.system_clock import SystemClock
from worker.entrypoints.cli import waiting
from worker.entrypoints.cli.failures import Failed, Interrupted
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job, Snapshot
from worker.settings import load_settings

REMOTE = load_settings(doorbell="pubsub://project/topic")


class SilentDoorbell:
    def ring(self, ring: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(SystemClock())


@pytest.fixture
def remote(store: MemoryJobStore) -> bootstrap.Services:
    """Services whose worker is somewhere else."""
    return bootstrap.build_services(REMOTE, store=store, doorbell=SilentDoorbell())


class Looks:
    """Stands in for the store: each look sees the next state, the last one for ever."""

    def __init__(self, *jobs: Job | None) -> None:
        self._jobs = list(jobs)
        self.count = 0

    def get(self, job_id: str) -> Snapshot | None:  # noqa: ARG002 - there is one job
        self.count += 1
        job = self._jobs.pop(0) if len(self._jobs) > 1 else self._jobs[0]
        return None if job is None else Snapshot(job, 1, datetime(2026, 1, 5, tzinfo=UTC))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "REMOTE_LOOK", 0.0)


def seen_by(remote: bootstrap.Services, *jobs: Job | None) -> bootstrap.Services:
    return replace(remote, store=Looks(*jobs))


def states(store: MemoryJobStore) -> tuple[Job, Job, Job]:
    """A job running, further on, and failed."""
    running = a_running_job(store).job
    hold = running.hold()
    failed = replace(
        running, **transitions.fail(running, hold, code=ErrorCode.TIMEOUT, message="Slow.")
    )
    return running, replace(running, progress=0.5), failed


def test_looks_until_the_job_has_ended(remote: bootstrap.Services, store: MemoryJobStore) -> None:
    running, further, failed = states(store)
    services = seen_by(remote, running, further, failed)
    assert waiting.wait_for(services, running) == failed
    assert services.store.count == 3


def test_an_ended_job_is_not_waited_for(remote: bootstrap.Services, store: MemoryJobStore) -> None:
    _, _, failed = states(store)
    services = seen_by(remote, None)
    assert waiting.wait_for(services, failed) == failed
    assert services.store.count == 0


def test_a_job_that_vanishes_ends_the_wait(
    remote: bootstrap.Services, store: MemoryJobStore
) -> None:
    running, _, _ = states(store)
    with pytest.raises(Failed, match="job j1 is gone"):
        waiting.wait_for(seen_by(remote, None), running)


def test_a_remote_job_goes_on_when_the_wait_is_interrupted(
    remote: bootstrap.Services, store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = a_running_job(store).job
    interrupt_waits(monkeypatch)
    with pytest.raises(Interrupted, match="job j1 is running") as caught:
        waiting.wait_for(remote, running)
    assert caught.value.exit_code == 130
    after = store.get("j1")
    assert after is not None
    assert after.job == running


def test_no_worker_is_built_for_a_remote_doorbell(
    remote: bootstrap.Services, store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a worker was built")

    monkeypatch.setattr(bootstrap, "build_worker", refuse)
    running, _, failed = states(store)
    assert waiting.wait_for(seen_by(remote, failed), running) == failed


def test_waiting_works_outside_the_main_thread(
    remote: bootstrap.Services, store: MemoryJobStore
) -> None:
    running, _, failed = states(store)
    ended: list[Job] = []
    services = seen_by(remote, failed)
    thread = threading.Thread(target=lambda: ended.append(waiting.wait_for(services, running)))
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert ended == [failed]
