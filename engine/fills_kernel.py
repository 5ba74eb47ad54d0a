"""The account under trading signals, bar by bar: one kernel for every signal strategy.

A bar has four moments: its open (orders pending from the previous close), its range (stops and
targets), its close (signals) and the mark. The kernel runs over [first, last) and keeps what it
knows in two small arrays, so that a run can be cut into chunks without changing a bit.

Long and short share their formulas through ``side`` (+1, −1): multiplying by it is exact.
"""

import math
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.simulation import BoolArray, ExitReason, FloatArray, IntArray


class Signal(IntFlag):
    """Bits of a bar's signal code. Entries that an exit of their own side cancels are not in it."""

    LONG_ENTRY = 1
    LONG_EXIT = 2
    SHORT_ENTRY = 4
    SHORT_EXIT = 8


class SizingKind(IntEnum):
    """What the size of an opening counts."""

    EQUITY_FRACTION = 0
    NOTIONAL = 1
    UNITS = 2


class Intrabar(IntEnum):
    """Which level is taken when one bar touches both stop and target."""

    PESSIMISTIC = 0
    OPTIMISTIC = 1
    NEAREST_EXTREME = 2


#: Positions in the float state: money, holding and the prices that the holding has seen.
CASH, UNITS, ENTRY_PRICE, ENTRY_FEE, WORST, BEST, START_EQUITY, FEES_PAID = range(8)
NUMBER_COUNT = 8
#: Positions in the integer state. ``PENDING`` is the signal code of the previous close.
SIDE, ENTRY_INDEX, PENDING, COMPLETED, RUIN_INDEX, UNFILLED, FIRST_UNFILLED = range(7)
INDEX_COUNT = 7

#: Columns of a closed trade's rows.
T_UNITS, T_ENTRY_PRICE, T_EXIT_PRICE, T_FEES, T_MAE, T_MFE, T_START, T_END = range(8)
T_SIDE, T_ENTRY_INDEX, T_EXIT_INDEX, T_REASON, T_AMBIGUOUS = range(5)
TRADE_NUMBERS = 8
TRADE_INDICES = 5

# Plain integers: numba would otherwise have to know the enumerations.
_LONG_ENTRY = int(Signal.LONG_ENTRY)
_LONG_EXIT = int(Signal.LONG_EXIT)
_SHORT_ENTRY = int(Signal.SHORT_ENTRY)
_SHORT_EXIT = int(Signal.SHORT_EXIT)
_ENTRIES = _LONG_ENTRY | _SHORT_ENTRY
_EQUITY_FRACTION = int(SizingKind.EQUITY_FRACTION)
_NOTIONAL = int(SizingKind.NOTIONAL)
_OPTIMISTIC = int(Intrabar.OPTIMISTIC)
_NEAREST_EXTREME = int(Intrabar.NEAREST_EXTREME)
_BY_SIGNAL = int(ExitReason.SIGNAL)
_BY_STOP = int(ExitReason.STOP_LOSS)
_BY_TARGET = int(ExitReason.TAKE_PROFIT)
_BY_TRAILING = int(ExitReason.TRAILING_STOP)
_BY_END = int(ExitReason.END_OF_DATA)
_BY_RUIN = int(ExitReason.RUIN)

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


@kernel
def wanted_side(code: int, side: int) -> int:
    """The side that ``code`` asks to be on, for a strategy that is on ``side`` now (0: flat).

    Flat, two entries at once cancel each other. In a position the opposite entry reverses it, an
    exit closes it and a further entry of its own side changes nothing.
    """
    if side > 0:
        if code & _SHORT_ENTRY:
            return -1
        return 0 if code & _LONG_EXIT else 1
    if side < 0:
        if code & _LONG_ENTRY:
            return 1
        return 0 if code & _SHORT_EXIT else -1
    wanted = 0
    if code & _LONG_ENTRY:
        wanted += 1
    if code & _SHORT_ENTRY:
        wanted -= 1
    return wanted


