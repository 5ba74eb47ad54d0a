"""Three strategies on three stocks in one account: does spreading them help?"""

from pathlib import Path
from typing import Any

from engine import run_backtest
from worker.candle_import import read_candles

SAMPLES = Path(__file__).parents[1] / "samples"

candles = {s: read_candles(SAMPLES / f"{s}-1d.csv", s) for s in ("AAPL", "IBM", "MSFT")}
envelope = {"startDate": "2001-01-01", "endDate": "2012-12-31", "startingCapital": 90_000}
costs = {"feeRate": 0.0005, "slippageRate": 0.0005}
sleeves: list[dict[str, Any]] = [
    {"strategyId": "donchian", "symbol": "AAPL", "parameters": {"entry": 50, "exit": 25}},
    {"strategyId": "smaCross", "symbol": "IBM", "parameters": {"fast": 20, "slow": 100}},
    {"strategyId": "rsi", "symbol": "MSFT", "parameters": {"period": 5, "lower": 25, "upper": 65}},
]
for sleeve in sleeves:
    sleeve["execution"] = costs

whole = run_backtest(
    {
        **envelope,
        "strategyId": "portfolio",
        "symbol": "IBM",
        "parameters": {"sleeves": [{"weight": 1 / 3, "config": sleeve} for sleeve in sleeves]},
    },
    candles,
)
alone = [run_backtest({**envelope, **sleeve}, candles) for sleeve in sleeves]

print(f"{'':16}{'CAGR':>8}{'vol':>8}{'Sharpe':>8}{'drawdown':>10}{'trades':>8}{'P&L in it':>12}")
for place, (sleeve, result) in enumerate(zip(sleeves, alone, strict=True)):
    metrics = result.metrics
    made = sum(trade.pnl for trade in whole.trades if trade.sleeve == place)
    print(
        f"{sleeve['strategyId'] + ' ' + sleeve['symbol']:16}{metrics.cagr:8.1%}"
        f"{metrics.annualized_volatility:8.1%}{metrics.sharpe:8.2f}{metrics.max_drawdown:10.1%}"
        f"{metrics.trade_count:8}{made:12,.0f}"
    )
metrics = whole.metrics
print(
    f"{'portfolio':16}{metrics.cagr:8.1%}{metrics.annualized_volatility:8.1%}"
    f"{metrics.sharpe:8.2f}{metrics.max_drawdown:10.1%}{metrics.trade_count:8}"
    f"{whole.equity_curve[-1] - 90_000:12,.0f}"
)
