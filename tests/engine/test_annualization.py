import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.annualization import bars_per_year, trades_around_the_clock
from engine.timeframes import TIMEFRAMES, Timeframe
from tests.support.markets import DAY, NEW_YEAR, every

#: 2020-01-04.
SATURDAY = NEW_YEAR + 3 * DAY


def weekdays(count: int) -> NDArray[np.int64]:
    days = every("1d", 2 * count)
    return days[(days // DAY + 3) % 7 < 5][:count]


def auto(timeframe: Timeframe, times: NDArray[np.int64], *, is_price_path: bool = False) -> float:
    return bars_per_year("auto", timeframe, times, is_price_path=is_price_path)


@pytest.mark.parametrize(
    ("timeframe", "bars"),
    [("1m", 525_600), ("5m", 105_120), ("1h", 8_760), ("4h", 2_190), ("1d", 365), ("1w", 52)],
)
def test_a_market_that_never_closes(timeframe: Timeframe, bars: float) -> None:
    count = 20 * DAY // TIMEFRAMES[timeframe] + 14
    assert auto(timeframe, every(timeframe, count)) == bars


@pytest.mark.parametrize(
    ("timeframe", "bars"),
    [
        ("1m", 98_280),
        ("5m", 19_656),
        ("1h", 1_638),
        ("2h", 819),
        ("4h", 409.5),
        ("6h", 273),
        ("8h", 252),
        ("12h", 252),
        ("1d", 252),
        ("1w", 52),
    ],
)
def test_a_market_of_sessions(timeframe: Timeframe, bars: float) -> None:
    assert auto(timeframe, weekdays(100)) == bars


def test_a_number_is_taken_as_it_is() -> None:
    assert bars_per_year(123.5, "1m", every("1d", 100), is_price_path=False) == 123.5


@pytest.mark.parametrize(("saturdays", "expected"), [(1, False), (2, True)])
def test_more_than_one_bar_in_twenty_on_a_saturday(saturdays: int, expected: bool) -> None:
    times = weekdays(20)
    times[:saturdays] = SATURDAY + np.arange(saturdays) * 1000
    assert trades_around_the_clock(times) is expected


@pytest.mark.parametrize(("count", "bars"), [(13, 252), (14, 365)])
def test_fewer_than_fourteen_bars_count_as_sessions(count: int, bars: float) -> None:
    assert auto("1d", every("1d", count)) == bars


def test_a_price_path_counts_as_sessions() -> None:
    assert auto("1d", every("1d", 100), is_price_path=True) == 252
    assert auto("1h", every("1h", 1000), is_price_path=True) == 1638


def test_saturday_begins_and_ends_in_utc() -> None:
    inside = np.array([SATURDAY, SATURDAY + DAY - 1])
    outside = np.array([SATURDAY - 1, SATURDAY + DAY])
    assert trades_around_the_clock(np.tile(inside, 10))
    assert not trades_around_the_clock(np.tile(outside, 10))


def test_saturdays_before_1970_are_saturdays() -> None:
    assert trades_around_the_clock(np.full(20, SATURDAY - 5000 * 7 * DAY))


@settings(deadline=None)
@given(
    hours=st.lists(st.integers(-2_000_000, 2_000_000), min_size=14, max_size=60),
    near=st.booleans(),
    is_sorted=st.booleans(),
)
def test_saturdays_are_counted_bar_by_bar(hours: list[int], near: bool, is_sorted: bool) -> None:
    """Whether neighbours share their days or not, and in whatever order they come."""
    chosen = [hour % 200 for hour in hours] if near else hours
    times = np.array(sorted(chosen) if is_sorted else chosen) * TIMEFRAMES["1h"]
    saturdays = sum(time // DAY % 7 == SATURDAY // DAY % 7 for time in times.tolist())
    assert trades_around_the_clock(times) == (saturdays * 20 > len(times))
