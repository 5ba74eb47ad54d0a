"""Whole runs, from config to orders, against vectorbt with indicators of TA-Lib.

The same fills are compared in more ways in test_oracle_vectorbt.py, which also says what is left
out and why. Here nothing but a config goes in: indicators, crossings, sides and sizes are each
side's own.
"""

import random
import warnings
from typing import Any

import numpy as np
import pytest

from engine import BacktestResult, Candles, run_backtest
from engine.simulation import BoolArray, FloatArray
from tests.support.markets import config, walk

with warnings.catch_warnings():
    # vectorbt and its plotting libraries use what newer numpy, pandas and plotly deprecate.
    warnings.simplefilter("ignore")
    import talib
    import vectorbt

BARS = 300
CAPITAL = 10_000.0


def crosses(a: FloatArray, b: FloatArray) -> BoolArray:
    """a above b on this bar, and not on the one before; both are defined there."""
    found = np.zeros(len(a), np.bool_)
    found[1:] = (a[1:] > b[1:]) & (a[:-1] <= b[:-1])
    return found


def signals(strategy: str, given: dict[str, Any], candles: Candles) -> tuple[BoolArray, BoolArray]:
    """Where a long position is entered and left, in plain numpy on TA-Lib's indicators."""
    close = candles.close
    if strategy in ("smaCross", "emaCross"):
        average = talib.SMA if strategy == "smaCross" else talib.EMA
        fast, slow = average(close, given["fast"]), average(close, given["slow"])
        if strategy == "smaCross":
            # TA-Lib's sums are rounded; averages of prices in cents tie at whole sums.
            fast, slow = np.round(fast, 9), np.round(slow, 9)
        return crosses(fast, slow), crosses(slow, fast)
    if strategy == "macd":
        line, signal, _ = talib.MACD(close, given["fast"], given["slow"], given["signal"])
        return crosses(line, signal), crosses(signal, line)
    if strategy == "rsi":
        strength = talib.RSI(close, given["period"])
        low, high = np.full(BARS, given["lower"]), np.full(BARS, given["upper"])
        return crosses(strength, low), crosses(strength, high)
    if strategy == "bollinger":
        width = given["deviations"]
        _, middle, lower = talib.BBANDS(close, given["period"], width, width)
        return crosses(lower, close), crosses(close, middle)
    top, bottom = talib.MAX(candles.high, given["entry"]), talib.MIN(candles.low, given["exit"])
    before = np.full(1, np.nan)
    return (
        close > np.concatenate((before, top[:-1])),
        close < np.concatenate((before, bottom[:-1])),
    )


def random_strategy(chance: random.Random) -> tuple[str, dict[str, Any]]:
    fast, signal = chance.randint(2, 12), chance.randint(2, 9)
    found: list[tuple[str, dict[str, Any]]] = [
        ("smaCross", {"fast": fast, "slow": fast + chance.randint(1, 20)}),
        ("emaCross", {"fast": fast, "slow": fast + chance.randint(1, 20)}),
        ("macd", {"fast": fast, "slow": fast + chance.randint(1, 9), "signal": signal}),
        ("rsi", {"period": fast, "lower": chance.uniform(25, 45), "upper": chance.uniform(50, 70)}),
        ("bollinger", {"period": fast + 3, "deviations": chance.choice([1.0, 1.5, 2.0])}),
        ("donchian", {"entry": fast, "exit": chance.randint(2, 12)}),
    ]
    return chance.choice(found)


def random_execution(chance: random.Random) -> dict[str, Any]:
    sizing = chance.choice(
        [
            {"type": "equityFraction", "value": 1.0},
            {"type": "units", "value": chance.choice([3.0, 1_000.0])},
        ]
    )
    return {
        "fillOn": chance.choice(["nextOpen", "close"]),
        "feeRate": chance.choice([0.0, 0.001, 0.01]),
        "feePerTrade": chance.choice([0.0, 2.5]),
        "slippageRate": chance.choice([0.0, 0.002]),
        "sizing": {**sizing, "wholeUnits": chance.random() < 0.4},
    }


def their_orders(
    candles: Candles, entries: BoolArray, exits: BoolArray, execution: dict[str, Any]
) -> Any:
    if execution["fillOn"] == "nextOpen":
        entries = np.concatenate(([False], entries[:-1]))
        exits = np.concatenate(([False], exits[:-1]))
    sizing = execution["sizing"]
    size = np.inf if sizing["type"] == "equityFraction" else sizing["value"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vectorbt.Portfolio.from_signals(
            candles.close,
            entries=entries,
            exits=exits,
            price=candles.close if execution["fillOn"] == "close" else candles.open,
            size=size,
            size_type="amount",
            size_granularity=1.0 if sizing["wholeUnits"] else None,
            fees=execution["feeRate"],
            fixed_fees=execution["feePerTrade"],
            slippage=execution["slippageRate"],
            init_cash=CAPITAL,
            upon_long_conflict="exit",
            freq="1D",
        ).orders.records


def our_orders(result: BacktestResult) -> list[tuple[int, int, float, float]]:
    """Bar, side (0 buys, 1 sells), units and price of every order, in their order."""
    orders = []
    for trade in result.trades:
        orders.append((trade.entry_index, 0, trade.quantity, trade.entry_price))
        if trade.exit_index is not None and trade.exit_price is not None:
            orders.append((trade.exit_index, 1, trade.quantity, trade.exit_price))
    return orders


@pytest.mark.parametrize("block", range(5))
def test_every_order_of_a_config_is_vectorbts(block: int) -> None:
    count = 0
    for seed in range(block * 40, block * 40 + 40):
        chance = random.Random(seed)
        strategy, parameters = random_strategy(chance)
        execution = random_execution(chance)
        candles = walk(BARS, seed)
        result = run_backtest(
            config(strategy, parameters=parameters, execution=execution, startingCapital=CAPITAL),
            candles,
        )
        records = their_orders(candles, *signals(strategy, parameters, candles), execution)
        ours = our_orders(result)
        case = f"{seed} {strategy} {parameters} {execution}"
        assert [order[:2] for order in ours] == list(
            zip(records["idx"].tolist(), records["side"].tolist(), strict=True)
        ), case
        sizes, prices = np.array([order[2:] for order in ours]).reshape(-1, 2).T
        np.testing.assert_allclose(sizes, records["size"], rtol=1e-9, err_msg=case)
        np.testing.assert_allclose(prices, records["price"], rtol=1e-12, err_msg=case)
        assert result.metrics.fees_paid == pytest.approx(float(records["fees"].sum()), abs=1e-6)
        count += len(ours)
    assert count > 250
