"""Several configs run side by side, each on its own part of the capital.

The parts never exchange money. Time is the union of the sleeves' bars: before its first bar a
sleeve is cash, between its bars and after its last one it keeps its last value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.annualization import bars_per_year
from engine.config import BacktestConfig
from engine.digest import digest
from engine.inputs import Given, bars_of
from engine.metrics import Market
from engine.portfolio_parameters import PortfolioParameters, Sleeve
from engine.reporting import Run
from engine.return_kernels import sum_of
from engine.simulation import NO_INDEX, CycleTable, Simulation, TradeTable
from engine.single_run import OnProgress, ShouldStop, SingleRun, run_single
from engine.timeframes import TIMEFRAMES, Timeframe
from engine.versions import ENGINE_VERSION

Table = TypeVar("Table", TradeTable, CycleTable)


@dataclass(frozen=True, slots=True)
class _Part:
    """A sleeve's run on the portfolio's time: ``now`` is its latest bar at each instant, or −1."""

    sleeve: Sleeve
    run: SingleRun
    now: NDArray[np.int64]
    places: NDArray[np.int64]


def run_portfolio(
    config: BacktestConfig,
    parameters: PortfolioParameters,
    given: Given,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Run:
    """Run every sleeve and add them up.

    Raises:
        DataError: candles of a sleeve or of the portfolio's own symbol are missing or unusable.
        Stopped: ``should_stop`` said yes.
    """
    market_bars = bars_of(config, given)
    sleeves = parameters.sleeves
    runs = [
        run_single(sleeve.config, given, _share(on_progress, place, len(sleeves)), should_stop)
        for place, sleeve in enumerate(sleeves)
    ]
    times = np.unique(np.concatenate([run.bars.times for run in runs]))
    parts = [
        _Part(
            sleeve,
            run,
            np.searchsorted(run.bars.times, times, side="right") - 1,
            np.searchsorted(times, run.bars.times),
        )
        for sleeve, run in zip(sleeves, runs, strict=True)
    ]
    trades, trade_sleeves = _joined(
        [_moved_trades(part) for part in parts], lambda table: table.entry_index
    )
    cycles, cycle_sleeves = _joined(
        [_moved_cycles(part, len(times)) for part in parts], lambda table: table.start_index
    )
    # Before the symbol's first bar its first close stands in: a market that does not move.
    known = np.maximum(np.searchsorted(market_bars.times, times, side="right") - 1, 0)
    yearly = bars_per_year(
        config.annualization,
        _finest(sleeves),
        times,
        is_price_path=all(sleeve.config.price_path is not None for sleeve in sleeves),
    )
    return Run(
        config_used=_echo(config, yearly, runs),
        engine_version=ENGINE_VERSION,
        starting_capital=config.starting_capital,
        simulation=Simulation(
            equity=_equity(config.starting_capital, parts),
            holds_position=_holds_position(parts, len(times)),
            trades=trades,
            cycles=cycles,
            fees_paid=sum_of(np.array([run.simulation.fees_paid for run in runs])),
            notes=_notes(parts),
        ),
        market=Market(times=times, close=market_bars.close[known]),
        regime_rule=config.regime,
        bars_per_year=yearly,
        data_fingerprint=digest(
            {
                "market": market_bars.fingerprint(),
                "sleeves": [run.fingerprint for run in runs],
            }
        ),
        trade_sleeves=trade_sleeves,
        cycle_sleeves=cycle_sleeves,
    )


def _share(on_progress: OnProgress | None, place: int, count: int) -> OnProgress | None:
    """Reports a sleeve's progress as its part of the whole."""
    if on_progress is None:
        return None
    report = on_progress
    return lambda fraction: report((place + fraction) / count)


def _equity(capital: float, parts: Sequence[_Part]) -> NDArray[np.float64]:
    """Capital plus what each sleeve has gained, so that idle sleeves leave it exact."""
    equity = np.full(len(parts[0].now), capital)
    for part in parts:
        start = part.sleeve.config.starting_capital
        values = np.concatenate(([start], part.run.simulation.equity))
        equity += values[part.now + 1] - start
    return equity


def _holds_position(parts: Sequence[_Part], bars: int) -> NDArray[np.bool_]:
    holds = np.zeros(bars, dtype=np.bool_)
    for part in parts:
        held = np.concatenate(([False], part.run.simulation.holds_position))
        holds |= held[part.now + 1]
    return holds


def _moved_trades(part: _Part) -> TradeTable:
    """The sleeve's trades, their indices counted on the portfolio's time."""
    trades = part.run.simulation.trades
    is_open = trades.exit_index == NO_INDEX
    moved = {
        "entry_index": part.places[trades.entry_index],
        "exit_index": np.where(is_open, NO_INDEX, part.places[trades.exit_index]),
    }
    return _replaced(trades, moved)


def _moved_cycles(part: _Part, bars: int) -> CycleTable:
    """As with trades; an unfinished cycle lasts to the portfolio's end."""
    cycles = part.run.simulation.cycles
    end = np.where(cycles.completed, part.places[cycles.end_index], bars - 1)
    return _replaced(cycles, {"start_index": part.places[cycles.start_index], "end_index": end})


def _replaced(table: Table, columns: dict[str, NDArray[Any]]) -> Table:
    kept = {field.name: getattr(table, field.name) for field in fields(table)}
    return type(table)(**{**kept, **columns})


def _joined(
    tables: Sequence[Table], index_of: Callable[[Table], NDArray[np.int64]]
) -> tuple[Table, list[int]]:
    """All rows by their opening, then by sleeve, and the sleeve of each row."""
    sleeves = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    opened = np.concatenate([index_of(table) for table in tables])
    order = np.lexsort((sleeves, opened))
    columns = {
        field.name: np.concatenate([getattr(table, field.name) for table in tables])[order]
        for field in fields(tables[0])
    }
    rows: list[int] = sleeves[order].tolist()
    return type(tables[0])(**columns), rows


def _finest(sleeves: Sequence[Sleeve]) -> Timeframe:
    """The shortest bars decide how many of them make a year."""
    return min((sleeve.config.timeframe for sleeve in sleeves), key=lambda name: TIMEFRAMES[name])


def _echo(config: BacktestConfig, yearly: float, runs: Sequence[SingleRun]) -> dict[str, Any]:
    document = config.to_document(yearly)
    for sleeve, run in zip(document["parameters"]["sleeves"], runs, strict=True):
        sleeve["config"]["annualization"] = run.bars_per_year
    return document


def _notes(parts: Sequence[_Part]) -> list[str]:
    return [
        f"Sleeve {place} ({part.sleeve.config.strategy_id} on {part.sleeve.config.symbol}): {note}"
        for place, part in enumerate(parts)
        for note in part.run.simulation.notes
    ]
