"""What a simulator hands to the analytics: the account bar by bar, its trades and its cycles.

Columns instead of objects, because a minute-bar run closes tens of thousands of trades. Nobody
changes them; they are not frozen, because a short run would take a tenth longer to fill them.
"""

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Stands for "none" in index columns; prices and strikes use NaN.
NO_INDEX = -1


class Instrument(IntEnum):
    """What a trade held."""

    POSITION = 0
    PUT = 1
    CALL = 2
    SHARES = 3


class Side(IntEnum):
    """Direction of a trade; its value is the sign of the holding."""

    LONG = 1
    SHORT = -1


class ExitReason(IntEnum):
    """Why a trade was closed. ``OPEN``: it was not."""

    OPEN = 0
    SIGNAL = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    TRAILING_STOP = 4
    END_OF_DATA = 5
    RUIN = 6
    EXPIRED = 7
    ASSIGNED = 8
    CALLED_AWAY = 9
    CLOSE_AT_PROFIT = 10
    CLOSE_AT_DTE = 11


class Outcome(IntEnum):
    """How a cycle ended."""

    NONE = 0
    EXPIRED_OTM = 1
    ASSIGNED = 2
    CALLED_AWAY = 3
    CLOSED = 4


@dataclass(slots=True, kw_only=True)
class TradeTable:
    """One row a trade, all arrays of one length, ordered by entry.

    ``expiry`` counts days since 1970-01-01. ``mae`` and ``mfe`` are fractions of the entry price
    (mae ≤ 0 ≤ mfe). An open trade has NO_INDEX, NaN and OPEN in its exit columns and the marked
    ``pnl`` and ``trade_return``.
    """

    instrument: IntArray
    side: IntArray
    quantity: FloatArray
    entry_index: IntArray
    exit_index: IntArray
    entry_price: FloatArray
    exit_price: FloatArray
    fees: FloatArray
    pnl: FloatArray
    trade_return: FloatArray
    exit_reason: IntArray
    ambiguous: BoolArray
    mae: FloatArray
    mfe: FloatArray
    strike: FloatArray
    expiry: IntArray

    def __len__(self) -> int:
        return len(self.entry_index)

    def rows(self, chosen: slice | IntArray) -> "TradeTable":
        """Some of the trades."""
        return TradeTable(**_rows(self, chosen))


@dataclass(slots=True, kw_only=True)
class CycleTable:
    """One row a cycle from flat to flat, in order. The last one may be unfinished.

    An unfinished cycle ends, for these columns, on the last bar with its marked equity.
    """

    start_index: IntArray
    end_index: IntArray
    start_equity: FloatArray
    end_equity: FloatArray
    outcome: IntArray
    completed: BoolArray
    had_assignment: BoolArray
    assignment_price: FloatArray
    assignment_strike: FloatArray
    called_away_price: FloatArray
    called_away_strike: FloatArray
    premium_collected: FloatArray

    def __len__(self) -> int:
        return len(self.start_index)

    def rows(self, chosen: slice | IntArray) -> "CycleTable":
        """Some of the cycles."""
        return CycleTable(**_rows(self, chosen))


def _rows(table: TradeTable | CycleTable, chosen: slice | IntArray) -> dict[str, Any]:
    return {one.name: getattr(table, one.name)[chosen] for one in fields(table)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelTotals:
    """Figures that only the wheel has."""

    premium_collected: float
    assignment_count: int
    called_away_count: int


@dataclass(slots=True, kw_only=True)
class Simulation:
    """The account over ``n`` bars, marked at each bar's close."""

    equity: FloatArray
    holds_position: BoolArray
    trades: TradeTable
    cycles: CycleTable
    fees_paid: float
    notes: list[str] = field(default_factory=list)
    wheel: WheelTotals | None = None
