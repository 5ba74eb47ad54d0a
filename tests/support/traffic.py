"""Jobs that flow through a store while something happens to it, and what became of them."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import engine
from engine.candles import Candles
from tests.support.jobs import a_job
from tests.support.lasting_cli import LASTING
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.candle_files import CandleFiles
from worker.jobs.errors import ErrorCode, JobExists, StoreUnavailable
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.backtesting import Backtesting, EngineCalls

#: So many different jobs come in turns; the first of them lasts.
KINDS = 25
BARS = 2_000

T = TypeVar("T")


def config(kind: int) -> dict[str, Any]:
    return {
        "strategyId": "smaCross",
        "symbol": "WAVES",
        "timeframe": "1m",
        "startDate": "2020-01-01",
        "endDate": "2020-02-15",
        "startingCapital": 10_000,
        "label": None if kind else LASTING,
        "parameters": {"fast": 5 + kind, "slow": 40},
    }


def import_candles(directory: Path) -> None:
    """The series of minutes that the configurations ask for."""
    times = np.arange(BARS, dtype=np.int64) * 60_000 + 1_577_836_800_000
    closes = 100 + 10 * np.sin(np.arange(BARS) / 500) + np.arange(BARS) % 7 / 10
    CandleFiles(directory).replace(
        Candles(
            symbol="WAVES",
            timeframe="1m",
            times=times,
            open=closes,
            high=closes + 0.5,
            low=closes - 0.5,
            close=closes,
            volume=np.ones(BARS),
        )
    )


def calm_digests(candles: Path) -> list[str]:
    """What each of the configurations gives where nothing happens."""
    calls = EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )
    backtesting = Backtesting(CandleFiles(candles), calls)
    return [backtesting.run(config(kind)).result_digest for kind in range(KINDS)]


class Traffic:
    """Jobs that keep coming as long as somebody tops them up. Waits for a store that is away."""

    def __init__(self, store: JobStore, *, ahead: int = 8) -> None:
        self._store = store
        self._ahead = ahead
        self.ids: list[str] = []
        self._open: list[str] = []

    def top_up(self, total: int = 0) -> None:
        """Submit until ``ahead`` jobs have not ended, and ``total`` there are."""
        self._refresh()
        while len(self._open) < self._ahead or len(self.ids) < total:
            job_id = f"j{len(self.ids)}"
            patiently(partial(self._create, job_id))
            self.ids.append(job_id)
            self._open.append(job_id)

    def read(self, job_id: str) -> Job:
        """As it stands in the store now."""
        seen = patiently(lambda: self._store.get(job_id))
        assert seen is not None
        return seen.job

    def running(self) -> list[Job]:
        """Those that a worker has in hand."""
        return [job for job in self._refresh() if job.status is JobStatus.RUNNING and job.lease]

    def unfinished(self) -> list[str]:
        return [job.job_id for job in self._refresh()]

    def lasts(self, job: Job) -> bool:
        """Long enough to be given back, however quick the machine."""
        return bool(job.config_used.get("label") == LASTING)

    def check(self, digests: list[str]) -> list[Job]:
        """Every job ended exactly once, with the calm run's result or without one."""
        jobs = [self.read(job_id) for job_id in self.ids]
        for number, job in enumerate(jobs):
            result = patiently(partial(self._store.result, job.job_id))
            assert (result is not None) == (job.status is JobStatus.COMPLETED), job
            assert job.lease is None
            assert job.attempt == job.worker_losses + job.interruptions + (
                job.error_code is not ErrorCode.WORKER_LOST
            ), job
            if result is None:
                assert (job.error_code, job.worker_losses) == (ErrorCode.WORKER_LOST, 2), job
            else:
                assert result.result_digest == job.result_digest == digests[number % KINDS]
        return jobs

    def _create(self, job_id: str) -> None:
        kind = int(job_id[1:]) % KINDS
        try:
            self._store.create(a_job(job_id, config_used=config(kind)))
        except JobExists:
            # An earlier try got through unheard.
            return

    def _refresh(self) -> list[Job]:
        left = [job for job in map(self.read, self._open) if not job.status.is_final]
        self._open = [job.job_id for job in left]
        return left


def patiently(act: Callable[[], T]) -> T:
    """Act as soon as the store answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
