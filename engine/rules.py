"""Evaluates rules over candles: true, false or undefined on every bar.

A condition with an undefined operand is undefined, and so is its negation. Rules are read as data
and turned into array operations; nothing of them is executed or compiled.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from engine import indicators
from engine.candles import Candles
from engine.indicator_parameters import (
    COLUMNS,
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
from engine.rules_parameters import Condition, RulesParameters
from engine.simulation import BoolArray, FloatArray, IntArray

_AVERAGES = {"sma": indicators.sma, "ema": indicators.ema, "wma": indicators.wma}


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a condition is true and where it is false; elsewhere it is undefined."""

    true: BoolArray
    false: BoolArray


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
        return {"": _AVERAGES[indicator.type](values, indicator.period)}
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


#: Gives an indicator's outputs, perhaps without computing them anew.
OutputsOf = Callable[[Indicator, Candles], Mapping[str, FloatArray]]


class Evaluation:
    """Rules on the candles of one run. Indicators are computed when first named."""

    def __init__(
        self, rules: RulesParameters, candles: Candles, outputs_of: OutputsOf = outputs
    ) -> None:
        self._rules = rules
        self._candles = candles
        self._outputs_of = outputs_of
        self._series: dict[str, FloatArray] = {name: getattr(candles, name) for name in COLUMNS}

    def fires(self, condition: Condition | None) -> BoolArray:
        """Where ``condition`` is true; nowhere without one."""
        if condition is None:
            return np.zeros(len(self._candles), np.bool_)
        return self.truth(condition).true

    def never_defined(self, conditions: Iterable[Condition]) -> list[str]:
        """The indicators in ``conditions`` that have no value on any bar, in reading order."""
        operands = [operand for condition in conditions for operand in condition.operands()]
        named = [one for one in operands if isinstance(one, str) and one not in COLUMNS]
        silent = [name.split(".")[0] for name in named if np.isnan(self._values(name)).all()]
        return list(dict.fromkeys(silent))

    def truth(self, condition: Condition) -> Truth:
        """The condition's value on every bar."""
        if condition.crosses_above is not None:
            return self._crosses(*condition.crosses_above)
        if condition.crosses_below is not None:
            a, b = condition.crosses_below
            return self._crosses(b, a)
        if condition.above is not None:
            return self._above(*condition.above)
        if condition.below is not None:
            a, b = condition.below
            return self._above(b, a)
        if condition.rising is not None:
            return self._keeps_moving(*condition.rising, sign=1.0)
        if condition.falling is not None:
            return self._keeps_moving(*condition.falling, sign=-1.0)
        if condition.negated is not None:
            inner = self.truth(condition.negated)
            return Truth(inner.false, inner.true)
        parts = [self.truth(part) for part in condition.all_of or condition.any_of or ()]
        trues = [part.true for part in parts]
        falses = [part.false for part in parts]
        if condition.all_of is not None:
            return Truth(reduce(np.logical_and, trues), reduce(np.logical_or, falses))
        return Truth(reduce(np.logical_or, trues), reduce(np.logical_and, falses))

    def _values(self, operand: str | float) -> FloatArray:
        if isinstance(operand, float):
            return np.broadcast_to(np.float64(operand), (len(self._candles),))
        if operand not in self._series:
            name = operand.split(".")[0]
            computed = self._outputs_of(self._rules.indicators[name], self._candles)
            for output, values in computed.items():
                self._series[f"{name}{output}"] = values
        return self._series[operand]

    def _above(self, a: str | float, b: str | float) -> Truth:
        left, right = self._values(a), self._values(b)
        return Truth(left > right, left <= right)

    def _crosses(self, a: str | float, b: str | float) -> Truth:
        """a crosses above b: not above on the bar before, above on this one."""
        left, right = self._values(a), self._values(b)
        defined = ~(np.isnan(left) | np.isnan(right))
        defined[1:] &= defined[:-1].copy()
        defined[:1] = False
        crossed = left > right
        crossed[1:] &= left[:-1] <= right[:-1]
        return Truth(crossed & defined, ~crossed & defined)

    def _keeps_moving(self, operand: str | float, bars: int, *, sign: float) -> Truth:
        """Each of the last ``bars`` steps went the way of ``sign``."""
        values = sign * self._values(operand)
        steps = np.zeros(len(values), np.bool_)
        steps[1:] = values[1:] > values[:-1]
        defined = _consecutive(~np.isnan(values)) > bars
        moved = _consecutive(steps) >= bars
        return Truth(moved & defined, ~moved & defined)


def _consecutive(mask: BoolArray) -> IntArray:
    """How many bars up to and including each one the mask has been true without a break."""
    positions = np.arange(len(mask))
    return positions - np.maximum.accumulate(np.where(mask, -1, positions))
