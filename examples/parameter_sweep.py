"""Choose the averages of a crossover on ten years of the S&P 500, then see the next ten.

The best of many variants is partly luck. What it does on bars that it was not chosen by, and how
many of the others did well, says more than its own figure.
"""

import sys
from pathlib import Path

from engine import expand_grid, run_backtest, run_sweep
from worker.candle_import import read_candles

SAMPLES = Path(__file__).parents[1] / "samples"

candles = read_candles(SAMPLES / "SPX-1d.csv", "SPX")
base = {
    "strategyId": "smaCross",
    "symbol": "SPX",
    "startDate": "1999-01-04",
    "endDate": "2008-12-31",
    "startingCapital": 100_000,
    "execution": {"feeRate": 0.0002, "slippageRate": 0.0002},
}
grid = expand_grid(
    {
        "parameters.fast": {"start": 5, "stop": 50, "step": 5},
        "parameters.slow": {"start": 60, "stop": 240, "step": 20},
        "execution.stopLoss": [None, 0.05, 0.1],
    }
)


def show(fraction: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{fraction:.0%}", end="", file=sys.stderr)


sweep = run_sweep(base, grid, candles, rank_by="sharpe", keep_best=5, on_progress=show)

sharpe = sweep.metrics["sharpe"]
print(
    f"{len(sweep)} variants on 1999–2008: Sharpe {sharpe.min():.2f} to {sharpe.max():.2f}, "
    f"{(sharpe > 0).mean():.0%} above 0"
)
print(f"\n{'fast':>5}{'slow':>5}{'stop':>6}{'Sharpe':>9}{'drawdown':>10}{'Sharpe after':>14}")
for best in sweep.best:
    chosen = best.overrides
    later = {"startDate": "2009-01-01", "endDate": "2018-12-31"}
    after = run_backtest({**best.config.to_document(), **later}, candles)
    stop = chosen["execution.stopLoss"]
    print(
        f"{chosen['parameters.fast']:5}{chosen['parameters.slow']:5}"
        f"{'–' if stop is None else format(stop, '.0%'):>6}{sharpe[best.index]:9.2f}"
        f"{sweep.metrics['maxDrawdown'][best.index]:10.1%}{after.metrics.sharpe:14.2f}"
    )