@kernel
def _write_trade(
    numbers: FloatArray,
    indices: IntArray,
    row: int,
    side: int,
    units: float,
    entry_index: int,
    exit_index: int,
    entry_price: float,
    exit_price: float,
    fees: float,
    worst: float,
    best: float,
    start_equity: float,
    end_equity: float,
    reason: int,
    ambiguous: bool,
) -> None:
    """Fill one row; the exit price counts as a price that the trade has seen."""
    numbers[row, T_UNITS] = units
    numbers[row, T_ENTRY_PRICE] = entry_price
    numbers[row, T_EXIT_PRICE] = exit_price
    numbers[row, T_FEES] = fees
    lowest = min(side * worst, side * exit_price)
    highest = max(side * best, side * exit_price)
    numbers[row, T_MAE] = (lowest - side * entry_price) / entry_price
    numbers[row, T_MFE] = (highest - side * entry_price) / entry_price
    numbers[row, T_START] = start_equity
    numbers[row, T_END] = end_equity
    indices[row, T_SIDE] = side
    indices[row, T_ENTRY_INDEX] = entry_index
    indices[row, T_EXIT_INDEX] = exit_index
    indices[row, T_REASON] = reason
    indices[row, T_AMBIGUOUS] = 1 if ambiguous else 0


@kernel
def run_bars(
    first: int,
    last: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    signals: NDArray[np.uint8],
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
    trade_numbers: FloatArray,
    trade_indices: IntArray,
) -> int:
    """Run bars first, …, last − 1 of the arrays' whole length; returns how many trades closed.

    Args:
        signals: one code of ``Signal`` bits a bar (uint8).
        stop_loss, take_profit, trailing_stop: fractions; 0 stands for none.
        max_cycles: 0 stands for unlimited.
        state, marks: the account before ``first``; updated to stand before ``last``.
        equity, holds_position: written at first, …, last − 1.
        trade_numbers, trade_indices: rows of the trades closed in this call; need
            last − first + 1 rows (a bar opens at most one position).
    """
    bars = len(close)
    cash = state[CASH]
    units = state[UNITS]
    entry_price = state[ENTRY_PRICE]
    entry_fee = state[ENTRY_FEE]
    worst = state[WORST]
    best = state[BEST]
    start_equity = state[START_EQUITY]
    fees_paid = state[FEES_PAID]
    side = marks[SIDE]
    entry_index = marks[ENTRY_INDEX]
    pending = marks[PENDING]
    completed = marks[COMPLETED]
    ruin_index = marks[RUIN_INDEX]
    unfilled = marks[UNFILLED]
    first_unfilled = marks[FIRST_UNFILLED]
    closed = 0
    has_levels = stop_loss > 0.0 or take_profit > 0.0 or trailing_stop > 0.0

    for i in range(first, last):
        if side == 0:
            order = signals[i] if fill_on_close else pending
            if order & _ENTRIES == 0 or ruin_index >= 0:
                # Nothing to open: the account stays as it is, whatever the market does.
                pending = signals[i]
                equity[i] = cash + 0.0
                holds_position[i] = False
                if cash <= 0.0 and ruin_index < 0:
                    ruin_index = i
                continue
        bar_open = open_[i]
        bar_high = high[i]
        bar_low = low[i]
        bar_close = close[i]

        # Orders fill at most once a bar: at the open under nextOpen, at the close otherwise. The
        # range is looked at between the two, so the loop body runs its phases in this order:
        # phase 0 fills at the open, then levels; phase 1 fills at the close.
        for phase in range(2):
            fills_now = fill_on_close == (phase == 1)
            if phase == 0:
                code = pending
                market = bar_open
            else:
                code = signals[i]
                pending = code
                market = bar_close

            if fills_now and code != 0 and ruin_index < 0:
                wanted = wanted_side(code, side)
                if wanted != side:
                    if side != 0:
                        price = market * (1.0 - side * slippage)
                        fee = units * price * fee_rate + fee_per_trade
                        cash = cash + side * units * price - fee
                        fees_paid += fee
                        _write_trade(
                            trade_numbers, trade_indices, closed, side, units, entry_index, i,
                            entry_price, price, entry_fee + fee, worst, best,
                            start_equity, cash, _BY_SIGNAL, False,
                        )  # fmt: skip
                        closed += 1
                        completed += 1
                        side = 0
                        units = 0.0
                    if wanted != 0 and (max_cycles == 0 or completed < max_cycles):
                        price = market * (1.0 + wanted * slippage)
                        opening = units_to_open(
                            sizing, size, whole_units, cash, price, fee_rate, fee_per_trade
                        )
                        if opening > 0.0:
                            start_equity = cash
                            side = wanted
                            units = opening
                            entry_index = i
                            entry_price = price
                            entry_fee = units * price * fee_rate + fee_per_trade
                            cash = cash - side * units * price - entry_fee
                            fees_paid += entry_fee
                            worst = price
                            best = price
                        else:
                            unfilled += 1
                            if first_unfilled < 0:
                                first_unfilled = i

            if phase == 0 and side != 0:
                adverse = bar_low if side > 0 else bar_high
                favorable = bar_high if side > 0 else bar_low
                if has_levels:
                    # In units of side × price the stop lies below and the target above.
                    stop = -math.inf
                    stop_reason = _BY_STOP
                    if stop_loss > 0.0:
                        stop = side * (entry_price * (1.0 - side * stop_loss))
                    if trailing_stop > 0.0:
                        trailing = side * (best * (1.0 - side * trailing_stop))
                        if trailing > stop:
                            stop = trailing
                            stop_reason = _BY_TRAILING
                    target = math.inf
                    if take_profit > 0.0:
                        target = side * (entry_price * (1.0 + side * take_profit))
                    reason = 0
                    ambiguous = False
                    price = 0.0
                    if side * bar_open <= stop:
                        reason = stop_reason
                        price = bar_open * (1.0 - side * slippage)
                    elif side * bar_open >= target:
                        reason = _BY_TARGET
                        price = bar_open
                    else:
                        stopped = side * adverse <= stop
                        reached = side * favorable >= target
                        ambiguous = stopped and reached
                        if ambiguous:
                            to_adverse = side * (bar_open - adverse)
                            to_favorable = side * (favorable - bar_open)
                            if intrabar == _OPTIMISTIC or (
                                intrabar == _NEAREST_EXTREME and to_favorable < to_adverse
                            ):
                                stopped = False
                            else:
                                reached = False
                        if stopped:
                            reason = stop_reason
                            price = side * stop * (1.0 - side * slippage)
                        elif reached:
                            reason = _BY_TARGET
                            price = side * target
                    if reason != 0:
                        fee = units * price * fee_rate + fee_per_trade
                        cash = cash + side * units * price - fee
                        fees_paid += fee
                        _write_trade(
                            trade_numbers, trade_indices, closed, side, units, entry_index, i,
                            entry_price, price, entry_fee + fee, worst, best,
                            start_equity, cash, reason, ambiguous,
                        )  # fmt: skip
                        closed += 1
                        completed += 1
                        side = 0
                        units = 0.0
                if side != 0:
                    if side * adverse < side * worst:
                        worst = adverse
                    if side * favorable > side * best:
                        best = favorable

        worth = cash + side * units * bar_close
        if side != 0 and (worth <= 0.0 or (close_at_end and i == bars - 1)):
            price = bar_close * (1.0 - side * slippage)
            fee = units * price * fee_rate + fee_per_trade
            cash = cash + side * units * price - fee
            fees_paid += fee
            _write_trade(
                trade_numbers, trade_indices, closed, side, units, entry_index, i,
                entry_price, price, entry_fee + fee, worst, best,
                start_equity, cash, _BY_RUIN if worth <= 0.0 else _BY_END, False,
            )  # fmt: skip
            closed += 1
            completed += 1
            side = 0
            units = 0.0
            worth = min(worth, cash)
        if worth <= 0.0 and ruin_index < 0:
            ruin_index = i
        equity[i] = cash + side * units * bar_close
        holds_position[i] = side != 0

    state[CASH] = cash
    state[UNITS] = units
    state[ENTRY_PRICE] = entry_price
    state[ENTRY_FEE] = entry_fee
    state[WORST] = worst
    state[BEST] = best
    state[START_EQUITY] = start_equity
    state[FEES_PAID] = fees_paid
    marks[SIDE] = side
    marks[ENTRY_INDEX] = entry_index
    marks[PENDING] = pending
    marks[COMPLETED] = completed
    marks[RUIN_INDEX] = ruin_index
    marks[UNFILLED] = unfilled
    marks[FIRST_UNFILLED] = first_unfilled
    return closed
