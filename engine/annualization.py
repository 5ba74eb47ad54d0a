"""How many bars make a year, for annual figures."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.timeframes import DAY, HOUR, TIMEFRAMES, Timeframe

SESSION_DAYS = 252
SESSION = 6.5 * HOUR
CALENDAR_DAYS = 365
WEEKS = 52.0
#: Fewer bars do not tell whether a market closes at weekends.
FEWEST_BARS = 14
ONE_IN = 20
#: 1970-01-01 was a Thursday, so Saturdays are the days 2, 9, 16, … since then.
_SATURDAY = 2


def trades_around_the_clock(times: NDArray[np.int64]) -> bool:
    """Whether more than one bar in twenty opens on a Saturday (UTC)."""
    if len(times) < FEWEST_BARS:
        return False
    return bool(_saturdays(times) * ONE_IN > len(times))


@kernel
def _saturdays(times: NDArray[np.int64]) -> int:
    """Bars that open on one. Neighbours mostly share their day, which is told from its ends."""
    found = 0
    day_start = times[0] - DAY  # Some day that the first bar is not in.
    is_saturday = False
    for i in range(len(times)):
        if not 0 <= times[i] - day_start < DAY:
            day = times[i] // DAY
            day_start = day * DAY
            is_saturday = day % 7 == _SATURDAY
        found += is_saturday
    return found


def bars_per_year(
    annualization: float | Literal["auto"],
    timeframe: Timeframe,
    times: NDArray[np.int64],
    *,
    is_price_path: bool,
) -> float:
    """The number itself, or what ``"auto"`` comes to for bars that open at ``times``.

    A price path has made-up times, so its weekends say nothing: it counts as a market of sessions.
    """
    if annualization != "auto":
        return annualization
    if timeframe == "1w":
        return WEEKS
    length = TIMEFRAMES[timeframe]
    if not is_price_path and trades_around_the_clock(times):
        return CALENDAR_DAYS * DAY / length
    return max(float(SESSION_DAYS), SESSION_DAYS * SESSION / length)
