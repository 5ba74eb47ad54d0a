"""Numbers in, numbers out: backtests as pure functions of a config and candles.

Kernels are compiled code that takes time to load, so they are imported by the first run only:
checking a config needs none of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.errors import ConfigError, ConfigProblem, DataError, DataNotFoundError, Stopped
from engine.parsing import parse_config
from engine.result import BacktestResult
from engine.series import SeriesRequest, required_series
from engine.versions import ENGINE_VERSION, SUPPORTED_ENGINE_VERSIONS


def run_backtest(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Mapping[str, Candles] | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BacktestResult:
    """As :func:`engine.run.run_backtest`, whose kernels are loaded by the first call."""
    from engine.run import run_backtest as run

    return run(config, candles, on_progress, should_stop)


__all__ = [
    "ENGINE_VERSION",
    "SUPPORTED_ENGINE_VERSIONS",
    "BacktestConfig",
    "BacktestResult",
    "Candles",
    "ConfigError",
    "ConfigProblem",
    "DataError",
    "DataNotFoundError",
    "SeriesRequest",
    "Stopped",
    "parse_config",
    "required_series",
    "run_backtest",
]
