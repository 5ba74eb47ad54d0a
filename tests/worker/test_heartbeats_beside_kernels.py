"""A real engine run on real threads and a real store: beats go on and the loop stays free."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from engine.candles import Candles
from tests.support.control import RecordingDoorbell, laptop_settings
from tests.support.jobs import an_admitted_job, read
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.sql import SqlJobStore
from worker.bootstrap import Worker, build_services, build_worker
from worker.entrypoints.worker_app import create_worker_app
from worker.jobs.job import JobChange, ResultRecord, Snapshot
from worker.jobs.states import JobStatus
from worker.services.run_job import RunLimits

BARS = 1_500_000
MINUTE_MS = 60_000
START_MS = 1_577_836_800_000
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
    """When the running job was written, and the loop's longest absence."""

    beats: list[float] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    lag: float = 0.0


class NotingStore(SqlJobStore):
    def __init__(self, url: str, noted: Noted) -> None:
        super().__init__(url)
        self._noted = noted

    def commit(
        self, seen: Snapshot, change: JobChange, result: ResultRecord | None = None
    ) -> Snapshot:
        after = super().commit(seen, change, result)
        self._noted.beats.append(time.monotonic())
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
        candles=BigCandles(),  # type: ignore[arg-type]
        artifacts=ParquetFiles(tmp_path / "artifacts"),
    )
    yield build_worker(services, limits=LIMITS)
    store.close()


async def push_and_watch(worker: Worker, noted: Noted) -> httpx.Response:
    """Push a ring while a task of the same loop notes how late it is woken."""
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            noted.lag = max(noted.lag, time.monotonic() - before - 0.01)

    watcher = asyncio.create_task(watch())
    transport = httpx.ASGITransport(create_worker_app(worker))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post("/pubsub/push", json={"jobId": "big"}, timeout=120)
    done.set()
    await watcher
    return answer


def test_beats_go_on_and_the_loop_is_never_blocked_for_a_second(
    worker: Worker, noted: Noted
) -> None:
    worker.warm_up.run()
    worker.services.store.create(an_admitted_job("big", config_used=CONFIG))
    started = time.monotonic()

    answer = asyncio.run(push_and_watch(worker, noted))

    job = read(worker.services.store, "big").job
    assert answer.status_code == 204
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, None)
    moments = [started, *noted.beats]
    gaps = [after - before for before, after in pairwise(moments)]
    print(f"ran {moments[-1] - started:.2f} s, {len(gaps)} writes, lag {noted.lag:.3f} s")
    assert len(noted.beats) >= 3
    assert max(gaps) < 3.0
    assert noted.lag < 1.0
    assert noted.progress == sorted(noted.progress)
    record = worker.services.store.result("big")
    assert record is not None
    assert record.backtest_result["bars"] == BARS
    assert record.artifacts["equityCurve"].rows == BARS
