"""The bar lengths that candles come in."""

from types import MappingProxyType
from typing import Final, Literal

Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"]

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

#: Length of one bar in milliseconds, by name, shortest first.
TIMEFRAMES: Final = MappingProxyType(
    {
        "1m": MINUTE,
        "3m": 3 * MINUTE,
        "5m": 5 * MINUTE,
        "15m": 15 * MINUTE,
        "30m": 30 * MINUTE,
        "1h": HOUR,
        "2h": 2 * HOUR,
        "4h": 4 * HOUR,
        "6h": 6 * HOUR,
        "8h": 8 * HOUR,
        "12h": 12 * HOUR,
        "1d": DAY,
        "1w": 7 * DAY,
    }
)
