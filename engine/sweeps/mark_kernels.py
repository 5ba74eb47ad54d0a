"""Marking positions at the closes of many bars at once: drawdowns, returns, ruin."""

import math

import numpy as np

from engine._jit import borrowing, inlined
from engine.bits import WORD_BARS
from engine.simulation import FloatArray, IntArray
from engine.sweeps.accounts import (
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
from engine.sweeps.tile_prices import TilePrices


@borrowing
def _extremes(begin: int, end: int, bits: IntArray) -> tuple[int, int]:
    """The bits of the lowest and the highest of some prices.

    Positive floats are in the order of their bits, and whole numbers are compared by the vector.
    """
    lowest = bits[begin]
    highest = bits[begin]
    for bar in range(np.uint64(begin + 1), np.uint64(end)):
        lowest = min(lowest, bits[bar])
        highest = max(highest, bits[bar])
    return lowest, highest


@borrowing
def _scan_drawdown(
    begin: int, end: int, cash: float, holding: float, close: FloatArray, account: FloatArray
) -> None:
    """Follow the equity's peaks and lows from bar to bar."""
    peak = account[A_PEAK]
    low = account[A_LOW]
    for bar in range(np.uint64(begin), np.uint64(end)):
        value = cash + holding * close[bar]
        if value >= peak:
            account[A_DEEPEST] = min(account[A_DEEPEST], (low - peak) / peak)
            peak = value
            low = value
        low = min(low, value)
    account[A_PEAK] = peak
    account[A_LOW] = low


@borrowing
def _scan_growth(count: int, growth: float, returns: FloatArray, account: FloatArray) -> None:
    """The same for the growth of 100 at ``returns``."""
    peak = account[A_GROWN_PEAK]
    low = account[A_GROWN_LOW]
    for place in range(np.uint64(count)):
        growth *= 1.0 + returns[place]
        grown = growth * 100.0
        if grown > peak:
            account[A_GROWN_DEEPEST] = min(account[A_GROWN_DEEPEST], (low - peak) / peak)
            peak = grown
            low = grown
        low = min(low, grown)
    account[A_GROWN_PEAK] = peak
    account[A_GROWN_LOW] = low


@borrowing
def _sum_returns(
    begin: int, end: int, cash: float, holding: float, close: FloatArray, returns: FloatArray,
    account: FloatArray, counts: IntArray,
) -> None:  # fmt: skip
    """Write the returns of bars begin … end − 1 and add them up in their order."""
    returns[0] = (cash + holding * close[begin]) / account[A_EQUITY] - 1.0
    # Counted from 0, so that no index could be one from the end: the loop becomes vectors.
    before, after, changes = close[begin:], close[begin + 1 :], returns[1:]
    for place in range(np.uint64(end - begin - 1)):
        changes[place] = (cash + holding * after[place]) / (cash + holding * before[place]) - 1.0
    if begin == 0:
        account[A_PIVOT] = returns[0]
    pivot = account[A_PIVOT]
    shifted = account[A_SHIFTED]
    squares = account[A_SHIFTED_SQUARES]
    losses = account[A_LOSSES]
    growth = account[A_GROWTH]
    moved = 0
    least = growth
    most = growth
    for place in range(np.uint64(end - begin)):
        change = returns[place]
        is_move = change != 0.0
        distance = change - pivot if is_move else 0.0
        moved += is_move
        shifted += distance
        squares += distance * distance
        loss = change if change < 0.0 else 0.0
        losses += loss * loss
        growth *= 1.0 + change
        least = growth if growth < least else least
        most = growth if growth > most else most
    # Rounding keeps the order, so the extremes of the growth are those of 100 that grow.
    if most * 100.0 > account[A_GROWN_PEAK]:
        _scan_growth(end - begin, account[A_GROWTH], returns, account)
    else:
        account[A_GROWN_LOW] = min(account[A_GROWN_LOW], least * 100.0)
    account[A_SHIFTED] = shifted
    account[A_SHIFTED_SQUARES] = squares
    account[A_LOSSES] = losses
    account[A_GROWTH] = growth
    counts[A_MOVED] += moved


@inlined
def _valued(cash: float, holding: float, low: float, high: float) -> tuple[float, float]:
    """The least and the most that a position is worth between two prices."""
    if holding > 0.0:
        return cash + holding * low, cash + holding * high
    return cash + holding * high, cash + holding * low


@inlined
def mark(
    begin: int, end: int, depth: int, cash: float, holding: float, tile: TilePrices,
    returns: FloatArray, account: FloatArray, counts: IntArray,
) -> int:  # fmt: skip
    """Count the closes of bars begin … end − 1, held with ``cash`` and ``holding`` units.

    Stops before a bar that ends in ruin and returns it, else −1. Equity rises or falls with the
    close, rounding included, so the extremes of the closes tell what need not be looked at; those
    of whole words, which need no looking for, mostly do.
    """
    ruin = -1
    least = math.inf
    most = math.inf
    # What is bought with cash of its own is worth something at any price.
    if begin < end and (depth >= DRAWDOWN or holding < 0.0 or cash < 0.0):
        low = math.inf
        high = -math.inf
        for word in range(np.uint64(begin // WORD_BARS), np.uint64((end - 1) // WORD_BARS + 1)):
            low = min(low, tile.close_lows[word])
            high = max(high, tile.close_highs[word])
        least, most = _valued(cash, holding, low, high)
        if least <= 0.0 or (
            depth >= DRAWDOWN and (least < account[A_LOW] or most >= account[A_PEAK])
        ):
            low_bits, high_bits = _extremes(begin, end, tile.close_bits)
            low, high = np.int64(low_bits).view(np.float64), np.int64(high_bits).view(np.float64)
            least, most = _valued(cash, holding, low, high)
        if least <= 0.0:
            ruin = begin
            while cash + holding * tile.closes[ruin] > 0.0:
                ruin += 1
            end = ruin
            if begin < end:
                low_bits, high_bits = _extremes(begin, end, tile.close_bits)
                low = np.int64(low_bits).view(np.float64)
                high = np.int64(high_bits).view(np.float64)
                least, most = _valued(cash, holding, low, high)
    if begin >= end:
        return ruin
    if depth >= DRAWDOWN:
        if most >= account[A_PEAK]:
            _scan_drawdown(begin, end, cash, holding, tile.closes, account)
        else:
            account[A_LOW] = min(account[A_LOW], least)
    if depth >= RETURNS:
        _sum_returns(begin, end, cash, holding, tile.closes, returns, account, counts)
    counts[A_HELD] += end - begin
    account[A_EQUITY] = cash + holding * tile.closes[end - 1]
    return ruin


@inlined
def mark_flat(
    bar: int, depth: int, cash: float, tile: TilePrices, returns: FloatArray, account: FloatArray,
    counts: IntArray,
) -> None:  # fmt: skip
    """Count the close of the bar on which a position ended."""
    if depth >= DRAWDOWN:
        _scan_drawdown(bar, bar + 1, cash, 0.0, tile.closes, account)
    if depth >= RETURNS:
        _sum_returns(bar, bar + 1, cash, 0.0, tile.closes, returns, account, counts)
    account[A_EQUITY] = cash
    if cash <= 0.0:
        counts[A_IS_RUINED] = 1
