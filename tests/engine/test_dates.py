from datetime import UTC, datetime

import numpy as np
import pytest

from engine.dates import end_of, start_of, time_strings
from engine.errors import DataError
from tests.support.markets import milliseconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2024-02-29T10:30", datetime(2024, 2, 29, 10, 30, tzinfo=UTC)),
        ("2024-02-29 10:30:05", datetime(2024, 2, 29, 10, 30, 5, tzinfo=UTC)),
        ("2024-02-29T10:30:05Z", datetime(2024, 2, 29, 10, 30, 5, tzinfo=UTC)),
        ("2024-02-29t10:30:05z", datetime(2024, 2, 29, 10, 30, 5, tzinfo=UTC)),
        ("2024-02-29T00:30:00+02:00", datetime(2024, 2, 28, 22, 30, tzinfo=UTC)),
        ("2024-02-29T00:30:00-0530", datetime(2024, 2, 29, 6, 0, tzinfo=UTC)),
        ("2024-02-29T10:30:05.250", datetime(2024, 2, 29, 10, 30, 5, 250_000, tzinfo=UTC)),
    ],
)
def test_dates_that_are_read(text: str, moment: datetime) -> None:
    assert start_of(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-02-30",
        "2024-13-01",
        "20240229",
        "2024-W09-4",
        "24-02-29",
        "2024-02-29T",
        "2024-02-29T25:00",
        "2024-02-29T10:30:61",
        "2024-02-29T10:30:00 UTC",
        " 2024-02-29",
        "2024-02-29\n",
        "٢٠٢٤-٠٢-٢٩",
        "0001-01-01T00:00:00+05:00",
        "2024-02-29T10:30:05." + "1" * 40,
    ],
)
def test_dates_that_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="ISO date"):
        start_of(text)


def test_an_end_without_a_time_is_the_end_of_that_utc_day() -> None:
    assert end_of("2024-01-31") == datetime(2024, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_an_end_with_a_time_is_that_time() -> None:
    assert end_of("2024-01-31T00:00") == datetime(2024, 1, 31, tzinfo=UTC)


def test_times_are_written_in_one_form() -> None:
    times = np.array(
        [0, milliseconds("2024-02-29T10:30:05.999+00:00"), milliseconds("1969-12-31T23:00:00Z")]
    )
    assert time_strings(times) == [
        "1970-01-01T00:00:00Z",
        "2024-02-29T10:30:05Z",
        "1969-12-31T23:00:00Z",
    ]


def test_no_times_are_no_strings() -> None:
    assert time_strings(np.empty(0, dtype=np.int64)) == []


@pytest.mark.parametrize("time", [2**62, -(2**62), 253_402_300_800_000])
def test_a_time_outside_four_digit_years_is_refused(time: int) -> None:
    with pytest.raises(DataError, match="bar 1") as refused:
        time_strings(np.array([0, time]))
    assert refused.value.bar == 1
