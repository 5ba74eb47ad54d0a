"""Stop, target and trailing stop: where they lie, and what a bar that touches one comes to."""

import math
from enum import IntEnum

import numpy as np

from engine._jit import borrowing, kernel
from engine.simulation import ExitReason, FloatArray


class Intrabar(IntEnum):
    """Which level is taken when one bar touches both stop and target."""

    PESSIMISTIC = 0
    OPTIMISTIC = 1
    NEAREST_EXTREME = 2


# Plain integers: numba would otherwise have to know the enumerations.
_OPTIMISTIC = int(Intrabar.OPTIMISTIC)
_NEAREST_EXTREME = int(Intrabar.NEAREST_EXTREME)
_BY_STOP = int(ExitReason.STOP_LOSS)
_BY_TARGET = int(ExitReason.TAKE_PROFIT)
_BY_TRAILING = int(ExitReason.TRAILING_STOP)


@kernel
def fixed_levels(
    side: int, entry_price: float, stop_loss: float, take_profit: float
) -> tuple[float, float]:
    """Stop and target in units of side × price: the stop lies below and the target above.

    A distance of 0 is no level: minus infinity, infinity.
    """
    stop = -math.inf
    target = math.inf
    if stop_loss > 0.0:
        stop = side * (entry_price * (1.0 - side * stop_loss))
    if take_profit > 0.0:
        target = side * (entry_price * (1.0 + side * take_profit))
    return stop, target


@kernel
def trailing_level(side: int, best: float, trailing_stop: float) -> float:
    """The trailing stop in units of side × price; minus infinity for a distance of 0."""
    if trailing_stop > 0.0:
        return side * (best * (1.0 - side * trailing_stop))
    return -math.inf


@borrowing
def touched_bar(
    begin: int,
    end: int,
    side: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    stop: float,
    target: float,
    trailing_stop: float,
    lowest: float,
    highest: float,
) -> tuple[int, float, float]:
    """The first bar of begin … end − 1 that touches a level, or ``end``.

    With it the lowest and the highest price of the bars before it, and of what is given, which is
    what the trailing stop follows.
    """
    # A level is touched from above or from below, whichever side it belongs to.
    lower = stop if side > 0 else -target
    upper = target if side > 0 else -stop
    keep = 1.0 - side * trailing_stop
    for i in range(np.uint64(begin), np.uint64(end)):
        if trailing_stop > 0.0:
            # The best price only improves, so the level only tightens.
            if side > 0:
                level = highest * keep
                lower = level if level > lower else lower
            else:
                level = lowest * keep
                upper = level if level < upper else upper
        bar_open, bar_high, bar_low = open_[i], high[i], low[i]
        if (bar_low <= lower) | (bar_high >= upper) | (bar_open <= lower) | (bar_open >= upper):
            return int(np.int64(i)), lowest, highest
        lowest = bar_low if bar_low < lowest else lowest
        highest = bar_high if bar_high > highest else highest
    return end, lowest, highest


@kernel
def exit_in_bar(
    side: int,
    bar_open: float,
    bar_high: float,
    bar_low: float,
    stop: float,
    target: float,
    trailing: float,
    slippage: float,
    intrabar: int,
) -> tuple[int, float, bool]:
    """Reason (0: none), price and ambiguity of the exit in a bar.

    ``stop``, ``target`` and ``trailing`` are in units of side × price.
    """
    stop_reason = _BY_STOP
    if trailing > stop:
        stop = trailing
        stop_reason = _BY_TRAILING
    if side * bar_open <= stop:
        return stop_reason, bar_open * (1.0 - side * slippage), False
    if side * bar_open >= target:
        return _BY_TARGET, bar_open, False
    adverse = bar_low if side > 0 else bar_high
    favorable = bar_high if side > 0 else bar_low
    stopped = side * adverse <= stop
    reached = side * favorable >= target
    ambiguous = stopped and reached
    if ambiguous:
        to_adverse = side * (bar_open - adverse)
        to_favorable = side * (favorable - bar_open)
        if intrabar == _OPTIMISTIC or (intrabar == _NEAREST_EXTREME and to_favorable < to_adverse):
            stopped = False
    if stopped:
        return stop_reason, side * stop * (1.0 - side * slippage), ambiguous
    if reached:
        return _BY_TARGET, side * target, ambiguous
    return 0, 0.0, False
