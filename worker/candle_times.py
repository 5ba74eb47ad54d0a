"""Reading the usual spellings of a bar's opening time."""

from datetime import UTC, datetime

from engine.candles import to_milliseconds

EXPECTED = "a date, an ISO 8601 time (no offset means UTC), or seconds or milliseconds since 1970"

#: Seconds, milliseconds, microseconds and nanoseconds since 1970 are told apart by size: a value
#: below a bound is in that unit. Each bound is the year 5138.
_UNITS_PER_SECOND = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))

#: ``20240131``: eight digits are a date, not a second of the year 1970.
_COMPACT_DATE_DIGITS = 8


def read_time(text: str) -> int:
    """Milliseconds since 1970 UTC.

    Raises:
        ValueError: none of the accepted spellings.
    """
    if _is_number(text) and len(text) != _COMPACT_DATE_DIGITS:
        return _from_epoch(text)
    moment = datetime.fromisoformat(text)
    return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _is_number(text: str) -> bool:
    whole, _, fraction = text.partition(".")
    return whole.isdecimal() and (not fraction or fraction.isdecimal())


def _from_epoch(text: str) -> int:
    whole, _, fraction = text.partition(".")
    for bound, units in _UNITS_PER_SECOND:
        if int(whole) < bound:
            ticks = int(whole) * 1_000 // units
            return ticks + (int(f"{fraction:0<3}"[:3]) if units == 1 and fraction else 0)
    raise ValueError(f"{text} lies beyond every calendar")
