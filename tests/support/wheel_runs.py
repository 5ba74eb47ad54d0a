"""Wheel runs for tests: a config from a few parameters, bars from closes and dates."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from engine import wheel
from engine.candles import Candles, to_milliseconds
from engine.config import BacktestConfig
from engine.simulation import NO_INDEX, ExitReason, Instrument, Outcome, Simulation
from engine.wheel_parameters import WheelParameters

FIRST = date(2024, 1, 1)
EXIT_NAMES = {
    ExitReason.OPEN: None,
    ExitReason.EXPIRED: "expired",
    ExitReason.ASSIGNED: "assigned",
    ExitReason.CALLED_AWAY: "calledAway",
    ExitReason.CLOSE_AT_PROFIT: "closeAtProfit",
    ExitReason.CLOSE_AT_DTE: "closeAtDte",
}
OUTCOME_NAMES = {
    Outcome.NONE: None,
    Outcome.EXPIRED_OTM: "expiredOTM",
    Outcome.ASSIGNED: "assigned",
    Outcome.CALLED_AWAY: "calledAway",
    Outcome.CLOSED: "closed",
}


def every_day(count: int, first: date = FIRST) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def bars(dates: Sequence[date | datetime], closes: Sequence[float], symbol: str = "X") -> Candles:
    """One bar a date (at midnight UTC) or date-time."""
    moments = [
        day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, tzinfo=UTC)
        for day in dates
    ]
    times = [to_milliseconds(moment) for moment in moments]
    return Candles.from_closes(symbol, "1d", times, [float(close) for close in closes])


def config(
    parameters: Mapping[str, Any], capital: float = 10_000.0, **envelope: Any
) -> BacktestConfig:
    return BacktestConfig.model_validate(
        {
            "strategyId": "wheel",
            "symbol": "X",
            "startDate": "2024-01-01",
            "endDate": "2030-01-01",
            "startingCapital": float(capital),
            "parameters": WheelParameters.model_validate(parameters),
            **envelope,
        }
    )


def run(
    parameters: Mapping[str, Any],
    closes: Sequence[float],
    dates: Sequence[date | datetime] | None = None,
    capital: float = 10_000.0,
    bars_per_year: float = 252.0,
    series: Mapping[str, Candles] | None = None,
    **envelope: Any,
) -> Simulation:
    """Run the wheel; without dates the bars are consecutive days from 2024-01-01, a Monday."""
    candles = bars(dates if dates is not None else every_day(len(closes)), closes)
    settings = config(parameters, capital, **envelope)
    return wheel.simulate(settings, candles, bars_per_year, series or {})


def trades(simulation: Simulation) -> list[dict[str, Any]]:
    """The trade table as records with the contract's names; absent values are None."""
    table = simulation.trades
    records = []
    for row in range(len(table)):
        instrument = Instrument(int(table.instrument[row]))
        is_option = instrument in (Instrument.PUT, Instrument.CALL)
        is_open = int(table.exit_index[row]) == NO_INDEX
        expiry = date(1970, 1, 1) + timedelta(days=int(table.expiry[row]))
        records.append(
            {
                "instrument": instrument.name.lower(),
                "side": int(table.side[row]),
                "quantity": float(table.quantity[row]),
                "entryIndex": int(table.entry_index[row]),
                "exitIndex": None if is_open else int(table.exit_index[row]),
                "entryPrice": float(table.entry_price[row]),
                "exitPrice": None if is_open else float(table.exit_price[row]),
                "fees": float(table.fees[row]),
                "pnl": float(table.pnl[row]),
                "return": float(table.trade_return[row]),
                "exitReason": EXIT_NAMES[ExitReason(int(table.exit_reason[row]))],
                "strike": float(table.strike[row]) if is_option else None,
                "expiry": expiry if is_option else None,
                "mae": float(table.mae[row]),
                "mfe": float(table.mfe[row]),
            }
        )
    return records


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def cycles(simulation: Simulation) -> list[dict[str, Any]]:
    """The cycle table as records with the contract's names."""
    table = simulation.cycles
    return [
        {
            "startIndex": int(table.start_index[row]),
            "endIndex": int(table.end_index[row]),
            "startEquity": float(table.start_equity[row]),
            "endEquity": float(table.end_equity[row]),
            "outcome": OUTCOME_NAMES[Outcome(int(table.outcome[row]))],
            "completed": bool(table.completed[row]),
            "hadAssignment": bool(table.had_assignment[row]),
            "assignmentPrice": _known(table.assignment_price[row]),
            "assignmentStrike": _known(table.assignment_strike[row]),
            "calledAwayPrice": _known(table.called_away_price[row]),
            "calledAwayStrike": _known(table.called_away_strike[row]),
            "premiumCollected": float(table.premium_collected[row]),
        }
        for row in range(len(table))
    ]
