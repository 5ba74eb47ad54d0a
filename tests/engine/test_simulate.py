"""The account alone is the account of the whole run."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import engine
from engine.errors import ConfigError, DataNotFoundError, Stopped
from engine.run import run_backtest
from tests.support.markets import config, walk

BARS = 300
CANDLES = walk(BARS, symbol="SPY")
CONFIGS: dict[str, dict[str, Any]] = {
    "signals": config(parameters={"fast": 3, "slow": 8}),
    "wheel": config("wheel"),
    "portfolio": config(
        "portfolio",
        parameters={
            "sleeves": [
                {"weight": 0.5, "config": {"strategyId": "buyAndHold"}},
                {"weight": 0.3, "config": {"strategyId": "wheel"}},
            ]
        },
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_account_is_that_of_the_backtest(name: str) -> None:
    chosen = CONFIGS[name]
    found = engine.simulate(chosen, CANDLES)
    result = run_backtest(chosen, CANDLES)
    assert found.equity.tolist() == result.equity_curve
    assert found.trades.pnl.tolist() == [trade.pnl for trade in result.trades]
    assert found.cycles.end_equity.tolist() == [cycle.end_equity for cycle in result.cycles]
    assert found.notes == result.notes
    assert float(found.holds_position.mean()) == result.metrics.exposure


def test_a_config_may_be_read_before() -> None:
    parsed = engine.parse_config(CONFIGS["signals"])
    one, other = engine.simulate(parsed, CANDLES), engine.simulate(CONFIGS["signals"], CANDLES)
    for column in fields(one.trades):
        np.testing.assert_array_equal(
            getattr(one.trades, column.name), getattr(other.trades, column.name)
        )


def test_watching_changes_nothing() -> None:
    """A run that somebody looks at goes in pieces."""
    candles = walk(25_000, timeframe="1h")
    chosen = config(timeframe="1h", parameters={"fast": 3, "slow": 8})
    heard: list[float] = []
    watched = engine.simulate(chosen, candles, heard.append, lambda: False)
    alone = engine.simulate(chosen, candles)
    assert len(heard) > 1
    assert heard[-1] == 1.0
    np.testing.assert_array_equal(watched.equity, alone.equity)
    for table in ("trades", "cycles"):
        for column in fields(getattr(alone, table)):
            np.testing.assert_array_equal(
                getattr(getattr(watched, table), column.name),
                getattr(getattr(alone, table), column.name),
            )


def test_what_is_wrong_is_said_as_a_backtest_says_it() -> None:
    with pytest.raises(ConfigError):
        engine.simulate({**CONFIGS["signals"], "startingCapital": -1}, CANDLES)
    with pytest.raises(DataNotFoundError):
        engine.simulate(CONFIGS["signals"], {})
    with pytest.raises(Stopped):
        engine.simulate(CONFIGS["signals"], CANDLES, should_stop=lambda: True)
