"""Conditions as steps, before it is known which series their operands are.

A preset's conditions are the same for a thousand variants; only their indicators differ.
"""

from collections.abc import Sequence
from functools import reduce

from engine.rules_parameters import Condition
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
)

Operand = str | float
#: What to do, two places to look at, a number, and how many planes that gives. The places are
#: those of operands if the step looks at series, otherwise numbers of planes.
Step = tuple[int, int, int, int, int]

LOOKING_AT_SERIES = (COMPARE, CROSS, MOVING)

_ABOVE, _AT_MOST, _BELOW, _AT_LEAST = range(4)


class Scheme:
    """The steps of some conditions, and none that nobody looks at.

    ``operands``: what they look at, each once. ``wanted``: for each condition the plane on which
    it is true, counted as if there were no other steps; nowhere for None.
    """

    def __init__(self, conditions: Sequence[Condition | None]) -> None:
        self.steps: list[Step] = []
        self._places: dict[Step, int] = {}
        self._operands: dict[Operand, int] = {}
        self._plane_count = FIRST_FREE
        self.wanted = [NOWHERE if one is None else self._where(one, True) for one in conditions]
        self.operands = tuple(self._operands)

    def _where(self, condition: Condition, holds: bool) -> int:
        """The plane on which a condition holds, or on which it does not.

        A bar on which something in it is undefined is on neither.
        """
        if condition.crosses_above is not None:
            return self._crossed(*condition.crosses_above, 0, holds)
        if condition.crosses_below is not None:
            return self._crossed(*condition.crosses_below, 1, holds)
        if condition.above is not None:
            return self._compared(*condition.above) + (_ABOVE if holds else _AT_MOST)
        if condition.below is not None:
            return self._compared(*condition.below) + (_BELOW if holds else _AT_LEAST)
        if condition.rising is not None:
            operand, bars = condition.rising
            return self._moving(operand, bars, holds)
        if condition.falling is not None:
            operand, bars = condition.falling
            return self._moving(operand, -bars, holds)
        if condition.negated is not None:
            return self._where(condition.negated, not holds)
        needs_all = bool(condition.all_of)
        parts = (condition.all_of if needs_all else condition.any_of) or ()
        code = AND if needs_all == holds else OR
        planes = [self._where(part, holds) for part in parts]
        return reduce(lambda joined, plane: self._plane(code, joined, plane), planes)

    def _compared(self, a: Operand, b: Operand) -> int:
        """The first of the four planes that compare a and b."""
        return self._plane(COMPARE, self._place(a), self._place(b), width=4)

    def _crossed(self, a: Operand, b: Operand, direction: int, holds: bool) -> int:
        """Where a crosses b: 0 above, 1 below; or where both were defined twice and it does not."""
        crossed = self._plane(CROSS, self._place(a), self._place(b), width=2) + direction
        if holds:
            return crossed
        compared = self._compared(a, b)
        defined = self._plane(OR, compared + _ABOVE, compared + _AT_MOST)
        both = self._plane(AND_BEFORE, defined, defined)
        return self._plane(AND_NOT, both, crossed)

    def _moving(self, operand: Operand, bars: int, holds: bool) -> int:
        place = self._place(operand)
        moving = self._plane(MOVING, place, place, bars, width=2)
        return moving if holds else moving + 1

    def _place(self, operand: Operand) -> int:
        return self._operands.setdefault(operand, len(self._operands))

    def _plane(self, code: int, left: int, right: int, number: int = 0, width: int = 1) -> int:
        step = (code, left, right, number, width)
        if step not in self._places:
            self._places[step] = self._plane_count
            self.steps.append(step)
            self._plane_count += width
        return self._places[step]
