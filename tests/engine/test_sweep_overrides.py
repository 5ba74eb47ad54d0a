"""Overrides by dotted paths anywhere in the config of any strategy give their single runs' rows."""

import random
from typing import Any

import pytest

from engine import Candles
from tests.support.markets import walk
from tests.support.random_variants import random_execution, random_regime
from tests.support.strategy_runs import RUNS, volatility
from tests.support.sweeps import assert_equals_single_runs

#: What may be set in the envelope of any strategy; some of it is refused, some has no candles.
ANYWHERE: dict[str, list[Any]] = {
    "startingCapital": [300.0, 10_000, 250_000.0, 0, -1.0, None],
    "startDate": ["2020-01-01", "2020-03-15", "2019-06-01T00:00:00Z", "2031-01-01", "soon"],
    "endDate": ["2020-06-30", "2020-09-01T12:00:00Z", "2020-01-01", "2019-12-31"],
    "symbol": ["SPY", "MSFT", "GONE", ""],
    "timeframe": ["1d", "1h", "3d"],
    "maxCycles": [None, 0, 1, 3, -2],
    "annualization": ["auto", 252, 365.0, 0],
    "label": ["another name", 3],
    "pricePath": [[100.0, 101.5, 99.0, 98.0, 103.0, 97.0, 95.0, 99.5] * 6, [], [1.0, -1.0]],
    "nothing.here": [1],
}
PARAMETERS: dict[str, dict[str, list[Any]]] = {
    "smaCross": {"parameters.fast": [2, 4, 9], "parameters.slow": [8, 20, 2, "ten"]},
    "emaCross": {"parameters.fast": [2, 4, 9], "parameters.slow": [8, 20]},
    "rsi": {"parameters.period": [2, 9], "parameters.lower": [20, 40, 80]},
    "macd": {"parameters.signal": [2, 9, 0]},
    "bollinger": {"parameters.deviations": [0.5, 2, -1]},
    "supertrend": {"parameters.multiplier": [1, 4.5]},
    "donchian": {"parameters.exit": [2, 30]},
    "rules": {
        "parameters.indicators.fast.period": [2, 30, 500],
        "parameters.indicators.strength": [{"type": "roc", "period": 4}, {"type": "none"}],
        "parameters.entry": [{"rising": ["fast", 2]}, {"above": ["nobody", 1]}],
        "parameters.exit.any.0": [{"below": ["close", "fast"]}],
    },
    "wheel": {
        "parameters.dte": [5, 21, {"target": 10, "min": 5, "max": 15}, 0],
        "parameters.put.delta": [0.1, 0.45, 1.5],
        "parameters.spread": [0.0, 0.03],
        "parameters.volatility.window": [5, 20],
        "parameters.contracts": [1, "max"],
        "parameters.contractSize": [1, 100],
    },
    "portfolio": {
        "parameters.sleeves.0.weight": [0.1, 0.4, 0.9],
        "parameters.sleeves.0.config.parameters.fast": [2, 7, 8],
        "parameters.sleeves.1.config.execution.stopLoss": [0.03, None],
        "parameters.sleeves.2.config.parameters.dte": [5, 10],
        "parameters.sleeves.7.weight": [0.1],
        "parameters.sleeves.0.config.symbol": ["MSFT", "SPY"],
    },
    "buyAndHold": {},
}


def random_overrides(chance: random.Random, strategy: str) -> dict[str, Any]:
    """A few paths; each kind of override comes up, alone and with others."""
    found: dict[str, Any] = {}
    for path, values in PARAMETERS[strategy].items():
        if chance.random() < 0.4:
            found[path] = chance.choice(values)
    for path, value in random_execution(chance).items():
        if chance.random() < 0.25 and (strategy != "wheel" or chance.random() < 0.1):
            found[f"execution.{path}"] = value
    if strategy not in ("wheel", "portfolio") and chance.random() < 0.2:
        found["execution.sizing.value"] = chance.choice([0.25, 3, "half"])
    for path, value in random_regime(chance).items():
        if chance.random() < 0.2:
            found[f"regime.{path}"] = value
    for path in chance.sample(sorted(ANYWHERE), chance.choice([0, 0, 1, 2])):
        found[path] = chance.choice(ANYWHERE[path])
    return found


def market() -> dict[str, Candles]:
    spy = walk(260, 11, volatility=0.025)
    return {"SPY": spy, "MSFT": walk(200, 12, symbol="MSFT"), "VOL": volatility(spy)}


@pytest.mark.parametrize("name", RUNS)
def test_any_overrides_give_the_single_run_or_its_error(name: str) -> None:
    chance = random.Random(name)
    strategy = RUNS[name]["strategyId"]
    variants = [random_overrides(chance, strategy) for _ in range(40)]
    finished = assert_equals_single_runs(RUNS[name], variants, market(), threads=2)
    assert 4 <= len(finished) < 40
    assert len({row.summary_digest for row in finished}) > 2
