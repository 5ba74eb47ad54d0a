"""The worker service as a real process on a real store, told to go in the middle of a job."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.jobs import a_job, an_admitted_job, read
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

SLOW_CLI = Path(__file__).parents[1] / "support" / "slow_cli.py"
#: Nobody who leaves as told takes so long, wherever it is.
SHUTDOWN_SECONDS = 60
CONFIG = {
    "strategyId": "buyAndHold",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2024-01-31",
    "startingCapital": 10_000,
    "pricePath": [100.0 + bar for bar in range(30)],
}


class Process:
    """``serve`` with an engine that only ends when it is told to."""

    def __init__(self, directory: Path, shutdown_seconds: int = SHUTDOWN_SECONDS) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.file = directory / "jobs.db"
        url = f"sqlite:///{self.file}"
        self.store = SqlJobStore(url)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "STORE": url,
            "CANDLES": str(directory / "candles"),
            "ARTIFACTS": str(directory / "artifacts"),
            "PORT": str(port),
            "LOG_FORMAT": "json",
            "SHUTDOWN_SECONDS": str(shutdown_seconds),
        }
        self.server = Server("worker", [sys.executable, str(SLOW_CLI), "serve"], env=environment)
        self.server.wait_until(self._is_healthy)

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=PATIENCE_SECONDS).status_code == 200
        except httpx.TransportError:
            return False

    def job(self, job_id: str) -> Job:
        return read(self.store, job_id).job

    def wait_until_running(self, job_id: str) -> None:
        self.server.wait_until(lambda: self.job(job_id).status is JobStatus.RUNNING)

    def terminate(self) -> float:
        """SIGTERM; how long the process took to leave."""
        started = time.monotonic()
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.wait(PATIENCE_SECONDS)
        return time.monotonic() - started

    def events(self) -> list[dict[str, Any]]:
        lines = (line for line in self.server.output().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]


@pytest.fixture
def process(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    running = Process(tmp_path, getattr(request, "param", SHUTDOWN_SECONDS))
    yield running
    running.server.stop()
    running.store.close()


def test_sigterm_gives_the_job_back_and_exits_with_0(process: Process) -> None:
    process.store.create(an_admitted_job("j1", config_used=CONFIG))
    process.wait_until_running("j1")
    lease = process.job("j1").lease
    assert lease is not None

    assert process.terminate() < SHUTDOWN_SECONDS
    assert process.server.process.returncode == 0
    job = process.job("j1")
    assert (job.status, job.lease, job.progress) == (JobStatus.QUEUED, None, 0.0)
    assert (job.attempt, job.interruptions, job.worker_losses) == (1, 1, 0)
    events = [line.get("event") for line in process.events()]
    assert "job_started" in events
    assert "job_released" in events


def test_a_request_in_flight_is_answered_503(process: Process) -> None:
    process.store.create(a_job("j1", config_used=CONFIG))
    answers: list[httpx.Response] = []

    def run() -> None:
        answers.append(
            httpx.post(f"{process.url}/run", json={"jobId": "j1"}, timeout=PATIENCE_SECONDS)
        )

    request = threading.Thread(target=run)
    request.start()
    process.wait_until_running("j1")
    assert httpx.get(f"{process.url}/health", timeout=PATIENCE_SECONDS).status_code == 200
    assert process.terminate() < SHUTDOWN_SECONDS
    request.join(PATIENCE_SECONDS)
    assert [answer.status_code for answer in answers] == [503]
    assert process.server.process.returncode == 0
    assert process.job("j1").status is JobStatus.QUEUED


@pytest.mark.parametrize("process", [2], indirect=True)
def test_a_store_that_hangs_does_not_hold_the_process_back(process: Process) -> None:
    process.store.create(an_admitted_job("j1", config_used=CONFIG))
    process.wait_until_running("j1")
    # Whoever holds SQLite's write lock makes every other writer wait.
    blocker = sqlite3.connect(process.file, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        process.terminate()
    finally:
        blocker.close()
    assert process.server.process.returncode == 1
    assert "shutdown_overrun" in [line.get("event") for line in process.events()]
    assert process.job("j1").status is JobStatus.RUNNING, "its lease will expire"


def test_a_second_worker_takes_over_what_the_first_gave_back(
    process: Process, tmp_path: Path
) -> None:
    process.store.create(an_admitted_job("j1", config_used=CONFIG))
    process.wait_until_running("j1")
    process.terminate()
    second = Process(tmp_path)
    try:
        second.wait_until_running("j1")
        assert process.job("j1").attempt == 2
        second.terminate()
        assert process.job("j1").interruptions == 2
    finally:
        second.server.stop()
        second.store.close()


def test_every_log_line_is_json_with_a_severity(process: Process) -> None:
    httpx.post(f"{process.url}/pubsub/push", content=b"garbage", timeout=PATIENCE_SECONDS)
    process.terminate()
    lines = [line for line in process.server.output().splitlines() if line != "running"]
    assert lines
    entries = [json.loads(line) for line in lines]
    assert all(entry["severity"] for entry in entries)
    assert sum(entry.get("event") == "push_malformed" for entry in entries) == 1
    assert any("Uvicorn running" in entry["message"] for entry in entries)


def test_an_idle_worker_leaves_at_once(process: Process) -> None:
    assert process.terminate() < SHUTDOWN_SECONDS / 2
    assert process.server.process.returncode == 0


def test_a_hangup_gives_the_job_back_too(process: Process) -> None:
    process.store.create(an_admitted_job("j1", config_used=CONFIG))
    process.wait_until_running("j1")
    process.server.process.send_signal(signal.SIGHUP)
    assert process.server.process.wait(PATIENCE_SECONDS) == 0
    assert process.job("j1").status is JobStatus.QUEUED


def test_a_second_sigterm_soon_after_the_first_changes_nothing(process: Process) -> None:
    process.store.create(an_admitted_job("j1", config_used=CONFIG))
    process.wait_until_running("j1")
    for _ in range(5):
        process.server.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.server.process.wait(0.2)
    assert process.server.process.wait(PATIENCE_SECONDS) == 0
    assert process.job("j1").interruptions == 1


def test_a_client_that_never_finishes_its_body_does_not_keep_the_process(
    process: Process,
) -> None:
    place = urlsplit(process.url)
    with socket.create_connection((place.hostname, place.port)) as client:
        client.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        # The next request is answered, so this one has been read.
        assert httpx.get(f"{process.url}/health", timeout=PATIENCE_SECONDS).status_code == 200
        assert process.terminate() < SHUTDOWN_SECONDS / 2
        assert process.server.process.returncode == 0
        client.settimeout(PATIENCE_SECONDS)
        assert client.recv(4096).startswith(b"HTTP/1.1 503 ")
