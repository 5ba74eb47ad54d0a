"""From an account bar by bar to the result that clients read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.cycles import CycleColumns, averages, describe
from engine.dates import time_strings
from engine.metrics import Market, metrics_of
from engine.regimes import Regime, RegimeRule, regimes_of, segments_of
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
        regime_segments=[
            RegimeSegment.model_construct(
                regime=_REGIMES[segment.regime],
                start_date=stamps[segment.start_index],
                end_date=stamps[segment.end_index],
                start_index=segment.start_index,
                end_index=segment.end_index,
            )
            for segment in segments_of(regimes)
        ],
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


def _metrics(run: Run) -> Metrics:
    figures = metrics_of(run.simulation, run.market, run.starting_capital, run.bars_per_year)
    wheel = run.simulation.wheel
    return Metrics(**asdict(figures), **(asdict(wheel) if wheel else {}))


def _trades(
    trades: TradeTable, stamps: Sequence[str], sleeves: Sequence[int] | None
) -> list[Trade]:
    """Rows are made without validation: a run may have tens of thousands."""
    expiries = time_strings(np.where(np.isnan(trades.strike), 0, trades.expiry) * DAY)
    rows = zip(
        trades.instrument.tolist(),
        trades.entry_index.tolist(),
        trades.exit_index.tolist(),
        trades.side.tolist(),
        _numbers(trades.quantity),
        _numbers(trades.entry_price),
        _numbers_or_none(trades.exit_price),
        _numbers(trades.fees),
        _numbers(trades.pnl),
        _numbers(trades.trade_return),
        trades.exit_reason.tolist(),
        trades.ambiguous.tolist(),
        _numbers(trades.mae),
        _numbers(trades.mfe),
        _numbers_or_none(trades.strike),
        expiries,
        sleeves if sleeves is not None else [None] * len(trades),
        strict=True,
    )
    return [
        Trade.model_construct(
            instrument=_INSTRUMENTS[instrument],
            entry_index=entry,
            exit_index=exit_ if exit_ != NO_INDEX else None,
            entry_time=stamps[entry],
            exit_time=stamps[exit_] if exit_ != NO_INDEX else None,
            side=_SIDES[side],
            quantity=quantity,
            entry_price=entry_price,
            exit_price=exit_price,
            fees=fees,
            pnl=pnl,
            trade_return=trade_return,
            exit_reason=_EXIT_REASONS.get(reason),
            ambiguous=ambiguous,
            mae=mae,
            mfe=mfe,
            strike=strike if instrument in _OPTIONS else None,
            expiry=expiry if instrument in _OPTIONS else None,
            sleeve=sleeve,
        )
        for (
            instrument,
            entry,
            exit_,
            side,
            quantity,
            entry_price,
            exit_price,
            fees,
            pnl,
            trade_return,
            reason,
            ambiguous,
            mae,
            mfe,
            strike,
            expiry,
            sleeve,
        ) in rows
    ]


def _cycles(
    cycles: CycleTable, columns: CycleColumns, sleeves: Sequence[int] | None
) -> list[CycleStats]:
    start_equity, end_equity = _numbers(cycles.start_equity), _numbers(cycles.end_equity)
    returns = _numbers(columns.cycle_return)
    assignment_price = _numbers_or_none(cycles.assignment_price)
    assignment_strike = _numbers_or_none(cycles.assignment_strike)
    called_away_price = _numbers_or_none(cycles.called_away_price)
    called_away_strike = _numbers_or_none(cycles.called_away_strike)
    premium = _numbers_or_none(cycles.premium_collected)
    return [
        CycleStats.model_construct(
            cycle_id=f"{index:0{CYCLE_ID_WIDTH}d}",
            index=index,
            start_equity=start_equity[index],
            end_equity=end_equity[index],
            cycle_return=returns[index],
            duration_days=int(columns.duration_days[index]),
            had_assignment=bool(cycles.had_assignment[index]),
            outcome=_OUTCOMES.get(int(cycles.outcome[index])),
            dominant_regime=_REGIMES.get(int(columns.dominant_regime[index])),
            start_index=int(cycles.start_index[index]),
            end_index=int(cycles.end_index[index]),
            assignment_price=assignment_price[index],
            assignment_strike=assignment_strike[index],
            called_away_price=called_away_price[index],
            called_away_strike=called_away_strike[index],
            premium_collected=premium[index],
            completed=bool(cycles.completed[index]),
            sleeve=sleeves[index] if sleeves is not None else None,
        )
        for index in range(len(cycles))
    ]


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
