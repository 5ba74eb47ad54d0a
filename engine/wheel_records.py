"""Rows of the wheel's trade and cycle tables, as the kernel writes them."""

from typing import Any

import numpy as np

from engine._jit import kernel
from engine.simulation import NO_INDEX, ExitReason, Outcome

_OPEN = int(ExitReason.OPEN)
_OUTCOME_NONE = int(Outcome.NONE)

#: One row a trade. ``quantity`` is in contracts for options and in shares for shares.
TRADE_ROW = np.dtype(
    [
        ("instrument", np.int64),
        ("entry_index", np.int64),
        ("exit_index", np.int64),
        ("exit_reason", np.int64),
        ("expiry", np.int64),
        ("quantity", np.float64),
        ("strike", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("fees", np.float64),
        ("pnl", np.float64),
        ("trade_return", np.float64),
        ("mae", np.float64),
        ("mfe", np.float64),
    ]
)

#: One row a cycle.
CYCLE_ROW = np.dtype(
    [
        ("start_index", np.int64),
        ("end_index", np.int64),
        ("outcome", np.int64),
        ("completed", np.bool_),
        ("had_assignment", np.bool_),
        ("start_equity", np.float64),
        ("end_equity", np.float64),
        ("assignment_price", np.float64),
        ("assignment_strike", np.float64),
        ("called_away_price", np.float64),
        ("called_away_strike", np.float64),
        ("premium_collected", np.float64),
    ]
)


@kernel
def open_trade(
    trade: Any,
    instrument: int,
    bar: int,
    quantity: float,
    price: float,
    fees: float,
    strike: float,
    expiry: int,
) -> None:
    """Fill a row of the trade table; its result stays unknown until it is closed."""
    trade["instrument"] = instrument
    trade["entry_index"] = bar
    trade["exit_index"] = NO_INDEX
    trade["exit_reason"] = _OPEN
    trade["quantity"] = quantity
    trade["entry_price"] = price
    trade["exit_price"] = np.nan
    trade["fees"] = fees
    trade["strike"] = strike
    trade["expiry"] = expiry


@kernel
def weigh_trade(
    trade: Any, side: float, price: float, units: float, basis: float, low: float, high: float
) -> None:
    """Fill in what a trade has made at ``price`` a unit, having been worth ``low`` to ``high``.

    Its return is per ``basis`` of money; excursions are fractions of the entry price.
    """
    entry = trade["entry_price"]
    trade["pnl"] = side * (price - entry) * units - trade["fees"]
    trade["trade_return"] = trade["pnl"] / basis
    at_low = side * (min(low, price) - entry) / entry if entry > 0.0 else 0.0
    at_high = side * (max(high, price) - entry) / entry if entry > 0.0 else 0.0
    trade["mae"] = min(0.0, min(at_low, at_high))
    trade["mfe"] = max(0.0, max(at_low, at_high))


@kernel
def close_trade(trade: Any, bar: int, price: float, reason: int) -> None:
    """Say when, at what price and why (an ``ExitReason``) a trade ended."""
    trade["exit_index"] = bar
    trade["exit_price"] = price
    trade["exit_reason"] = reason


@kernel
def open_cycle(cycle: Any, bar: int, equity: float) -> None:
    """Fill a row of the cycle table; ``equity`` is the cash before the first sale."""
    cycle["start_index"] = bar
    cycle["start_equity"] = equity
    cycle["outcome"] = _OUTCOME_NONE
    cycle["completed"] = False
    cycle["had_assignment"] = False
    cycle["assignment_price"] = np.nan
    cycle["assignment_strike"] = np.nan
    cycle["called_away_price"] = np.nan
    cycle["called_away_strike"] = np.nan
    cycle["premium_collected"] = 0.0


@kernel
def close_cycle(cycle: Any, bar: int, equity: float, outcome: int, completed: bool) -> None:
    """Say how a cycle ended, or how it stands on the last bar (``completed`` is false)."""
    cycle["end_index"] = bar
    cycle["end_equity"] = equity
    cycle["outcome"] = outcome
    cycle["completed"] = completed
