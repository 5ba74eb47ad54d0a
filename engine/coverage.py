"""Whether the bars of a run cover the days that its config asks for."""

from functools import lru_cache

from engine.annualization import trades_around_the_clock
from engine.candles import Candles, from_milliseconds, to_milliseconds
from engine.config import BacktestConfig
from engine.timeframes import DAY, TIMEFRAMES

#: A market of sessions is closed for no longer over Easter: Friday to Monday.
LONGEST_CLOSURE = 4 * DAY


def range_note(config: BacktestConfig, bars: Candles) -> str | None:
    """What to say of a run that found fewer days than it was to have, None where there is nothing.

    Days on which a market is closed are not missing: a bar of its own or less around the clock,
    a long weekend otherwise.
    """
    if config.price_path is not None:
        return None
    length = TIMEFRAMES[config.timeframe]
    first, last = int(bars.times[0]), int(bars.times[-1])
    late = first - to_milliseconds(config.start)
    early = to_milliseconds(config.end) - (last + length)
    missing = max(late, early)
    if missing < max(DAY - 1, length - 1):
        return None
    if missing <= max(LONGEST_CLOSURE, length) and not trades_around_the_clock(bars.times):
        return None
    return _note(config.start_date, config.end_date, len(bars), first, last)


@lru_cache(maxsize=64)
def _note(start_date: str, end_date: str, bars: int, first: int, last: int) -> str:
    return (
        f"Candles from {start_date} to {end_date} were asked for; there are {bars}, from "
        f"{from_milliseconds(first).date()} to {from_milliseconds(last).date()}, "
        "and the run is over these."
    )
