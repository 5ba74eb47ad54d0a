"""Trades under signals as kernels write them: every column of both tables, a row a column.

A signal strategy goes from flat to flat with each trade, so each trade is a cycle too.
"""

import math
from typing import NamedTuple

import numpy as np

from engine._jit import borrowing
from engine.prefetching import prefetch
from engine.simulation import (
    NO_INDEX,
    BoolArray,
    CycleTable,
    ExitReason,
    FloatArray,
    Instrument,
    IntArray,
    Outcome,
    TradeTable,
)

#: Rows of floats; NONE is the row of what these trades do not have, PREMIUM one of zeros.
(UNITS, ENTRY_PRICE, EXIT_PRICE, FEES, PNL, RETURN, MAE, MFE, START, END, NONE,
 PREMIUM) = range(12)  # fmt: skip
NUMBERS = 12
#: Rows of whole numbers; NOWHERE stands for no date.
(SIDE, ENTRY_INDEX, EXIT_INDEX, END_INDEX, REASON, OUTCOME, INSTRUMENT, NOWHERE) = range(8)
INDICES = 8
#: Rows of flags.
AMBIGUOUS, COMPLETED, ASSIGNED = range(3)
FLAGS = 3

# Plain integers: numba would otherwise have to know the enumerations.
_POSITION = int(Instrument.POSITION)
_CLOSED = int(Outcome.CLOSED)
_UNFINISHED = int(Outcome.NONE)
_OPEN = int(ExitReason.OPEN)
#: Numbers in a line of a processor's cache.
_LINE_ROWS = 8


class TradeColumns(NamedTuple):
    """Room for trades: (NUMBERS, n), (INDICES, n) and (FLAGS, n)."""

    numbers: FloatArray
    indices: IntArray
    flags: BoolArray

    @classmethod
    def room_for(cls, trades: int) -> "TradeColumns":
        """Columns that nothing is written to yet."""
        return cls(
            np.empty((NUMBERS, trades)),
            np.empty((INDICES, trades), np.int64),
            np.empty((FLAGS, trades), np.bool_),
        )

    def first(self, trades: int) -> "TradeColumns":
        """The columns of the first trades, without copying."""
        return TradeColumns(
            self.numbers[:, :trades], self.indices[:, :trades], self.flags[:, :trades]
        )

    def copy(self) -> "TradeColumns":
        """The same in memory of their own."""
        return TradeColumns(self.numbers.copy(), self.indices.copy(), self.flags.copy())

    def tables(self) -> tuple[TradeTable, CycleTable]:
        """The trades and the cycles that they are. The arrays are shared."""
        (units, entry_price, exit_price, fees, pnl, returns, mae, mfe, start, end, none,
         premium) = self.numbers  # fmt: skip
        side, entry_index, exit_index, end_index, reason, outcome, instrument, nowhere = (
            self.indices
        )
        ambiguous, completed, assigned = self.flags
        trades = TradeTable(
            instrument=instrument,
            side=side,
            quantity=units,
            entry_index=entry_index,
            exit_index=exit_index,
            entry_price=entry_price,
            exit_price=exit_price,
            fees=fees,
            pnl=pnl,
            trade_return=returns,
            exit_reason=reason,
            ambiguous=ambiguous,
            mae=mae,
            mfe=mfe,
            strike=none,
            expiry=nowhere,
        )
        cycles = CycleTable(
            start_index=entry_index,
            end_index=end_index,
            start_equity=start,
            end_equity=end,
            outcome=outcome,
            completed=completed,
            had_assignment=assigned,
            assignment_price=none,
            assignment_strike=none,
            called_away_price=none,
            called_away_strike=none,
            premium_collected=premium,
        )
        return trades, cycles


def joined(parts: list[TradeColumns]) -> TradeColumns:
    """Columns after each other."""
    return TradeColumns(*(np.concatenate(rows, axis=1) for rows in zip(*parts, strict=True)))


