"""What variants of a sweep have in common: bars, fingerprints, volatilities, indicators."""

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TypeVar, cast

import numpy as np

from engine.annualization import bars_per_year
from engine.candles import Candles
from engine.config import BacktestConfig
from engine.indicator_outputs import outputs
from engine.indicator_parameters import Indicator
from engine.inputs import Given, bars_of, by_symbol, fingerprint_of, volatility_series
from engine.regimes import regimes_of
from engine.series import volatility_symbol
from engine.simulation import FloatArray, IntArray
from engine.sweeps.average_makers import largest_units
from engine.timeframes import DAY
from engine.volatility import from_series, log_returns, realized
from engine.wheel_parameters import (
    ConstantVolatility,
    RealizedVolatility,
    SeriesVolatility,
    WheelParameters,
)

V = TypeVar("V")

#: Arrays that are kept for other variants, all together.
KEPT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Data:
    """The bars of some variants and what is known about them. ``token`` is no other's."""

    token: int
    bars: Candles
    series: Mapping[str, Candles]

    @cached_property
    def fingerprint(self) -> str:
        """The hash of all candles. Only rows with all figures have one, and it takes its time."""
        return fingerprint_of(self.bars, self.series)

    @property
    def span(self) -> int:
        """Milliseconds from the first bar to the last."""
        return int(self.bars.times[-1] - self.bars.times[0])


class Shared:
    """Computes each thing once for all variants, as long as there is room; for many threads."""

    def __init__(self, candles: Candles | Given | None) -> None:
        self._candles = candles
        self._lock = Lock()
        self._tokens = itertools.count()
        self._kept_things: OrderedDict[Hashable, tuple[int, object]] = OrderedDict()
        self._bytes = 0

    def given(self, config: BacktestConfig) -> Given:
        """All candles by symbol, as ``config`` sees them."""
        return by_symbol(config, self._candles)

    def data_of(self, config: BacktestConfig) -> Data:
        """The checked bars of a config, as a single run would choose them.

        Raises:
            DataError: candles are missing or cannot be used.
        """
        key = (
            config.symbol,
            config.timeframe,
            config.start_date,
            config.end_date,
            config.price_path,
            volatility_symbol(config),
        )
        size = 64 * len(config.price_path) if config.price_path else 1024
        return self._kept(key, size, lambda: self._load(config))

    def _load(self, config: BacktestConfig) -> Data:
        given = self.given(config)
        bars = bars_of(config, given)
        series = volatility_series(config, bars, given)
        return Data(next(self._tokens), bars, series)

    def days(self, data: Data) -> IntArray:
        """The bars' UTC dates as days since 1970-01-01."""
        times = data.bars.times
        return self._kept(("days", data.token), times.nbytes, lambda: times // DAY)

    def bars_per_year(self, config: BacktestConfig, data: Data) -> float:
        """What a single run of ``config`` counts."""
        return self._kept(
            ("year", data.token, config.annualization),
            64,
            lambda: bars_per_year(
                config.annualization,
                config.timeframe,
                data.bars.times,
                is_price_path=config.price_path is not None,
            ),
        )

    def outputs(self, data: Data, indicator: Indicator, bars: Candles) -> dict[str, FloatArray]:
        """As :func:`engine.indicator_outputs.outputs`, for the bars of ``data``."""
        key = ("indicator", data.token, indicator)
        return self._kept(key, 3 * bars.close.nbytes, lambda: outputs(indicator, bars))

    def largest_units(self, data: Data, source: str) -> float:
        """The largest value of a column in units of 1e-8; infinite if one is no whole number."""
        key = ("largest", data.token, source)
        return self._kept(key, 64, lambda: float(largest_units(getattr(data.bars, source))))

    def regimes(self, config: BacktestConfig, data: Data) -> IntArray:
        """The regime of each bar under the config's own rule."""
        key = ("regimes", data.token, config.regime)
        size = 8 * len(data.bars)
        return self._kept(key, size, lambda: regimes_of(data.bars.close, config.regime))

    def volatilities(
        self, parameters: WheelParameters, data: Data, bars_per_year: float
    ) -> FloatArray:
        """The volatility on each bar, as the wheel's own run makes it."""
        chosen = parameters.volatility
        return self._kept(
            ("volatility", data.token, chosen, bars_per_year),
            data.bars.close.nbytes,
            lambda: _volatilities(chosen, data, bars_per_year),
        )

    def _kept(self, key: Hashable, size: int, make: Callable[[], V]) -> V:
        with self._lock:
            if key in self._kept_things:
                self._kept_things.move_to_end(key)
                return cast("V", self._kept_things[key][1])
        made = make()
        with self._lock:
            if key not in self._kept_things and size <= KEPT_BYTES:
                self._kept_things[key] = (size, made)
                self._bytes += size
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._kept_things.popitem(last=False)[1][0]
        return made


def _volatilities(
    chosen: ConstantVolatility | RealizedVolatility | SeriesVolatility,
    data: Data,
    bars_per_year: float,
) -> FloatArray:
    bars = data.bars
    if isinstance(chosen, ConstantVolatility):
        return np.full(len(bars), float(chosen.value))
    if isinstance(chosen, SeriesVolatility):
        quoted = data.series[chosen.symbol]
        return from_series(bars.times, quoted.times, quoted.close, chosen.scale)
    returns = np.empty(len(bars))
    volatilities = np.empty(len(bars))
    log_returns(bars.close, 0, len(bars), returns)
    factor = math.sqrt(bars_per_year) * chosen.scale
    realized(returns, 0, len(bars), chosen.window, factor, volatilities)
    return volatilities
