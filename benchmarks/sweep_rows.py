"""The sweep's lines of the table of targets: see sweep.py for what is compared."""

import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import sweep
from benchmarks.naive_sweep import c_sweep, numba_sweep_of_metrics
from benchmarks.targets import Row, duration, medians
from engine import run_sweep

#: The naive loops and vectorbt run over one variant in so many; their times are scaled.
SHARE = 10


class Contest:
    """One market and grid, and everybody's way through them."""

    def __init__(self, variants: int, bars: int) -> None:
        self.candles, self.grid = sweep.market(bars), sweep.grid_of(variants)
        some = self.grid[::SHARE]
        self._fast = np.array([one["parameters.fast"] for one in some])
        self._slow = np.array([one["parameters.slow"] for one in some])
        self._sums = np.empty((len(some), 12))
        self._scale = len(self.grid) / len(some)

    def ours(self, config: dict[str, Any], figures: Any, threads: int = 1) -> Callable[[], Any]:
        """The whole sweep: reading configs, kernels, rows."""
        return lambda: run_sweep(
            config,
            self.grid,
            self.candles,
            figures=figures,
            rank_by="totalReturn",
            keep_best=0,
            threads=threads,
        )

    def c(self) -> None:
        """Signals and fills, bar by bar."""
        one = self.candles
        c_sweep(one.open, one.close, self._fast, self._slow, sweep.FEE, sweep.CAPITAL)

    def numba(self, stop: float, target: float, *, everything: bool) -> Callable[[], Any]:
        """Bar by bar with stop, target and drawdown, or with the sums of all metrics."""
        one = self.candles
        return lambda: numba_sweep_of_metrics(
            one.open,
            one.high,
            one.low,
            one.close,
            self._fast,
            self._slow,
            sweep.FEE,
            sweep.CAPITAL,
            stop,
            target,
            everything,
            self._sums,
        )

    def row(
        self,
        what: str,
        ours: Callable[[], Any],
        theirs: Callable[[], Any],
        goals: tuple[float, ...],
    ) -> Row:
        """How many times faster the sweep is than a naive loop over all variants."""
        took = medians(3, {"ours": ours, "theirs": theirs})
        naive = took["theirs"] * self._scale
        return _faster(what, naive, took["ours"], goals)

    def memory(self) -> float:
        """MiB at the peak, beyond the candles."""
        tracemalloc.start()
        try:
            self.ours(sweep.base(), "all", threads=2)()
            return tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()


def rows(variants: int = 1_000, bars: int = 500_000, *, with_vectorbt: bool = True) -> list[Row]:
    """Every line about sweeps. vectorbt takes minutes for what it does of the full size."""
    contest = Contest(variants, bars)
    levels = sweep.base(stopLoss=sweep.STOP, takeProfit=sweep.TARGET)
    signals = contest.ours(sweep.base(), "trades")
    size = f"sweep, {len(contest.grid):,} × {bars:,} bars"
    found = [
        contest.row(f"{size}, signals only, against C", signals, contest.c, (5.0, 8.0)),
        contest.row(
            "the same with stops and drawdown, against numba",
            contest.ours(levels, "drawdown"),
            contest.numba(sweep.STOP, sweep.TARGET, everything=False),
            (4.0, 5.5),
        ),
        contest.row(
            "the same with all sweep metrics, against numba",
            contest.ours(sweep.base(), "all"),
            contest.numba(0.0, 0.0, everything=True),
            (3.0, 4.0),
        ),
    ]
    one = contest.ours(sweep.base(), "all")
    two = contest.ours(sweep.base(), "all", threads=2)
    took = medians(3, {"one": one, "two": two})
    found.append(_faster("two threads against one", took["one"], took["two"], (1.6, 1.9)))
    if with_vectorbt:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = sweep.vectorbt_seconds(contest.candles, contest.grid)
        ours = medians(1, {"ours": signals})["ours"]
        found.append(_faster("signals only, against vectorbt", theirs, ours, (500.0, 1_000.0)))
    found.append(
        Row(
            what="sweep memory beyond the candles",
            figure=contest.memory(),
            target=16.0,
            stretch=1.0,
            unit=" MiB",
            at_most=True,
            detail="as tracemalloc sees it, all metrics, two threads",
        )
    )
    return found


def _faster(what: str, theirs: float, ours: float, goals: Sequence[float]) -> Row:
    return Row(
        what=what,
        figure=theirs / ours,
        target=goals[0],
        stretch=goals[1],
        unit="×",
        at_most=False,
        detail=f"{duration(theirs)} : {duration(ours)}",
    )
