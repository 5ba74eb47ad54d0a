"""How late a beat comes that is due while the same process computes."""

import threading
import time

import engine
from benchmarks.single_run import CAPITAL, YEAR_OF_MINUTES, market
from benchmarks.targets import Row, duration

PERIOD = 0.005


def delays(bars: int, samples: int) -> list[float]:
    """Seconds that each of ``samples`` waits took too long, in order of their length.

    Meanwhile another thread runs backtests with stops one after another, and takes the digest of
    each.
    """
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
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            _ = engine.run_backtest(config, candles, should_stop=done.is_set).result_digest

    def compute_until_stopped() -> None:
        try:
            compute()
        except engine.Stopped:
            return

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
    return sorted(late)


def beside_a_run(bars: int = YEAR_OF_MINUTES, samples: int = 1_500) -> Row:
    """The delay that 99 of 100 beats stay under."""
    late = delays(bars, samples)
    p99 = late[int(0.99 * (len(late) - 1))]
    return Row(
        what="a beat's delay beside a run, p99",
        figure=p99 * 1e3,
        target=20.0,
        stretch=5.0,
        unit=" ms",
        at_most=True,
        detail=f"median {duration(late[len(late) // 2])}, longest {duration(late[-1])}",
    )
