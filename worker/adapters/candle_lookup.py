"""Answering a request for candles from what a library holds, in a directory or a bucket."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np

from engine.candles import Candles, from_milliseconds, to_milliseconds
from engine.resampling import divides, opening_times, resample
from engine.timeframes import TIMEFRAMES
from worker.adapters.candle_format import unreadable
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import CandleEntry
from worker.series_names import check_series_name

_SHOWN_CHARACTERS = 40


class Held(Protocol):
    """What a library holds. Symbols and timeframes are checked before they come here."""

    def series(self, symbol: str, timeframe: str) -> Candles | None:
        """A whole stored series of at least one bar, if there is one."""

    def entries_of(self, symbol: str) -> Sequence[CandleEntry]:
        """The stored series of a symbol, shortest bars first."""


def look_up(
    held: Held, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
) -> Candles:
    """The bars that open in [start, end].

    A timeframe that is not stored is made of the longest stored bars of which a whole number fit
    into it and which have anything in that range (see :func:`engine.resampling.resample`).

    Raises:
        JobFailure: DATA_NOT_FOUND naming what was asked and what is held.
    """
    asked = _Asked(symbol, timeframe, start, end)
    try:
        check_series_name(symbol, timeframe)
    except ValueError:
        raise asked.not_found(f"nothing is held for {symbol[:_SHOWN_CHARACTERS]}") from None
    stored = held.series(symbol, timeframe)
    if stored is not None:
        chosen = stored.between(start, end)
        if not len(chosen):
            raise asked.not_found(f"held: {_span(stored.time_of(0), stored.time_of(-1))}")
        return chosen
    entries = held.entries_of(symbol)
    for made in _made_of_shorter(held, asked, entries):
        if len(made):
            return made
    raise asked.not_found(_what_is_held(held, symbol, entries))


def readable(
    names: Iterable[tuple[str, str]],
    entry: Callable[[str, str], CandleEntry | None],
    damaged: Callable[[JobFailure], None] | None,
) -> list[CandleEntry]:
    """The entries of these series, without those that are gone; see :class:`CandleSource`."""
    found = []
    for symbol, timeframe in names:
        try:
            try:
                found.append(entry(symbol, timeframe))
            except (OSError, ValueError, OverflowError) as error:
                raise unreadable(symbol, timeframe) from error
        except JobFailure as failure:
            if damaged is None:
                raise
            damaged(failure)
    return [one for one in found if one is not None]


class _Asked:
    """One request."""

    def __init__(
        self, symbol: str, timeframe: str, start: datetime | None, end: datetime | None
    ) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.start = start
        self.end = end

    def not_found(self, held: str) -> JobFailure:
        since = f" from {_text(self.start)}" if self.start else ""
        until = f" to {_text(self.end)}" if self.end else ""
        name = f"{self.symbol[:_SHOWN_CHARACTERS]} {self.timeframe[:_SHOWN_CHARACTERS]}"
        return JobFailure(ErrorCode.DATA_NOT_FOUND, f"No candles for {name}{since}{until}; {held}.")


def _made_of_shorter(
    held: Held, asked: _Asked, entries: Sequence[CandleEntry]
) -> Iterator[Candles]:
    """The asked bars out of each stored timeframe that divides theirs, longest first."""
    shorter = [entry.timeframe for entry in entries if divides(entry.timeframe, asked.timeframe)]
    for timeframe in sorted(shorter, key=TIMEFRAMES.__getitem__, reverse=True):
        stored = held.series(asked.symbol, timeframe)
        if stored is not None:
            parts = stored.between(_beginning(asked.start, asked.timeframe), None)
            yield resample(parts, asked.timeframe).between(asked.start, asked.end)


def _beginning(start: datetime | None, timeframe: str) -> datetime | None:
    """When the bar that holds ``start`` opens: what lies before need not be looked at."""
    if start is None:
        return None
    (opening,) = opening_times(np.array([to_milliseconds(start)]), timeframe)
    return from_milliseconds(opening)


def _what_is_held(held: Held, symbol: str, entries: Sequence[CandleEntry]) -> str:
    if not entries:
        nothing = f"nothing is held for {symbol[:_SHOWN_CHARACTERS]}"
        capitals = symbol.upper()
        is_meant = capitals != symbol and _is_held(held, capitals)
        return f"{nothing}, but {capitals[:_SHOWN_CHARACTERS]} is held" if is_meant else nothing
    return "held: " + ", ".join(
        f"{entry.timeframe} from {_span(entry.first, entry.last)}" for entry in entries
    )


def _is_held(held: Held, symbol: str) -> bool:
    try:
        return bool(held.entries_of(symbol))
    except JobFailure:
        return False


def _span(first: datetime, last: datetime) -> str:
    return f"{_text(first)} to {_text(last)}"


def _text(moment: datetime) -> str:
    midnight = moment.hour == moment.minute == moment.second == moment.microsecond == 0
    return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
