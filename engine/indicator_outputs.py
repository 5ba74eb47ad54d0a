"""The values of an indicator as rules name them."""

from typing import TypeGuard

from engine import indicators
from engine.candles import Candles
from engine.indicator_parameters import (
    Atr,
    Average,
    Bollinger,
    Donchian,
    Indicator,
    Macd,
    Roc,
    Rsi,
    Stochastic,
    StochRsi,
    Supertrend,
)
from engine.indicators.exact_sums import Totals, totals_of
from engine.simulation import FloatArray

_AVERAGES = {"ema": indicators.ema, "wma": indicators.wma}


class Outputs:
    """Indicators over the candles of one run. What simple averages share is computed once."""

    def __init__(self, candles: Candles) -> None:
        self._candles = candles
        self._totals: dict[str, Totals] = {}

    def of(self, indicator: Indicator) -> dict[str, FloatArray]:
        """As :func:`outputs`."""
        if is_simple(indicator):
            values = getattr(self._candles, indicator.source)
            totals = self._totals_of(indicator.source)
            return {"": indicators.sma(values, indicator.period, totals)}
        return outputs(indicator, self._candles)

    def _totals_of(self, source: str) -> Totals:
        if source not in self._totals:
            self._totals[source] = totals_of(getattr(self._candles, source))
        return self._totals[source]


def is_simple(indicator: Indicator) -> TypeGuard[Average]:
    """Whether it is a simple average: sums and nothing else."""
    return isinstance(indicator, Average) and indicator.type == "sma"


def outputs(indicator: Indicator, candles: Candles) -> dict[str, FloatArray]:
    """Every output of one indicator, by what follows its name ("" for the bare name)."""
    if isinstance(indicator, Atr):
        return {"": indicators.atr(candles.high, candles.low, candles.close, indicator.period)}
    if isinstance(indicator, Supertrend):
        trend = indicators.supertrend(
            candles.high, candles.low, candles.close, indicator.period, indicator.multiplier
        )
        return {".value": trend.value, ".direction": trend.direction}
    if isinstance(indicator, Donchian):
        channel = indicators.donchian(candles.high, candles.low, indicator.period)
        return {".upper": channel.upper, ".lower": channel.lower}
    if isinstance(indicator, Stochastic):
        slow = indicators.stochastic(
            candles.high,
            candles.low,
            candles.close,
            indicator.fast_k,
            indicator.slow_k,
            indicator.slow_d,
        )
        return {".k": slow.k, ".d": slow.d}
    return _of_one_column(indicator, getattr(candles, indicator.source))


def _of_one_column(
    indicator: Average | Rsi | Macd | Bollinger | StochRsi | Roc, values: FloatArray
) -> dict[str, FloatArray]:
    if isinstance(indicator, Average):
        moving = indicators.sma if indicator.type == "sma" else _AVERAGES[indicator.type]
        return {"": moving(values, indicator.period)}
    if isinstance(indicator, Rsi):
        return {"": indicators.rsi(values, indicator.period)}
    if isinstance(indicator, Macd):
        lines = indicators.macd(values, indicator.fast, indicator.slow, indicator.signal)
        return {".macd": lines.macd, ".signal": lines.signal, ".histogram": lines.histogram}
    if isinstance(indicator, Bollinger):
        bands = indicators.bollinger(values, indicator.period, indicator.deviations)
        return {".upper": bands.upper, ".middle": bands.middle, ".lower": bands.lower}
    if isinstance(indicator, StochRsi):
        fast = indicators.stochastic_rsi(
            values, indicator.period, indicator.fast_k, indicator.fast_d
        )
        return {"": fast.k, ".k": fast.k, ".d": fast.d}
    return {"": indicators.roc(values, indicator.period)}
