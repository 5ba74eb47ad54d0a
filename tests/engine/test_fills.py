"""Hand-made bars, one rule each: what fills, where, and what it leaves."""

from typing import Any

import numpy as np
import pytest

from engine.candles import Candles
from engine.errors import Stopped
from engine.fills import FillRules, Signals, simulate_fills
from engine.fills_kernel import SizingKind
from engine.levels import Intrabar
from engine.simulation import ExitReason, Outcome, Simulation

Bar = tuple[float, float, float, float]


def candles(bars: list[Bar]) -> Candles:
    columns = [np.array(column) for column in zip(*bars, strict=True)]
    times = np.arange(len(bars), dtype=np.int64) * 86_400_000
    return Candles("TEST", "1d", times, *columns, np.zeros(len(bars)))


def closes(*prices: float) -> list[Bar]:
    return [(price, price, price, price) for price in prices]


def run(
    bars: list[Bar],
    signals: dict[str, list[int]],
    rules: FillRules | None = None,
    capital: float = 1_000.0,
) -> Simulation:
    """``signals`` names the bars on whose close each order is signalled."""
    masks = {
        name: np.isin(np.arange(len(bars)), signals.get(name, []))
        for name in ("long_entry", "long_exit", "short_entry", "short_exit")
    }
    return simulate_fills(Signals(**masks), candles(bars), rules or FillRules(), capital)


def held_from_bar_1(bars: list[Bar], **rules: Any) -> Simulation:
    """Long or short one unit from the open of bar 1."""
    side = rules.pop("side", "long")
    settings = FillRules(sizing=SizingKind.UNITS, size=1.0, **rules)
    return run([*closes(100.0), *bars], {f"{side}_entry": [0]}, settings)


# Orders


def test_a_signal_fills_at_the_next_open() -> None:
    bars = [*closes(10.0), (11.0, 13.0, 10.0, 12.0), (14.0, 14.0, 9.0, 10.0)]
    result = run(bars, {"long_entry": [0], "long_exit": [1]})
    assert result.trades.entry_index.tolist() == [1]
    assert result.trades.entry_price.tolist() == [11.0]
    assert result.trades.exit_index.tolist() == [2]
    assert result.trades.exit_price.tolist() == [14.0]
    assert result.equity == pytest.approx([1_000.0, 1_000.0 / 11 * 12, 1_000.0 / 11 * 14])
    assert result.holds_position.tolist() == [False, True, False]


def test_a_signal_fills_at_its_own_close_when_told_to() -> None:
    bars = [(9.0, 11.0, 9.0, 10.0), (11.0, 13.0, 10.0, 12.0)]
    rules = FillRules(fill_on_close=True)
    result = run(bars, {"long_entry": [0], "long_exit": [1]}, rules)
    assert result.trades.entry_price.tolist() == [10.0]
    assert result.trades.exit_price.tolist() == [12.0]
    assert result.equity == pytest.approx([1_000.0, 1_200.0])


def test_a_signal_on_the_last_bar_fills_nothing_at_the_next_open() -> None:
    result = run(closes(10.0, 11.0), {"long_entry": [1]})
    assert len(result.trades) == 0
    assert result.equity.tolist() == [1_000.0, 1_000.0]


def test_an_exit_beats_an_entry_of_the_same_bar() -> None:
    result = run(closes(10.0, 11.0, 12.0), {"long_entry": [0], "long_exit": [0]})
    assert len(result.trades) == 0
    result = run(closes(10.0, 11.0, 12.0, 13.0), {"long_entry": [0, 1, 2, 3], "long_exit": [1]})
    assert result.trades.entry_index.tolist() == [1, 3]
    assert result.trades.exit_index.tolist() == [2, -1]


def test_entries_of_both_sides_at_once_cancel_while_flat() -> None:
    result = run(closes(10.0, 11.0), {"long_entry": [0], "short_entry": [0]})
    assert len(result.trades) == 0


def test_further_entries_add_nothing() -> None:
    rules = FillRules(sizing=SizingKind.NOTIONAL, size=100.0)
    result = run(closes(10.0, 10.0, 20.0, 30.0), {"long_entry": [0, 1, 2]}, rules)
    assert result.trades.quantity.tolist() == [10.0]


