"""A bundle from submission to summary, against the engine's sweep alone.

    python -m benchmarks.bundles [--variants 10000] [--bars 2500] [--rounds 3]

Moving-average crosses over daily bars, with their levels, on SQLite with the doorbell of one
machine and, where a server is installed, on PostgreSQL with a poller. The sweep alone is
``run_sweep`` of the same variants over the same candles in this process. Medians of some rounds, in
which all take turns, after a small bundle that loads everything.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engine
from benchmarks.bundle_costs import BASE, LEVELS, daily
from tests.support.pollers import Poller
from tests.support.postgres import PostgresServer, binaries
from worker.adapters.candle_files import CandleFiles
from worker.bootstrap import Services, build_services, build_worker
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.states import JobStatus
from worker.services.bundles.submission import AskedBundle, BundleSubmission
from worker.settings import load_settings

#: How often the store is asked whether the bundle has ended.
LOOK_SECONDS = 0.01

CONFIG: dict[str, Any] = {**BASE, "strategyId": "smaCross", "execution": LEVELS}


def grid_of(variants: int) -> dict[str, Any]:
    """A hundred fast averages, or as many as there are variants, and the slow ones they need."""
    fast = min(variants, 100)
    slow = max(variants // fast, 1)
    return {
        "parameters.fast": {"start": 2, "stop": fast + 1, "step": 1},
        "parameters.slow": {"start": 110, "stop": 109 + slow, "step": 1},
    }


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Services]:
    """A store in a file, and a worker in this process that hears its doorbell."""
    services = build_services(settings_of(f"sqlite:///{folder}/jobs.db", folder))
    worker = build_worker(services)
    worker.warm_up.run()
    worker.start()
    try:
        yield services
    finally:
        worker.stop()


@contextmanager
def on_postgres(folder: Path, server: PostgresServer) -> Iterator[Services]:
    """A database, and a poller as a process of its own that takes one job at a time."""
    url = server.url(server.new_database())
    settings = settings_of(url, folder)
    from worker.bootstrap import build_sql_store

    schema = build_sql_store(settings, any_schema=True)
    schema.create_schema()
    schema.close()
    poller = Poller(url, folder, max_concurrent_backtests=1).wait_until_ready()
    services = build_services(settings)
    try:
        yield services
    finally:
        services.close()
        poller.stop()


def settings_of(store: str, folder: Path) -> Any:
    return load_settings(
        store=store, candles=str(folder / "candles"), artifacts=str(folder / "artifacts")
    )


def run_bundle(services: Services, variants: int, keep: KeepResults) -> Bundle:
    """A bundle from its request to its end."""
    submission = BundleSubmission(
        services.store, services.bundle_admission, services.artifacts, services.clock
    )
    asked = AskedBundle(
        user_id="local",
        base_config=CONFIG,
        parameter_grid=grid_of(variants),
        keep_results=keep,
    )
    bundle = submission.submit(asked).snapshot.bundle
    services.bundle_arrivals.announce(bundle.bundle_id)
    pause = threading.Event()
    while not bundle.status.is_final:
        pause.wait(LOOK_SECONDS)
        seen = services.store.get_bundle(bundle.bundle_id)
        assert seen is not None
        bundle = seen.bundle
    if bundle.status is not JobStatus.COMPLETED or bundle.failed:
        raise SystemExit(f"the bundle failed: {bundle.error_message}, {bundle.failed} variants")
    return bundle


def measured(
    name: str, services: Services, variants: int, rounds: int, candles: engine.Candles
) -> str:
    """A line of the table: the bundle, the sweep, and what the bundle takes beyond it."""
    grid = engine.expand_grid(grid_of(variants))
    calls: dict[str, Callable[[], object]] = {
        "bundle": lambda: run_bundle(services, variants, KeepResults.BEST),
        "rows only": lambda: run_bundle(services, variants, KeepResults.NONE),
        "sweep": lambda: engine.run_sweep(CONFIG, grid, candles),
    }
    run_bundle(services, min(variants, 100), KeepResults.BEST)
    engine.run_sweep(CONFIG, engine.expand_grid(grid_of(min(variants, 100))), candles)
    seconds: dict[str, list[float]] = {what: [] for what in calls}
    for _ in range(rounds):
        for what, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[what].append(time.perf_counter() - began)
    took = {what: statistics.median(times) for what, times in seconds.items()}
    return (
        f"{name:<12}{took['bundle']:>7.2f} s{variants / took['bundle']:>10,.0f} variants/s"
        f"   sweep alone {took['sweep']:.2f} s, beyond it {_beyond(took, 'bundle')}"
        f" (without full results {_beyond(took, 'rows only')})"
    )


def _beyond(took: dict[str, float], what: str) -> str:
    return f"{took[what] / took['sweep'] - 1:.0%}"


def lines(variants: int, bars: int, rounds: int, folder: Path) -> Iterator[str]:
    """What is printed."""
    candles = daily(bars)
    CandleFiles(folder / "candles").replace(candles)
    yield f"{variants:,} variants of {bars:,} bars"
    with on_sqlite(folder) as services:
        yield measured("SQLite", services, variants, rounds, candles)
    if not has_postgres():
        yield "PostgreSQL   no server is installed here"
        return
    server = PostgresServer()
    try:
        with on_postgres(folder, server) as services:
            yield measured("PostgreSQL", services, variants, rounds, candles)
    finally:
        server.stop()


def has_postgres() -> bool:
    """Whether its programs are on this machine."""
    import pytest

    try:
        binaries()
    except pytest.skip.Exception:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--bars", type=int, default=2_500)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(asked.variants, asked.bars, asked.rounds, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
