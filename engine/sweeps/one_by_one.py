"""Variants run one after the other with the single run's own kernels.

This is how wheels and portfolios are swept, and whatever the tiled kernels do not know.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.config import BacktestConfig
from engine.cycles import averages, describe
from engine.errors import Stopped
from engine.fills import simulate_fills
from engine.metrics import Curve, curve_of_simulation, sweep_metrics
from engine.portfolio import run_portfolio
from engine.portfolio_parameters import PortfolioParameters
from engine.presets import as_rules
from engine.regimes import REGIMES, regimes_of
from engine.return_kernels import BLOCK
from engine.signal_strategies import fill_rules, signals_of
from engine.simulation import CycleTable, ExitReason, IntArray
from engine.sweeps.curves import add_bars, curve_from, start_curve
from engine.sweeps.rows import CyclesByRegime, RegimeCycles, SweepRow
from engine.sweeps.shared import Data, Shared
from engine.wheel import cycle_table, terms_of
from engine.wheel_account import start
from engine.wheel_kernel import run_bars
from engine.wheel_parameters import WheelParameters
from engine.wheel_records import CYCLE_ROW, TRADE_ROW

ShouldStop = Callable[[], bool]

#: Bars that a wheel is run over at a time: whole blocks of returns.
WHEEL_BARS = 8 * BLOCK


def run_variant(
    index: int, config: BacktestConfig, shared: Shared, should_stop: ShouldStop
) -> SweepRow:
    """The row of one variant, all its figures.

    Raises:
        DataError: candles are missing or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    capital = config.starting_capital
    if isinstance(config.parameters, PortfolioParameters):
        run = run_portfolio(config, config.parameters, shared.given(config), None, should_stop)
        curve = curve_of_simulation(run.simulation, run.market.times, capital)
        metrics = sweep_metrics(curve, capital, run.bars_per_year)
        market = regimes_of(run.market.close, config.regime)
        regimes = _by_regime(run.simulation.cycles, run.market.times, market)
        return SweepRow(index, metrics, run.data_fingerprint, regimes)
    data = shared.data_of(config)
    yearly = shared.bars_per_year(config, data)
    if isinstance(config.parameters, WheelParameters):
        curve, cycles = _run_wheel(config, shared, data, yearly, should_stop)
    else:
        curve, cycles = _run_signals(config, shared, data, should_stop)
    metrics = sweep_metrics(curve, capital, yearly)
    market = shared.regimes(config, data)
    return SweepRow(index, metrics, data.fingerprint, _by_regime(cycles, data.bars.times, market))


def _by_regime(cycles: CycleTable, times: IntArray, regimes: IntArray) -> CyclesByRegime:
    columns = describe(cycles, times, regimes)
    found = [averages(cycles, columns, regime) for regime in REGIMES]
    return CyclesByRegime(*(RegimeCycles(one.count, one.avg_return) for one in found))


def _run_signals(
    config: BacktestConfig, shared: Shared, data: Data, should_stop: ShouldStop
) -> tuple[Curve, CycleTable]:
    rules = as_rules(config.strategy_id, config.parameters)
    signals, _ = signals_of(config, rules, data.bars, partial(shared.outputs, data))
    simulation = simulate_fills(
        signals,
        data.bars,
        fill_rules(config.execution, config.max_cycles),
        config.starting_capital,
        should_stop=should_stop,
    )
    curve = curve_of_simulation(simulation, data.bars.times, config.starting_capital)
    return curve, simulation.cycles


def _run_wheel(
    config: BacktestConfig, shared: Shared, data: Data, yearly: float, should_stop: ShouldStop
) -> tuple[Curve, CycleTable]:
    """The wheel without its notes and its open positions; nothing is held for all bars."""
    parameters = cast("WheelParameters", config.parameters)
    volatilities = shared.volatilities(parameters, data, yearly)
    bars = data.bars
    count = len(bars)
    days = shared.days(data)
    terms = terms_of(parameters, config.max_cycles)
    state = start(config.starting_capital)
    room = min(WHEEL_BARS, count)
    equity = np.empty(room)
    holds_position = np.empty(room, dtype=np.bool_)
    skips = np.empty(room, dtype=np.int8)
    trades = np.empty(room, dtype=TRADE_ROW)
    cycles = np.empty(room, dtype=CYCLE_ROW)
    sums, numbers = start_curve(config.starting_capital)
    for first in range(0, count, WHEEL_BARS):
        if should_stop():
            raise Stopped
        last = min(first + WHEEL_BARS, count)
        state = run_bars(
            terms,
            state,
            first,
            last,
            days,
            bars.close,
            volatilities,
            equity,
            holds_position,
            skips,
            trades,
            cycles,
        )
        add_bars(equity[: last - first], holds_position[: last - first], sums, numbers)
        trades = _with_room(trades, int(state.trade_rows) + WHEEL_BARS)
        cycles = _with_room(cycles, int(state.cycle_rows) + WHEEL_BARS)
    rows = trades[: state.trade_rows]
    ended = cycles[: state.cycle_rows]
    pnl = rows["pnl"][rows["exit_reason"] != ExitReason.OPEN]
    curve = curve_from(sums, numbers, bars=count, span=data.span, pnl=pnl, fees=state.fees)
    return curve, cycle_table(ended[ended["completed"]])


def _with_room(rows: NDArray[Any], wanted: int) -> NDArray[Any]:
    if wanted <= len(rows):
        return rows
    longer = np.empty(2 * wanted, rows.dtype)
    longer[: len(rows)] = rows
    return longer