def test_slippage_is_adverse_both_ways_for_both_sides() -> None:
    rules = FillRules(slippage_rate=0.1, sizing=SizingKind.UNITS, size=1.0)
    bars = closes(100.0, 100.0, 100.0)
    for side, entry, exit_ in (("long", 110.0, 90.0), ("short", 90.0, 110.0)):
        result = run(bars, {f"{side}_entry": [0], f"{side}_exit": [1]}, rules)
        assert result.trades.entry_price[0] == pytest.approx(entry)
        assert result.trades.exit_price[0] == pytest.approx(exit_)
        assert result.equity[-1] == pytest.approx(980.0)


def test_a_reversal_closes_and_opens_at_one_price_with_two_fees() -> None:
    rules = FillRules(fee_rate=0.01, sizing=SizingKind.UNITS, size=2.0, slippage_rate=0.05)
    result = run(closes(100.0, 100.0, 120.0, 90.0), {"long_entry": [0], "short_entry": [1]}, rules)
    trades, cycles = result.trades, result.cycles
    assert trades.side.tolist() == [1, -1]
    assert trades.exit_price[0] == trades.entry_price[1] == pytest.approx(114.0)
    assert trades.exit_index[0] == trades.entry_index[1] == 2
    assert result.fees_paid == pytest.approx(2.1 + 2.28 + 2.28)
    assert cycles.end_equity[0] == cycles.start_equity[1]
    assert cycles.completed.tolist() == [True, False]
    assert cycles.outcome.tolist() == [Outcome.CLOSED, Outcome.NONE]
    assert cycles.end_index.tolist() == [2, 3]
    after_long = 1_000 + 2 * (114 - 105) - 2.1 - 2.28
    assert cycles.start_equity[1] == pytest.approx(after_long)
    assert result.equity[-1] == pytest.approx(after_long - 2.28 + 2 * (114 - 90))


def test_a_reversal_sizes_on_the_cash_after_closing() -> None:
    result = run(closes(100.0, 100.0, 50.0, 50.0), {"long_entry": [0], "short_entry": [1]})
    assert result.trades.quantity.tolist() == [10.0, 10.0]
    assert result.cycles.start_equity.tolist() == [1_000.0, 500.0]


# Size


def test_fees_come_on_top_of_the_target_notional() -> None:
    rules = FillRules(size=0.5, fee_rate=0.01, fee_per_trade=1.0)
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, rules)
    assert result.trades.quantity.tolist() == [50.0]
    assert result.trades.fees.tolist() == [6.0]
    assert result.equity[-1] == pytest.approx(994.0)


@pytest.mark.parametrize("side", ["long", "short"])
def test_units_shrink_to_what_cash_can_pay(side: str) -> None:
    rules = FillRules(fee_rate=0.01, fee_per_trade=1.0)
    result = run(closes(10.0, 10.0), {f"{side}_entry": [0]}, rules)
    units = (1_000.0 - 1.0) / (10.0 * 1.01)
    assert result.trades.quantity.tolist() == [units]
    notional = units * 10.0
    assert notional + result.trades.fees[0] == pytest.approx(1_000.0)
    assert result.equity[-1] == pytest.approx(1_000.0 - result.trades.fees[0])


@pytest.mark.parametrize(
    ("sizing", "size", "units"),
    [
        (SizingKind.EQUITY_FRACTION, 0.25, 25.0),
        (SizingKind.NOTIONAL, 150.0, 15.0),
        (SizingKind.NOTIONAL, 5_000.0, 100.0),
        (SizingKind.UNITS, 3.5, 3.5),
        (SizingKind.UNITS, 300.0, 100.0),
    ],
)
def test_each_kind_of_size(sizing: SizingKind, size: float, units: float) -> None:
    rules = FillRules(sizing=sizing, size=size)
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, rules)
    assert result.trades.quantity.tolist() == [units]


@pytest.mark.parametrize(
    ("size", "units"), [(3.999, 3.0), (4.0 - 1e-10, 4.0), (4.0, 4.0), (0.999, 0.0)]
)
def test_whole_units_floor_with_a_tolerance(size: float, units: float) -> None:
    rules = FillRules(sizing=SizingKind.UNITS, size=size, whole_units=True)
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, rules)
    assert result.trades.quantity.sum() == units


