"""Rules of many variants as one program: what is the same in two of them is computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.simulation import IntArray
from engine.sweeps.plane_kernels import FIRST_FREE, STEP_NUMBERS
from engine.sweeps.schemes import LOOKING_AT_SERIES, Operand, Scheme


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An indicator of some variants, of which there is one: it is itself what it is found by.

    Finding an indicator by its values takes longer than all else that is done with it.
    """

    indicator: Indicator


#: A candle column, a number, or one output of an indicator.
SeriesKey = str | float | tuple[Known, str]


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
    """Steps that grow with every scheme that is added, each with its planes in the tile."""

    def __init__(self) -> None:
        self.plane_count = FIRST_FREE
        self._steps: list[tuple[int, int, int, int, int]] = []
        self._places: dict[tuple[int, int, int, int], int] = {}

    def add(self, scheme: Scheme, rows: Sequence[int]) -> list[int]:
        """The planes on which the scheme's conditions are true; ``rows``: its operands' series."""
        planes = list(range(FIRST_FREE))
        for code, left, right, number, width in scheme.steps:
            looked_at = rows if code in LOOKING_AT_SERIES else planes
            key = (code, looked_at[left], looked_at[right], number)
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = self.plane_count
                self._steps.append((code, place, key[1], key[2], number))
                self.plane_count += width
            planes.extend(range(place, place + width))
        return [planes[one] for one in scheme.wanted]

    def steps(self) -> IntArray:
        """(P, STEP_NUMBERS), in the order to run them."""
        return np.array(self._steps, np.int64).reshape(-1, STEP_NUMBERS)
