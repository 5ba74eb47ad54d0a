"""A made-up market that goes up and down, and a config that trades it."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.candles import Candles

DAY = 86_400_000
PRICES = [100.0 + 10.0 * math.sin(day / 9.0) + day / 20.0 for day in range(400)]
CROSSOVER: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "WAVE",
    "startDate": "2024-01-01",
    "endDate": "2025-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 5, "slow": 20},
}


def wave(symbol: str) -> Candles:
    """Daily bars whose closes are ``PRICES``."""
    closes = np.array(PRICES)
    opens = np.concatenate([closes[:1], closes[:-1]])
    first = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1000
    return Candles(
        symbol=symbol,
        timeframe="1d",
        times=first + DAY * np.arange(len(closes), dtype=np.int64),
        open=opens,
        high=np.maximum(opens, closes) + 0.5,
        low=np.minimum(opens, closes) - 0.5,
        close=closes,
        volume=np.full(len(closes), 1000.0),
    )