def test_whole_units_floor_after_shrinking() -> None:
    rules = FillRules(sizing=SizingKind.UNITS, size=100.0, whole_units=True, fee_per_trade=5.0)
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, rules)
    assert result.trades.quantity.tolist() == [99.0]


def test_zero_units_are_no_trade_and_noted() -> None:
    rules = FillRules(whole_units=True)
    result = run(closes(2_000.0, 2_000.0, 2_000.0), {"long_entry": [0, 1]}, rules)
    assert len(result.trades) == 0
    assert result.notes == [
        "2 entries were not filled because the size came to zero units "
        "(first on bar 1 (1970-01-02 00:00 UTC))."
    ]


def test_a_fee_that_eats_all_cash_leaves_nothing_to_buy() -> None:
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, FillRules(fee_per_trade=1_000.0))
    assert len(result.trades) == 0
    assert result.equity.tolist() == [1_000.0, 1_000.0]
    assert "1 entry was not filled" in result.notes[0]


# Stops and targets


@pytest.mark.parametrize(
    ("side", "bar", "price"),
    [
        ("long", (100.0, 101.0, 95.0, 98.0), 95.0),
        ("long", (100.0, 101.0, 95.0 + 1e-9, 98.0), None),
        ("short", (100.0, 105.0, 99.0, 98.0), 105.0),
        ("short", (100.0, 105.0 - 1e-9, 99.0, 98.0), None),
    ],
)
def test_touching_a_stop_triggers_it(side: str, bar: Bar, price: float | None) -> None:
    result = held_from_bar_1([*closes(100.0), bar], stop_loss=0.05, side=side)
    if price is None:
        assert result.trades.exit_index.tolist() == [-1]
    else:
        assert result.trades.exit_price.tolist() == [price]
        assert result.trades.exit_reason.tolist() == [ExitReason.STOP_LOSS]


@pytest.mark.parametrize(
    ("side", "bar", "price"),
    [
        ("long", (100.0, 105.0, 99.0, 101.0), 105.0),
        ("long", (100.0, 105.0 - 1e-9, 99.0, 101.0), None),
        ("short", (100.0, 101.0, 95.0, 98.0), 95.0),
        ("short", (100.0, 101.0, 95.0 + 1e-9, 98.0), None),
    ],
)
def test_touching_a_target_triggers_it(side: str, bar: Bar, price: float | None) -> None:
    result = held_from_bar_1([*closes(100.0), bar], take_profit=0.05, side=side)
    if price is None:
        assert result.trades.exit_index.tolist() == [-1]
    else:
        assert result.trades.exit_price.tolist() == [price]
        assert result.trades.exit_reason.tolist() == [ExitReason.TAKE_PROFIT]


def test_a_stop_slips_and_a_target_does_not() -> None:
    stopped = held_from_bar_1(
        [(100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 80.0, 90.0)],
        stop_loss=0.1,
        slippage_rate=0.01,
    )
    level = 100.0 * 1.01 * 0.9
    assert stopped.trades.exit_price[0] == pytest.approx(level * 0.99)
    reached = held_from_bar_1(
        [(100.0, 100.0, 100.0, 100.0), (100.0, 120.0, 100.0, 110.0)],
        take_profit=0.1,
        slippage_rate=0.01,
    )
    assert reached.trades.exit_price[0] == pytest.approx(100.0 * 1.01 * 1.1)


