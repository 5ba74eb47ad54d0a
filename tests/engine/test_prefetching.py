"""Asking for memory changes nothing but how long it takes."""

import numpy as np
import pytest

from engine._jit import kernel
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import MANY_BARS
from engine.prefetching import prefetch
from engine.simulation import FloatArray
from tests.support.markets import walk


@kernel
def last_after_asking(values: FloatArray, place: int) -> float:
    prefetch(values, place)
    prefetch(values[1:], place)
    return float(values[-1])


@pytest.mark.parametrize("place", [0, 2, 3, -1, 10**6, -(10**12), 2**62])
def test_any_place_may_be_asked_for(place: int) -> None:
    values = np.array([1.0, 2.0, 3.0])
    assert last_after_asking(values, place) == 3.0
    assert values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("rules", [FillRules(fee_rate=0.001), FillRules(take_profit=0.01)])
def test_a_run_over_many_bars_begins_like_one_over_fewer(rules: FillRules) -> None:
    """Only the longer one asks ahead."""
    bars = MANY_BARS + 5_000
    candles = walk(bars, timeframe="1h")
    rng = np.random.default_rng(3)
    nowhere = np.zeros(bars, np.bool_)
    entry, leave = rng.random((2, bars)) < 0.05

    def run(count: int) -> tuple[FloatArray, list[FloatArray]]:
        signals = Signals(
            long_entry=entry[:count],
            long_exit=leave[:count],
            short_entry=nowhere[:count],
            short_exit=nowhere[:count],
        )
        found = simulate_fills(signals, candles.rows(0, count), rules, 10_000.0)
        table = found.trades
        closed = [table.exit_price, table.pnl, table.mae, table.mfe, table.fees]
        return found.equity, [column[:-1] for column in closed]

    many, many_trades = run(bars)
    few, few_trades = run(MANY_BARS)
    assert np.array_equal(many[:MANY_BARS], few)
    for one, other in zip(many_trades, few_trades, strict=True):
        assert 100 < len(other) < len(one)
        assert np.array_equal(one[: len(other)], other)
