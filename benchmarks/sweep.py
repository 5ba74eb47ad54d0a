"""A sweep of moving-average crosses against the loops that it has to beat, in one run.

    python -m benchmarks.sweep [--variants 1000] [--bars 500000] [--vectorbt]

Each figure is the best of three, in nanoseconds of processor time a bar and variant, so that
other work on the machine counts little; ratios above 1 say how many times faster the sweep is.
The naive loops run over a tenth of the variants. ``run_sweep`` is timed whole: reading configs,
kernels, rows. "kernels" leaves out what happens once a variant. The gain of a second thread is
one of time on the clock, and needs an idle machine.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.naive_sweep import c_sweep, numba_sweep, numba_sweep_of_metrics
from engine import Candles, expand_grid, run_sweep
from engine.sweep import Ending
from engine.sweeps import tiles
from engine.sweeps.grid import Grid

FEE = 0.001
CAPITAL = 10_000.0
STOP, TARGET = 0.02, 0.05
MINUTE = 60_000
NEW_YEAR = 1_577_836_800_000


def market(bars: int) -> Candles:
    """A random walk of minutes, in cents."""
    random = np.random.default_rng(1)
    close = np.round(100.0 * np.exp(np.cumsum(random.normal(0.0, 0.0008, bars))), 2)
    close = np.maximum(close, 1.0)
    open_ = np.concatenate(([100.0], close[:-1]))
    spread = np.round(random.exponential(0.05, (2, bars)), 2)
    high = np.maximum(open_, close) + spread[0]
    low = np.maximum(np.minimum(open_, close) - spread[1], 0.01)
    times = NEW_YEAR + np.arange(bars, dtype=np.int64) * MINUTE
    return Candles("MADE-UP", "1m", times, open_, high, low, close, np.ones(bars))


def base(**execution: Any) -> dict[str, Any]:
    return {
        "strategyId": "smaCross",
        "symbol": "MADE-UP",
        "timeframe": "1m",
        "startDate": "2020-01-01",
        "endDate": "2029-12-31",
        "startingCapital": CAPITAL,
        "execution": {"feeRate": FEE, **execution},
    }


def grid_of(variants: int) -> Grid:
    """Fast averages of 5 … 100 bars, slow ones of 110 bars and more."""
    slow = {"start": 110, "stop": 110 + 10 * (max(variants // 20, 1) - 1), "step": 10}
    return expand_grid(
        {"parameters.fast": {"start": 5, "stop": 100, "step": 5}, "parameters.slow": slow}
    )


def best_of(
    times: int, run: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> float:
    """Seconds of the fastest run."""
    fastest = float("inf")
    for _ in range(times):
        begin = clock()
        run()
        fastest = min(fastest, clock() - begin)
    return fastest


class KernelClock:
    """Adds up the seconds that the tiled kernels take, in one thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._kernels = tiles.run_tiles

    def __call__(self, *arguments: Any) -> None:
        begin = time.thread_time()
        self._kernels(*arguments)
        self.seconds += time.thread_time() - begin

    def time(self, run: Callable[[], Any]) -> float:
        self.seconds = 0.0
        tiles.run_tiles = self
        try:
            run()
        finally:
            tiles.run_tiles = self._kernels
        return self.seconds


