"""Hand-made accounts, as a simulator would hand them to the analytics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.simulation import (
    NO_INDEX,
    CycleTable,
    ExitReason,
    Instrument,
    Outcome,
    Side,
    Simulation,
    TradeTable,
    WheelTotals,
)

Row = dict[str, Any]

_TRADE: Row = {
    "instrument": Instrument.POSITION,
    "side": Side.LONG,
    "quantity": 1.0,
    "entry_index": 0,
    "exit_index": 1,
    "entry_price": 100.0,
    "exit_price": 110.0,
    "fees": 0.0,
    "pnl": 10.0,
    "trade_return": 0.1,
    "exit_reason": ExitReason.SIGNAL,
    "ambiguous": False,
    "mae": -0.01,
    "mfe": 0.12,
    "strike": np.nan,
    "expiry": NO_INDEX,
}
_CYCLE: Row = {
    "start_index": 0,
    "end_index": 1,
    "start_equity": 100.0,
    "end_equity": 110.0,
    "outcome": Outcome.CLOSED,
    "completed": True,
    "had_assignment": False,
    "assignment_price": np.nan,
    "assignment_strike": np.nan,
    "called_away_price": np.nan,
    "called_away_strike": np.nan,
    "premium_collected": 0.0,
}
OPEN: Row = {"exit_index": NO_INDEX, "exit_price": np.nan, "exit_reason": ExitReason.OPEN}
_FLAGS = ("ambiguous", "completed", "had_assignment")
_WHOLE = (
    "instrument",
    "side",
    "entry_index",
    "exit_index",
    "exit_reason",
    "expiry",
    "start_index",
    "end_index",
    "outcome",
)


def _columns(template: Row, rows: Sequence[Row]) -> dict[str, Any]:
    def kind(name: str) -> type[np.generic]:
        return np.bool_ if name in _FLAGS else np.int64 if name in _WHOLE else np.float64

    return {
        name: np.array([{**template, **row}[name] for row in rows], dtype=kind(name))
        for name in template
    }


def trades(*rows: Row) -> TradeTable:
    """One row a trade; what a row leaves out is a long trade from bar 0 to 1 that won 10 %."""
    return TradeTable(**_columns(_TRADE, rows))


def cycles(*rows: Row) -> CycleTable:
    """One row a cycle; what a row leaves out is a completed one from bar 0 to 1 that won 10 %."""
    return CycleTable(**_columns(_CYCLE, rows))


def account(
    equity: Sequence[float],
    trade_rows: Sequence[Row] = (),
    cycle_rows: Sequence[Row] = (),
    *,
    holds: Sequence[bool] | None = None,
    fees_paid: float = 0.0,
    notes: Sequence[str] = (),
    wheel: WheelTotals | None = None,
) -> Simulation:
    return Simulation(
        equity=np.array(equity, dtype=np.float64),
        holds_position=np.array(holds if holds is not None else [False] * len(equity), np.bool_),
        trades=trades(*trade_rows),
        cycles=cycles(*cycle_rows),
        fees_paid=fees_paid,
        notes=list(notes),
        wheel=wheel,
    )
