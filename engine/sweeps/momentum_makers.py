"""Relative strength, rate of change, MACD and the oscillators of one tile after the other."""

import math

from engine._jit import borrowing
from engine.indicators.exact_sums import UNITS, add, divided, in_units
from engine.indicators.stochastics import FLAT_RANGE
from engine.simulation import FloatArray, IntArray
from engine.sweeps.extreme_makers import current_extreme, push_extreme


@borrowing
def _strength_step(
    change: float, bar: int, period: int, gain: float, loss: float
) -> tuple[float, float, float]:
    """The averages of gains and losses after a bar's change, and the strength they make."""
    share = 1.0 / period
    if bar > period:
        gain *= period - 1.0
        loss *= period - 1.0
    if change < 0.0:
        loss -= change
    else:
        gain += change
    if bar < period:
        return gain, loss, math.nan
    gain *= share
    loss *= share
    both = gain + loss
    return gain, loss, 100.0 * (gain / both) if both > 0.0 else 0.0


@borrowing
def relative_strength(
    first: int, last: int, values: FloatArray, period: int, state: FloatArray, out: FloatArray
) -> None:
    """The relative strength index. ``state``: Wilder's averages of gains and losses."""
    gain, loss = state[0], state[1]
    if first == 0:
        out[0] = math.nan
    for i in range(max(first, 1), last):
        gain, loss, out[i - first] = _strength_step(
            values[i] - values[i - 1], i, period, gain, loss
        )
    state[0], state[1] = gain, loss


@borrowing
def change_rate(first: int, last: int, values: FloatArray, period: int, out: FloatArray) -> None:
    """The rate of change in percent; needs no state."""
    for i in range(first, min(last, period)):
        out[i - first] = math.nan
    for i in range(max(first, period), last):
        before = values[i - period]
        out[i - first] = (values[i] / before - 1.0) * 100.0 if before != 0.0 else 0.0


@borrowing
def macd_lines(
    first: int, last: int, values: FloatArray, fast: int, slow: int, signal: int,
    state: FloatArray, line: FloatArray, average: FloatArray, histogram: FloatArray,
) -> None:  # fmt: skip
    """Macd, its signal and their difference.

    ``state``: the fast and the slow average (their seeds first), the sum of the first differences
    as a pair, and their average.
    """
    fast_weight = 2.0 / (fast + 1.0)
    slow_weight = 2.0 / (slow + 1.0)
    weight = 2.0 / (signal + 1.0)
    quick, steady = state[0], state[1]
    high, low, smooth = state[2], state[3], state[4]
    begin = slow + signal - 2
    for i in range(first, min(last, slow - 1)):
        line[i - first] = average[i - first] = histogram[i - first] = math.nan
    for i in range(max(first, slow - 1), last):
        if i > slow - 1:
            quick = (values[i] - quick) * fast_weight + quick
            steady = (values[i] - steady) * slow_weight + steady
        difference = quick - steady
        if i <= begin:
            new_high, new_low = in_units(difference)
            high, low = add(high, low, new_high, new_low)
            smooth = divided(high, low, signal * UNITS)
        else:
            smooth = (difference - smooth) * weight + smooth
        if i < begin:
            line[i - first] = average[i - first] = histogram[i - first] = math.nan
        else:
            line[i - first] = difference
            average[i - first] = smooth
            histogram[i - first] = difference - smooth
    state[0], state[1], state[2], state[3], state[4] = quick, steady, high, low, smooth


@borrowing
def _moving_mean(
    value: float, bar: int, since: int, period: int, state: FloatArray, place: int,
    ring: FloatArray,
) -> float:  # fmt: skip
    """The mean of the last ``period`` of some values that began at bar ``since``.

    ``state[place]`` and the next one are the window's sum as a pair; ``ring`` its values.
    """
    new_high, new_low = in_units(value)
    high, low = add(state[place], state[place + 1], new_high, new_low)
    ring[bar % period] = value
    mean = math.nan
    if bar - since >= period - 1:
        mean = divided(high, low, period * UNITS)
        old_high, old_low = in_units(ring[(bar + 1) % period])
        high, low = add(high, low, -old_high, -old_low)
    state[place] = high
    state[place + 1] = low
    return mean


@borrowing
def _position(value: float, lowest: float, highest: float) -> float:
    """Where a value stands between two others, in percent; 0 if they are nothing but rounding."""
    spread = highest - lowest
    if spread <= FLAT_RANGE * (abs(highest) + abs(lowest)):
        return 0.0
    return (value - lowest) / spread * 100.0


@borrowing
def oscillator(
    first: int, last: int, high: FloatArray, low: FloatArray, close: FloatArray, fast_k: int,
    slow_k: int, slow_d: int, state: FloatArray, kept: FloatArray, places: IntArray,
    k: FloatArray, d: FloatArray,
) -> None:  # fmt: skip
    """The slow stochastic.

    ``state``: the sums of both averages as pairs; ``kept`` holds their windows, ``places`` the
    bars that can still become the highest and the lowest.
    """
    raw_ring, k_ring = kept[:slow_k], kept[slow_k : slow_k + slow_d]
    size = fast_k + 2
    tops, bottoms = places[:size], places[size : 2 * size]
    begin = fast_k + slow_k + slow_d - 3
    for i in range(first, last):
        push_extreme(high[i], i, fast_k, 1.0, high, tops)
        push_extreme(low[i], i, fast_k, -1.0, low, bottoms)
        fast = math.nan
        slow = math.nan
        if i >= fast_k - 1:
            highest = high[current_extreme(tops)]
            lowest = low[current_extreme(bottoms)]
            raw = _position(close[i], lowest, highest)
            fast = _moving_mean(raw, i, fast_k - 1, slow_k, state, 0, raw_ring)
        if i >= fast_k + slow_k - 2:
            slow = _moving_mean(fast, i, fast_k + slow_k - 2, slow_d, state, 2, k_ring)
        k[i - first] = fast if i >= begin else math.nan
        d[i - first] = slow


@borrowing
def strength_oscillator(
    first: int, last: int, values: FloatArray, period: int, fast_k: int, fast_d: int,
    state: FloatArray, kept: FloatArray, places: IntArray, k: FloatArray, d: FloatArray,
) -> None:  # fmt: skip
    """The stochastic of the relative strength index.

    ``state``: as for :func:`relative_strength`, then the average's sum as a pair; ``kept`` holds
    the last strengths and the average's window, ``places`` as for :func:`oscillator`.
    """
    strengths, k_ring = kept[:fast_k], kept[fast_k : fast_k + fast_d]
    size = fast_k + 2
    tops, bottoms = places[:size], places[size : 2 * size]
    gain, loss = state[0], state[1]
    since = period + fast_k - 1
    begin = since + fast_d - 1
    for i in range(first, last):
        k[i - first] = d[i - first] = math.nan
        if i == 0:
            continue
        gain, loss, strength = _strength_step(values[i] - values[i - 1], i, period, gain, loss)
        if i < period:
            continue
        strengths[i % fast_k] = strength
        push_extreme(strength, i, fast_k, 1.0, strengths, tops)
        push_extreme(strength, i, fast_k, -1.0, strengths, bottoms)
        if i < since:
            continue
        highest = strengths[current_extreme(tops) % fast_k]
        lowest = strengths[current_extreme(bottoms) % fast_k]
        raw = _position(strength, lowest, highest)
        d[i - first] = _moving_mean(raw, i, since, fast_d, state, 2, k_ring)
        if i >= begin:
            k[i - first] = raw
    state[0], state[1] = gain, loss
