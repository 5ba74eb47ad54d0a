"""A real Prometheus looks at a real poller, a real worker and the real control service."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.support.alertmanager import Alertmanager, Webhook
from tests.support.jobs import an_admitted_job, read
from tests.support.maintenance import abandoned, maintenance
from tests.support.patience import PATIENCE_SECONDS
from tests.support.pollers import CONFIG, PROGRAM, Poller
from tests.support.processes import Server, free_port
from tests.support.prometheus import Prometheus
from worker.adapters.sql import SqlJobStore
from worker.jobs.states import JobStatus

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RECEIVERS = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"

T = TypeVar("T")
#: The labels of a series and its value.
Figure = tuple[dict[str, str], float]


class Service:
    """``serve`` or ``control`` on a store that is not empty."""

    def __init__(self, command: str, store_url: str, directory: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        environment = {
            **os.environ,
            "STORE": store_url,
            "CANDLES": str(directory / "candles"),
            "ARTIFACTS": str(directory / "artifacts"),
            "PORT": self.address.rpartition(":")[2],
        }
        self.server = Server(command, [sys.executable, str(PROGRAM), command], env=environment)

    def wait_until_ready(self) -> "Service":
        self.server.wait_until(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(
                f"http://{self.address}/ready", timeout=PATIENCE_SECONDS, trust_env=False
            )
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def settled(look: Callable[[], T], expected: T) -> T:
    """What is seen at last: a scrape that comes late leaves a gap before the next."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = look()
    while found != expected and time.monotonic() < deadline:
        time.sleep(0.1)
        found = look()
    return found


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def store(store_url: str) -> Iterator[SqlJobStore]:
    store = SqlJobStore(store_url)
    store.create_schema()
    yield store
    store.close()


def test_what_workers_count_and_the_fleet_shows_can_be_asked_of_prometheus(
    store: SqlJobStore, store_url: str, tmp_path: Path
) -> None:
    """The worker's queue is the push lane's, the poller's the other; one waits for nobody."""
    for lane, number in (("poll", 3), ("push", 2)):
        for place in range(number):
            job = an_admitted_job(f"{lane}{place}", float(place), config_used=CONFIG, lane=lane)
            store.create(job)
    waiting = an_admitted_job("held", engine_version="9.9.9", config_used=CONFIG, priority=2)
    store.create(waiting)
    servers: list[Server] = []
    try:
        poller = Poller(store_url, tmp_path, max_concurrent_backtests=2, lane="poll")
        servers.append(poller.server)
        services = [Service(command, store_url, tmp_path) for command in ("serve", "control")]
        servers += [service.server for service in services]
        worker, control = (service.wait_until_ready() for service in services)
        poller.wait_until_ready()
        for job_id in ("poll0", "poll1", "poll2", "push0", "push1"):
            poller.wait_until(
                lambda job_id=job_id: read(store, job_id).job.status is JobStatus.COMPLETED
            )
        poller_address = poller.url.removeprefix("http://")
        prometheus = Prometheus(
            tmp_path,
            RULES,
            {
                "backtest-poller": [poller_address],
                "backtest-worker": [worker.address],
                "backtest-control": [control.address],
            },
        )
        servers.append(prometheus.server)
        up = dict.fromkeys((poller_address, worker.address, control.address), "up")
        assert settled(prometheus.targets, up) == up
        rules = settled(lambda: set(prometheus.rules().values()), {"ok"})
        assert rules == {"ok"}

        def shown(expression: str, *expected: Figure) -> list[Figure]:
            return settled(lambda: prometheus.query(expression), list(expected))

        ended = 'sort(sum by (job) (backtest_jobs_ended_total{status="completed"}))'
        by_job: list[Figure] = [
            ({"job": "backtest-worker"}, 2.0),
            ({"job": "backtest-poller"}, 3.0),
        ]
        assert shown(ended, *by_job) == by_job
        for expression, expected in (
            ("sum(backtest:queued:jobs)", 1.0),
            ('max(backtest_fleet_queued_jobs{priority="2"})', 1.0),
            # The poller and the control service both show it.
            ("count(backtest_fleet_up)", 2.0),
            ("sum(backtest:completed:recent)", 5.0),
            ("max(backtest_fleet_up)", 1.0),
        ):
            assert shown(expression, ({}, expected)) == [({}, expected)], expression
        p99 = "histogram_quantile(0.99, sum by (le) (backtest_job_seconds_bucket))"
        found = settled(lambda: [value > 0 for _, value in prometheus.query(p99)], [True])
        assert found == [True]
    finally:
        for server in reversed(servers):
            server.stop()


def adapted(file: Path, directory: Path, **changes: str) -> Path:
    """A copy of a configuration with the values of some keys changed, wherever they occur."""
    text = file.read_text()
    for key, value in changes.items():
        text, count = re.subn(rf"\b{key}: \S+", f"{key}: {value}", text)
        assert count
    (directory / file.name).write_text(text)
    return directory / file.name


def test_an_alert_of_an_installation_of_pollers_reaches_the_receiver(
    store: SqlJobStore, store_url: str, tmp_path: Path
) -> None:
    """Nothing but a poller, Prometheus and Alertmanager; only waiting times are shortened."""
    store.create(abandoned("poison", worker_losses=1))
    maintenance(store).run()
    secret = tmp_path / "webhook"
    webhook = Webhook()
    secret.write_text(f"{webhook.url}\n")
    receivers = adapted(RECEIVERS, tmp_path, group_wait="0s", api_url_file=str(secret))
    servers: list[Server] = []
    try:
        poller = Poller(store_url, tmp_path, max_concurrent_backtests=1)
        servers.append(poller.server)
        alertmanager = Alertmanager(tmp_path, receivers)
        servers.append(alertmanager.server)
        prometheus = Prometheus(
            tmp_path,
            adapted(RULES, tmp_path, interval="1s"),
            {"backtest-poller": [poller.url.removeprefix("http://")]},
            [alertmanager.address],
        )
        servers.append(prometheus.server)

        prometheus.server.wait_until(lambda: bool(webhook.messages))

        for expression, expected in (
            ("max(backtest_fleet_up)", 1.0),
            ("sum(backtest:queued:jobs)", 0.0),
            ("sum(backtest:broken:recent)", 1.0),
        ):
            figure: list[Figure] = [({}, expected)]
            assert (
                settled(lambda expression=expression: prometheus.query(expression), figure)
                == figure
            )
    finally:
        for server in reversed(servers):
            server.stop()
        webhook.stop()
    [attachment] = webhook.messages[0]["attachments"]
    assert webhook.paths[0] == "/services/secret"
    assert attachment["title"] == "FIRING (warning): BacktestPoisonJob"
    assert attachment["text"].startswith("1 jobs lost their worker twice and were given up. ")
    assert "docs/operations.md#a-poison-job" in attachment["text"]
