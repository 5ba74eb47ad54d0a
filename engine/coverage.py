"""Whether the bars of a run cover the days that its config asks for."""

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
    late = int(bars.times[0]) - to_milliseconds(config.start)
    early = to_milliseconds(config.end) - (int(bars.times[-1]) + length)
    missing = max(late, early)
    if missing < max(DAY - 1, length - 1):
        return None
    if missing <= max(LONGEST_CLOSURE, length) and not trades_around_the_clock(bars.times):
        return None
    first, last = from_milliseconds(bars.times[0]), from_milliseconds(bars.times[-1])
    return (
        f"Candles from {config.start_date} to {config.end_date} were asked for; there are "
        f"{len(bars)}, from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and the run is over these."
    )
