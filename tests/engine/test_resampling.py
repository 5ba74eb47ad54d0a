"""Longer bars from shorter ones, against pandas and against bars written out by hand."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.candles import PRICE_COLUMNS, Candles, from_milliseconds, to_milliseconds
from engine.resampling import divides, opening_times, resample
from engine.timeframes import HOUR, MINUTE, TIMEFRAMES

COLUMNS = ("times", *PRICE_COLUMNS, "volume")
PAIRS = [
    (shorter, longer) for longer in TIMEFRAMES for shorter in TIMEFRAMES if divides(shorter, longer)
]


def at(text: str) -> int:
    return to_milliseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def bars(timeframe: str, times: list[int] | np.ndarray, seed: int = 0) -> Candles:
    chance = np.random.default_rng(seed)
    count = len(times)
    low, high = np.sort(chance.uniform(50.0, 150.0, (2, count)), axis=0)
    opened, close = chance.uniform(low, high, (2, count))
    volume = chance.integers(0, 1000, count).astype(np.float64)
    return Candles("X", timeframe, np.asarray(times), opened, high, low, close, volume)


def in_sessions(timeframe: str, count: int, seed: int, start: str = "2019-12-25") -> Candles:
    """Bars with holes of random length, beginning anywhere inside a longer bar."""
    chance = np.random.default_rng(seed)
    length = TIMEFRAMES[timeframe]
    steps = np.where(chance.random(count) < 0.8, 1, chance.integers(1, 200, count))
    return bars(timeframe, at(start) + length * np.cumsum(steps), seed)


def by_pandas(candles: Candles, timeframe: str) -> pandas.DataFrame:
    frame = pandas.DataFrame(
        {name: getattr(candles, name) for name in (*PRICE_COLUMNS, "volume")},
        index=pandas.to_datetime(candles.times, unit="ms", utc=True),
    )
    if timeframe == "1w":
        grouped = frame.resample("W-MON", closed="left", label="left")
    else:
        grouped = frame.resample(
            pandas.Timedelta(milliseconds=TIMEFRAMES[timeframe]), origin="epoch"
        )
    return (
        grouped.agg(
            {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        )
        .dropna()
        .astype(float)
    )


@pytest.mark.parametrize(("shorter", "longer"), PAIRS)
def test_as_pandas_does_it_but_for_a_partial_last_bar(shorter: str, longer: str) -> None:
    candles = in_sessions(shorter, 2000, seed=PAIRS.index((shorter, longer)))
    expected = by_pandas(candles, longer)
    end = expected.index[-1] + pandas.Timedelta(milliseconds=TIMEFRAMES[longer])
    reached = candles.times[-1] + TIMEFRAMES[shorter]
    if from_milliseconds(reached) < end:
        expected = expected.iloc[:-1]
    made = resample(candles, longer)
    assert len(made) > 1
    assert made.timeframe == longer
    assert [made.time_of(bar) for bar in range(len(made))] == [
        time.to_pydatetime() for time in expected.index
    ]
    for name in (*PRICE_COLUMNS, "volume"):
        assert getattr(made, name).tolist() == expected[name].tolist(), name
    made.validate()


def test_a_bar_written_out_by_hand() -> None:
    times = [at("2020-01-01T10:15"), at("2020-01-01T10:30"), at("2020-01-01T10:45")]
    candles = Candles(
        "X",
        "15m",
        np.array(times),
        np.array([10.0, 12.0, 8.0]),
        np.array([11.0, 13.0, 9.0]),
        np.array([9.5, 11.0, 7.0]),
        np.array([10.5, 11.5, 8.5]),
        np.array([1.0, 2.0, 4.0]),
    )
    made = resample(candles, "1h")
    assert [getattr(made, name).tolist() for name in COLUMNS] == [
        [at("2020-01-01T10:00")],
        [10.0],
        [13.0],
        [7.0],
        [8.5],
        [7.0],
    ]


@pytest.mark.parametrize(
    ("last", "complete"),
    [("2020-01-01T10:45", True), ("2020-01-01T10:30", False), ("2020-01-01T11:00", True)],
)
def test_the_last_bar_must_reach_its_end(last: str, complete: bool) -> None:
    count = (at(last) - at("2020-01-01T09:00")) // (15 * MINUTE) + 1
    candles = bars("15m", [at("2020-01-01T09:00") + bar * 15 * MINUTE for bar in range(count)])
    opened = [at("2020-01-01T09:00"), *([at("2020-01-01T10:00")] if complete else [])]
    assert resample(candles, "1h").times.tolist() == opened


def test_a_session_that_is_over_shows_with_the_next_one() -> None:
    monday = [at("2020-01-06T14:30") + bar * 30 * MINUTE for bar in range(13)]
    tuesday = at("2020-01-07T14:30")
    assert len(resample(bars("30m", monday), "1d")) == 0
    assert resample(bars("30m", [*monday, tuesday]), "1d").times.tolist() == [at("2020-01-06")]


def test_weeks_begin_on_monday_though_it_be_a_holiday() -> None:
    days = ["2020-01-17", "2020-01-21", "2020-01-22", "2020-01-24", "2020-01-27"]
    made = resample(bars("1d", [at(day) for day in days]), "1w")
    assert made.times.tolist() == [at("2020-01-13"), at("2020-01-20")]


def test_a_week_that_never_closes_ends_with_its_sunday() -> None:
    days = [at("2020-01-06") + day * 24 * HOUR for day in range(7)]
    assert resample(bars("1d", days), "1w").times.tolist() == [at("2020-01-06")]
    assert len(resample(bars("1d", days[:6]), "1w")) == 0


def test_times_before_1970_round_down() -> None:
    times = np.array([-1, -TIMEFRAMES["1w"], 0], np.int64)
    assert [f"{from_milliseconds(t):%a %Y-%m-%d}" for t in opening_times(times, "1w")] == [
        "Mon 1969-12-29",
        "Mon 1969-12-22",
        "Mon 1969-12-29",
    ]
    assert opening_times(times, "8h")[0] == -8 * HOUR


@given(st.integers(min_value=-(2**40), max_value=2**42), st.sampled_from(list(TIMEFRAMES)))
def test_a_time_lies_in_its_bar(time: int, timeframe: str) -> None:
    (opening,) = opening_times(np.array([time], np.int64), timeframe)
    assert opening <= time < opening + TIMEFRAMES[timeframe]
    moment = from_milliseconds(opening)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if timeframe == "1w":
        assert (moment.weekday(), moment) == (0, midnight)
    else:
        assert (moment - midnight) % timedelta(milliseconds=TIMEFRAMES[timeframe]) == timedelta(0)


@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=1, max_value=300))
def test_by_way_of_a_timeframe_between_is_the_same(seed: int, count: int) -> None:
    candles = in_sessions("5m", count, seed)
    directly = resample(candles, "4h")
    by_hours = resample(resample(candles, "1h"), "4h")
    # An hour that is left out may hold the close of the last bar: only whole bars are the same.
    for bar in range(len(by_hours) - 1):
        for name in COLUMNS:
            assert getattr(by_hours, name)[bar] == getattr(directly, name)[bar]
    assert len(by_hours) <= len(directly)


@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=2, max_value=200))
def test_later_bars_change_nothing_that_was_there(seed: int, count: int) -> None:
    candles = in_sessions("15m", count, seed)
    whole = resample(candles, "1h")
    part = resample(candles.rows(0, count // 2), "1h")
    for name in COLUMNS:
        assert getattr(part, name).tolist() == getattr(whole, name)[: len(part)].tolist()


def test_volumes_are_added_from_left_to_right() -> None:
    volume = np.array([1e16, 1.0, 1.0, -0.0, 3.0, 1e-9])
    times = np.arange(6) * 10 * MINUTE + at("2020-01-01")
    candles = Candles("X", "5m", times, *[np.ones(6)] * 4, volume)
    expected = 0.0
    for value in volume:
        expected += value
    (made,) = resample(bars_until(candles), "1h").volume
    assert made == expected
    assert Fraction(made) != sum(Fraction(value) for value in volume), "it would show another order"


def bars_until(candles: Candles) -> Candles:
    """The same bars and one behind them, so that the last hour is complete."""
    one = candles.rows(0, 1)
    return Candles(
        "X",
        "5m",
        np.append(candles.times, candles.times[0] + HOUR),
        *(np.append(getattr(candles, name), getattr(one, name)) for name in COLUMNS[1:]),
    )


def test_no_bars_make_no_bars() -> None:
    made = resample(bars("1m", []), "1h")
    assert (len(made), made.timeframe, made.times.dtype) == (0, "1h", np.int64)


@pytest.mark.parametrize(
    ("shorter", "longer"), [("1h", "1h"), ("1d", "1h"), ("6h", "8h"), ("2h", "3m"), ("1w", "1d")]
)
def test_what_does_not_divide_is_refused(shorter: str, longer: str) -> None:
    assert not divides(shorter, longer)
    with pytest.raises(ValueError, match=f"{longer} bars cannot be made of {shorter} bars"):
        resample(bars(shorter, [0]), longer)


def test_what_is_no_timeframe_is_named() -> None:
    with pytest.raises(ValueError, match=r"timeframe: expected one of 1m .* 1w, got '2w'"):
        resample(bars("1d", [0]), "2w")


def test_what_divides_a_week() -> None:
    assert [name for name in TIMEFRAMES if divides(name, "1w")] == list(TIMEFRAMES)[:-1]
