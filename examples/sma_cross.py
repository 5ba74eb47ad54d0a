"""Hold Apple while its 50-day average is above its 200-day average: a backtest in ten lines."""

from pathlib import Path

from engine import run_backtest
from worker.candle_import import read_candles

samples = Path(__file__).parents[1] / "samples"
candles = read_candles(samples / "AAPL-1d.csv", "AAPL", "1d")
result = run_backtest(
    {
        "strategyId": "smaCross",
        "symbol": "AAPL",
        "startDate": "2000-03-01",
        "endDate": "2013-03-01",
        "startingCapital": 10_000,
        "parameters": {"fast": 50, "slow": 200},
        "execution": {"feeRate": 0.0005, "slippageRate": 0.0005},
    },
    candles,
)
metrics = result.metrics
print(f"Return    {metrics.total_return:9.1%}   (buy and hold {metrics.buy_and_hold_return:.1%})")
print(f"CAGR      {metrics.cagr:9.1%}")
print(f"Sharpe    {metrics.sharpe:9.2f}")
print(f"Drawdown  {metrics.max_drawdown:9.1%}   (longest {metrics.max_drawdown_days:.0f} days)")
print(f"Exposure  {metrics.exposure:9.1%}")
print("\nEntry       Exit           Return   Why")
for trade in result.trades:
    print(
        f"{trade.entry_time[:10]}  {(trade.exit_time or 'still open')[:10]}  "
        f"{trade.trade_return:9.1%}   {trade.exit_reason or 'marked at the last close'}"
    )
