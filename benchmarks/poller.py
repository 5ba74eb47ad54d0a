"""How soon an idle poller starts a job, and what several jobs at once gain: processes or threads.

    python -m benchmarks.poller [JOBS]

Start latency is taken from the store's own clock: from the commit that admits a job to the claim.
Throughput is of crossings of moving averages over five years of daily bars, results stored.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.job_store import fill
from tests.support.jobs import an_admitted_job, read
from tests.support.pollers import Poller
from tests.support.postgres import PostgresServer
from worker.adapters.sql import SqlJobStore
from worker.bootstrap import Services, Worker, build_services, build_worker
from worker.jobs.states import JobStatus
from worker.settings import load_settings

CONFIG = {
    "strategyId": "smaCross",
    "symbol": "TEST",
    "startDate": "2020-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 10, "slow": 30},
    "pricePath": [100.0 + (bar % 97) * 0.3 - (bar % 31) * 0.5 for bar in range(1260)],
}
Stop = Callable[[], None]
LATENCY_JOBS = 25
WORKERS = 2


def wait_for(store: SqlJobStore, job_id: str) -> None:
    pause = threading.Event()
    while not read(store, job_id).job.status.is_final:
        pause.wait(0.05)


def start_latency(name: str, url: str, directory: Path) -> None:
    """Milliseconds from the commit that queues a job to its claim, one job at a time."""
    store = SqlJobStore(url)
    store.create_schema()
    poller = Poller(url, directory, max_concurrent_backtests=1).wait_until_ready()
    taken = []
    try:
        for number in range(LATENCY_JOBS):
            queued = store.create(an_admitted_job(f"l{number}", config_used=CONFIG))
            wait_for(store, f"l{number}")
            started = read(store, f"l{number}").job.started_at
            assert started is not None
            taken.append((started - queued.read_at).total_seconds() * 1000)
    finally:
        poller.stop()
        store.close()
    # The first run pays for what is loaded on first use.
    taken = sorted(taken[1:])
    print(
        f"{name:<12} idle start  p50 {statistics.median(taken):.1f} ms   "
        f"p95 {taken[int(len(taken) * 0.95)]:.1f} ms   worst {taken[-1]:.1f} ms"
    )


def throughput(server: PostgresServer, directory: Path, count: int) -> None:
    """The same jobs through one process, through threads and through processes."""
    for what, run in (
        ("1 process", lambda url: by_processes(url, directory, 1)),
        (f"{WORKERS} threads", lambda url: by_threads(url, directory, WORKERS)),
        (f"{WORKERS} processes", lambda url: by_processes(url, directory, WORKERS)),
    ):
        url = server.url(server.new_database())
        store = SqlJobStore(url)
        store.create_schema()
        stop = run(url)
        began = datetime.now(UTC)
        fill(url, [an_admitted_job(f"t{n}", float(n), config_used=CONFIG) for n in range(count)])
        for number in range(count):
            wait_for(store, f"t{number}")
        ended = [read(store, f"t{number}").job for number in range(count)]
        stop()
        assert {job.status for job in ended} == {JobStatus.COMPLETED}
        first = min(job.started_at or began for job in ended)
        last = max(job.completed_at or began for job in ended)
        print(f"{what:<12} {count / (last - first).total_seconds():6.1f} jobs/s")
        store.close()


def by_processes(url: str, directory: Path, workers: int) -> Stop:
    poller = Poller(url, directory, max_concurrent_backtests=workers, job_poll_interval_seconds=0.2)
    return poller.wait_until_ready(workers).stop


def by_threads(url: str, directory: Path, workers: int) -> Stop:
    services: list[Services] = []
    crew: list[Worker] = []
    for _ in range(workers):
        settings = load_settings(
            store=url,
            candles=str(directory / "candles"),
            artifacts=str(directory / "artifacts"),
            job_poll_interval_seconds=0.2,
        )
        services.append(build_services(settings))
        crew.append(build_worker(services[-1], polls=True))
        crew[-1].warm_up.run()
    for worker in crew:
        worker.start()

    def stop() -> None:
        for worker in crew:
            worker.stop()

    return stop


def main(count: int) -> None:
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as place:
            directory = Path(place)
            start_latency("PostgreSQL", server.url(server.new_database()), directory)
            start_latency("SQLite", f"sqlite:///{directory}/jobs.db", directory)
            throughput(server, directory, count)
    finally:
        server.stop()


if __name__ == "__main__":
    began = time.monotonic()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(f"({time.monotonic() - began:.0f} s)")
