"""Rules of many variants as one program: what is the same in two of them is computed once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.rules_parameters import Condition
from engine.simulation import IntArray
from engine.sweeps.plane_kernels import (
    AND,
    AND_BEFORE,
    AND_NOT,
    COMPARE,
    FIRST_FREE,
    MOVING,
    NOWHERE,
    OR,
    STEP_NUMBERS,
)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An indicator of some variants, of which there is one: it is itself what it is found by.

    Finding an indicator by its values takes longer than all else that is done with it.
    """

    indicator: Indicator


#: A candle column, a number, or one output of an indicator.
SeriesKey = str | float | tuple[Known, str]
Operand = str | float
#: The planes on which a condition is true, and on which it is false.
Truth = tuple[int, int]

_ABOVE, _AT_MOST, _BELOW, _AT_LEAST = range(4)


def series_of(operand: Operand, indicators: Mapping[str, Known]) -> SeriesKey:
    """What an operand of some rules stands for, whatever the rules call it."""
    if isinstance(operand, float) or operand in COLUMNS:
        return operand
    name, dot, output = operand.partition(".")
    known = indicators[name]
    # The bare name of an indicator with outputs means its first one, which stochRsi calls .k too.
    kind = known.indicator.type
    is_first = not dot or (kind == "stochRsi" and output == "k")
    return known, OUTPUTS[kind][0] if is_first else dot + output


class Program:
    """Steps that grow with every condition that is added, on series that programs may share.

    ``series``: the row of each.
    """

    def __init__(self, series: dict[SeriesKey, int]) -> None:
        self.series = series
        self.plane_count = FIRST_FREE
        self._steps: list[tuple[int, int, int, int, int]] = []
        self._places: dict[tuple[int, int, int, int], int] = {}

    def add(self, condition: Condition | None, indicators: Mapping[str, Known]) -> int:
        """The plane on which ``condition`` is true; nowhere without one."""
        return NOWHERE if condition is None else self._truth(condition, indicators)[0]

    def _truth(self, condition: Condition, indicators: Mapping[str, Known]) -> Truth:
        if condition.crosses_above is not None:
            compared = self._compared(*condition.crosses_above, indicators)
            return self._crossed(compared + _ABOVE, compared + _AT_MOST)
        if condition.crosses_below is not None:
            compared = self._compared(*condition.crosses_below, indicators)
            return self._crossed(compared + _BELOW, compared + _AT_LEAST)
        if condition.above is not None:
            compared = self._compared(*condition.above, indicators)
            return compared + _ABOVE, compared + _AT_MOST
        if condition.below is not None:
            compared = self._compared(*condition.below, indicators)
            return compared + _BELOW, compared + _AT_LEAST
        if condition.rising is not None:
            operand, bars = condition.rising
            return self._moving(operand, bars, indicators)
        if condition.falling is not None:
            operand, bars = condition.falling
            return self._moving(operand, -bars, indicators)
        if condition.negated is not None:
            true, false = self._truth(condition.negated, indicators)
            return false, true
        parts = [self._truth(part, indicators) for part in condition.all_of or ()]
        if parts:
            return self._joined(parts, AND, OR)
        parts = [self._truth(part, indicators) for part in condition.any_of or ()]
        return self._joined(parts, OR, AND)

    def _joined(self, parts: list[Truth], trues: int, falses: int) -> Truth:
        true, false = parts[0]
        for more_true, more_false in parts[1:]:
            true = self._plane(trues, true, more_true)
            false = self._plane(falses, false, more_false)
        return true, false

    def _compared(self, a: Operand, b: Operand, indicators: Mapping[str, Known]) -> int:
        """The first of the four planes that compare a and b."""
        return self._plane(COMPARE, self._row(a, indicators), self._row(b, indicators), planes=4)

    def _crossed(self, beyond: int, not_beyond: int) -> Truth:
        """Beyond on this bar and not on the one before; false where both bars are defined."""
        true = self._plane(AND_BEFORE, beyond, not_beyond)
        defined = self._plane(OR, beyond, not_beyond)
        both = self._plane(AND_BEFORE, defined, defined)
        return true, self._plane(AND_NOT, both, true)

    def _moving(self, operand: Operand, bars: int, indicators: Mapping[str, Known]) -> Truth:
        true = self._plane(MOVING, self._row(operand, indicators), 0, bars, planes=2)
        return true, true + 1

    def _row(self, operand: Operand, indicators: Mapping[str, Known]) -> int:
        return self.series.setdefault(series_of(operand, indicators), len(self.series))

    def _plane(self, code: int, left: int, right: int, number: int = 0, planes: int = 1) -> int:
        key = (code, left, right, number)
        if key not in self._places:
            self._places[key] = self.plane_count
            self._steps.append((code, self.plane_count, left, right, number))
            self.plane_count += planes
        return self._places[key]

    def steps(self, wanted: set[int]) -> IntArray:
        """(P, STEP_NUMBERS): what the planes of ``wanted`` need, in the order to run it."""
        needed = set(wanted)
        kept = []
        for step in reversed(self._steps):
            code, out, left, right, _ = step
            width = {COMPARE: 4, MOVING: 2}.get(code, 1)
            if needed.isdisjoint(range(out, out + width)):
                continue
            kept.append(step)
            if width == 1:
                needed |= {left, right}
        return np.array(kept[::-1], np.int64).reshape(-1, STEP_NUMBERS)
