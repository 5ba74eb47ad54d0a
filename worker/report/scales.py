"""Where a value stands on an axis, and which values an axis names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Steps of an axis of numbers, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

#: Steps of a calendar: how many months, or how long.
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240)
_SPANS = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 5, 15, 30, 60, 180, 360, 720, 1_440, 2_880, 7_200, 14_400)
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places; the values may all be the same."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where ``value`` stands."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def round_numbers(low: float, high: float, most: int = 5) -> list[float]:
    """At most ``most`` round numbers from ``low`` to ``high``, evenly spaced."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    for step in _STEPS:
        first = math.ceil(low / (step * power) - 1e-9)
        last = math.floor(high / (step * power) + 1e-9)
        if last - first < most:
            return [place * step * power for place in range(first, last + 1)]
    return [low]


def round_times(first: datetime, last: datetime, most: int = 5) -> list[tuple[datetime, str]]:
    """At most ``most`` round times from ``first`` to ``last``, each with its name."""
    for span in _SPANS:
        if (last - first) / span < most:
            return _spaced(first, last, span)
    for months in _MONTHS:
        times = _months(first, last, months)
        if len(times) <= most:
            style = "%Y" if months % 12 == 0 else "%b %Y"
            return [(time, time.strftime(style)) for time in times]
    return []


def read_times(texts: Sequence[str]) -> list[float]:
    """RFC 3339 texts as seconds since 1970."""
    return [datetime.fromisoformat(text).timestamp() for text in texts]


def _spaced(first: datetime, last: datetime, span: timedelta) -> list[tuple[datetime, str]]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    time = epoch + math.ceil((first - epoch) / span) * span
    style = "%d %b %Y" if span >= timedelta(days=1) else "%d %b %H:%M"
    times: list[tuple[datetime, str]] = []
    while time <= last:
        times.append((time, time.strftime(style)))
        time += span
    return times


def _months(first: datetime, last: datetime, step: int) -> list[datetime]:
    """The firsts of every ``step``-th month, counted from January of year 0."""
    month = -(-(first.year * 12 + first.month - 1) // step) * step
    times: list[datetime] = []
    while True:
        time = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if time > last:
            return times
        if time >= first:
            times.append(time)
        month += step
