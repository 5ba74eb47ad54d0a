"""Stretches of a series in which bars are missing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles, from_milliseconds
from engine.timeframes import DAY, TIMEFRAMES

#: Markets with sessions close for long weekends: up to this long without a bar is no gap.
LONG_WEEKEND = 4 * DAY

#: More Saturday bars than this: the market never closes.
SATURDAY_SHARE = 0.05

_SATURDAY = 5
#: 1970-01-01 was a Thursday, weekday 3 when Monday is 0.
_FIRST_WEEKDAY = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """No bar opens between ``after`` and ``before``, for longer than the market usually rests."""

    after: datetime
    before: datetime

    @property
    def length(self) -> timedelta:
        return self.before - self.after


def find_gaps(candles: Candles) -> list[Gap]:
    """Stretches without bars: longer than one bar around the clock, than a long weekend else."""
    allowed = TIMEFRAMES[candles.timeframe]
    if not _never_closes(candles.times):
        allowed = max(allowed, LONG_WEEKEND)
    wide = np.flatnonzero(np.diff(candles.times) > allowed)
    return [
        Gap(from_milliseconds(candles.times[i]), from_milliseconds(candles.times[i + 1]))
        for i in wide
    ]


def usual_step(candles: Candles) -> int:
    """Median distance of two bars in milliseconds; that of the timeframe where there is none."""
    steps = np.diff(candles.times)
    return int(np.median(steps)) if len(steps) else TIMEFRAMES[candles.timeframe]


def _never_closes(times: NDArray[np.int64]) -> bool:
    weekdays = (times // DAY + _FIRST_WEEKDAY) % 7
    return bool(np.mean(weekdays == _SATURDAY) > SATURDAY_SHARE)
