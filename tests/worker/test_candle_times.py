"""The spellings of a time that candle files come with."""

from datetime import UTC, datetime

import pytest

from engine.candles import from_milliseconds
from worker.candle_times import read_time


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
    ],
)
def test_usual_spellings(text: str, expected: datetime) -> None:
    assert from_milliseconds(read_time(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1/4/1999",
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