@borrowing
def _write(
    numbers: FloatArray,
    indices: IntArray,
    row: int,
    side: int,
    units: float,
    entry_index: int,
    entry_price: float,
    marked: float,
    fees: float,
    worst: float,
    best: float,
    start_equity: float,
    end_equity: float,
) -> None:
    """What closed and open trades have in common; ``marked`` is the price that pnl counts to."""
    pnl = side * units * (marked - entry_price) - fees
    entry = side * entry_price
    numbers[UNITS, row] = units
    numbers[ENTRY_PRICE, row] = entry_price
    numbers[FEES, row] = fees
    numbers[PNL, row] = pnl
    numbers[RETURN, row] = pnl / (units * entry_price)
    numbers[MAE, row] = (side * worst - entry) / entry_price
    numbers[MFE, row] = (side * best - entry) / entry_price
    numbers[START, row] = start_equity
    numbers[END, row] = end_equity
    indices[SIDE, row] = side
    indices[ENTRY_INDEX, row] = entry_index


@borrowing
def write_constants(numbers: FloatArray, indices: IntArray, flags: BoolArray, rows: int) -> None:
    """Fill what is the same for every trade, in the first ``rows`` columns of each."""
    for row in range(np.uint64(rows)):
        numbers[NONE, row] = math.nan
    for row in range(np.uint64(rows)):
        numbers[PREMIUM, row] = 0.0
    for row in range(np.uint64(rows)):
        indices[INSTRUMENT, row] = _POSITION
    for row in range(np.uint64(rows)):
        indices[NOWHERE, row] = NO_INDEX
    for row in range(np.uint64(rows)):
        flags[ASSIGNED, row] = False


@borrowing
def expect_trade(numbers: FloatArray, indices: IntArray, row: int) -> None:
    """Ask, once for as many trades as share a line, for the places of those that come next."""
    if row % _LINE_ROWS != 0:
        return
    for column in range(NONE):
        prefetch(numbers[column], row + 2 * _LINE_ROWS)
    for column in range(INSTRUMENT):
        prefetch(indices[column], row + 2 * _LINE_ROWS)


@borrowing
def write_trade(
    numbers: FloatArray,
    indices: IntArray,
    flags: BoolArray,
    row: int,
    side: int,
    units: float,
    entry_index: int,
    exit_index: int,
    entry_price: float,
    exit_price: float,
    fees: float,
    lowest: float,
    highest: float,
    start_equity: float,
    end_equity: float,
    reason: int,
    ambiguous: bool,
) -> None:
    """Fill one column of each, but for the constants; the exit price counts as a price that the
    trade has seen.
    """
    lowest = exit_price if exit_price < lowest else lowest
    highest = exit_price if exit_price > highest else highest
    _write(
        numbers, indices, row, side, units, entry_index, entry_price, exit_price, fees,
        lowest if side > 0 else highest, highest if side > 0 else lowest, start_equity, end_equity,
    )  # fmt: skip
    numbers[EXIT_PRICE, row] = exit_price
    indices[EXIT_INDEX, row] = exit_index
    indices[END_INDEX, row] = exit_index
    indices[REASON, row] = reason
    indices[OUTCOME, row] = _CLOSED
    flags[AMBIGUOUS, row] = ambiguous
    flags[COMPLETED, row] = True


@borrowing
def write_open_trade(
    numbers: FloatArray,
    indices: IntArray,
    flags: BoolArray,
    row: int,
    side: int,
    units: float,
    entry_index: int,
    last_index: int,
    entry_price: float,
    last_close: float,
    fees: float,
    lowest: float,
    highest: float,
    start_equity: float,
    last_equity: float,
) -> None:
    """A trade that is not closed, marked at the last close; its cycle ends there unfinished."""
    _write(
        numbers, indices, row, side, units, entry_index, entry_price, last_close, fees,
        lowest if side > 0 else highest, highest if side > 0 else lowest, start_equity, last_equity,
    )  # fmt: skip
    numbers[EXIT_PRICE, row] = math.nan
    indices[EXIT_INDEX, row] = NO_INDEX
    indices[END_INDEX, row] = last_index
    indices[REASON, row] = _OPEN
    indices[OUTCOME, row] = _UNFINISHED
    flags[AMBIGUOUS, row] = False
    flags[COMPLETED, row] = False
