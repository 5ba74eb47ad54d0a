"""Candles from what a notebook holds: data frames, lists of datetimes, texts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from engine import Candles, DataError
from engine.dates import milliseconds_of
from tests.support.markets import DAY, NEW_YEAR, walk

TWO_DAYS = [NEW_YEAR, NEW_YEAR + DAY]
BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(TWO_DAYS, id="milliseconds"),
        pytest.param(np.array(TWO_DAYS, np.uint64), id="unsigned"),
        pytest.param(["2020-01-01", "2020-01-02T00:00:00Z"], id="texts"),
        pytest.param(["2020-01-01T01:00:00+01:00", "2020-01-02"], id="texts with an offset"),
        pytest.param([datetime(2020, 1, 1), datetime(2020, 1, 2)], id="naive"),  # noqa: DTZ001 - what is refused
        pytest.param([datetime(2020, 1, d, tzinfo=UTC) for d in (1, 2)], id="aware"),
        pytest.param([datetime(2020, 1, d, 1, tzinfo=BERLIN) for d in (1, 2)], id="elsewhere"),
        pytest.param(np.array(TWO_DAYS, "datetime64[ms]").astype("datetime64[ns]"), id="ns"),
        pytest.param(np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"), id="days"),
    ],
)
def test_times_of_any_kind(times: Any) -> None:
    found = milliseconds_of(times)
    assert found.dtype == np.int64
    assert found.tolist() == TWO_DAYS


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ([1.5, 2.5], "float64"),
        ([True, False], "bool"),
        (["yesterday"], "bar 0: its time"),
        ([datetime(2020, 1, 1, tzinfo=UTC), None], "bar 1: its time"),
        (np.array(["2020-01-01", "NaT"], "datetime64[D]"), "datetime64"),
        ([["2020-01-01"]], "not a column"),
    ],
)
def test_times_that_are_none_are_refused(times: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        milliseconds_of(times)


def test_columns_become_the_candles_they_are() -> None:
    whole = walk(20)
    found = Candles.from_columns(
        "SPY",
        "1d",
        whole.times.astype("datetime64[ms]"),
        open=whole.open.tolist(),
        high=whole.high.tolist(),
        low=whole.low,
        close=whole.close,
        volume=whole.volume.astype(np.int64),
    )
    assert found.fingerprint() == whole.fingerprint()


def test_a_missing_volume_is_none() -> None:
    found = Candles.from_columns("X", "1d", TWO_DAYS, [1, 1], [2, 2], [1, 1], [2, 2])
    assert found.volume.tolist() == [0.0, 0.0]


def test_columns_are_checked() -> None:
    with pytest.raises(DataError, match=r"bar 1 \(2020.*close lies outside"):
        Candles.from_columns("X", "1d", TWO_DAYS, [1, 1], [2, 1], [1, 2], [2, 1])
    with pytest.raises(DataError, match="column high has shape"):
        Candles.from_columns("X", "1d", TWO_DAYS, [1, 1], [2], [1, 1], [2, 1])


def test_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    days = pandas.date_range("2020-01-01", periods=2, tz="America/New_York")
    frame = pandas.DataFrame(
        {"Open": [1.0, 2.0], "High": [2.0, 3.0], "Low": [1.0, 2.0], "Close": [2.0, 2.5]}, index=days
    )
    found = Candles.from_columns(
        "X", "1d", frame.index, frame.Open, frame.High, frame.Low, frame.Close
    )
    assert found.times.tolist() == [time + 5 * DAY // 24 for time in TWO_DAYS]
    assert found.close.tolist() == [2.0, 2.5]
    with pytest.raises(DataError, match="bar 1: its time"):
        milliseconds_of(pandas.Series([days[0], pandas.NaT]))


def test_what_is_written_later_is_not_in_the_candles() -> None:
    """Candles that were checked once are not checked again."""
    moments = np.array(TWO_DAYS, np.int64)
    prices = np.array([100.0, 101.0])
    volume = np.array([5.0, 6.0])
    candles = Candles.from_columns(
        "SPY", "1d", moments, prices, prices, prices, prices, volume=volume
    )
    assert candles.is_usable
    moments[0], prices[1], volume[:] = TWO_DAYS[1], np.nan, -1.0
    candles.validate()
    assert candles.times.tolist() == TWO_DAYS
    assert candles.close.tolist() == [100.0, 101.0]
    assert candles.volume.tolist() == [5.0, 6.0]


def test_a_column_that_holds_no_numbers_is_named() -> None:
    prices = [100.0, 101.0]
    with pytest.raises(DataError, match="column high: expected numbers"):
        Candles.from_columns("SPY", "1d", TWO_DAYS, prices, ["a", "b"], prices, prices)
    with pytest.raises(DataError, match="column volume: expected numbers"):
        Candles.from_columns("SPY", "1d", TWO_DAYS, prices, prices, prices, prices, [{}, 1])
