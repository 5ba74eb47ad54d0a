"""From trading signals to an account: sizes, fees, stops, trades and cycles.

``simulate_fills`` drives the kernel in chunks, so that progress can be told and a run stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.candles import Candles, from_milliseconds
from engine.errors import Stopped
from engine.fills_kernel import (
    BEST,
    CASH,
    ENTRY_FEE,
    ENTRY_INDEX,
    ENTRY_PRICE,
    FEES_PAID,
    FIRST_UNFILLED,
    INDEX_COUNT,
    NUMBER_COUNT,
    RUIN_INDEX,
    SIDE,
    START_EQUITY,
    T_AMBIGUOUS,
    T_END,
    T_ENTRY_INDEX,
    T_ENTRY_PRICE,
    T_EXIT_INDEX,
    T_EXIT_PRICE,
    T_FEES,
    T_MAE,
    T_MFE,
    T_REASON,
    T_SIDE,
    T_START,
    T_UNITS,
    TRADE_INDICES,
    TRADE_NUMBERS,
    UNFILLED,
    UNITS,
    WORST,
    Intrabar,
    Signal,
    SizingKind,
    run_bars,
)
from engine.simulation import (
    NO_INDEX,
    BoolArray,
    CycleTable,
    ExitReason,
    FloatArray,
    Instrument,
    IntArray,
    Outcome,
    Simulation,
    TradeTable,
)

#: Bars between two looks at the caller; shorter chunks cost time, longer ones delay a stop.
CHUNK_BARS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """How signals become fills. Rates and distances are fractions, fees and notional money.

    ``max_cycles`` 0 is unlimited; a stop, target or trailing distance of 0 is none.
    """

    fill_on_close: bool = False
    fee_rate: float = 0.0
    fee_per_trade: float = 0.0
    slippage_rate: float = 0.0
    sizing: SizingKind = SizingKind.EQUITY_FRACTION
    size: float = 1.0
    whole_units: bool = False
    stop_loss: float = 0.0
    take_profit: float = 0.0
    trailing_stop: float = 0.0
    intrabar: Intrabar = Intrabar.PESSIMISTIC
    close_at_end: bool = False
    max_cycles: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Four masks of one length: true where that order is signalled on a bar's close."""

    long_entry: BoolArray
    long_exit: BoolArray
    short_entry: BoolArray
    short_exit: BoolArray

    def codes(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """One byte of ``Signal`` bits a bar; an exit cancels its own side's entry."""
        return (
            (self.long_entry & ~self.long_exit) * np.uint8(Signal.LONG_ENTRY)
            | self.long_exit * np.uint8(Signal.LONG_EXIT)
            | (self.short_entry & ~self.short_exit) * np.uint8(Signal.SHORT_ENTRY)
            | self.short_exit * np.uint8(Signal.SHORT_EXIT)
        ).astype(np.uint8)


def simulate_fills(
    signals: Signals,
    candles: Candles,
    rules: FillRules,
    starting_capital: float,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    chunk_bars: int = CHUNK_BARS,
) -> Simulation:
    """Trade ``signals`` on ``candles`` from ``starting_capital``.

    The result does not depend on ``chunk_bars``. ``on_progress`` hears the fraction of bars done.

    Raises:
        Stopped: ``should_stop`` answered yes between two chunks.
    """
    bars = len(candles)
    codes = signals.codes()
    state = np.zeros(NUMBER_COUNT)
    state[CASH] = starting_capital
    marks = np.zeros(INDEX_COUNT, np.int64)
    marks[RUIN_INDEX] = NO_INDEX
    marks[FIRST_UNFILLED] = NO_INDEX
    equity = np.empty(bars)
    holds_position = np.empty(bars, np.bool_)
    numbers_scratch = np.empty((min(chunk_bars, bars) + 1, TRADE_NUMBERS))
    indices_scratch = np.empty((min(chunk_bars, bars) + 1, TRADE_INDICES), np.int64)
    numbers: list[FloatArray] = []
    indices: list[IntArray] = []

    for first in range(0, bars, chunk_bars):
        if should_stop is not None and should_stop():
            raise Stopped
        last = min(first + chunk_bars, bars)
        closed = run_bars(
            first,
            last,
            candles.open,
            candles.high,
            candles.low,
            candles.close,
            codes,
            rules.fill_on_close,
            rules.fee_rate,
            rules.fee_per_trade,
            rules.slippage_rate,
            int(rules.sizing),
            rules.size,
            rules.whole_units,
            rules.stop_loss,
            rules.take_profit,
            rules.trailing_stop,
            int(rules.intrabar),
            rules.close_at_end,
            rules.max_cycles,
            state,
            marks,
            equity,
            holds_position,
            numbers_scratch,
            indices_scratch,
        )
        numbers.append(numbers_scratch[:closed].copy())
        indices.append(indices_scratch[:closed].copy())
        if on_progress is not None:
            on_progress(last / bars)

    if marks[SIDE] != 0:
        numbers.append(_open_trade_numbers(state, int(marks[SIDE]), float(equity[-1])))
        indices.append(_open_trade_indices(marks))
    all_numbers = np.concatenate([np.empty((0, TRADE_NUMBERS)), *numbers])
    all_indices = np.concatenate([np.empty((0, TRADE_INDICES), np.int64), *indices])
    last_close = float(candles.close[-1]) if bars else 0.0
    return Simulation(
        equity=equity,
        holds_position=holds_position,
        trades=_trade_table(all_numbers, all_indices, last_close),
        cycles=_cycle_table(all_numbers, all_indices, bars),
        fees_paid=float(state[FEES_PAID]),
        notes=_notes(marks, candles),
    )


def _open_trade_numbers(state: FloatArray, side: int, last_equity: float) -> FloatArray:
    row = np.empty((1, TRADE_NUMBERS))
    entry = state[ENTRY_PRICE]
    row[0, T_UNITS] = state[UNITS]
    row[0, T_ENTRY_PRICE] = entry
    row[0, T_EXIT_PRICE] = np.nan
    row[0, T_FEES] = state[ENTRY_FEE]
    # The same operations as for a closed trade, so that the figures meet bit for bit.
    row[0, T_MAE] = (side * state[WORST] - side * entry) / entry
    row[0, T_MFE] = (side * state[BEST] - side * entry) / entry
    row[0, T_START] = state[START_EQUITY]
    row[0, T_END] = last_equity
    return row


def _open_trade_indices(marks: IntArray) -> IntArray:
    row = np.zeros((1, TRADE_INDICES), np.int64)
    row[0, T_SIDE] = marks[SIDE]
    row[0, T_ENTRY_INDEX] = marks[ENTRY_INDEX]
    row[0, T_EXIT_INDEX] = NO_INDEX
    row[0, T_REASON] = int(ExitReason.OPEN)
    return row


def _trade_table(numbers: FloatArray, indices: IntArray, last_close: float) -> TradeTable:
    """All trades; an open one is marked at ``last_close``."""
    count = len(numbers)
    side = indices[:, T_SIDE].copy()
    quantity = numbers[:, T_UNITS].copy()
    entry_price = numbers[:, T_ENTRY_PRICE].copy()
    exit_price = numbers[:, T_EXIT_PRICE].copy()
    fees = numbers[:, T_FEES].copy()
    exit_index = indices[:, T_EXIT_INDEX].copy()
    marked = np.where(exit_index == NO_INDEX, last_close, exit_price)
    pnl = side * quantity * (marked - entry_price) - fees
    return TradeTable(
        instrument=np.full(count, int(Instrument.POSITION), np.int64),
        side=side,
        quantity=quantity,
        entry_index=indices[:, T_ENTRY_INDEX].copy(),
        exit_index=exit_index,
        entry_price=entry_price,
        exit_price=exit_price,
        fees=fees,
        pnl=pnl,
        trade_return=pnl / (quantity * entry_price),
        exit_reason=indices[:, T_REASON].copy(),
        ambiguous=indices[:, T_AMBIGUOUS] != 0,
        mae=numbers[:, T_MAE].copy(),
        mfe=numbers[:, T_MFE].copy(),
        strike=np.full(count, np.nan),
        expiry=np.full(count, NO_INDEX, np.int64),
    )


def _cycle_table(numbers: FloatArray, indices: IntArray, bars: int) -> CycleTable:
    """A signal strategy goes from flat to flat with each trade, so each trade is a cycle."""
    count = len(numbers)
    exit_index = indices[:, T_EXIT_INDEX]
    completed = exit_index != NO_INDEX
    return CycleTable(
        start_index=indices[:, T_ENTRY_INDEX].copy(),
        end_index=np.where(completed, exit_index, bars - 1),
        start_equity=numbers[:, T_START].copy(),
        end_equity=numbers[:, T_END].copy(),
        outcome=np.where(completed, int(Outcome.CLOSED), int(Outcome.NONE)).astype(np.int64),
        completed=completed,
        had_assignment=np.zeros(count, np.bool_),
        assignment_price=np.full(count, np.nan),
        assignment_strike=np.full(count, np.nan),
        called_away_price=np.full(count, np.nan),
        called_away_strike=np.full(count, np.nan),
        premium_collected=np.zeros(count),
    )


def _notes(marks: IntArray, candles: Candles) -> list[str]:
    notes = []
    if marks[UNFILLED] > 0:
        entries = "entry was" if marks[UNFILLED] == 1 else "entries were"
        when = _bar_name(candles, int(marks[FIRST_UNFILLED]))
        notes.append(
            f"{marks[UNFILLED]} {entries} not filled because the size came to zero units "
            f"(first on {when})."
        )
    if marks[RUIN_INDEX] != NO_INDEX:
        when = _bar_name(candles, int(marks[RUIN_INDEX]))
        notes.append(
            f"Ruin on {when}: equity was zero or less at the close; "
            "nothing is opened afterwards and equity stays constant."
        )
    return notes


def _bar_name(candles: Candles, index: int) -> str:
    return f"bar {index} ({from_milliseconds(candles.times[index]):%Y-%m-%d %H:%M} UTC)"
