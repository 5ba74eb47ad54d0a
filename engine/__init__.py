"""Numbers in, numbers out: backtests as pure functions of a config and candles.

Kernels are compiled code that takes time to load, so they are imported by the first run only:
checking a config needs none of them.
"""

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.errors import ConfigError, ConfigProblem, DataError, Stopped
from engine.parsing import parse_config
from engine.series import SeriesRequest, required_series

ENGINE_VERSION = "1.0.0"
#: The versions whose numbers this engine reproduces bit for bit.
SUPPORTED_ENGINE_VERSIONS = ("1.0.0",)

__all__ = [
    "ENGINE_VERSION",
    "SUPPORTED_ENGINE_VERSIONS",
    "BacktestConfig",
    "Candles",
    "ConfigError",
    "ConfigProblem",
    "DataError",
    "SeriesRequest",
    "Stopped",
    "parse_config",
    "required_series",
]
