"""From an account bar by bar to the result that clients read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from engine.cycles import CycleColumns, averages, describe
from engine.dates import time_strings
from engine.metrics import Market, metrics_of
from engine.regimes import Regime, RegimeRule, Segment, regimes_of, segments_of
from engine.result import (
    BacktestResult,
    CycleStats,
    ExitReasonName,
    InstrumentName,
    Metrics,
    OutcomeName,
    RegimeName,
    RegimeSegment,
    SideName,
    Trade,
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

_TRADES = TypeAdapter(list[Trade])
_CYCLES = TypeAdapter(list[CycleStats])
_SEGMENTS = TypeAdapter(list[RegimeSegment])


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
    stamps = time_strings(market.times)
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
        equity_curve=_numbers(simulation.equity),
        equity_timestamps=stamps,
        total_return=metrics.total_return,
        max_drawdown=metrics.max_drawdown,
        cycles_completed=overall.count,
        notes=_bounded(simulation.notes),
        cycles=_cycles(simulation.cycles, columns, run.cycle_sleeves),
        regime_segments=_segments(segments_of(regimes), stamps),
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
        trades=_trades(simulation.trades, stamps, run.trade_sleeves),
        bars=len(simulation.equity),
        data_fingerprint=run.data_fingerprint,
    )


def _segments(segments: Sequence[Segment], stamps: Sequence[str]) -> list[RegimeSegment]:
    starts = [segment.start_index for segment in segments]
    ends = [segment.end_index for segment in segments]
    return _SEGMENTS.validate_python(
        _rows(
            regime=[_REGIMES[segment.regime] for segment in segments],
            start_date=[stamps[bar] for bar in starts],
            end_date=[stamps[bar] for bar in ends],
            start_index=starts,
            end_index=ends,
        )
    )


def _metrics(run: Run) -> Metrics:
    figures = metrics_of(run.simulation, run.market, run.starting_capital, run.bars_per_year)
    wheel = run.simulation.wheel
    return Metrics(**asdict(figures), **(asdict(wheel) if wheel else {}))


def _trades(
    trades: TradeTable, stamps: Sequence[str], sleeves: Sequence[int] | None
) -> list[Trade]:
    entries, exits = trades.entry_index.tolist(), trades.exit_index.tolist()
    is_option = np.isin(trades.instrument, _OPTIONS).tolist()
    strikes = _numbers_or_none(trades.strike)
    expiries = time_strings(np.where(np.isnan(trades.strike), 0, trades.expiry) * DAY)
    return _TRADES.validate_python(
        _rows(
            instrument=[_INSTRUMENTS[code] for code in trades.instrument.tolist()],
            entry_index=entries,
            exit_index=[None if bar == NO_INDEX else bar for bar in exits],
            entry_time=[stamps[bar] for bar in entries],
            exit_time=[None if bar == NO_INDEX else stamps[bar] for bar in exits],
            side=[_SIDES[code] for code in trades.side.tolist()],
            quantity=_numbers(trades.quantity),
            entry_price=_numbers(trades.entry_price),
            exit_price=_numbers_or_none(trades.exit_price),
            fees=_numbers(trades.fees),
            pnl=_numbers(trades.pnl),
            trade_return=_numbers(trades.trade_return),
            exit_reason=[_EXIT_REASONS.get(code) for code in trades.exit_reason.tolist()],
            ambiguous=trades.ambiguous.tolist(),
            mae=_numbers(trades.mae),
            mfe=_numbers(trades.mfe),
            strike=[
                strike if has else None for strike, has in zip(strikes, is_option, strict=True)
            ],
            expiry=[day if has else None for day, has in zip(expiries, is_option, strict=True)],
            sleeve=sleeves if sleeves is not None else [None] * len(trades),
        )
    )


def _cycles(
    cycles: CycleTable, columns: CycleColumns, sleeves: Sequence[int] | None
) -> list[CycleStats]:
    count = len(cycles)
    return _CYCLES.validate_python(
        _rows(
            cycle_id=[f"{index:0{CYCLE_ID_WIDTH}d}" for index in range(count)],
            index=list(range(count)),
            start_equity=_numbers(cycles.start_equity),
            end_equity=_numbers(cycles.end_equity),
            cycle_return=_numbers(columns.cycle_return),
            duration_days=columns.duration_days.tolist(),
            had_assignment=cycles.had_assignment.tolist(),
            outcome=[_OUTCOMES.get(code) for code in cycles.outcome.tolist()],
            dominant_regime=[_REGIMES.get(code) for code in columns.dominant_regime.tolist()],
            start_index=cycles.start_index.tolist(),
            end_index=cycles.end_index.tolist(),
            assignment_price=_numbers_or_none(cycles.assignment_price),
            assignment_strike=_numbers_or_none(cycles.assignment_strike),
            called_away_price=_numbers_or_none(cycles.called_away_price),
            called_away_strike=_numbers_or_none(cycles.called_away_strike),
            premium_collected=_numbers_or_none(cycles.premium_collected),
            completed=cycles.completed.tolist(),
            sleeve=sleeves if sleeves is not None else [None] * count,
        )
    )


def _rows(**columns: Sequence[Any]) -> list[dict[str, Any]]:
    """One mapping a row. A run may have tens of thousands, so models are made from them at once."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _numbers(column: NDArray[np.float64]) -> list[float]:
    """Plain floats; adding 0.0 turns −0.0 into 0.0."""
    numbers: list[float] = (column + 0.0).tolist()
    return numbers


def _numbers_or_none(column: NDArray[np.float64]) -> list[float | None]:
    return [None if number != number else number for number in _numbers(column)]


def _bounded(notes: Sequence[str]) -> list[str]:
    if len(notes) <= MAX_NOTES:
        return list(notes)
    rest = len(notes) - MAX_NOTES
    return [*notes[:MAX_NOTES], f"{rest} more notes are left out."]
