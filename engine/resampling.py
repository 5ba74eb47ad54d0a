"""Longer bars from shorter ones."""

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles
from engine.timeframes import DAY, TIMEFRAMES

#: 1970-01-01 was a Thursday; weeks begin on Mondays, four days later.
_FIRST_MONDAY = 4 * DAY


def divides(shorter: str, longer: str) -> bool:
    """Whether bars of ``longer`` can be made of bars of ``shorter``: a whole number of them, more
    than one.
    """
    length, part = TIMEFRAMES[longer], TIMEFRAMES[shorter]
    return part < length and length % part == 0


def opening_times(times: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Opening time of the bar that each of ``times`` lies in (milliseconds since 1970 UTC).

    Bars open at whole multiples of their length since 1970 UTC: days at midnight, eight hours at
    0, 8 and 16 o'clock. Weeks open on Monday, 0 o'clock UTC.
    """
    length = TIMEFRAMES[timeframe]
    offset = _FIRST_MONDAY % length
    return (times - offset) // length * length + offset


def resample(candles: Candles, timeframe: str) -> Candles:
    """``candles`` as bars of a longer ``timeframe``: first open, highest high, lowest low, last
    close, sum of volumes.

    A shorter bar belongs where it opens. A longer bar in which no shorter one opens does not
    exist, so closed markets make no bars. The last bar is left out unless it is complete, that is
    unless the shorter bars reach its end: markets with sessions stop before that, so their last
    day or week appears with the first bar that follows it. The first bar is made of what there is.

    Raises:
        ValueError: ``timeframe`` is none, or no multiple of that of ``candles``.
    """
    if timeframe not in TIMEFRAMES:
        raise ValueError(f"timeframe: expected one of {' '.join(TIMEFRAMES)}, got {timeframe!r}")
    if not divides(candles.timeframe, timeframe):
        raise ValueError(f"{timeframe} bars cannot be made of {candles.timeframe} bars")
    opening = opening_times(candles.times, timeframe)
    starts = np.flatnonzero(np.diff(opening, prepend=opening[:1] - 1))
    whole = len(starts)
    if whole and candles.times[-1] + TIMEFRAMES[candles.timeframe] < (
        opening[-1] + TIMEFRAMES[timeframe]
    ):
        whole -= 1
        candles = candles.rows(0, int(starts[whole]))
        starts = starts[:whole]
    if not whole:
        return Candles(candles.symbol, timeframe, np.empty(0, np.int64), *[np.empty(0)] * 5)
    ends = np.append(starts[1:], len(candles)) - 1
    return Candles(
        candles.symbol,
        timeframe,
        opening[starts],
        candles.open[starts],
        np.maximum.reduceat(candles.high, starts),
        np.minimum.reduceat(candles.low, starts),
        candles.close[ends],
        _sums(candles.volume, starts),
    )


def _sums(values: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sums of the stretches that begin at ``starts``, each added up from left to right."""
    lengths = np.diff(starts, append=len(values))
    bar_of_each = np.repeat(np.arange(len(starts)), lengths)
    return np.bincount(bar_of_each, weights=values).astype(np.float64, copy=False)
