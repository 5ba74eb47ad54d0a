"""From trading signals to an account: sizes, fees, stops, trades and cycles.

``simulate_fills`` drives the kernel in chunks, so that progress can be told and a run stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.candles import Candles, from_milliseconds
from engine.errors import Stopped
from engine.fills_kernel import (
    CASH,
    ENTRY_FEE,
    ENTRY_INDEX,
    ENTRY_PRICE,
    FEES_PAID,
    FIRST_UNFILLED,
    HIGHEST,
    INDEX_COUNT,
    LOWEST,
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
    T_PNL,
    T_REASON,
    T_RETURN,
    T_SIDE,
    T_START,
    T_UNITS,
    TRADE_INDICES,
    TRADE_NUMBERS,
    UNFILLED,
    UNITS,
    SizingKind,
    run_bars,
)
from engine.levels import Intrabar
from engine.orders import Codes, empty_codes, write_codes
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

    def coded(self) -> tuple[Codes, int]:
        """One byte of ``Signal`` bits a bar, with those that fill the last word of eight, and how
        many bars ask for an entry. An exit cancels its own side's entry.
        """
        codes = empty_codes(len(self.long_entry))
        entries = write_codes(
            self.long_entry, self.long_exit, self.short_entry, self.short_exit, codes
        )
        return codes, entries


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
    codes, entries = signals.coded()
    words = codes.view(np.uint64)
    state = np.zeros(NUMBER_COUNT)
    state[CASH] = starting_capital
    marks = np.zeros(INDEX_COUNT, np.int64)
    marks[RUIN_INDEX] = NO_INDEX
    marks[FIRST_UNFILLED] = NO_INDEX
    equity = np.empty(bars)
    holds_position = np.empty(bars, np.bool_)
    # A position that is held from the chunk before, and one that is open at the end.
    room = min(entries, chunk_bars) + 2
    numbers = np.empty((TRADE_NUMBERS, room))
    indices = np.empty((TRADE_INDICES, room), np.int64)
    done: list[tuple[FloatArray, IntArray]] = []
    closed = 0

    for first in range(0, bars, chunk_bars):
        if should_stop is not None and should_stop():
            raise Stopped
        if closed:
            done.append((numbers[:, :closed].copy(), indices[:, :closed].copy()))
        last = min(first + chunk_bars, bars)
        closed = run_bars(
            first,
            last,
            candles.open,
            candles.high,
            candles.low,
            candles.close,
            codes,
            words,
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
            numbers,
            indices,
        )
        if on_progress is not None:
            on_progress(last / bars)

    if marks[SIDE] != 0:
        _write_open_trade(
            state, marks, candles.close, equity, numbers[:, closed], indices[:, closed]
        )
        closed += 1
    numbers, indices = numbers[:, :closed], indices[:, :closed]
    if done:
        numbers = np.concatenate([*(part for part, _ in done), numbers], axis=1)
        indices = np.concatenate([*(part for _, part in done), indices], axis=1)
    return Simulation(
        equity=equity,
        holds_position=holds_position,
        trades=_trade_table(numbers, indices),
        cycles=_cycle_table(numbers, indices, bars),
        fees_paid=float(state[FEES_PAID]),
        notes=_notes(marks, candles),
    )


def _write_open_trade(
    state: FloatArray,
    marks: IntArray,
    close: FloatArray,
    equity: FloatArray,
    numbers: FloatArray,
    indices: IntArray,
) -> None:
    """A trade's row, marked at the last close: the same operations as for a closed one, so that
    the figures meet bit for bit.
    """
    side, units, entry = int(marks[SIDE]), float(state[UNITS]), float(state[ENTRY_PRICE])
    worst, best = state[LOWEST], state[HIGHEST]
    if side < 0:
        worst, best = best, worst
    pnl = side * units * (float(close[-1]) - entry) - float(state[ENTRY_FEE])
    numbers[T_UNITS] = units
    numbers[T_ENTRY_PRICE] = entry
    numbers[T_EXIT_PRICE] = np.nan
    numbers[T_FEES] = state[ENTRY_FEE]
    numbers[T_PNL] = pnl
    numbers[T_RETURN] = pnl / (units * entry)
    numbers[T_MAE] = (side * worst - side * entry) / entry
    numbers[T_MFE] = (side * best - side * entry) / entry
    numbers[T_START] = state[START_EQUITY]
    numbers[T_END] = equity[-1]
    indices[T_SIDE] = side
    indices[T_ENTRY_INDEX] = marks[ENTRY_INDEX]
    indices[T_EXIT_INDEX] = NO_INDEX
    indices[T_REASON] = int(ExitReason.OPEN)
    indices[T_AMBIGUOUS] = 0


def _trade_table(numbers: FloatArray, indices: IntArray) -> TradeTable:
    count = numbers.shape[1]
    return TradeTable(
        instrument=np.full(count, int(Instrument.POSITION), np.int64),
        side=indices[T_SIDE],
        quantity=numbers[T_UNITS],
        entry_index=indices[T_ENTRY_INDEX],
        exit_index=indices[T_EXIT_INDEX],
        entry_price=numbers[T_ENTRY_PRICE],
        exit_price=numbers[T_EXIT_PRICE],
        fees=numbers[T_FEES],
        pnl=numbers[T_PNL],
        trade_return=numbers[T_RETURN],
        exit_reason=indices[T_REASON],
        ambiguous=indices[T_AMBIGUOUS] != 0,
        mae=numbers[T_MAE],
        mfe=numbers[T_MFE],
        strike=np.full(count, np.nan),
        expiry=np.full(count, NO_INDEX, np.int64),
    )


def _cycle_table(numbers: FloatArray, indices: IntArray, bars: int) -> CycleTable:
    """A signal strategy goes from flat to flat with each trade, so each trade is a cycle."""
    count = numbers.shape[1]
    exit_index = indices[T_EXIT_INDEX]
    completed = exit_index != NO_INDEX
    none = np.full(count, np.nan)
    return CycleTable(
        start_index=indices[T_ENTRY_INDEX],
        end_index=np.where(completed, exit_index, bars - 1),
        start_equity=numbers[T_START],
        end_equity=numbers[T_END],
        outcome=completed * np.int64(Outcome.CLOSED),
        completed=completed,
        had_assignment=np.zeros(count, np.bool_),
        assignment_price=none,
        assignment_strike=none,
        called_away_price=none,
        called_away_strike=none,
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
