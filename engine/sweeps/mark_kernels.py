"""Marking positions at the closes of many bars at once: drawdowns, returns, ruin."""

import math

from engine._jit import inlined, kernel
from engine.simulation import FloatArray, IntArray
from engine.sweeps.accounts import (
    A_CAPITAL,
    A_CASH,
    A_DEEPEST,
    A_EQUITY,
    A_GROWN_DEEPEST,
    A_GROWN_LOW,
    A_GROWN_PEAK,
    A_GROWTH,
    A_HELD,
    A_IS_RUINED,
    A_LOSSES,
    A_LOW,
    A_MOVED,
    A_PEAK,
    A_PIVOT,
    A_SHIFTED,
    A_SHIFTED_SQUARES,
    DRAWDOWN,
    RETURNS,
)

#: Far more than rounding can part the equity from the product of its returns.
GROWTH_MARGIN = 1e-6


@kernel
def _extremes(begin: int, end: int, bits: IntArray, both: IntArray) -> None:
    """Write the bits of the lowest and the highest of some prices to ``both``.

    Positive floats are in the order of their bits, and whole numbers are compared by the vector.
    """
    lowest = bits[begin]
    highest = bits[begin]
    for bar in range(begin + 1, end):
        lowest = min(lowest, bits[bar])
        highest = max(highest, bits[bar])
    both[0] = lowest
    both[1] = highest


@kernel
def _scan_drawdown(
    begin: int, end: int, cash: float, holding: float, close: FloatArray, account: FloatArray
) -> None:
    """Follow the equity's peaks and lows from bar to bar."""
    peak = account[A_PEAK]
    low = account[A_LOW]
    for bar in range(begin, end):
        value = cash + holding * close[bar]
        if value >= peak:
            account[A_DEEPEST] = min(account[A_DEEPEST], (low - peak) / peak)
            peak = value
            low = value
        low = min(low, value)
    account[A_PEAK] = peak
    account[A_LOW] = low


@kernel
def _scan_growth(count: int, growth: float, returns: FloatArray, account: FloatArray) -> None:
    """The same for the growth of 100 at ``returns``."""
    peak = account[A_GROWN_PEAK]
    low = account[A_GROWN_LOW]
    for place in range(count):
        growth *= 1.0 + returns[place]
        grown = growth * 100.0
        if grown > peak:
            account[A_GROWN_DEEPEST] = min(account[A_GROWN_DEEPEST], (low - peak) / peak)
            peak = grown
            low = grown
        low = min(low, grown)
    account[A_GROWN_PEAK] = peak
    account[A_GROWN_LOW] = low


@kernel
def _sum_returns(
    begin: int, end: int, tile: int, cash: float, holding: float, close: FloatArray,
    returns: FloatArray, account: FloatArray, counts: IntArray,
) -> None:  # fmt: skip
    """Write the returns of bars begin … end − 1 and add them up in their order."""
    returns[0] = (cash + holding * close[begin]) / account[A_EQUITY] - 1.0
    for bar in range(begin + 1, end):
        returns[bar - begin] = (cash + holding * close[bar]) / (
            cash + holding * close[bar - 1]
        ) - 1.0
    if begin == tile:
        account[A_PIVOT] = returns[0]
    pivot = account[A_PIVOT]
    shifted = account[A_SHIFTED]
    squares = account[A_SHIFTED_SQUARES]
    losses = account[A_LOSSES]
    growth = account[A_GROWTH]
    moved = 0
    for place in range(end - begin):
        change = returns[place]
        is_move = change != 0.0
        distance = change - pivot if is_move else 0.0
        moved += is_move
        shifted += distance
        squares += distance * distance
        loss = change if change < 0.0 else 0.0
        losses += loss * loss
        growth *= 1.0 + change
    account[A_SHIFTED] = shifted
    account[A_SHIFTED_SQUARES] = squares
    account[A_LOSSES] = losses
    account[A_GROWTH] = growth
    counts[A_MOVED] += moved


@inlined
def mark(
    begin: int, end: int, tile: int, depth: int, cash: float, holding: float, close: FloatArray,
    close_bits: IntArray, returns: FloatArray, floats: FloatArray, both: IntArray,
    account: FloatArray, counts: IntArray,
) -> int:  # fmt: skip
    """Count the closes of bars begin … end − 1, held with ``cash`` and ``holding`` units.

    Stops before a bar that ends in ruin and returns it, else −1. Equity rises or falls with the
    close, rounding included, so the extremes of the closes tell what need not be looked at.
    """
    ruin = -1
    least = math.inf
    most = math.inf
    # What is bought with cash of its own is worth something at any price.
    if begin < end and (depth >= DRAWDOWN or holding < 0.0 or cash < 0.0):
        _extremes(begin, end, close_bits, both)
        least = cash + holding * (floats[0] if holding > 0.0 else floats[1])
        if least <= 0.0:
            ruin = begin
            while cash + holding * close[ruin] > 0.0:
                ruin += 1
            end = ruin
            if begin < end:
                _extremes(begin, end, close_bits, both)
                least = cash + holding * (floats[0] if holding > 0.0 else floats[1])
        most = cash + holding * (floats[1] if holding > 0.0 else floats[0])
    if begin >= end:
        return ruin
    if depth >= DRAWDOWN:
        if most >= account[A_PEAK]:
            _scan_drawdown(begin, end, cash, holding, close, account)
        else:
            account[A_LOW] = min(account[A_LOW], least)
    if depth >= RETURNS:
        growth = account[A_GROWTH]
        _sum_returns(begin, end, tile, cash, holding, close, returns, account, counts)
        # The growth of 100 is the equity but for rounding, of which the margin has plenty.
        scale = 100.0 / account[A_CAPITAL]
        if (
            most * scale * (1.0 + GROWTH_MARGIN) >= account[A_GROWN_PEAK]
            or least * scale * (1.0 - GROWTH_MARGIN) <= account[A_GROWN_LOW]
        ):
            _scan_growth(end - begin, growth, returns, account)
    counts[A_HELD] += end - begin
    account[A_EQUITY] = cash + holding * close[end - 1]
    return ruin


@inlined
def mark_flat(
    bar: int, tile: int, depth: int, returns: FloatArray, close: FloatArray, account: FloatArray,
    counts: IntArray,
) -> None:  # fmt: skip
    """Count the close of the bar on which a position ended."""
    cash = account[A_CASH]
    if depth >= DRAWDOWN:
        _scan_drawdown(bar, bar + 1, cash, 0.0, close, account)
    if depth >= RETURNS:
        growth = account[A_GROWTH]
        _sum_returns(bar, bar + 1, tile, cash, 0.0, close, returns, account, counts)
        _scan_growth(1, growth, returns, account)
    account[A_EQUITY] = cash
    if cash <= 0.0:
        counts[A_IS_RUINED] = 1
