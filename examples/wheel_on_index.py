"""The option wheel on the S&P 500, with premiums from the VIX of each day.

Which market pays for selling puts? The result says by regime what a cycle earned and how often it
ended in assignment.
"""

from pathlib import Path

from engine import run_backtest
from worker.candle_import import read_candles

SAMPLES = Path(__file__).parents[1] / "samples"

candles = {symbol: read_candles(SAMPLES / f"{symbol}-1d.csv", symbol) for symbol in ("SPX", "VIX")}
result = run_backtest(
    {
        "strategyId": "wheel",
        "symbol": "SPX",
        "startDate": "2014-01-06",
        "endDate": "2018-12-31",
        "startingCapital": 100_000,
        "regime": {"lookback": 20, "upThreshold": 0.02, "downThreshold": -0.02},
        "parameters": {
            "contracts": "max",
            "contractSize": 10,
            "dte": {"target": 30, "min": 20, "max": 45},
            "expiries": "weekly",
            "put": {"delta": 0.3},
            "call": {"delta": 0.3},
            "strikeStep": 5,
            "volatility": {"model": "series", "symbol": "VIX", "scale": 0.87},
            "riskFreeRate": 0.01,
            "dividendYield": 0.02,
            "cashRate": 0.01,
            "commissionPerContract": 1.0,
            "spread": 0.02,
        },
    },
    candles,
)

metrics = result.metrics
print(result.notes[0])
print(f"\n{'':14}{'wheel':>10}{'index':>10}")
print(f"{'Total return':14}{metrics.total_return:10.1%}{metrics.buy_and_hold_return:10.1%}")
print(
    f"CAGR {metrics.cagr:.1%}, volatility {metrics.annualized_volatility:.1%}, "
    f"Sharpe {metrics.sharpe:.2f}, beta {metrics.beta:.2f}, drawdown {metrics.max_drawdown:.1%}"
)
print(
    f"Premiums {metrics.premium_collected:,.0f}, fees {metrics.fees_paid:,.0f}, "
    f"{metrics.assignment_count} assignments, {metrics.called_away_count} called away"
)

print(f"\n{'Regime':10}{'cycles':>8}{'a cycle':>10}{'assigned':>10}")
by_regime = {
    "uptrend": (result.uptrend_avg_cycle_return, result.uptrend_assignment_rate),
    "sideways": (result.sideways_avg_cycle_return, result.sideways_assignment_rate),
    "downtrend": (result.downtrend_avg_cycle_return, result.downtrend_assignment_rate),
}
for regime, (average, assigned) in by_regime.items():
    count = sum(cycle.completed and cycle.dominant_regime == regime for cycle in result.cycles)
    print(f"{regime:10}{count:8}{average:10.2%}{assigned:10.0%}")
