"""Reading the usual spellings of a bar's opening time."""

import re
from datetime import UTC, date, datetime

from engine.candles import to_milliseconds

EXPECTED = (
    "a date, an ISO 8601 time (no offset means UTC), or seconds, milliseconds, microseconds or "
    "nanoseconds since 1970"
)

#: Seconds, milliseconds, microseconds and nanoseconds since 1970 are told apart by size: a value
#: below a bound is in that unit. Each bound is the year 5138.
_UNITS_PER_SECOND = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))

#: ``20240131``: eight digits are a date, not a second of the year 1970.
_COMPACT_DATE_DIGITS = 8

#: ``2024/01/31`` and ``2024.01.31``, with or without a time behind.
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?!\d)(.*)", re.ASCII)

#: ``20240131 0930``, ``20240131 093000`` and ``20240131 09:30:00``.
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})[ T](\d{1,2}:.*|\d{4}(?:\d{2})?)", re.ASCII)

_COMPACT_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})?", re.ASCII)

#: ``9:30`` for ``09:30``, which ISO 8601 does not know.
_SHORT_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2}[ T])(\d:.*)", re.ASCII)

#: ``2020-01-02 15:30:00 UTC`` and ``… -0500``.
_NAMED_UTC = re.compile(r"\s*(?:UTC|GMT)$")
_SPACED_OFFSET = re.compile(r"\s+([+-]\d{2}:?\d{2})$", re.ASCII)


def read_time(cell: object) -> int:
    """Milliseconds since 1970 UTC of text, a number since 1970, a date or a time.

    Raises:
        ValueError: none of the accepted spellings.
        TypeError: something else.
    """
    match cell:
        case str():
            return _from_text(cell)
        case datetime():
            return _from_moment(cell)
        case date():
            return to_milliseconds(datetime(cell.year, cell.month, cell.day, tzinfo=UTC))
        case int() | float() if not isinstance(cell, bool):
            return _from_text(f"{cell:.3f}" if isinstance(cell, float) else str(cell))
        case _:
            raise TypeError(f"{type(cell).__name__} is no time")


def joined(day: object, time_of_day: object) -> object:
    """A date and a time of day from two cells as one cell; empty if one of them is."""
    if day in (None, "") or time_of_day in (None, ""):
        return None
    if isinstance(day, datetime):
        day = day.date()
    if isinstance(time_of_day, int) and not isinstance(time_of_day, bool):
        time_of_day = f"{time_of_day:06d}"
    return f"{day} {time_of_day}"


def _from_text(text: str) -> int:
    if _is_number(text) and len(text) != _COMPACT_DATE_DIGITS:
        return _from_epoch(text)
    return _from_moment(datetime.fromisoformat(_as_iso(text)))


def _from_moment(moment: datetime) -> int:
    return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _as_iso(text: str) -> str:
    text = _SPACED_OFFSET.sub(r"\1", _NAMED_UTC.sub("+00:00", text))
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day, rest = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}{rest}"
    elif found := _COMPACT_DATE.fullmatch(text):
        year, month, day, time = found.groups()
        text = f"{year}-{month}-{day} {time}"
    if found := _SHORT_HOUR.fullmatch(text):
        text = f"{found[1]}0{found[2]}"
    day, space, time = text.partition(" ")
    if found := _COMPACT_TIME.fullmatch(time):
        text = f"{day}{space}{':'.join(part for part in found.groups() if part)}"
    return text


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
