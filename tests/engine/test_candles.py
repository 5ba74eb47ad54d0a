from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.candles import Candles, from_milliseconds, to_milliseconds
from engine.errors import DataError
from tests.support.markets import DAY, NEW_YEAR, walk

PRICES = ("open", "high", "low", "close")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def broken(name: str, bar: int, value: float) -> Candles:
    candles = walk(10)
    column = getattr(candles, name).copy()
    column[bar] = value
    return replace(candles, **{name: column})


def test_sound_bars_pass() -> None:
    walk(50).validate()
    walk(50).validate_usable()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1.0])
@pytest.mark.parametrize("name", PRICES)
def test_a_price_that_is_none_is_refused_with_its_bar(name: str, value: float) -> None:
    for check in ("validate", "validate_usable"):
        with pytest.raises(DataError, match=r"bar 7 \(2020-01-08T00:00:00Z\)") as refused:
            getattr(broken(name, 7, value), check)()
        assert refused.value.bar == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_volume_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="volume"):
        broken("volume", 3, value).validate_usable()


def test_high_below_low_is_refused() -> None:
    candles = walk(10)
    with pytest.raises(DataError, match="high is below low") as refused:
        broken("high", 4, candles.low[4] * 0.99).validate_usable()
    assert refused.value.bar == 4


@pytest.mark.parametrize("shift", [0, -DAY])
def test_times_must_rise(shift: int) -> None:
    candles = walk(10)
    times = candles.times.copy()
    times[5] = times[4] + shift
    with pytest.raises(DataError, match="not after") as refused:
        replace(candles, times=times).validate_usable()
    assert refused.value.bar == 5


def test_the_first_bad_bar_is_the_one_that_is_named() -> None:
    low = broken("low", 8, -1.0)
    close = low.close.copy()
    close[2] = np.nan
    with pytest.raises(DataError, match="close is not") as refused:
        replace(low, close=close).validate()
    assert refused.value.bar == 2


@pytest.mark.parametrize("name", ["open", "close"])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_price_outside_its_bar_is_refused_on_import_but_can_be_run(
    name: str, factor: float
) -> None:
    candles = walk(10)
    odd = broken(name, 1, getattr(candles, name)[1] * factor)
    with pytest.raises(DataError, match=f"{name} lies outside"):
        odd.validate()
    odd.validate_usable()


def test_a_time_that_no_calendar_knows_is_named_by_its_bar_alone() -> None:
    candles = walk(3)
    times = candles.times.copy()
    times[2] = 2**62
    with pytest.raises(DataError, match="bar 2: "):
        replace(candles, times=times, close=np.array([1.0, 1.0, np.nan])).validate_usable()


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="column low"):
        replace(walk(10), low=np.ones(9))


def test_both_ends_belong_to_a_range() -> None:
    part = walk(10).between(FIRST + timedelta(days=2), FIRST + timedelta(days=5))
    assert part.times.tolist() == [NEW_YEAR + day * DAY for day in (2, 3, 4, 5)]
    assert part.close.tolist() == walk(10).close[2:6].tolist()


def test_a_range_may_be_open_on_either_side() -> None:
    candles = walk(10)
    assert len(candles.between(None, None)) == 10
    assert len(candles.between(FIRST + timedelta(days=7), None)) == 3
    assert len(candles.between(None, FIRST + timedelta(days=7))) == 8


@pytest.mark.parametrize(("first", "last"), [(20, 30), (-9, -3), (5, 4)])
def test_a_range_without_bars_is_empty(first: int, last: int) -> None:
    part = walk(10).between(FIRST + timedelta(days=first), FIRST + timedelta(days=last))
    assert len(part) == 0


def test_microseconds_beside_a_bar_decide_whether_it_is_in() -> None:
    microsecond = timedelta(microseconds=1)
    assert len(walk(10).between(FIRST + microsecond, None)) == 9
    assert len(walk(10).between(None, FIRST - microsecond)) == 0
    assert len(walk(10).between(FIRST - microsecond, FIRST + microsecond)) == 1


def test_every_column_has_one_layout() -> None:
    frozen = np.arange(1.0, 21.0)
    frozen.setflags(write=False)
    candles = Candles(
        "X", "1d", np.arange(10, dtype=np.int32), *[frozen[::2]] * 4, np.ones(10, np.float32)
    )
    assert candles.times.dtype == np.int64
    for name in (*PRICES, "volume"):
        column = getattr(candles, name)
        assert column.dtype == np.float64
        assert column.flags.c_contiguous
        assert column.flags.writeable


def test_a_price_path_moves_inside_no_bar() -> None:
    candles = Candles.from_closes("X", "1d", [0, DAY], [5.0, 6.0])
    for name in PRICES:
        assert getattr(candles, name).tolist() == [5.0, 6.0]
    assert candles.volume.tolist() == [0.0, 0.0]


def test_the_fingerprint_is_that_of_the_content() -> None:
    candles = walk(10)
    assert candles.fingerprint().startswith("sha256:")
    assert len(candles.fingerprint()) == 7 + 64
    assert candles.fingerprint() == replace(walk(10), symbol="OTHER").fingerprint()
    part = candles.rows(2, 8)
    assert part.fingerprint() == replace(part, close=part.close.copy()).fingerprint()
    assert part.fingerprint() != candles.fingerprint()


@pytest.mark.parametrize("name", ["times", *PRICES, "volume"])
def test_one_changed_value_changes_the_fingerprint(name: str) -> None:
    candles = walk(10)
    column = getattr(candles, name).copy()
    column[9] += 1
    assert replace(candles, **{name: column}).fingerprint() != candles.fingerprint()


def test_minus_zero_volume_is_zero_volume() -> None:
    candles = walk(3)
    plus, minus = replace(candles, volume=np.zeros(3)), replace(candles, volume=-np.zeros(3))
    assert plus.fingerprint() == minus.fingerprint()


@pytest.mark.parametrize("time", [0, 1, -1, NEW_YEAR + 999, -62_135_596_800_000])
def test_times_go_there_and_back(time: int) -> None:
    assert to_milliseconds(from_milliseconds(time)) == time


def test_a_notebook_shows_what_candles_are_and_not_every_price() -> None:
    assert repr(walk(3)) == (
        "Candles('SPY', '1d', 3 bars, bar 0 (2020-01-01T00:00:00Z) … bar 2 (2020-01-03T00:00:00Z))"
    )
    assert repr(walk(3).rows(0, 0)) == "Candles('SPY', '1d', 0 bars)"
