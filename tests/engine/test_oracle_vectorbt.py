"""The fill kernel against vectorbt, where both mean the same thing.

Left out, because vectorbt means something else: stops (it fills them by other rules), full-size
shorts (it lends more), fixed fees in reversals (it trades the two legs as one order).
"""

import warnings
from typing import Any

import numpy as np
import pytest

from engine.candles import Candles
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import SizingKind
from engine.simulation import BoolArray, FloatArray, Simulation

with warnings.catch_warnings():
    # vectorbt and its plotting libraries use what newer numpy, pandas and plotly deprecate.
    warnings.simplefilter("ignore")
    import vectorbt

CAPITAL = 10_000.0
BARS = 250


def random_candles(rng: np.random.Generator) -> Candles:
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, BARS)))
    open_ = np.concatenate(([50.0], close[:-1])) * np.exp(rng.normal(0.0, 0.005, BARS))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    times = np.arange(BARS, dtype=np.int64) * 86_400_000
    return Candles("TEST", "1d", times, open_, high, low, close, np.zeros(BARS))


def random_masks(rng: np.random.Generator, sides: str) -> list[BoolArray]:
    masks = list(rng.random((4, BARS)) < rng.choice([0.03, 0.1, 0.4]))
    if sides == "long":
        masks[2] = masks[3] = np.zeros(BARS, np.bool_)
    elif sides == "short":
        masks[0] = masks[1] = np.zeros(BARS, np.bool_)
    both = masks[0] & masks[2]
    return [masks[0] & ~both, masks[1], masks[2] & ~both, masks[3]]


def shifted(mask: BoolArray) -> BoolArray:
    """On the bar where the order fills."""
    return np.concatenate(([False], mask[:-1]))


def theirs(candles: Candles, masks: list[BoolArray], rules: FillRules) -> Any:
    orders = masks if rules.fill_on_close else [shifted(mask) for mask in masks]
    size: dict[str, Any] = {"size": np.inf}
    if rules.sizing == SizingKind.NOTIONAL:
        size = {"size": rules.size, "size_type": "value"}
    if rules.sizing == SizingKind.UNITS:
        size = {"size": rules.size, "size_type": "amount"}
    if rules.whole_units:
        size["size_granularity"] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vectorbt.Portfolio.from_signals(
            candles.close,
            entries=orders[0],
            exits=orders[1],
            short_entries=orders[2],
            short_exits=orders[3],
            price=candles.close if rules.fill_on_close else candles.open,
            fees=rules.fee_rate,
            fixed_fees=rules.fee_per_trade,
            slippage=rules.slippage_rate,
            init_cash=CAPITAL,
            accumulate=False,
            upon_long_conflict="exit",
            upon_short_conflict="exit",
            upon_opposite_entry="reverse",
            freq="1D",
            **size,
        )


def random_case(seed: int) -> tuple[Candles, list[BoolArray], FillRules]:
    rng = np.random.default_rng(seed)
    sides = ("long", "short", "both")[seed % 3]
    kinds = [SizingKind.NOTIONAL, SizingKind.UNITS]
    if sides == "long":
        kinds.append(SizingKind.EQUITY_FRACTION)
    sizing = kinds[int(rng.integers(len(kinds)))]
    # Full size and more than cash can pay, for longs; shorts stay well inside their collateral.
    notional = [2_000.0, 50_000.0] if sides == "long" else [1_000.0, 2_000.0]
    size = {
        SizingKind.EQUITY_FRACTION: 1.0,
        SizingKind.NOTIONAL: float(rng.choice(notional)),
        SizingKind.UNITS: float(rng.choice([3.0, 20.5])),
    }[sizing]
    rules = FillRules(
        fill_on_close=bool(rng.integers(2)),
        fee_rate=float(rng.choice([0.0, 0.001, 0.004])),
        fee_per_trade=0.0 if sides == "both" else float(rng.choice([0.0, 2.5])),
        slippage_rate=0.0 if sizing == SizingKind.NOTIONAL else float(rng.choice([0.0, 0.002])),
        sizing=sizing,
        size=size,
        whole_units=sides != "both" and bool(rng.integers(2)),
    )
    return random_candles(rng), random_masks(rng, sides), rules


def assert_trades_agree(ours: Simulation, expected: Any) -> None:
    records = expected.trades.records
    closed = ours.trades.exit_index >= 0
    assert len(ours.trades) == len(records)
    np.testing.assert_array_equal(ours.trades.entry_index, records["entry_idx"])
    np.testing.assert_array_equal(ours.trades.side == -1, records["direction"] == 1)
    columns: list[tuple[FloatArray, str]] = [
        (ours.trades.quantity, "size"),
        (ours.trades.entry_price, "entry_price"),
    ]
    for values, name in columns:
        np.testing.assert_allclose(values, records[name], rtol=1e-9)
    exits = records[closed]
    np.testing.assert_array_equal(ours.trades.exit_index[closed], exits["exit_idx"])
    np.testing.assert_allclose(ours.trades.exit_price[closed], exits["exit_price"], rtol=1e-12)
    np.testing.assert_allclose(ours.trades.pnl[closed], exits["pnl"], atol=1e-6)
    np.testing.assert_allclose(ours.trades.trade_return[closed], exits["return"], atol=1e-9)


@pytest.mark.parametrize("block", range(6))
def test_equity_and_trades_agree_with_vectorbt(block: int) -> None:
    traded = 0
    for seed in range(block * 40, block * 40 + 40):
        candles, masks, rules = random_case(seed)
        signals = Signals(
            long_entry=masks[0], long_exit=masks[1], short_entry=masks[2], short_exit=masks[3]
        )
        ours = simulate_fills(signals, candles, rules, CAPITAL)
        expected = theirs(candles, masks, rules)
        np.testing.assert_allclose(
            ours.equity, expected.value().to_numpy(), rtol=1e-9, err_msg=f"{seed} {rules}"
        )
        assert_trades_agree(ours, expected)
        assert ours.fees_paid == pytest.approx(
            float(expected.orders.records["fees"].sum()), abs=1e-6
        )
        traded += len(ours.trades)
    assert traded > 100
