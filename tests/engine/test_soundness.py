"""The quick look at candles finds whatever the slow one complains of."""

import contextlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine import soundness
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


@pytest.mark.parametrize("value", BAD)
def test_plain_python_names_it_without_a_warning(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncompiled, zero less one is a wrap that NumPy warns of."""
    quick = soundness._are_usable
    monkeypatch.setattr(soundness, "_are_usable", getattr(quick, "py_func", quick))
    check_usable(sound())
    with pytest.raises(DataError, match="close is not a positive finite price") as caught:
        check_usable(with_value("close", 17, value))
    assert caught.value.bar == 17


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


def looks_at(candles: Candles, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often two checks of ``candles`` look at their bars."""
    looks: list[int] = []
    quick = soundness._are_usable

    def counted(*columns: Any) -> bool:
        looks.append(len(columns[0]))
        return quick(*columns)

    monkeypatch.setattr(soundness, "_are_usable", counted)
    for _ in range(2):
        with contextlib.suppress(DataError):
            check_usable(candles)
    return len(looks)


def test_sound_candles_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks_at(sound(), monkeypatch) == 1


def test_bad_candles_are_refused_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = with_value("close", 20, math.nan)
    assert looks_at(bad, monkeypatch) == 2
    assert not bad.is_usable


def test_what_only_the_slow_look_lets_pass_is_looked_at_once_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert looks_at(with_value("volume", 5, -0.0), monkeypatch) == 1


def test_checked_candles_and_their_parts_are_known_to_be_usable() -> None:
    candles = sound()
    assert not candles.is_usable
    assert not candles.rows(3, 9).is_usable
    candles.validate()
    assert candles.is_usable
    assert candles.rows(3, 9).is_usable
    assert candles.between(candles.time_of(5), None).is_usable


def test_a_sound_part_says_nothing_of_the_whole() -> None:
    candles = with_value("close", 20, math.nan)
    check_usable(candles.rows(0, 20))
    assert not candles.is_usable
    with pytest.raises(DataError):
        check_usable(candles)
    with pytest.raises(DataError):
        check_usable(candles.rows(20, 30))


def test_a_changed_copy_is_looked_at_anew() -> None:
    candles = sound()
    check_usable(candles)
    changed = replace(candles, low=-candles.low)
    assert not changed.is_usable
    with pytest.raises(DataError):
        check_usable(changed)
