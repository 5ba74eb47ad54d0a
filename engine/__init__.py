"""Numbers in, numbers out: backtests as pure functions of a config and candles.

Kernels are compiled code that takes time to load, so they are imported by the first run only:
checking a config needs none of them.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.errors import ConfigError, ConfigProblem, DataError, DataNotFoundError, Stopped
from engine.parsing import parse_config
from engine.result import BacktestResult
from engine.series import SeriesRequest, required_series
from engine.sweeps.grid import expand_grid
from engine.versions import ENGINE_VERSION, SUPPORTED_ENGINE_VERSIONS

if TYPE_CHECKING:
    from engine.sweep import SweepResult


def run_backtest(
    config: BacktestConfig | Mapping[str, Any],
    candles: Candles | Mapping[Any, Candles] | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BacktestResult:
    """As :func:`engine.run.run_backtest`, whose kernels are loaded by the first call."""
    from engine.run import run_backtest as run

    return run(config, candles, on_progress, should_stop)


def run_sweep(
    base: Mapping[str, Any],
    overrides: Collection[Mapping[str, Any]],
    candles: Candles | Mapping[Any, Candles] | None = None,
    *,
    rank_by: str = "sharpe",
    keep_best: int = 10,
    threads: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> "SweepResult":
    """As :func:`engine.sweep.run_sweep`, whose kernels are loaded by the first call."""
    from engine.sweep import run_sweep as run

    return run(
        base,
        overrides,
        candles,
        rank_by=rank_by,
        keep_best=keep_best,
        threads=threads,
        on_progress=on_progress,
        should_stop=should_stop,
    )


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
    "expand_grid",
    "parse_config",
    "required_series",
    "run_backtest",
    "run_sweep",
]
