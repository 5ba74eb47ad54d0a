"""The dates a client may write, and the one form in which times are given back."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import DataError

EXPECTED = "an ISO date (2024-01-31) or date-time (2024-01-31T15:30:00Z)"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIMES = "datetime64, datetimes, ISO texts or whole milliseconds since 1970 UTC"
_LAST_MILLISECOND = timedelta(days=1, milliseconds=-1)


@lru_cache(maxsize=1024)
def start_of(text: str) -> datetime:
    """The instant a date or date-time stands for; without an offset it is UTC.

    Raises:
        ValueError: neither form, or no such day.
    """
    if len(text) > 40 or not (_DATE.fullmatch(text) or _DATE_TIME.fullmatch(text)):
        raise ValueError(EXPECTED)
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None


@lru_cache(maxsize=1024)
def end_of(text: str) -> datetime:
    """As :func:`start_of`, but a date without a time stands for the end of that UTC day."""
    moment = start_of(text)
    return moment + _LAST_MILLISECOND if _DATE.fullmatch(text) else moment


def checked(text: Any) -> str:
    """The text itself, if it is a date that can be used.

    Raises:
        ValueError: no text, neither form, or no such day.
    """
    if not isinstance(text, str):
        raise ValueError(EXPECTED)
    end_of(text)
    return text


def milliseconds_of(times: ArrayLike) -> NDArray[np.int64]:
    """Milliseconds since 1970 UTC of datetime64, datetimes, ISO texts or such milliseconds.

    What has no offset is UTC.

    Raises:
        DataError: they are none of these.
    """
    values = np.asarray(times)
    if values.dtype.kind == "M" and not np.isnat(values).any():
        return values.astype("datetime64[ms]").astype(np.int64)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind not in "OU" or values.ndim != 1:
        raise DataError(f"times are {values.dtype} {values.shape}, not a column of {_TIMES}")
    moments = [_moment(value, bar) for bar, value in enumerate(values.tolist())]
    return np.array([(moment - _EPOCH) // _MILLISECOND for moment in moments], dtype=np.int64)


def _moment(value: Any, bar: int) -> datetime:
    if isinstance(value, datetime) and value == value:  # pandas' missing time equals nothing
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    try:
        return start_of(value)
    except (TypeError, ValueError):
        raise DataError(f"bar {bar}: its time is none of {_TIMES}", bar) from None


def check_times(times: NDArray[np.int64]) -> None:
    """Whether :func:`time_strings` can write all of them.

    Raises:
        DataError: a time before the year 1 or after 9999.
    """
    if len(times) and (times.min() < _EARLIEST or times.max() > _LATEST):
        bar = int(np.argmax((times < _EARLIEST) | (times > _LATEST)))
        raise DataError(f"bar {bar}: its time lies outside the years 1 to 9999", bar)


def time_strings(times: NDArray[np.int64]) -> list[str]:
    """``YYYY-MM-DDTHH:MM:SSZ`` for each of the milliseconds since 1970.

    Raises:
        DataError: a time before the year 1 or after 9999.
    """
    check_times(times)
    strings: list[str] = []
    for start in range(0, len(times), _AT_ONCE):
        strings += _written(times[start : start + _AT_ONCE])
    return strings


def _written(times: NDArray[np.int64]) -> list[str]:
    """Neighbours of one day share the date, which takes numpy far longer than the time of day."""
    days, of_day = np.divmod(times // _SECOND, _DAY_SECONDS)
    is_new = np.concatenate(([True], days[1:] != days[:-1]))
    dates = np.datetime_as_string(days[is_new].astype("datetime64[D]")).astype("U10")
    minutes, seconds = np.divmod(of_day, 60)
    hours, minutes = np.divmod(minutes, 60)
    letters = np.empty((len(times), len(_PATTERN)), np.uint32)
    letters[:] = np.frombuffer(_PATTERN.encode("utf-32-le"), np.uint32)
    letters[:, :10] = dates.view(np.uint32).reshape(-1, 10)[np.cumsum(is_new) - 1]
    for place, number in ((11, hours), (14, minutes), (17, seconds)):
        letters[:, place] += (number // 10).astype(np.uint32)
        letters[:, place + 1] += (number % 10).astype(np.uint32)
    strings: list[str] = letters.view(f"U{len(_PATTERN)}").ravel().tolist()
    return strings


_PATTERN = "0000-00-00T00:00:00Z"
_SECOND = 1_000
_DAY_SECONDS = 86_400

#: numpy writes strings without letting other threads run, so a long column goes in parts.
_AT_ONCE = 10_000


_EARLIEST = int(np.datetime64("0001-01-01", "ms").astype(np.int64))
_LATEST = int(np.datetime64("9999-12-31T23:59:59.999", "ms").astype(np.int64))
