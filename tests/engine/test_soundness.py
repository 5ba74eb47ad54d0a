"""The quick look at candles finds whatever the slow one complains of."""

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.candles import PRICE_COLUMNS, Candles
from engine.errors import DataError
from engine.soundness import check_usable
from tests.support.markets import candles_of_closes

BARS = 40
BAD = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0)


def sound() -> Candles:
    return candles_of_closes(np.linspace(100.0, 120.0, BARS))


def with_value(column: str, bar: int, value: float) -> Candles:
    candles = sound()
    values = getattr(candles, column).copy()
    values[bar] = value
    return replace(candles, **{column: values})


def test_sound_candles_pass() -> None:
    check_usable(sound())
    check_usable(sound().rows(0, 1))
    check_usable(sound().rows(0, 0))


@pytest.mark.parametrize("column", PRICE_COLUMNS)
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("bar", [0, 17, BARS - 1])
def test_a_price_that_is_none_is_named_with_its_bar(column: str, value: float, bar: int) -> None:
    with pytest.raises(DataError) as caught:
        check_usable(with_value(column, bar, value))
    assert caught.value.bar == bar


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_so_is_a_volume(value: float) -> None:
    with pytest.raises(DataError, match="volume") as caught:
        check_usable(with_value("volume", 5, value))
    assert caught.value.bar == 5


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1e308])
def test_any_other_volume_passes(value: float) -> None:
    check_usable(with_value("volume", 5, value))


@pytest.mark.parametrize("value", [5e-324, 1e308])
def test_prices_may_be_of_any_size(value: float) -> None:
    candles = sound()
    prices = np.full(BARS, value)
    check_usable(replace(candles, open=prices, high=prices, low=prices, close=prices))


def test_a_high_below_the_low_is_named() -> None:
    with pytest.raises(DataError, match="high is below low") as caught:
        check_usable(with_value("high", 9, 50.0))
    assert caught.value.bar == 9


@pytest.mark.parametrize("later", [0, -1])
def test_times_must_rise(later: int) -> None:
    candles = sound()
    times = candles.times.copy()
    times[7] = times[6] + later
    with pytest.raises(DataError, match="time") as caught:
        check_usable(replace(candles, times=times))
    assert caught.value.bar == 7


def test_the_first_bad_bar_is_named() -> None:
    candles = with_value("close", 20, math.nan)
    low = candles.low.copy()
    low[4] = -1.0
    with pytest.raises(DataError) as caught:
        check_usable(replace(candles, low=low))
    assert caught.value.bar == 4
