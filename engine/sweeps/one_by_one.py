"""Variants run one after the other with the single run's own kernels.

This is how wheels and portfolios are swept, and whatever the tiled kernels do not know.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np

from engine.config import BacktestConfig
from engine.errors import Stopped
from engine.fills import simulate_fills
from engine.metrics import Curve, SweepMetrics, curve_of, curve_of_simulation, sweep_metrics
from engine.portfolio import run_portfolio
from engine.portfolio_parameters import PortfolioParameters
from engine.signal_strategies import fill_rules, signals_of
from engine.simulation import ExitReason
from engine.sweeps.shared import Data, Shared
from engine.wheel import CHUNK_BARS, terms_of
from engine.wheel_account import start
from engine.wheel_kernel import run_bars
from engine.wheel_parameters import WheelParameters
from engine.wheel_records import CYCLE_ROW, TRADE_ROW

ShouldStop = Callable[[], bool]


def run_variant(
    config: BacktestConfig, shared: Shared, should_stop: ShouldStop
) -> tuple[SweepMetrics, str]:
    """The sweep metrics of a single run of ``config``, and the fingerprint of its data.

    Raises:
        DataError: candles are missing or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    if isinstance(config.parameters, PortfolioParameters):
        given = shared.given(config)
        run = run_portfolio(config, config.parameters, given, None, should_stop)
        curve = curve_of_simulation(run.simulation, run.market.times, config.starting_capital)
        metrics = sweep_metrics(curve, config.starting_capital, run.bars_per_year)
        return metrics, run.data_fingerprint
    data = shared.data_of(config)
    yearly = shared.bars_per_year(config, data)
    if isinstance(config.parameters, WheelParameters):
        curve = _wheel_curve(config, shared, data, yearly, should_stop)
    else:
        curve = _signal_curve(config, shared, data, should_stop)
    return sweep_metrics(curve, config.starting_capital, yearly), data.fingerprint


def _signal_curve(
    config: BacktestConfig, shared: Shared, data: Data, should_stop: ShouldStop
) -> Curve:
    rules = shared.rules(config.strategy_id, config.parameters)
    signals, _ = signals_of(config, rules, data.bars, partial(shared.outputs, data))
    simulation = simulate_fills(
        signals,
        data.bars,
        fill_rules(config.execution, config.max_cycles),
        config.starting_capital,
        should_stop=should_stop,
    )
    return curve_of_simulation(simulation, data.bars.times, config.starting_capital)


def _wheel_curve(
    config: BacktestConfig, shared: Shared, data: Data, yearly: float, should_stop: ShouldStop
) -> Curve:
    """The wheel without its tables of trades and cycles, its notes and its open positions."""
    parameters = cast("WheelParameters", config.parameters)
    volatilities = shared.volatilities(parameters, data, yearly)
    bars = data.bars
    count = len(bars)
    equity = np.empty(count)
    holds_position = np.empty(count, dtype=np.bool_)
    skips = np.empty(count, dtype=np.int8)
    trades = np.empty(count, dtype=TRADE_ROW)
    cycles = np.empty(count, dtype=CYCLE_ROW)
    days = shared.days(data)
    terms = terms_of(parameters, config.max_cycles)
    state = start(config.starting_capital)
    for first in range(0, count, CHUNK_BARS):
        if should_stop():
            raise Stopped
        state = run_bars(
            terms,
            state,
            first,
            min(first + CHUNK_BARS, count),
            days,
            bars.close,
            volatilities,
            equity,
            holds_position,
            skips,
            trades,
            cycles,
        )
    rows = trades[: state.trade_rows]
    return curve_of(
        equity=equity,
        times=bars.times,
        starting_capital=config.starting_capital,
        holds_position=holds_position,
        pnl=rows["pnl"][rows["exit_reason"] != ExitReason.OPEN],
        fees_paid=state.fees,
    )
