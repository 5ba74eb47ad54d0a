"""From an account bar by bar to the result that clients read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.cycles import CycleColumns, averages, describe
from engine.dates import check_times, time_strings
from engine.lists import Chosen, LazyList
from engine.metrics import Market, figures_of, metrics_of
from engine.regimes import Regime, RegimeRule, Segments, regimes_of, segments_of
from engine.result import (
    BacktestResult,
    ExitReasonName,
    InstrumentName,
    Metrics,
    OutcomeName,
    RegimeName,
    ResultLists,
    SideName,
)
from engine.simulation import (
    NO_INDEX,
    CycleTable,
    ExitReason,
    Instrument,
    Outcome,
    Side,
    Simulation,
    TradeTable,
)
from engine.timeframes import DAY

MAX_NOTES = 500
CYCLE_ID_WIDTH = 6

_INSTRUMENTS: Mapping[int, InstrumentName] = {
    Instrument.POSITION: "position",
    Instrument.PUT: "put",
    Instrument.CALL: "call",
    Instrument.SHARES: "shares",
}
_OPTIONS = (Instrument.PUT, Instrument.CALL)
_SIDES: Mapping[int, SideName] = {Side.LONG: "long", Side.SHORT: "short"}
_EXIT_REASONS: Mapping[int, ExitReasonName] = {
    ExitReason.SIGNAL: "signal",
    ExitReason.STOP_LOSS: "stopLoss",
    ExitReason.TAKE_PROFIT: "takeProfit",
    ExitReason.TRAILING_STOP: "trailingStop",
    ExitReason.END_OF_DATA: "endOfData",
    ExitReason.RUIN: "ruin",
    ExitReason.EXPIRED: "expired",
    ExitReason.ASSIGNED: "assigned",
    ExitReason.CALLED_AWAY: "calledAway",
    ExitReason.CLOSE_AT_PROFIT: "closeAtProfit",
    ExitReason.CLOSE_AT_DTE: "closeAtDte",
}
_OUTCOMES: Mapping[int, OutcomeName] = {
    Outcome.EXPIRED_OTM: "expiredOTM",
    Outcome.ASSIGNED: "assigned",
    Outcome.CALLED_AWAY: "calledAway",
    Outcome.CLOSED: "closed",
}
_REGIMES: Mapping[int, RegimeName] = {
    Regime.UPTREND: "uptrend",
    Regime.DOWNTREND: "downtrend",
    Regime.SIDEWAYS: "sideways",
}

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished simulation and everything its report needs.

    ``trade_sleeves`` and ``cycle_sleeves`` say which sleeve of a portfolio a row belongs to.
    """

    config_used: dict[str, Any]
    engine_version: str
    starting_capital: float
    simulation: Simulation
    market: Market
    regime_rule: RegimeRule
    bars_per_year: float
    data_fingerprint: str
    trade_sleeves: Sequence[int] | None = None
    cycle_sleeves: Sequence[int] | None = None


def report(run: Run) -> BacktestResult:
    """The complete result of a run of at least one bar."""
    simulation, market = run.simulation, run.market
    check_times(market.times)
    regimes = regimes_of(market.close, run.regime_rule)
    columns = describe(simulation.cycles, market.times, regimes)
    metrics = _metrics(run)
    overall = averages(simulation.cycles, columns)
    up = averages(simulation.cycles, columns, Regime.UPTREND)
    down = averages(simulation.cycles, columns, Regime.DOWNTREND)
    sideways = averages(simulation.cycles, columns, Regime.SIDEWAYS)
    return BacktestResult(
        config_used=run.config_used,
        engine_version=run.engine_version,
        total_return=metrics.total_return,
        max_drawdown=metrics.max_drawdown,
        cycles_completed=overall.count,
        notes=_bounded(simulation.notes),
        avg_cycle_return=overall.avg_return,
        avg_cycle_duration_days=overall.avg_duration_days,
        assignment_rate=overall.assignment_rate,
        uptrend_avg_cycle_return=up.avg_return,
        downtrend_avg_cycle_return=down.avg_return,
        sideways_avg_cycle_return=sideways.avg_return,
        uptrend_assignment_rate=up.assignment_rate,
        downtrend_assignment_rate=down.assignment_rate,
        sideways_assignment_rate=sideways.assignment_rate,
        metrics=metrics,
        bars=len(simulation.equity),
        data_fingerprint=run.data_fingerprint,
        lists=_lists(run, columns, segments_of(regimes)),
    )


def _lists(run: Run, columns: CycleColumns, segments: Segments) -> ResultLists:
    simulation, times = run.simulation, run.market.times
    return ResultLists(
        # Adding 0.0 turns −0.0 into 0.0.
        equity=simulation.equity + 0.0,
        times=LazyList(len(times), partial(_times, times)),
        cycles=LazyList(
            len(simulation.cycles),
            partial(_cycles, simulation.cycles, columns, run.cycle_sleeves),
        ),
        regime_segments=LazyList(len(segments), partial(_segments, segments, times)),
        trades=LazyList(
            len(simulation.trades), partial(_trades, simulation.trades, times, run.trade_sleeves)
        ),
    )


