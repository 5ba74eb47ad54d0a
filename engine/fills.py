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
    FEES_PAID,
    FIRST_UNFILLED,
    INDEX_COUNT,
    NUMBER_COUNT,
    RUIN_INDEX,
    SIDE,
    UNFILLED,
    SizingKind,
    run_bars,
)
from engine.levels import Intrabar
from engine.orders import Codes, empty_codes, write_codes
from engine.simulation import NO_INDEX, BoolArray, IntArray, Simulation
from engine.trade_columns import TradeColumns, joined

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


@dataclass(slots=True, kw_only=True)
class Signals:
    """Four masks of one length: true where that order is signalled on a bar's close.

    Nobody changes them; see ``engine.simulation`` for why they are not frozen.
    """

    long_entry: BoolArray
    long_exit: BoolArray
    short_entry: BoolArray
    short_exit: BoolArray

    def codes(self) -> Codes:
        """One byte of ``Signal`` bits a bar, with those that fill the last word of eight.

        An exit cancels its own side's entry.
        """
        codes = empty_codes(len(self.long_entry))
        write_codes(self.long_entry, self.long_exit, self.short_entry, self.short_exit, codes)
        return codes


def simulate_fills(
    signals: Signals,
    candles: Candles,
    rules: FillRules,
    starting_capital: float,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    chunk_bars: int | None = None,
) -> Simulation:
    """Trade ``signals`` on ``candles`` from ``starting_capital``.

    The result does not depend on ``chunk_bars``; None takes all bars at once where nobody looks.
    ``on_progress`` hears the fraction of bars done.

    Raises:
        Stopped: ``should_stop`` answered yes between two chunks.
    """
    bars = len(candles)
    codes = signals.codes()
    words = codes.view(np.uint64)
    state = np.zeros(NUMBER_COUNT)
    state[CASH] = starting_capital
    marks = np.zeros(INDEX_COUNT, np.int64)
    marks[RUIN_INDEX] = NO_INDEX
    marks[FIRST_UNFILLED] = NO_INDEX
    equity = np.empty(bars)
    holds_position = np.empty(bars, np.bool_)
    if chunk_bars is None:
        is_watched = on_progress is not None or should_stop is not None
        chunk_bars = CHUNK_BARS if is_watched else max(bars, 1)
    entries = int(np.count_nonzero(signals.long_entry))
    entries += int(np.count_nonzero(signals.short_entry))
    # A position that is held from the chunk before, and one that is open at the end.
    room = TradeColumns.room_for(min(entries, chunk_bars) + 2)
    parts: list[TradeColumns] = []
    closed = 0

    for first in range(0, bars, chunk_bars):
        if should_stop is not None and should_stop():
            raise Stopped
        if closed:
            parts.append(room.first(closed).copy())
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
            *room,
        )
        if on_progress is not None:
            on_progress(last / bars)

    # An open position's row lies after those of the closed trades.
    closed += int(marks[SIDE] != 0)
    parts.append(room.first(closed).copy() if closed < entries // 2 else room.first(closed))
    trades, cycles = (joined(parts) if len(parts) > 1 else parts[0]).tables()
    return Simulation(
        equity=equity,
        holds_position=holds_position,
        trades=trades,
        cycles=cycles,
        fees_paid=float(state[FEES_PAID]),
        notes=_notes(marks, candles),
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
