"""A slow reading of rules: one bar at a time, None for undefined.

Takes the JSON of a condition and the operands' values by name; knows nothing of the engine.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Series = Mapping[str, Sequence[float]]


def value_at(operand: str | float, bar: int, series: Series) -> float | None:
    if bar < 0:
        return None
    if not isinstance(operand, str):
        return float(operand)
    value = float(series[operand][bar])
    return None if math.isnan(value) else value


def condition_at(condition: Mapping[str, Any], bar: int, series: Series) -> bool | None:
    [(kind, body)] = condition.items()
    if kind == "not":
        inner = condition_at(body, bar, series)
        return None if inner is None else not inner
    if kind == "all":
        parts = [condition_at(part, bar, series) for part in body]
        if any(part is False for part in parts):
            return False
        return None if any(part is None for part in parts) else True
    if kind == "any":
        parts = [condition_at(part, bar, series) for part in body]
        if any(part is True for part in parts):
            return True
        return None if any(part is None for part in parts) else False
    if kind in ("rising", "falling"):
        operand, bars = body
        values = [value_at(operand, bar - back, series) for back in range(bars + 1)]
        if any(value is None for value in values):
            return None
        steps = pairwise(values)  # newest first
        if kind == "rising":
            return all(newer > older for newer, older in steps)  # type: ignore[operator]  # none is None here
        return all(newer < older for newer, older in steps)  # type: ignore[operator]  # none is None here
    left, right = (value_at(operand, bar, series) for operand in body)
    if left is None or right is None:
        return None
    if kind == "above":
        return left > right
    if kind == "below":
        return left < right
    before_left, before_right = (value_at(operand, bar - 1, series) for operand in body)
    if before_left is None or before_right is None:
        return None
    if kind == "crossesAbove":
        return before_left <= before_right and left > right
    assert kind == "crossesBelow"
    return before_left >= before_right and left < right
