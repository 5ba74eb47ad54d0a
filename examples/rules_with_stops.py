"""Buy dips in an uptrend of the S&P 500, with a stop, a target and a trailing stop.

Rules are data: indicators by name, conditions over them. The table at the end says what each kind
of exit has brought.
"""

from collections import defaultdict
from pathlib import Path

from engine import run_backtest
from worker.candle_import import read_candles

SAMPLES = Path(__file__).parents[1] / "samples"

result = run_backtest(
    {
        "strategyId": "rules",
        "symbol": "SPX",
        "startDate": "1999-01-04",
        "endDate": "2018-12-31",
        "startingCapital": 100_000,
        "parameters": {
            "indicators": {
                "trend": {"type": "sma", "period": 200},
                "strength": {"type": "rsi", "period": 3},
                "bands": {"type": "bollinger", "period": 20, "deviations": 2},
            },
            "entry": {"all": [{"above": ["close", "trend"]}, {"crossesBelow": ["strength", 15]}]},
            "exit": {"any": [{"above": ["close", "bands.upper"]}, {"above": ["strength", 80]}]},
        },
        "execution": {
            "feeRate": 0.0002,
            "slippageRate": 0.0002,
            "stopLoss": 0.03,
            "takeProfit": 0.05,
            "trailingStop": 0.04,
            "intrabar": "pessimistic",
        },
    },
    read_candles(SAMPLES / "SPX-1d.csv", "SPX"),
)

metrics = result.metrics
print(
    f"{metrics.trade_count} trades, {metrics.win_rate:.0%} won, profit factor "
    f"{metrics.profit_factor:.2f}, Sharpe {metrics.sharpe:.2f}, in the market "
    f"{metrics.exposure:.0%} of the time, drawdown {metrics.max_drawdown:.1%}"
)

by_exit = defaultdict(list)
for trade in result.trades:
    by_exit[trade.exit_reason].append(trade)
print(f"\n{'Exit':14}{'trades':>7}{'mean':>9}{'worst':>9}{'P&L':>12}{'mean MAE':>10}")
for reason, trades in sorted(by_exit.items(), key=lambda item: -len(item[1])):
    returns = [trade.trade_return for trade in trades]
    print(
        f"{reason or 'open':14}{len(trades):7}{sum(returns) / len(trades):9.2%}"
        f"{min(returns):9.2%}{sum(trade.pnl for trade in trades):12,.0f}"
        f"{sum(trade.mae for trade in trades) / len(trades):10.2%}"
    )
ambiguous = sum(trade.ambiguous for trade in result.trades)
print(f"\n{ambiguous} trades ended on a bar that touched both stop and target.")
