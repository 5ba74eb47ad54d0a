"""Workers are killed in the middle of their jobs, and no job is lost or run to two ends."""

import random
import signal
from pathlib import Path
from typing import Any

import engine
from tests.support.chaos import Traffic, Workers, import_candles, takes_its_time, wait_for
from tests.support.jobs import read
from tests.support.lasting_cli import LASTING
from worker.adapters.candle_files import CandleFiles
from worker.adapters.sql import SqlJobStore
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.services.backtesting import Backtesting, EngineCalls

KINDS = 4
BARS = 30_000
SEED = 8
#: SIGKILL is a death that the sweep finds out about, SIGTERM one that gives the job back.
DEATHS = [signal.SIGKILL] * 3 + [signal.SIGTERM] * 2


def config(number: int) -> dict[str, Any]:
    """Every fourth one lasts, so that a worker that is told to go has something to give back."""
    return {
        "strategyId": "smaCross",
        "symbol": "WAVES",
        "timeframe": "1m",
        "startDate": "2020-01-01",
        "endDate": "2020-02-15",
        "startingCapital": 10_000,
        "label": None if number % KINDS else LASTING,
        "parameters": {"fast": 5 + number % KINDS, "slow": 40},
    }


def calm_digests(candles: Path) -> list[str]:
    """What each of the configurations gives where nobody is killed."""
    calls = EngineCalls(
        parse_config=engine.parse_config,
        required_series=engine.required_series,
        run_backtest=engine.run_backtest,
    )
    backtesting = Backtesting(CandleFiles(candles), calls)
    return [backtesting.run(config(number)).result_digest for number in range(KINDS)]


def test_every_job_ends_once_whoever_is_killed(tmp_path: Path) -> None:
    candles = tmp_path / "candles"
    import_candles(candles, "WAVES", BARS)
    digests = calm_digests(candles)
    url = f"sqlite:///{tmp_path}/jobs.db"
    store = SqlJobStore(url)
    traffic = Traffic(store, config)
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
                traffic.top_up()
                in_hand = traffic.running()
                if how is signal.SIGTERM:
                    in_hand = [job for job in in_hand if takes_its_time(job)]
                return any(workers.strike(store, job, how) for job in in_hand)

            wait_for(somebody_dies, 60, workers.output)

        def all_ended() -> bool:
            workers.revive()
            return not traffic.unfinished()

        wait_for(all_ended, 60, lambda: f"{traffic.unfinished()} are left\n{workers.output()}")
    finally:
        workers.stop()

    jobs = [read(store, job_id).job for job_id in traffic.ids]
    results = [store.result(job_id) for job_id in traffic.ids]
    store.close()
    assert sum(job.worker_losses for job in jobs) >= DEATHS.count(signal.SIGKILL)
    assert sum(job.interruptions for job in jobs) >= DEATHS.count(signal.SIGTERM)
    for number, (job, result) in enumerate(zip(jobs, results, strict=True)):
        assert (result is not None) == (job.status is JobStatus.COMPLETED)
        if result is None:
            assert (job.error_code, job.worker_losses) == (ErrorCode.WORKER_LOST, 2)
            continue
        assert result.result_digest == job.result_digest == digests[number % KINDS]
        assert job.attempt == 1 + job.worker_losses + job.interruptions
        assert job.lease is None