def vectorbt_seconds(candles: Candles, grid: Grid) -> float:
    """Of a chunk of ten variants, side by side as it likes it, scaled to all of them."""
    import pandas as pd
    import vectorbt as vbt

    close, open_ = pd.Series(candles.close), pd.Series(candles.open)
    some = [grid[place] for place in range(0, len(grid), max(len(grid) // 10, 1))][:10]

    def run(variants: list[Any]) -> None:
        fast = vbt.MA.run(close, [one["parameters.fast"] for one in variants])
        slow = vbt.MA.run(close, [one["parameters.slow"] for one in variants])
        entries = fast.ma_crossed_above(slow).vbt.fshift(1, fill_value=False)
        exits = fast.ma_crossed_below(slow).vbt.fshift(1, fill_value=False)
        exits.columns = entries.columns
        vbt.Portfolio.from_signals(
            close, entries, exits, price=open_, fees=FEE, init_cash=CAPITAL
        ).total_return()

    run(some[:2])  # of one it makes no columns
    return best_of(1, lambda: run(some)) / len(some) * len(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=1_000)
    parser.add_argument("--bars", type=int, default=500_000)
    parser.add_argument("--vectorbt", action="store_true")
    asked = parser.parse_args()
    candles, grid = market(asked.bars), grid_of(asked.variants)
    fast = np.array([one["parameters.fast"] for one in grid])[::10].copy()
    slow = np.array([one["parameters.slow"] for one in grid])[::10].copy()
    equity, trades = np.empty(len(fast)), np.empty(len(fast), np.int64)
    sums = np.empty((len(fast), 12))
    prices = (candles.open, candles.high, candles.low, candles.close)

    def with_metrics(stop: float, target: float, everything: bool) -> Callable[[], None]:
        return lambda: numba_sweep_of_metrics(
            *prices, fast, slow, FEE, CAPITAL, stop, target, everything, sums
        )

    def naive(run: Callable[[], Any]) -> float:
        return best_of(3, run) / len(fast) / asked.bars * 1e9

    short = [column[:1_000] for column in prices]
    numba_sweep(short[0], short[3], fast, slow, FEE, CAPITAL, equity, trades)
    numba_sweep_of_metrics(*short, fast, slow, FEE, CAPITAL, STOP, TARGET, True, sums)
    run_sweep(base(), [grid[0]], candles.rows(0, 1_000), keep_best=0)
    c_loop = naive(lambda: c_sweep(candles.open, candles.close, fast, slow, FEE, CAPITAL))
    numba_loop = naive(
        lambda: numba_sweep(candles.open, candles.close, fast, slow, FEE, CAPITAL, equity, trades)
    )
    levels = base(stopLoss=STOP, takeProfit=TARGET)
    rows: list[tuple[str, dict[str, Any], Any, list[tuple[str, float]]]] = [
        ("signals only", base(), "trades", [("C", c_loop), ("numba", numba_loop)]),
        (
            "with stops and drawdown",
            levels,
            "drawdown",
            [("numba", naive(with_metrics(STOP, TARGET, False)))],
        ),
        ("all sweep metrics", base(), "all", [("numba", naive(with_metrics(0.0, 0.0, True)))]),
        (
            "all, with stops",
            levels,
            "all",
            [("numba", naive(with_metrics(STOP, TARGET, True)))],
        ),
    ]
    print(f"{len(grid)} variants × {asked.bars} bars, ns a bar and variant")
    scale = 1e9 / len(grid) / asked.bars
    clock = KernelClock()
    for name, config, figures, loops in rows:

        def run(threads: int = 1, config: Any = config, figures: Any = figures) -> None:
            result = run_sweep(
                config, grid, candles, figures=figures, rank_by="totalReturn", keep_best=0,
                threads=threads,
            )  # fmt: skip
            assert result.count(Ending.FINISHED) == len(grid)

        kernels = min(clock.time(run) for _ in range(3)) * scale
        whole = best_of(3, run) * scale
        one = best_of(3, run, time.perf_counter)
        two = best_of(3, lambda run=run: run(2), time.perf_counter)
        ratios = ", ".join(
            f"naive {language} {loop:.2f}: {loop / kernels:.1f}× (whole {loop / whole:.1f}×)"
            for language, loop in loops
        )
        print(f"{name:24} kernels {kernels:.2f}, whole {whole:.2f}; {ratios}; "
              f"two threads {one / two:.2f}×")  # fmt: skip
    tracemalloc.start()
    run_sweep(base(), grid, candles, keep_best=0, threads=2)
    print(f"memory beyond the candles: {tracemalloc.get_traced_memory()[1] / 2**20:.1f} MiB")
    tracemalloc.stop()
    if asked.vectorbt:
        seconds = vectorbt_seconds(candles, grid)
        ours = best_of(1, lambda: run_sweep(base(), grid, candles, figures="trades", keep_best=0))
        print(f"vectorbt: {seconds:.1f} s, {seconds / ours:.0f}× of ours with signals only")


if __name__ == "__main__":
    main()