@pytest.mark.parametrize("intrabar", list(Intrabar))
def test_a_gap_through_a_level_fills_at_the_open_unambiguously(intrabar: Intrabar) -> None:
    down = held_from_bar_1(
        [*closes(100.0), (80.0, 130.0, 70.0, 100.0)],
        stop_loss=0.1,
        take_profit=0.1,
        intrabar=intrabar,
    )
    assert down.trades.exit_price.tolist() == [80.0]
    assert down.trades.exit_reason.tolist() == [ExitReason.STOP_LOSS]
    up = held_from_bar_1(
        [*closes(100.0), (120.0, 130.0, 70.0, 100.0)],
        stop_loss=0.1,
        take_profit=0.1,
        intrabar=intrabar,
    )
    assert up.trades.exit_price.tolist() == [120.0]
    assert up.trades.exit_reason.tolist() == [ExitReason.TAKE_PROFIT]
    assert not down.trades.ambiguous[0]
    assert not up.trades.ambiguous[0]


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("intrabar", list(Intrabar))
@pytest.mark.parametrize("open_", [75.0, 125.0])
def test_an_open_exactly_at_a_level_fills_there_unambiguously(
    open_: float, intrabar: Intrabar, side: str
) -> None:
    result = held_from_bar_1(
        [*closes(100.0), (open_, 130.0, 70.0, 100.0)],
        stop_loss=0.25,
        take_profit=0.25,
        intrabar=intrabar,
        side=side,
    )
    is_stop = (open_ < 100.0) == (side == "long")
    reason = ExitReason.STOP_LOSS if is_stop else ExitReason.TAKE_PROFIT
    assert result.trades.exit_reason.tolist() == [reason]
    assert result.trades.exit_price.tolist() == [open_]
    assert result.trades.ambiguous.tolist() == [False]


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize(
    ("intrabar", "low", "high", "takes_high"),
    [
        (Intrabar.PESSIMISTIC, 90.0, 110.0, None),
        (Intrabar.OPTIMISTIC, 90.0, 110.0, None),
        (Intrabar.NEAREST_EXTREME, 89.0, 110.0, True),
        (Intrabar.NEAREST_EXTREME, 90.0, 111.0, False),
        (Intrabar.NEAREST_EXTREME, 90.0, 110.0, None),
    ],
)
def test_both_levels_in_one_bar(
    side: str, intrabar: Intrabar, low: float, high: float, takes_high: bool | None
) -> None:
    result = held_from_bar_1(
        [*closes(100.0), (100.0, high, low, 100.0)],
        stop_loss=0.0625,
        take_profit=0.0625,
        intrabar=intrabar,
        side=side,
    )
    if takes_high is None:
        stopped = intrabar != Intrabar.OPTIMISTIC
    else:
        stopped = takes_high == (side == "short")
    reason = ExitReason.STOP_LOSS if stopped else ExitReason.TAKE_PROFIT
    assert result.trades.exit_reason.tolist() == [reason]
    assert result.trades.ambiguous.tolist() == [True]


def test_levels_are_live_on_the_entry_bar_of_a_next_open_fill() -> None:
    result = held_from_bar_1([(100.0, 100.0, 85.0, 99.0)], stop_loss=0.1)
    assert result.trades.entry_index[0] == result.trades.exit_index[0] == 1
    assert result.holds_position.tolist() == [False, False]


def test_levels_wait_for_the_next_bar_after_a_close_fill() -> None:
    bars = [(100.0, 200.0, 50.0, 100.0), (100.0, 101.0, 95.0, 100.0)]
    rules = FillRules(fill_on_close=True, stop_loss=0.1, trailing_stop=0.3, take_profit=0.5)
    result = run(bars, {"long_entry": [0]}, rules)
    assert result.trades.exit_index.tolist() == [-1]


def test_levels_come_before_the_signals_of_a_close_fill() -> None:
    bars = [*closes(100.0), (100.0, 100.0, 85.0, 95.0)]
    rules = FillRules(fill_on_close=True, stop_loss=0.1)
    result = run(bars, {"long_entry": [0, 1], "long_exit": []}, rules)
    assert result.trades.exit_reason.tolist() == [ExitReason.STOP_LOSS, ExitReason.OPEN]
    assert result.trades.entry_price.tolist() == [100.0, 95.0]


def test_a_pending_exit_fills_at_the_open_before_any_level() -> None:
    bars = [*closes(100.0, 100.0), (80.0, 80.0, 80.0, 80.0)]
    result = run(bars, {"long_entry": [0], "long_exit": [1]}, FillRules(stop_loss=0.1))
    assert result.trades.exit_reason.tolist() == [ExitReason.SIGNAL]
    assert result.trades.exit_price.tolist() == [80.0]


def test_a_trailing_stop_follows_the_highs_of_completed_bars() -> None:
    bars = [
        (100.0, 120.0, 100.0, 118.0),
        (118.0, 150.0, 109.0, 140.0),
        (140.0, 140.0, 134.0, 136.0),
    ]
    result = held_from_bar_1(bars, trailing_stop=0.1)
    assert result.trades.exit_index.tolist() == [3]
    assert result.trades.exit_price[0] == pytest.approx(135.0)
    assert result.trades.exit_reason.tolist() == [ExitReason.TRAILING_STOP]


