"""The spellings of a time that candle files come with."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from engine.candles import from_milliseconds
from worker.candle_times import joined, read_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
        ("20200102", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2020-01-02 15:30", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("2020-01-02T15:30:00Z", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("2020-01-02T15:30:00+02:00", datetime(2020, 1, 2, 13, 30, tzinfo=UTC)),
        ("2020-01-02T15:30:00.250", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        ("1577979000", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("1577979000.25", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        ("1577979000250", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        ("1577979000250000", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        ("1577979000250000000", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        ("915148800", datetime(1999, 1, 1, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2020-01-02 15:30:00", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("2020-01-02 15:30:00 UTC", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("2020-01-02 15:30:00 -0500", datetime(2020, 1, 2, 20, 30, tzinfo=UTC)),
        ("2020-01-02 15:30:00-05:00", datetime(2020, 1, 2, 20, 30, tzinfo=UTC)),
        ("2020-01-02T15:30:00.123456789", datetime(2020, 1, 2, 15, 30, 0, 123_000, tzinfo=UTC)),
        ("2020-01-02 9:30", datetime(2020, 1, 2, 9, 30, tzinfo=UTC)),
        ("2020/01/02", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2020/1/2 15:30", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("2020.01.02 15:30", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("20200102 153000", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("20200102 1530", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("20200102 15:30:00", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("20200102T153000Z", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("1577979000.0", datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        ("1577979000250.0", datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_usual_spellings(text: str, expected: datetime) -> None:
    assert from_milliseconds(read_time(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1/4/1999",
        "2020/13/01",
        "2020.1.2.3",
        "20201301",
        "2020-01-02 2500",
        "yesterday",
        "2020-13-01",
        "2020-02-30",
        "-5",
        "1e9",
        "nan",
        "9" * 30,
        "1.2.3",
        ".",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_time(text)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (date(2020, 1, 2), datetime(2020, 1, 2, tzinfo=UTC)),
        (datetime(2020, 1, 2, 15, 30), datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),  # noqa: DTZ001 - a text without a zone
        (
            datetime(2020, 1, 2, 15, 30, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2020, 1, 2, 20, 30, tzinfo=UTC),
        ),
        (1_577_979_000, datetime(2020, 1, 2, 15, 30, tzinfo=UTC)),
        (1_577_979_000.25, datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        (1_577_979_000_250_000_000, datetime(2020, 1, 2, 15, 30, 0, 250_000, tzinfo=UTC)),
        (20_200_102, datetime(2020, 1, 2, tzinfo=UTC)),
    ],
)
def test_values_of_typed_files(cell: object, expected: datetime) -> None:
    assert from_milliseconds(read_time(cell)) == expected


@pytest.mark.parametrize("cell", [True, None, time(9, 30), b"2020-01-02", float("nan"), -5])
def test_other_values_are_refused(cell: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_time(cell)


@pytest.mark.parametrize(
    ("day", "time_of_day"),
    [
        ("2020-01-02", "09:30"),
        (date(2020, 1, 2), time(9, 30)),
        (datetime(2020, 1, 2, tzinfo=UTC), "09:30:00"),
        (20_200_102, 93_000),
    ],
)
def test_a_date_and_a_time_of_day_are_one_time(day: object, time_of_day: object) -> None:
    together = read_time(joined(day, time_of_day))
    assert from_milliseconds(together) == datetime(2020, 1, 2, 9, 30, tzinfo=UTC)
