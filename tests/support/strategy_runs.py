"""One config of every strategy and of the options that decide how it trades, for tests of what
must hold whatever is run."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import BacktestResult, Candles, run_backtest
from tests.support.markets import DAY, config

RULES = {
    "indicators": {
        "fast": {"type": "ema", "period": 5},
        "bands": {"type": "bollinger", "period": 12},
        "strength": {"type": "rsi", "period": 7},
    },
    "entry": {"any": [{"crossesAbove": ["close", "fast"]}, {"below": ["strength", 30]}]},
    "exit": {"any": [{"above": ["close", "bands.upper"]}, {"falling": ["close", 3]}]},
}
STOPS = {"stopLoss": 0.04, "takeProfit": 0.06, "trailingStop": 0.05, "direction": "both"}
AMOUNTS = {"sizing": {"type": "notional", "value": 4_000.0}, "feePerTrade": 1.5, "feeRate": 0.001}
REALIZED = {"volatility": {"model": "realized", "window": 10}, "dte": 14}
BY_DELTA = {"put": {"delta": 0.3}, "call": {"delta": 0.3}, "dte": 10}
COSTS = {"dte": 7, "commissionPerContract": 0.65, "assignmentFee": 5.0, "strikeStep": 0.5}
MONTHLY = {"dte": {"target": 30, "min": 15, "max": 50}, "expiries": "monthly"}
WEEKLY = {"dte": {"target": 10, "min": 4, "max": 20}, "expiries": "weekly"}
SERIES = {"volatility": {"model": "series", "symbol": "VOL"}, "dte": 10}
SLEEVES = [
    {"weight": 0.4, "config": {"strategyId": "smaCross", "parameters": {"fast": 3, "slow": 8}}},
    {"weight": 0.2, "config": {"strategyId": "rsi", "execution": {"feeRate": 0.001}}},
    {"weight": 0.3, "config": {"strategyId": "wheel", "parameters": {"contractSize": 10, **COSTS}}},
]

RUNS: Mapping[str, dict[str, Any]] = {
    "buyAndHold": config("buyAndHold"),
    "smaCross": config(parameters={"fast": 3, "slow": 8}, execution={"feeRate": 0.001}),
    "both ways with stops": config(parameters={"fast": 3, "slow": 8}, execution=STOPS),
    "amounts of money": config(parameters={"fast": 3, "slow": 8}, execution=AMOUNTS),
    "emaCross": config("emaCross", parameters={"fast": 3, "slow": 8}),
    "at the close": config("rsi", parameters={"period": 5}, execution={"fillOn": "close"}),
    "macd": config("macd", parameters={"fast": 4, "slow": 9, "signal": 3}),
    "bollinger": config("bollinger", parameters={"period": 9, "deviations": 1.5}),
    "supertrend": config("supertrend", parameters={"period": 5, "multiplier": 2}),
    "donchian": config("donchian", parameters={"entry": 8, "exit": 4}),
    "rules": config("rules", parameters=RULES),
    "wheel": config("wheel", parameters=REALIZED),
    "wheel by delta": config("wheel", parameters=BY_DELTA),
    "wheel with costs": config("wheel", parameters=COSTS, startingCapital=12_000),
    "wheel with interest": config("wheel", parameters={**BY_DELTA, "cashRate": 0.03}),
    "wheel by a series": config("wheel", parameters=SERIES),
    "monthly wheel": config("wheel", parameters=MONTHLY),
    "weekly wheel": config("wheel", parameters=WEEKLY),
    "early close": config("wheel", parameters={"dte": 12, "closeAtProfit": 0.5, "spread": 0.02}),
    "portfolio": config("portfolio", parameters={"sleeves": SLEEVES}, startingCapital=20_000),
}


def run(raw: dict[str, Any], candles: Candles, **changes: Any) -> BacktestResult:
    """Run with a year of 252 bars: ``auto`` looks at all bars, and so into the future."""
    given = {"SPY": candles, "VOL": volatility(candles)}
    return run_backtest({"annualization": 252, **raw, **changes}, given)


def volatility(candles: Candles) -> Candles:
    """A quoted volatility that depends on the day of the week alone."""
    closes = 15.0 + (candles.times // DAY) % 7
    return Candles.from_closes("VOL", candles.timeframe, candles.times, np.asarray(closes))


def sleeves_of(raw: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    """(capital, config) of each account in a run: a portfolio's sleeves, or the run itself."""
    capital = raw["startingCapital"]
    if raw["strategyId"] != "portfolio":
        return [(capital, raw)]
    return [
        (sleeve["weight"] * capital, sleeve["config"]) for sleeve in raw["parameters"]["sleeves"]
    ]