def test_a_trailing_stop_starts_from_the_entry_price() -> None:
    result = held_from_bar_1([(100.0, 130.0, 90.0, 120.0)], trailing_stop=0.1)
    assert result.trades.exit_price.tolist() == [90.0]
    result = held_from_bar_1([(100.0, 130.0, 91.0, 120.0)], trailing_stop=0.1)
    assert result.trades.exit_index.tolist() == [-1]


def test_the_tighter_of_two_stops_is_live_and_a_tie_is_the_stop_loss() -> None:
    fall = (100.0, 100.0, 80.0, 80.0)
    tie = held_from_bar_1([fall], stop_loss=0.1, trailing_stop=0.1)
    assert tie.trades.exit_reason.tolist() == [ExitReason.STOP_LOSS]
    trailing = held_from_bar_1([fall], stop_loss=0.1, trailing_stop=0.05)
    assert trailing.trades.exit_reason.tolist() == [ExitReason.TRAILING_STOP]
    assert trailing.trades.exit_price.tolist() == [95.0]
    stop = held_from_bar_1([fall], stop_loss=0.05, trailing_stop=0.1)
    assert stop.trades.exit_reason.tolist() == [ExitReason.STOP_LOSS]


# Ends


def test_a_short_that_loses_everything_is_ruin() -> None:
    bars = closes(100.0, 100.0, 250.0, 20.0, 20.0)
    result = run(bars, {"short_entry": [0, 2, 3]})
    assert result.trades.exit_reason.tolist() == [ExitReason.RUIN]
    assert result.trades.exit_price.tolist() == [250.0]
    assert result.equity.tolist() == [1_000.0, 1_000.0, -500.0, -500.0, -500.0]
    assert result.cycles.completed.tolist() == [True]
    assert result.notes == [
        "Ruin on bar 2 (1970-01-03 00:00 UTC): equity was zero or less at the close; "
        "nothing is opened afterwards and equity stays constant."
    ]


def test_equity_of_exactly_zero_is_ruin() -> None:
    result = run(closes(100.0, 100.0, 200.0, 50.0), {"short_entry": [0]})
    assert result.trades.exit_reason.tolist() == [ExitReason.RUIN]
    assert result.equity.tolist() == [1_000.0, 1_000.0, 0.0, 0.0]
    assert result.notes[0].startswith("Ruin on bar 2")


def test_ruin_by_the_fee_of_the_last_sale_is_noted() -> None:
    rules = FillRules(fee_per_trade=600.0, close_at_end=True)
    result = run(closes(10.0, 10.0), {"long_entry": [0]}, rules)
    assert result.trades.exit_reason.tolist() == [ExitReason.END_OF_DATA]
    assert result.equity[-1] == pytest.approx(-200.0)
    assert result.notes[0].startswith("Ruin on bar 1")


def test_exits_are_never_shrunk_and_fees_alone_can_ruin() -> None:
    rules = FillRules(fee_per_trade=600.0)
    result = run(closes(10.0, 10.0, 10.0, 10.0), {"long_entry": [0, 2], "long_exit": [1]}, rules)
    assert len(result.trades) == 1
    assert result.equity[-1] == pytest.approx(-200.0)
    assert result.notes[-1].startswith("Ruin on bar 2")


def test_an_open_position_is_marked_and_reported_open() -> None:
    result = run(closes(10.0, 10.0, 12.0), {"long_entry": [0]}, FillRules(fee_per_trade=10.0))
    trades = result.trades
    assert trades.exit_index.tolist() == [-1]
    assert np.isnan(trades.exit_price[0])
    assert trades.exit_reason.tolist() == [ExitReason.OPEN]
    assert trades.fees.tolist() == [10.0]
    assert trades.pnl[0] == pytest.approx(99.0 * 2.0 - 10.0)
    assert trades.trade_return[0] == pytest.approx((198.0 - 10.0) / 990.0)
    assert result.cycles.completed.tolist() == [False]
    assert result.cycles.end_equity.tolist() == [result.equity[-1]]


