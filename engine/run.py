"""Running a config over candles, from its bars to its report."""

from collections.abc import Mapping
from typing import Any

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.inputs import Given, by_symbol
from engine.metrics import Market
from engine.parsing import parse_config
from engine.portfolio import run_portfolio
from engine.portfolio_parameters import PortfolioParameters
from engine.reporting import Run, report
from engine.result import BacktestResult
from engine.simulation import Simulation
from engine.single_run import OnProgress, ShouldStop, run_single, simulate_single
from engine.versions import ENGINE_VERSION


def run_backtest(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Given | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> BacktestResult:
    """Run ``config`` over ``candles``: the symbol's own, or by symbol or (symbol, timeframe).

    ``on_progress`` hears the finished fraction, and ``should_stop`` is asked, every few thousand
    bars. The result depends on config and candles alone.

    Raises:
        ConfigError: a mapping that is no sound config.
        DataError: candles are missing (``DataNotFoundError``) or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    if not isinstance(config, BacktestConfig):
        config = parse_config(config)
    given = by_symbol(config, candles)
    if isinstance(config.parameters, PortfolioParameters):
        return report(run_portfolio(config, config.parameters, given, on_progress, should_stop))
    run = run_single(config, given, on_progress, should_stop)
    return report(
        Run(
            config_used=config.to_document(run.bars_per_year),
            engine_version=ENGINE_VERSION,
            starting_capital=config.starting_capital,
            simulation=run.simulation,
            market=Market(times=run.bars.times, close=run.bars.close),
            regime_rule=config.regime,
            bars_per_year=run.bars_per_year,
            data_fingerprint=run.fingerprint,
        )
    )


def simulate(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Given | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Simulation:
    """The account of ``config`` over ``candles``, without its report.

    Raises:
        ConfigError: a mapping that is no sound config.
        DataError: candles are missing (``DataNotFoundError``) or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    if not isinstance(config, BacktestConfig):
        config = parse_config(config)
    given = by_symbol(config, candles)
    if isinstance(config.parameters, PortfolioParameters):
        run = run_portfolio(config, config.parameters, given, on_progress, should_stop)
        return run.simulation
    return simulate_single(config, given, on_progress, should_stop)