def _times(times: NDArray[np.int64], chosen: Chosen) -> list[str]:
    return time_strings(times[chosen])


def _segments(segments: Segments, times: NDArray[np.int64], chosen: Chosen) -> list[dict[str, Any]]:
    starts, ends = segments.start_index[chosen], segments.end_index[chosen]
    return _rows(
        regime=[_REGIMES[code] for code in segments.regime[chosen].tolist()],
        startDate=time_strings(times[starts]),
        endDate=time_strings(times[ends]),
        startIndex=starts.tolist(),
        endIndex=ends.tolist(),
    )


def _metrics(run: Run) -> Metrics:
    figures = metrics_of(run.simulation, run.market, run.starting_capital, run.bars_per_year)
    wheel = run.simulation.wheel
    return Metrics(**figures_of(figures), **(figures_of(wheel) if wheel else {}))


def _trades(
    table: TradeTable,
    times: NDArray[np.int64],
    sleeves: Sequence[int] | None,
    chosen: Chosen,
) -> list[dict[str, Any]]:
    trades = table.rows(chosen)
    is_open = trades.exit_index == NO_INDEX
    has_option = np.isin(trades.instrument, _OPTIONS)
    rows = _rows(
        instrument=[_INSTRUMENTS[code] for code in trades.instrument.tolist()],
        entryIndex=trades.entry_index.tolist(),
        exitIndex=_none_where(is_open, trades.exit_index.tolist()),
        entryTime=time_strings(times[trades.entry_index]),
        exitTime=_none_where(is_open, time_strings(times[trades.exit_index])),
        side=[_SIDES[code] for code in trades.side.tolist()],
        quantity=_numbers(trades.quantity),
        entryPrice=_numbers(trades.entry_price),
        exitPrice=_numbers_or_none(trades.exit_price),
        fees=_numbers(trades.fees),
        pnl=_numbers(trades.pnl),
        **{"return": _numbers(trades.trade_return)},
        exitReason=[_EXIT_REASONS.get(code) for code in trades.exit_reason.tolist()],
        ambiguous=trades.ambiguous.tolist(),
        mae=_numbers(trades.mae),
        mfe=_numbers(trades.mfe),
    )
    for place in np.flatnonzero(has_option).tolist():
        rows[place]["strike"] = float(trades.strike[place])
        (rows[place]["expiry"],) = time_strings(trades.expiry[place : place + 1] * DAY)
    _add_sleeves(rows, sleeves, chosen)
    return rows


def _cycles(
    table: CycleTable,
    columns: CycleColumns,
    sleeves: Sequence[int] | None,
    chosen: Chosen,
) -> list[dict[str, Any]]:
    cycles = table.rows(chosen)
    places = np.arange(len(table))[chosen].tolist()
    rows = _rows(
        cycleId=[f"{index:0{CYCLE_ID_WIDTH}d}" for index in places],
        index=places,
        startEquity=_numbers(cycles.start_equity),
        endEquity=_numbers(cycles.end_equity),
        cycleReturn=_numbers(columns.cycle_return[chosen]),
        durationDays=columns.duration_days[chosen].tolist(),
        hadAssignment=cycles.had_assignment.tolist(),
        outcome=[_OUTCOMES.get(code) for code in cycles.outcome.tolist()],
        dominantRegime=[_REGIMES.get(code) for code in columns.dominant_regime[chosen].tolist()],
        startIndex=cycles.start_index.tolist(),
        endIndex=cycles.end_index.tolist(),
        assignmentPrice=_numbers_or_none(cycles.assignment_price),
        assignmentStrike=_numbers_or_none(cycles.assignment_strike),
        calledAwayPrice=_numbers_or_none(cycles.called_away_price),
        calledAwayStrike=_numbers_or_none(cycles.called_away_strike),
        premiumCollected=_numbers_or_none(cycles.premium_collected),
        completed=cycles.completed.tolist(),
    )
    _add_sleeves(rows, sleeves, chosen)
    return rows


def _rows(**columns: Sequence[Any]) -> list[dict[str, Any]]:
    """One mapping a row, with the names that clients read."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _add_sleeves(rows: list[dict[str, Any]], sleeves: Sequence[int] | None, chosen: Chosen) -> None:
    if sleeves is not None:
        for row, sleeve in zip(rows, np.array(sleeves)[chosen].tolist(), strict=True):
            row["sleeve"] = sleeve


def _none_where(missing: NDArray[np.bool_], items: list[Item]) -> list[Item | None]:
    return [None if gone else item for gone, item in zip(missing.tolist(), items, strict=True)]


def _numbers(column: NDArray[np.float64]) -> list[float]:
    """Plain floats, none of them −0.0."""
    numbers: list[float] = (column + 0.0).tolist()
    return numbers


def _numbers_or_none(column: NDArray[np.float64]) -> list[float | None]:
    return [None if number != number else number for number in _numbers(column)]


def _bounded(notes: Sequence[str]) -> list[str]:
    if len(notes) <= MAX_NOTES:
        return list(notes)
    rest = len(notes) - MAX_NOTES
    left_out = "1 more note is" if rest == 1 else f"{rest} more notes are"
    return [*notes[:MAX_NOTES], f"{left_out} left out."]
