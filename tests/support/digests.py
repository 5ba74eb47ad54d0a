"""Prints the digests of some short runs: started by tests in processes of different settings."""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine import run_backtest, signal_strategies, wheel
from engine.candles import Candles
from engine.fills import simulate_fills
from tests.support.markets import DAY, NEW_YEAR, config, every, walk


def digests() -> list[str]:
    times = every("1d", 260, NEW_YEAR - DAY)
    vix = Candles.from_closes("VIX", "1d", times, 15.0 + (times // DAY) % 7)
    candles = {"SPY": walk(220), "VIX": vix}
    both = {"direction": "both", "stopLoss": 0.03, "trailingStop": 0.05, "feeRate": 0.001}
    series = {"volatility": {"model": "series", "symbol": "VIX"}, "put": {"delta": 0.3}}
    realized = {"volatility": {"model": "realized", "window": 10}, "cashRate": 0.02}
    sleeves = [{"weight": 0.5, "config": {"strategyId": name}} for name in ("rsi", "wheel")]
    runs = [
        config("smaCross", parameters={"fast": 3, "slow": 9}, execution=both),
        config("macd"),
        config("bollinger", execution={"fillOn": "close"}),
        config("wheel", parameters=series, startingCapital=20_000),
        config("wheel", parameters=realized, startingCapital=20_000),
        config("portfolio", parameters={"sleeves": sleeves}, startingCapital=50_000),
    ]
    results = [run_backtest(raw, candles) for raw in runs]
    return [text for found in results for text in (found.result_digest, found.summary_digest)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bars = int(sys.argv[1])
        wheel.CHUNK_BARS = bars
        signal_strategies.simulate_fills = partial(simulate_fills, chunk_bars=bars)
    print("\n".join(digests()))
