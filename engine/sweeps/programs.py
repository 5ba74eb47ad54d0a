"""Rules of many variants as one program: what is the same in two of them is computed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.rules_parameters import Condition
from engine.simulation import IntArray
from engine.sweeps.plane_kernels import (
    AND,
    AND_BEFORE,
    AND_NOT,
    COMPARE,
    CROSS,
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
        return NOWHERE if condition is None else self._where(condition, True, indicators)

    def _where(self, condition: Condition, holds: bool, indicators: Mapping[str, Known]) -> int:
        """The plane on which a condition holds, or on which it does not.

        A bar on which something in it is undefined is on neither.
        """
        if condition.crosses_above is not None:
            return self._crossed(*condition.crosses_above, 0, holds, indicators)
        if condition.crosses_below is not None:
            return self._crossed(*condition.crosses_below, 1, holds, indicators)
        if condition.above is not None:
            compared = self._compared(*condition.above, indicators)
            return compared + (_ABOVE if holds else _AT_MOST)
        if condition.below is not None:
            compared = self._compared(*condition.below, indicators)
            return compared + (_BELOW if holds else _AT_LEAST)
        if condition.rising is not None:
            operand, bars = condition.rising
            return self._moving(operand, bars, holds, indicators)
        if condition.falling is not None:
            operand, bars = condition.falling
            return self._moving(operand, -bars, holds, indicators)
        if condition.negated is not None:
            return self._where(condition.negated, not holds, indicators)
        needs_all = bool(condition.all_of)
        parts = (condition.all_of if needs_all else condition.any_of) or ()
        code = AND if needs_all == holds else OR
        planes = [self._where(part, holds, indicators) for part in parts]
        return reduce(lambda joined, plane: self._plane(code, joined, plane), planes)

    def _compared(self, a: Operand, b: Operand, indicators: Mapping[str, Known]) -> int:
        """The first of the four planes that compare a and b."""
        return self._plane(COMPARE, self._row(a, indicators), self._row(b, indicators), planes=4)

    def _crossed(
        self, a: Operand, b: Operand, direction: int, holds: bool, indicators: Mapping[str, Known]
    ) -> int:
        """Where a crosses b: 0 above, 1 below; or where both were defined twice and it does not."""
        rows = self._row(a, indicators), self._row(b, indicators)
        crossed = self._plane(CROSS, *rows, planes=2) + direction
        if holds:
            return crossed
        compared = self._compared(a, b, indicators)
        defined = self._plane(OR, compared + _ABOVE, compared + _AT_MOST)
        both = self._plane(AND_BEFORE, defined, defined)
        return self._plane(AND_NOT, both, crossed)

    def _moving(
        self, operand: Operand, bars: int, holds: bool, indicators: Mapping[str, Known]
    ) -> int:
        moving = self._plane(MOVING, self._row(operand, indicators), 0, bars, planes=2)
        return moving if holds else moving + 1

    def _row(self, operand: Operand, indicators: Mapping[str, Known]) -> int:
        return self.series.setdefault(series_of(operand, indicators), len(self.series))

    def _plane(self, code: int, left: int, right: int, number: int = 0, planes: int = 1) -> int:
        key = (code, left, right, number)
        if key not in self._places:
            self._places[key] = self.plane_count
            self._steps.append((code, self.plane_count, left, right, number))
            self.plane_count += planes
        return self._places[key]

    def steps(self) -> IntArray:
        """(P, STEP_NUMBERS) in the order to run them."""
        return np.array(self._steps, np.int64).reshape(-1, STEP_NUMBERS)
