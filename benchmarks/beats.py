"""How late a beat comes that is due while the same process computes, as a worker does."""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

import engine
from benchmarks.single_run import CAPITAL, YEAR_OF_MINUTES, market
from benchmarks.targets import Row, duration
from worker.entrypoints.starting import SWITCH_SECONDS

PERIOD = 0.005


def backtests(bars: int) -> Callable[[Callable[[], bool]], object]:
    """Runs a backtest with stops and takes its digest, until it is told to stop."""
    candles = market(bars)
    config = engine.parse_config(
        {
            "strategyId": "smaCross",
            "symbol": "WALK",
            "timeframe": "1m",
            "startDate": "2020-01-01",
            "endDate": "2029-12-31",
            "startingCapital": CAPITAL,
            "parameters": {"fast": 50, "slow": 200},
            "execution": {"stopLoss": 0.01},
        }
    )
    engine.run_backtest(config, candles)

    def run(should_stop: Callable[[], bool]) -> object:
        try:
            return engine.run_backtest(config, candles, should_stop=should_stop).result_digest
        except engine.Stopped:
            return None

    return run


def sorting(count: int = 300_000) -> Callable[[Callable[[], bool]], object]:
    """Sorts numbers, without Python's lock: what is late beside this is the machine's doing."""
    numbers = np.random.default_rng(1).random(count)
    return lambda _: np.sort(numbers)


def delays(compute: Callable[[Callable[[], bool]], object], samples: int) -> list[float]:
    """Seconds that each of ``samples`` waits took too long, in order of their length.

    Meanwhile another thread computes the same again and again.
    """
    done = threading.Event()

    def compute_until_stopped() -> None:
        while not done.is_set():
            compute(done.is_set)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    thread = threading.Thread(target=compute_until_stopped)
    thread.start()
    late = []
    try:
        for _ in range(samples):
            began = time.perf_counter()
            done.wait(PERIOD)
            late.append(time.perf_counter() - began - PERIOD)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(usual)
    return sorted(late)


def beside_a_run(bars: int = YEAR_OF_MINUTES, samples: int = 1_500) -> Row:
    """The delay that 99 of 100 beats stay under."""
    late = delays(backtests(bars), samples)
    floor = delays(sorting(), samples // 3)
    p99 = percentile(late)
    return Row(
        what="a beat's delay beside a run, p99",
        figure=p99 * 1e3,
        target=20.0,
        stretch=5.0,
        unit=" ms",
        at_most=True,
        detail=f"median {duration(late[len(late) // 2])}, longest {duration(late[-1])}; "
        f"{duration(percentile(floor))} beside numpy's sort",
    )


def percentile(late: list[float]) -> float:
    """Of delays in order, the one that 99 of 100 are below."""
    return late[int(0.99 * (len(late) - 1))]
