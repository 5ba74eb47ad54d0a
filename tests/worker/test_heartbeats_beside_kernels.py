"""A real engine run on real threads and a real store: beats go on and the loop stays free.

An absence is measured by what this process computes meanwhile, so that a machine that is slow, or
busy with other things, is not taken for a loop that is blocked.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import engine
from engine.candles import Candles
from tests.support.control import RecordingDoorbell, laptop_settings
from tests.support.jobs import an_admitted_job, read
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.sql import SqlJobStore
from worker.bootstrap import Worker, build_services, build_worker, engine_calls
from worker.entrypoints.worker_app import create_worker_app
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.jobs.states import JobStatus
from worker.services.backtesting import EngineCalls
from worker.services.run_job import RunLimits

BARS = 1_500_000
MINUTE_MS = 60_000
START_MS = 1_577_836_800_000
#: Of the running job: its beats and its end.
WRITES = 4
LIMITS = RunLimits(heartbeat=0.2, lease=90, timeout=540)
CONFIG = {
    "strategyId": "smaCross",
    "symbol": "BIG",
    "timeframe": "1m",
    "startDate": "2020-01-01",
    "endDate": "2025-12-31",
    "startingCapital": 100_000,
    "parameters": {"fast": 200, "slow": 1_000},
}


class BigCandles:
    """Minutes of a random walk."""

    def load(self, symbol: str, timeframe: str, *_: datetime | None) -> Candles:
        steps = np.random.default_rng(3).normal(0.0, 0.0005, BARS)
        times = START_MS + MINUTE_MS * np.arange(BARS)
        return Candles.from_closes(symbol, timeframe, times, 100.0 * np.exp(steps.cumsum()))

    def entries(self) -> Sequence[Any]:
        return ()


@dataclass
class Noted:
    """The writes of the running job by the progress they told, and the loop's longest absence."""

    progress: list[float] = field(default_factory=list)
    absence: float = 0.0


class NotingStore(SqlJobStore):
    def __init__(self, url: str, noted: Noted) -> None:
        super().__init__(url)
        self._noted = noted

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        after = super().commit(seen, change, result, by=by)
        self._noted.progress.append(after.job.progress)
        return after


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def worker(tmp_path: Path, noted: Noted) -> Iterator[Worker]:
    store = NotingStore(f"sqlite:///{tmp_path}/jobs.db", noted)
    services = build_services(
        laptop_settings(),
        store=store,
        doorbell=RecordingDoorbell(),
        candles=BigCandles(),  # type: ignore[arg-type]  # they are only loaded
        artifacts=ParquetFiles(tmp_path / "artifacts"),
    )
    yield build_worker(services, calls=counting(noted), limits=LIMITS)
    store.close()


def counting(noted: Noted) -> EngineCalls:
    """The real engine, run again until the job has been written often enough to tell."""

    def run(
        config: Any, candles: Any = None, on_progress: Any = None, should_stop: Any = None
    ) -> Any:
        if on_progress is None:
            return engine.run_backtest(config, candles)
        result = engine.run_backtest(config, candles, on_progress, should_stop)
        while len(noted.progress) < WRITES:
            result = engine.run_backtest(config, candles, on_progress, should_stop)
        return result

    return replace(engine_calls(), run_backtest=run)


async def push_and_watch(worker: Worker, noted: Noted) -> httpx.Response:
    """Push a ring while a task of the same loop notes how late it is woken."""
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            before = time.process_time()
            await asyncio.sleep(0.001)
            noted.absence = max(noted.absence, time.process_time() - before)

    watcher = asyncio.create_task(watch())
    transport = httpx.ASGITransport(create_worker_app(worker))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post("/pubsub/push", json={"jobId": "big"}, timeout=PATIENCE_SECONDS)
    done.set()
    await watcher
    return answer


def test_beats_go_on_and_the_loop_comes_round_while_kernels_run(
    worker: Worker, noted: Noted
) -> None:
    worker.warm_up.run()
    worker.services.store.create(an_admitted_job("big", config_used=CONFIG))
    began = time.process_time()

    answer = asyncio.run(push_and_watch(worker, noted))

    job = read(worker.services.store, "big").job
    assert answer.status_code == 204
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, None)
    computed = time.process_time() - began
    print(f"{computed:.2f} s computed, {len(noted.progress)} writes, {noted.absence:.3f} s absent")
    assert len(noted.progress) >= WRITES
    assert noted.progress == sorted(noted.progress)
    assert noted.absence < computed / 2
    record = worker.services.store.result("big")
    assert record is not None
    assert record.backtest_result["bars"] == BARS
    assert record.artifacts["equityCurve"].rows == BARS
