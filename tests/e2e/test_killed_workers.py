"""Workers are killed in the middle of their jobs, and no job is lost or run to two ends."""

import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import engine
from tests.support.chaos import Workers, holders, import_candles, wait_for
from tests.support.jobs import a_job, read
from worker.adapters.candle_files import CandleFiles
from worker.adapters.sql import SqlJobStore
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.services.backtesting import Backtesting, EngineCalls

JOBS = 60
BARS = 30_000
SEED = 8
#: SIGKILL is a death that the sweep finds out about, SIGTERM one that gives the job back.
DEATHS = [signal.SIGKILL] * 3 + [signal.SIGTERM] * 2


def config(number: int) -> dict[str, Any]:
    return {
        "strategyId": "smaCross",
        "symbol": "WAVES",
        "timeframe": "1m",
        "startDate": "2020-01-01",
        "endDate": "2020-02-15",
        "startingCapital": 10_000,
        "parameters": {"fast": 5 + number % 4, "slow": 40},
    }


def calm_digests(candles: Path) -> list[str]:
    """What each of the configurations gives where nobody is killed."""
    calls = EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )
    backtesting = Backtesting(CandleFiles(candles), calls)
    return [backtesting.run(config(number)).result_digest for number in range(4)]


def test_every_job_ends_once_whoever_is_killed(tmp_path: Path) -> None:
    candles = tmp_path / "candles"
    import_candles(candles, "WAVES", BARS)
    digests = calm_digests(candles)
    url = f"sqlite:///{tmp_path}/jobs.db"
    store = SqlJobStore(url)
    ids = [f"j{number}" for number in range(JOBS)]
    for number, job_id in enumerate(ids):
        store.create(a_job(job_id, config_used=config(number)))
    workers = Workers(
        2,
        {
            "STORE": url,
            "CANDLES": str(candles),
            "ARTIFACTS": str(tmp_path / "artifacts"),
            "PORT": "0",
            "LEASE_SECONDS": "4",
            "HEARTBEAT_SECONDS": "1",
            "SWEEP_SECONDS": "0.5",
            "SHUTDOWN_SECONDS": "2",
        },
    )
    try:
        deaths = list(DEATHS)
        random.Random(SEED).shuffle(deaths)
        for how in deaths:

            def somebody_dies(how: signal.Signals = how) -> bool:
                workers.revive()
                return any(workers.kill(pid, how) for pid in holders(store, ids)[:1])

            wait_for(somebody_dies, 30, workers.output)
        left = list(ids)

        def all_ended() -> bool:
            workers.revive()
            left[:] = [job_id for job_id in left if not read(store, job_id).job.status.is_final]
            return not left

        wait_for(all_ended, 60, lambda: f"{left} are left\n{workers.output()}")
    finally:
        workers.stop()

    jobs = [read(store, job_id).job for job_id in ids]
    results = [store.result(job_id) for job_id in ids]
    store.close()
    assert sum(job.worker_losses for job in jobs) >= 1
    assert sum(job.interruptions for job in jobs) >= 1
    assert Counter(job.status for job in jobs)[JobStatus.COMPLETED] >= JOBS - DEATHS.count(
        signal.SIGKILL
    )
    for number, (job, result) in enumerate(zip(jobs, results, strict=True)):
        assert (result is not None) == (job.status is JobStatus.COMPLETED)
        if result is None:
            assert (job.error_code, job.worker_losses) == (ErrorCode.WORKER_LOST, 2)
            continue
        assert result.result_digest == job.result_digest == digests[number % 4]
        assert job.attempt == 1 + job.worker_losses + job.interruptions
        assert job.lease is None
