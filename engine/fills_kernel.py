"""The account under trading signals: one kernel for every signal strategy.

A bar has four moments: its open (orders pending from the previous close), its range (stops and
targets), its close (signals) and the mark. A flat account looks at nothing but the next entry, a
position at its levels and its marks until somebody tells it to leave; so the kernel goes from
event to event, with one loop for bars without a position and others for bars with it. It runs
over [first, last) and keeps what it knows in two small arrays, so that a run can be cut into
chunks without changing a bit.

Long and short share their formulas through ``side`` (+1, −1): multiplying by it is exact.
"""

import math
from enum import IntEnum

import numpy as np

from engine._jit import borrowing, kernel
from engine.levels import exit_in_bar, fixed_levels, touched_bar, trailing_level
from engine.orders import (
    ENTRIES,
    LEAVE_LONG,
    LEAVE_SHORT,
    LONG_ENTRY,
    SHORT_ENTRY,
    Codes,
    Words,
    next_code,
)
from engine.prefetching import prefetch
from engine.simulation import BoolArray, ExitReason, FloatArray, IntArray
from engine.trade_columns import expect_trade, write_constants, write_open_trade, write_trade


class SizingKind(IntEnum):
    """What the size of an opening counts."""

    EQUITY_FRACTION = 0
    NOTIONAL = 1
    UNITS = 2


#: Positions in the float state: money, holding and the prices that the holding has seen.
CASH, UNITS, ENTRY_PRICE, ENTRY_FEE, LOWEST, HIGHEST, START_EQUITY, FEES_PAID = range(8)
NUMBER_COUNT = 8
#: Positions in the integer state.
SIDE, ENTRY_INDEX, COMPLETED, RUIN_INDEX, UNFILLED, FIRST_UNFILLED = range(6)
INDEX_COUNT = 6

# Plain integers: numba would otherwise have to know the enumerations.
_EQUITY_FRACTION = int(SizingKind.EQUITY_FRACTION)
_NOTIONAL = int(SizingKind.NOTIONAL)
_BY_SIGNAL = int(ExitReason.SIGNAL)
_BY_END = int(ExitReason.END_OF_DATA)
_BY_RUIN = int(ExitReason.RUIN)

#: More bars than this do not stay in a processor's own caches from one pass to the next.
MANY_BARS = 32_768
#: How far ahead of the bar that is looked at prices are asked for, and how many lines of them: as
#: many as a short trade takes.
_AHEAD, _LINES, _LINE_BARS = 256, 3, 8

#: A size this close below a whole number of units is that number.
WHOLE_UNIT_TOLERANCE = 1e-9
#: What is left of cash after the fee is nothing when it is only the rounding of earlier sums.
ROUNDING_RESIDUE = 1e-12


@kernel
def units_to_open(
    sizing: int,
    size: float,
    whole_units: bool,
    cash: float,
    price: float,
    fee_rate: float,
    fee_per_trade: float,
) -> float:
    """Units that a flat account of ``cash`` opens at ``price``; 0 or less means no trade."""
    if sizing == _EQUITY_FRACTION:
        units = size * cash / price
    elif sizing == _NOTIONAL:
        units = size / price
    else:
        units = size
    spendable = cash - fee_per_trade
    if spendable <= ROUNDING_RESIDUE * cash:
        return 0.0
    units = min(units, spendable / (price * (1.0 + fee_rate)))
    if whole_units:
        units = float(np.floor(units + WHOLE_UNIT_TOLERANCE))
    return units


@borrowing
def _mark_flat(
    begin: int, end: int, cash: float, equity: FloatArray, holds_position: BoolArray
) -> None:
    """Write bars begin … end − 1 of an account that holds nothing but cash."""
    for i in range(np.uint64(begin), np.uint64(end)):
        equity[i] = cash + 0.0
        holds_position[i] = False


@borrowing
def _mark_position(
    begin: int,
    end: int,
    cash: float,
    holding: float,
    close: FloatArray,
    equity: FloatArray,
    holds_position: BoolArray,
) -> int:
    """Write bars begin … end − 1 of a position; stops at a bar that ends in ruin, else at ``end``.

    What is bought with cash of its own is worth something at any price.
    """
    if cash < 0.0 or holding < 0.0:
        for i in range(np.uint64(begin), np.uint64(end)):
            value = cash + holding * close[i]
            if value <= 0.0:
                return int(np.int64(i))
            equity[i] = value
            holds_position[i] = True
        return end
    for i in range(np.uint64(begin), np.uint64(end)):
        equity[i] = cash + holding * close[i]
        holds_position[i] = True
    return end