def test_close_at_end_sells_at_the_last_close() -> None:
    rules = FillRules(fee_per_trade=10.0, close_at_end=True, slippage_rate=0.01)
    result = run(closes(10.0, 10.0, 12.0), {"long_entry": [0]}, rules)
    assert result.trades.exit_reason.tolist() == [ExitReason.END_OF_DATA]
    assert result.trades.exit_price[0] == pytest.approx(11.88)
    assert result.fees_paid == 20.0
    assert not result.holds_position[-1]
    assert result.cycles.outcome.tolist() == [Outcome.CLOSED]
    assert result.equity[-1] == result.cycles.end_equity[-1]


def test_nothing_opens_after_max_cycles_not_even_the_second_leg_of_a_reversal() -> None:
    bars = closes(*[10.0] * 8)
    signals = {"long_entry": [0, 4], "short_entry": [2, 6]}
    result = run(bars, signals, FillRules(max_cycles=2))
    assert result.trades.side.tolist() == [1, -1]
    assert result.trades.exit_index.tolist() == [3, 5]
    assert not result.holds_position[5:].any()


# The whole account


@pytest.mark.parametrize("fill_on_close", [False, True])
@pytest.mark.parametrize("price", [10.0, 0.1, 123.456789])
def test_nothing_is_lost_without_fees_on_a_flat_price(fill_on_close: bool, price: float) -> None:
    masks = np.random.default_rng(2).random((4, 400)) < 0.4
    signals = Signals(
        long_entry=masks[0], long_exit=masks[1], short_entry=masks[2], short_exit=masks[3]
    )
    rules = FillRules(fill_on_close=fill_on_close, stop_loss=0.01, take_profit=0.01)
    result = simulate_fills(signals, candles(closes(*[price] * 400)), rules, 1_000.0)
    assert len(result.trades) > 50
    np.testing.assert_allclose(result.equity, 1_000.0, rtol=1e-12)


def test_excursions_are_fractions_of_the_entry_price() -> None:
    bars = [(100.0, 110.0, 95.0, 100.0), (100.0, 130.0, 98.0, 120.0), (105.0, 200.0, 50.0, 60.0)]
    masks = {"long_entry": [0], "long_exit": [2]}
    result = run([*closes(100.0), *bars], masks)
    assert result.trades.mae[0] == pytest.approx(-0.05)
    assert result.trades.mfe[0] == pytest.approx(0.30)
    masks = {"short_entry": [0], "short_exit": [2]}
    result = run([*closes(100.0), *bars], masks)
    assert result.trades.mae[0] == pytest.approx(-0.30)
    assert result.trades.mfe[0] == pytest.approx(0.05)


def test_a_bar_of_the_exit_counts_with_the_exit_price_only() -> None:
    result = held_from_bar_1([*closes(100.0), (100.0, 150.0, 50.0, 60.0)], stop_loss=0.1)
    assert result.trades.mae[0] == pytest.approx(-0.1)
    assert result.trades.mfe[0] == 0.0


def test_no_bars_are_an_empty_account() -> None:
    nowhere = np.zeros(0, np.bool_)
    signals = Signals(
        long_entry=nowhere, long_exit=nowhere, short_entry=nowhere, short_exit=nowhere
    )
    empty = candles(closes(1.0)).rows(0, 0)
    result = simulate_fills(signals, empty, FillRules(), 1_000.0)
    assert len(result.equity) == len(result.trades) == len(result.cycles) == 0


def test_progress_is_told_and_a_stop_obeyed_between_chunks() -> None:
    bars = candles(closes(*[10.0] * 25))
    nowhere = np.zeros(25, np.bool_)
    signals = Signals(
        long_entry=nowhere, long_exit=nowhere, short_entry=nowhere, short_exit=nowhere
    )
    heard: list[float] = []
    simulate_fills(signals, bars, FillRules(), 1.0, heard.append, lambda: False, chunk_bars=10)
    assert heard == [0.4, 0.8, 1.0]
    heard.clear()
    with pytest.raises(Stopped):
        simulate_fills(
            signals, bars, FillRules(), 1.0, heard.append, lambda: len(heard) > 0, chunk_bars=10
        )
    assert heard == [0.4]
