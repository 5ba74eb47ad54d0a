"""Evaluates rules over candles: true, false or undefined on every bar.

Where an indicator has no value yet, neither a comparison with it nor its opposite holds. Rules are
read as data and turned into array operations; nothing of them is executed or compiled.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from engine.candles import Candles
from engine.comparisons import (
    EQUAL,
    GREATER,
    LESS,
    Standings,
    has_crossed,
    has_not_crossed,
    is_one_of,
    stand,
    stand_averages,
    stand_to_number,
    turned,
)
from engine.indicator_outputs import Outputs, is_simple
from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.rules_parameters import Condition, RulesParameters
from engine.simulation import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a condition is true and where it is false; elsewhere it is undefined."""

    true: BoolArray
    false: BoolArray


Operand = str | float
#: Gives an indicator's outputs, perhaps without computing them anew.
OutputsOf = Callable[[Indicator, Candles], Mapping[str, FloatArray]]


class Evaluation:
    """Rules on the candles of one run. Indicators are computed when first named."""

    def __init__(
        self, rules: RulesParameters, candles: Candles, outputs_of: OutputsOf | None = None
    ) -> None:
        self._rules = rules
        self._candles = candles
        self._bars = len(candles)
        self._outputs = Outputs(candles)
        self._outputs_of = outputs_of
        self._series: dict[str, FloatArray] = {name: getattr(candles, name) for name in COLUMNS}
        self._standings: dict[tuple[Operand, Operand], Standings] = {}

    def fires(self, condition: Condition | None) -> BoolArray:
        """Where ``condition`` is true; nowhere without one."""
        if condition is None:
            return np.zeros(self._bars, np.bool_)
        return self._where(condition, verdict=True)

    def truth(self, condition: Condition) -> Truth:
        """The condition's value on every bar."""
        return Truth(self._where(condition, verdict=True), self._where(condition, verdict=False))

    def never_defined(self, conditions: Iterable[Condition]) -> list[str]:
        """The indicators in ``conditions``, all evaluated, that have no value on any bar, in
        reading order.
        """
        silent = {name for name in self._rules.indicators if self._is_never_defined(name)}
        if not silent:
            return []
        operands = (operand for condition in conditions for operand in condition.operands())
        names = [one.split(".")[0] for one in operands if isinstance(one, str)]
        return [name for name in dict.fromkeys(names) if name in silent]

    def _is_never_defined(self, name: str) -> bool:
        indicator = self._rules.indicators[name]
        if is_simple(indicator):
            return indicator.period > self._bars
        series = (self._series.get(name + output) for output in OUTPUTS[indicator.type])
        # Most have a value on the last bar, which saves looking at the others.
        return any(
            one is not None and bool(np.isnan(one[-1])) and bool(np.isnan(one).all())
            for one in series
        )

    def _where(self, condition: Condition, *, verdict: bool) -> BoolArray:
        """The bars on which ``condition`` is ``verdict``."""
        if condition.crosses_above is not None:
            return self._crosses(*condition.crosses_above, GREATER, verdict)
        if condition.crosses_below is not None:
            return self._crosses(*condition.crosses_below, LESS, verdict)
        if condition.above is not None:
            return self._stands(*condition.above, GREATER if verdict else LESS | EQUAL)
        if condition.below is not None:
            return self._stands(*condition.below, LESS if verdict else GREATER | EQUAL)
        if condition.rising is not None:
            return self._keeps_moving(*condition.rising, 1.0, verdict)
        if condition.falling is not None:
            return self._keeps_moving(*condition.falling, -1.0, verdict)
        if condition.negated is not None:
            return self._where(condition.negated, verdict=not verdict)
        parts = condition.all_of or condition.any_of or ()
        found = [self._where(part, verdict=verdict) for part in parts]
        needs_all = verdict if condition.all_of is not None else not verdict
        return reduce(np.logical_and if needs_all else np.logical_or, found)

    def _values(self, operand: str) -> FloatArray:
        if operand not in self._series:
            name = operand.split(".")[0]
            indicator = self._rules.indicators[name]
            given = self._outputs_of
            computed = given(indicator, self._candles) if given else self._outputs.of(indicator)
            for output, values in computed.items():
                self._series[f"{name}{output}"] = values
        return self._series[operand]

    def _standing(self, a: Operand, b: Operand) -> tuple[Standings, bool]:
        """How a stands to b, or b to a: then the second part is true."""
        if (b, a) in self._standings:
            return self._standings[b, a], True
        if isinstance(a, float) and isinstance(b, str):
            return self._standing(b, a)[0], True
        if (a, b) not in self._standings:
            self._standings[a, b] = self._compared(a, b)
        return self._standings[a, b], False

    def _compared(self, a: Operand, b: Operand) -> Standings:
        standings = np.empty(self._bars, np.uint8)
        if isinstance(a, float):
            standings.fill(LESS if a < float(b) else GREATER if a > float(b) else EQUAL)
        elif isinstance(b, float):
            stand_to_number(self._values(a), b, standings)
        elif not self._are_averages(a, b, standings):
            stand(self._values(a), self._values(b), standings)
        return standings

    def _are_averages(self, a: str, b: str, standings: Standings) -> bool:
        """Whether a and b are averages whose sums tell how they stand: then it is written."""
        indicators = self._rules.indicators
        one, other = indicators.get(a), indicators.get(b)
        if self._outputs_of is not None or one is None or other is None:
            return False
        if not is_simple(one) or not is_simple(other) or one.source != other.source:
            return False
        values = getattr(self._candles, one.source)
        return stand_averages(values, one.period, other.period, standings)

    def _stands(self, a: Operand, b: Operand, bits: int) -> BoolArray:
        standings, is_turned = self._standing(a, b)
        found = np.empty(len(standings), np.bool_)
        is_one_of(standings, turned(bits) if is_turned else bits, found)
        return found

    def _crosses(self, a: Operand, b: Operand, beyond: int, verdict: bool) -> BoolArray:
        """a goes beyond b: beyond on this bar, not beyond on the one before."""
        standings, is_turned = self._standing(a, b)
        found = np.empty(len(standings), np.bool_)
        crossed = has_crossed if verdict else has_not_crossed
        crossed(standings, turned(beyond) if is_turned else beyond, found)
        return found

    def _keeps_moving(self, operand: Operand, bars: int, sign: float, verdict: bool) -> BoolArray:
        """Each of the last ``bars`` steps went the way of ``sign``."""
        if isinstance(operand, float):
            values = np.full(self._bars, operand)
        else:
            values = sign * self._values(operand)
        steps = np.zeros(len(values), np.bool_)
        steps[1:] = values[1:] > values[:-1]
        defined = _consecutive(~np.isnan(values)) > bars
        moved = _consecutive(steps) >= bars
        found: BoolArray = (moved if verdict else ~moved) & defined
        return found


def _consecutive(mask: BoolArray) -> IntArray:
    """How many bars up to and including each one the mask has been true without a break."""
    positions = np.arange(len(mask))
    return positions - np.maximum.accumulate(np.where(mask, -1, positions))