@borrowing
def _extremes(
    begin: int, end: int, low: IntArray, high: IntArray, lowest: float, highest: float
) -> tuple[float, float]:
    """The lowest low and the highest high of bars begin … end − 1, and of what is given.

    Positive floats are in the order of their bits, of which a vector finds the extremes.
    """
    if begin >= end:
        return lowest, highest
    least, most = low[begin], high[begin]
    for i in range(np.uint64(begin + 1), np.uint64(end)):
        least = min(least, low[i])
        most = max(most, high[i])
    low_price, high_price = np.int64(least), np.int64(most)
    return min(lowest, low_price.view(np.float64)), max(highest, high_price.view(np.float64))


@borrowing
def _expect_bars(
    bar: int, market: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> None:
    """Ask for the prices that are looked at some trades after ``bar``."""
    for line in range(_LINES):
        place = bar + _AHEAD + line * _LINE_BARS
        prefetch(market, place)
        prefetch(high, place)
        prefetch(low, place)
        prefetch(close, place)


@borrowing
def run_bars(
    first: int,
    last: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    codes: Codes,
    words: Words,
    fill_on_close: bool,
    fee_rate: float,
    fee_per_trade: float,
    slippage: float,
    sizing: int,
    size: float,
    whole_units: bool,
    stop_loss: float,
    take_profit: float,
    trailing_stop: float,
    intrabar: int,
    close_at_end: bool,
    max_cycles: int,
    state: FloatArray,
    marks: IntArray,
    equity: FloatArray,
    holds_position: BoolArray,
    numbers: FloatArray,
    indices: IntArray,
    flags: BoolArray,
) -> int:
    """Run bars first, …, last − 1 of the arrays' whole length; returns how many trades closed.

    Args:
        codes, words: one code of ``Signal`` bits a bar, as bytes and as words of the same memory.
        stop_loss, take_profit, trailing_stop: fractions; 0 stands for none.
        max_cycles: 0 stands for unlimited.
        state, marks: the account before ``first``; updated to stand before ``last``.
        equity, holds_position: written at first, …, last − 1.
        numbers, indices, flags: where ``write_trade`` puts the trades closed in this call, and
            after them one that is open on the very last bar; need room for two more than bars of
            it ask for an entry.
    """
    low_bits, high_bits = low.view(np.int64), high.view(np.int64)
    cash = state[CASH]
    units = state[UNITS]
    entry_price = state[ENTRY_PRICE]
    entry_fee = state[ENTRY_FEE]
    lowest = state[LOWEST]
    highest = state[HIGHEST]
    start_equity = state[START_EQUITY]
    fees_paid = state[FEES_PAID]
    side = marks[SIDE]
    entry_index = marks[ENTRY_INDEX]
    completed = marks[COMPLETED]
    ruin_index = marks[RUIN_INDEX]
    unfilled = marks[UNFILLED]
    first_unfilled = marks[FIRST_UNFILLED]
    closed = 0
    has_levels = stop_loss > 0.0 or take_profit > 0.0 or trailing_stop > 0.0
    ends_here = close_at_end and last == len(close)
    market = close if fill_on_close else open_
    stop, target = -math.inf, math.inf
    has_many = len(close) > MANY_BARS
    # An order fills at the open after the close that signals it, or on that close.
    delay = 0 if fill_on_close else 1

    bar = first  # The first bar that is not marked yet.
    order_from = first  # The first bar whose order is still to be looked at.
    range_from = first  # The first bar whose range is still to be looked at.
    while True:
        if has_many:
            _expect_bars(bar, market, high, low, close)
        if side == 0:
            fill = last
            if ruin_index < 0 and (max_cycles == 0 or completed < max_cycles):
                fill = delay + next_code(words, ENTRIES, max(order_from - delay, 0), last - delay)
            if fill > bar and cash <= 0.0 and ruin_index < 0:
                ruin_index = bar
                fill = last
            _mark_flat(bar, fill, cash, equity, holds_position)
            bar = fill
            if bar >= last:
                break
            order_from = bar + 1
            entries = codes[bar - delay] & ENTRIES
            if entries == ENTRIES:
                # Two entries at once cancel each other.
                continue
            wanted = 1 if entries == LONG_ENTRY else -1
        else:
            holding = side * units
            leave = delay + next_code(
                words,
                LEAVE_LONG if side > 0 else LEAVE_SHORT,
                max(order_from - delay, 0),
                last - delay,
            )
            # Ranges count up to the order: before the open that fills it, or the close.
            range_to = min(leave + 1 - delay, last)
            mark_to = last - 1 if ends_here and leave >= last else leave
            before = lowest, highest
            touched = range_to
            if has_levels:
                stop, target = fixed_levels(side, entry_price, stop_loss, take_profit)
                touched, lowest, highest = touched_bar(
                    range_from, range_to, side, open_, high, low, stop, target, trailing_stop,
                    lowest, highest,
                )  # fmt: skip
            else:
                lowest, highest = _extremes(
                    range_from, range_to, low_bits, high_bits, lowest, highest
                )
            mark_to = min(mark_to, touched)
            bar = _mark_position(bar, mark_to, cash, holding, close, equity, holds_position)
            ambiguous = False
            wanted = 0
            order_from = bar + 1
            if bar < mark_to:
                # What came after this close never happened.
                lowest, highest = _extremes(
                    range_from, bar + 1, low_bits, high_bits, before[0], before[1]
                )
                reason = _BY_RUIN
                price = close[bar] * (1.0 - side * slippage)
                ruin_index = bar
            elif touched < range_to:
                best = highest if side > 0 else lowest
                reason, price, ambiguous = exit_in_bar(
                    side, open_[bar], high[bar], low[bar], stop, target,
                    trailing_level(side, best, trailing_stop), slippage, intrabar,
                )  # fmt: skip
                order_from = bar + delay
            elif leave < last:
                reason = _BY_SIGNAL
                price = market[bar] * (1.0 - side * slippage)
                if codes[bar - delay] & (SHORT_ENTRY if side > 0 else LONG_ENTRY) != 0:
                    wanted = -side
            elif ends_here:
                reason = _BY_END
                price = close[bar] * (1.0 - side * slippage)
                if cash + holding * close[bar] <= 0.0:
                    reason = _BY_RUIN
                    ruin_index = bar
            else:
                break
            fee = units * price * fee_rate + fee_per_trade
            cash = cash + holding * price - fee
            fees_paid += fee
            if has_many:
                expect_trade(numbers, indices, closed)
            write_trade(
                numbers, indices, flags, closed, side, units, entry_index, bar, entry_price, price,
                entry_fee + fee, lowest, highest, start_equity, cash, reason, ambiguous,
            )  # fmt: skip
            closed += 1
            completed += 1
            side = 0
            units = 0.0
            if max_cycles > 0 and completed >= max_cycles:
                wanted = 0
        if wanted != 0:
            price = market[bar] * (1.0 + wanted * slippage)
            opening = units_to_open(sizing, size, whole_units, cash, price, fee_rate, fee_per_trade)
            if opening > 0.0:
                start_equity = cash
                side = wanted
                units = opening
                entry_index = bar
                entry_price = price
                entry_fee = units * price * fee_rate + fee_per_trade
                cash = cash - side * units * price - entry_fee
                fees_paid += entry_fee
                lowest = price
                highest = price
                range_from = bar + 1 - delay
            else:
                unfilled += 1
                if first_unfilled < 0:
                    first_unfilled = bar

    is_open = side != 0 and last == len(close)
    write_constants(numbers, indices, flags, closed + is_open)
    if is_open:
        write_open_trade(
            numbers, indices, flags, closed, side, units, entry_index, last - 1, entry_price,
            close[last - 1], entry_fee, lowest, highest, start_equity, equity[last - 1],
        )  # fmt: skip
    state[CASH] = cash
    state[UNITS] = units
    state[ENTRY_PRICE] = entry_price
    state[ENTRY_FEE] = entry_fee
    state[LOWEST] = lowest
    state[HIGHEST] = highest
    state[START_EQUITY] = start_equity
    state[FEES_PAID] = fees_paid
    marks[SIDE] = side
    marks[ENTRY_INDEX] = entry_index
    marks[COMPLETED] = completed
    marks[RUIN_INDEX] = ruin_index
    marks[UNFILLED] = unfilled
    marks[FIRST_UNFILLED] = first_unfilled
    return closed
