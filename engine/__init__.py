"""Numbers in, numbers out: backtests as pure functions of a config and candles."""

from engine.candles import Candles
from engine.errors import ConfigError, ConfigProblem, DataError, Stopped

ENGINE_VERSION = "1.0.0"
#: The versions whose numbers this engine reproduces bit for bit.
SUPPORTED_ENGINE_VERSIONS = ("1.0.0",)

__all__ = [
    "ENGINE_VERSION",
    "SUPPORTED_ENGINE_VERSIONS",
    "Candles",
    "ConfigError",
    "ConfigProblem",
    "DataError",
    "Stopped",
]
