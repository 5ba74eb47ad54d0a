"""Made-up markets and configs for tests of whole runs."""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles
from engine.timeframes import TIMEFRAMES

#: 2020-01-01T00:00:00Z, a Wednesday.
NEW_YEAR = 1_577_836_800_000
DAY = 86_400_000


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def every(timeframe: str, count: int, first: int = NEW_YEAR) -> NDArray[np.int64]:
    return first + np.arange(count, dtype=np.int64) * TIMEFRAMES[timeframe]


def walk(
    count: int,
    seed: int = 1,
    *,
    symbol: str = "SPY",
    timeframe: str = "1d",
    first: int = NEW_YEAR,
    volatility: float = 0.02,
) -> Candles:
    """A random walk from 100 with gaps between a close and the next open.

    Prices are in cents, so that the last bit of numpy's ``exp`` does not decide them.
    """
    random = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(random.normal(0.0, volatility, count))), 2)
    gaps = np.exp(random.normal(0.0, 0.003, count))
    open_ = np.round(np.concatenate(([100.0], close))[:count] * gaps, 2)
    spread = np.exp(np.abs(random.normal(0.0, 0.006, (2, count))))
    return Candles(
        symbol,
        timeframe,
        every(timeframe, count, first),
        open_,
        np.round(np.maximum(open_, close) * spread[0], 2),
        np.round(np.minimum(open_, close) / spread[1], 2),
        close,
        random.integers(1, 1_000_000, count).astype(np.float64),
    )


def rough(bars: int, seed: int) -> Candles:
    """Daily prices with every digit a float has, and opens outside their bars' ranges."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.cumprod(1.0 + random.normal(0.0, 0.02, bars))
    open_ = close * (1.0 + random.normal(0.0, 0.02, bars))
    high = close * (1.0 + np.abs(random.normal(0.0, 0.01, bars)))
    low = close / (1.0 + np.abs(random.normal(0.0, 0.01, bars)))
    return Candles("SPY", "1d", every("1d", bars), open_, high, low, close, np.zeros(bars))


def candles_of_closes(closes: NDArray[np.float64], symbol: str = "SPY") -> Candles:
    """Daily bars of one price each."""
    return Candles.from_closes(symbol, "1d", every("1d", len(closes)), closes)


def config(strategy: str = "smaCross", **changes: Any) -> dict[str, Any]:
    """A sound config over ten years; keyword arguments replace or add keys."""
    return {
        "strategyId": strategy,
        "symbol": "SPY",
        "startDate": "2020-01-01",
        "endDate": "2030-01-01",
        "startingCapital": 10_000,
        **changes,
    }
