"""Indicators equal TA-Lib's, decide ties exactly, and know nothing of later bars."""

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from engine import indicators
from engine.simulation import FloatArray

Columns = tuple[FloatArray, FloatArray, FloatArray]

KINDS = ("random", "ticks", "flat", "steps", "jump")
LEVELS = (0.05, 1.0, 100.1, 61_234.5678)
PERIODS = (2, 3, 14, 20, 50, 200)


def prices(kind: str, level: float, bars: int = 1_200) -> Columns:
    """High, low and close: wandering, in ticks, flat, flat in steps, or with a crash."""
    rng = np.random.default_rng(7)
    close = level * np.exp(np.cumsum(rng.normal(0.0, 0.01, bars)))
    reach = 0.005
    if kind == "ticks":
        close = np.maximum(np.round(close, 2), 0.01)
    if kind == "flat":
        close = np.full(bars, level)
        reach = 0.0
    if kind == "steps":
        close = np.repeat(np.maximum(np.round(close[::30], 2), 0.01), 30)
        reach = 0.0
    if kind == "jump":
        close[bars // 2 :] *= 0.02
        close = np.maximum(close, 0.01)
    before = np.concatenate(([level], close[:-1]))
    return np.maximum(before, close) * (1 + reach), np.minimum(before, close) * (1 - reach), close


#: name, ours, TA-Lib's, and whether values are bounded (compared absolutely).
CASES: list[tuple[str, Callable[..., Any], Callable[..., Any], bool]] = [
    (
        "sma",
        lambda _h, _lo, c, n: indicators.sma(c, n),
        lambda _h, _lo, c, n: talib.SMA(c, n),
        False,
    ),
    (
        "ema",
        lambda _h, _lo, c, n: indicators.ema(c, n),
        lambda _h, _lo, c, n: talib.EMA(c, n),
        False,
    ),
    (
        "wma",
        lambda _h, _lo, c, n: indicators.wma(c, n),
        lambda _h, _lo, c, n: talib.WMA(c, n),
        False,
    ),
    (
        "rsi",
        lambda _h, _lo, c, n: indicators.rsi(c, n),
        lambda _h, _lo, c, n: talib.RSI(c, n),
        True,
    ),
    (
        "roc",
        lambda _h, _lo, c, n: indicators.roc(c, n),
        lambda _h, _lo, c, n: talib.ROC(c, n),
        True,
    ),
    (
        "atr",
        lambda h, lo, c, n: indicators.atr(h, lo, c, n),
        lambda h, lo, c, n: talib.ATR(h, lo, c, n),
        False,
    ),
    (
        "macd",
        lambda _h, _lo, c, n: indicators.macd(c, n, 2 * n + 3, 9),
        lambda _h, _lo, c, n: talib.MACD(c, n, 2 * n + 3, 9),
        False,
    ),
    (
        "bollinger",
        lambda _h, _lo, c, n: indicators.bollinger(c, n, 2.5),
        lambda _h, _lo, c, n: talib.BBANDS(c, n, 2.5, 2.5),
        False,
    ),
    (
        "stochastic",
        lambda h, lo, c, n: indicators.stochastic(h, lo, c, n, 3, 4),
        lambda h, lo, c, n: talib.STOCH(h, lo, c, n, 3, 0, 4, 0),
        True,
    ),
    (
        "stochRsi",
        lambda _h, _lo, c, n: indicators.stochastic_rsi(c, n, 5, 3),
        lambda _h, _lo, c, n: talib.STOCHRSI(c, n, 5, 3, 0),
        True,
    ),
]


def each(result: Any) -> tuple[FloatArray, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "ours", "theirs", "bounded"), CASES, ids=[c[0] for c in CASES])
def test_equal_to_talib(
    name: str, ours: Callable[..., Any], theirs: Callable[..., Any], bounded: bool, kind: str
) -> None:
    for level in LEVELS:
        columns = prices(kind, level)
        scale = 1.0 if bounded else columns[2]
        for period in PERIODS:
            pairs = zip(each(ours(*columns, period)), each(theirs(*columns, period)), strict=True)
            for value, expected in pairs:
                np.testing.assert_array_equal(
                    np.isnan(value), np.isnan(expected), err_msg=f"{name} {period} {level}"
                )
                worst = np.nanmax(np.abs(value - expected) / scale, initial=0.0)
                assert worst <= 1e-9, (name, period, level, worst)


@pytest.mark.parametrize(
    "values",
    [
        indicators.rsi(np.full(50, 7.3), 14),
        indicators.roc(np.full(50, 7.3), 10),
        indicators.stochastic_rsi(np.full(50, 7.3), 14, 5, 3).k,
        indicators.stochastic(*[np.full(50, 7.3)] * 3, 5, 3, 3).d,
        indicators.macd(np.full(50, 7.3), 12, 26, 9).histogram,
        indicators.atr(*[np.full(50, 7.3)] * 3, 14),
    ],
    ids=["rsi", "roc", "stochRsi", "stochastic", "macd", "atr"],
)
def test_a_flat_price_gives_zero(values: FloatArray) -> None:
    defined = values[~np.isnan(values)]
    assert len(defined) > 0
    assert set(defined.tolist()) == {0.0}


@pytest.mark.parametrize("price", [0.1, 7.3, 100.123456789, 1 / 3])
def test_averages_of_a_flat_price_are_the_price(price: float) -> None:
    flat = np.full(300, price)
    for average in (indicators.sma, indicators.ema, indicators.wma):
        for period in (1, 3, 7, 10, 49):
            assert set(average(flat, period)[period - 1 :].tolist()) == {price}
    bands = indicators.bollinger(flat, 20, 2.0)
    assert set(bands.upper[19:].tolist()) == set(bands.lower[19:].tolist()) == {price}


def cents(seed: int, bars: int) -> tuple[FloatArray, list[int]]:
    steps = np.random.default_rng(seed).integers(-3, 4, bars)
    ticks = (5_000 + np.cumsum(steps)).tolist()
    return np.array([tick / 100 for tick in ticks]), ticks


def exact_means(ticks: list[int], period: int) -> list[Fraction]:
    return [
        Fraction(sum(ticks[i - period + 1 : i + 1]), period) for i in range(period - 1, len(ticks))
    ]


@pytest.mark.parametrize(("fast", "slow"), [(5, 10), (10, 20), (7, 21), (3, 50)])
def test_ties_of_averages_are_those_of_exact_arithmetic(fast: int, slow: int) -> None:
    ties = 0
    for seed in range(4):
        close, ticks = cents(seed, 3_000)
        difference = indicators.sma(close, fast) - indicators.sma(close, slow)
        exact_fast = exact_means(ticks, fast)[slow - fast :]
        exact_slow = exact_means(ticks, slow)
        for ours, left, right in zip(difference[slow - 1 :], exact_fast, exact_slow, strict=True):
            assert (ours > 0) == (left > right)
            assert (ours < 0) == (left < right)
            ties += left == right
    assert ties > 3


def test_ties_of_price_and_average_are_exact() -> None:
    close, ticks = cents(11, 4_000)
    for average, weights in (
        (indicators.sma, [1] * 10),
        (indicators.wma, list(range(1, 11))),
    ):
        values = average(close, 10)
        ties = 0
        for bar in range(9, len(close)):
            window = ticks[bar - 9 : bar + 1]
            exact = Fraction(sum(w * t for w, t in zip(weights, window, strict=True)), sum(weights))
            assert (close[bar] > values[bar]) == (ticks[bar] > exact)
            assert (close[bar] < values[bar]) == (ticks[bar] < exact)
            ties += ticks[bar] == exact
        assert ties > 3


@pytest.mark.parametrize("kind", ["random", "ticks", "jump"])
def test_an_average_does_not_depend_on_where_the_data_began(kind: str) -> None:
    close = prices(kind, 100.1)[2]
    whole = indicators.sma(close, 20)
    for start in (1, 17, 640):
        np.testing.assert_array_equal(indicators.sma(close[start:], 20)[19:], whole[start + 19 :])


def plain_supertrend(
    columns: Columns, period: int, multiplier: float
) -> list[tuple[float, int] | None]:
    high, low, close = (column.tolist() for column in columns)
    ranges = talib.ATR(*columns, period).tolist()
    result: list[tuple[float, int] | None] = [None] * period
    upper = lower = float("nan")
    direction = -1
    for i in range(period, len(close)):
        middle = (high[i] + low[i]) / 2
        basic_upper, basic_lower = middle + multiplier * ranges[i], middle - multiplier * ranges[i]
        first = i == period
        upper = basic_upper if first or close[i - 1] > upper else min(basic_upper, upper)
        lower = basic_lower if first or close[i - 1] < lower else max(basic_lower, lower)
        if close[i] > upper:
            direction = 1
        elif close[i] < lower:
            direction = -1
        result.append((lower if direction == 1 else upper, direction))
    return result


@pytest.mark.parametrize("kind", ["random", "ticks", "steps", "jump"])
@pytest.mark.parametrize(("period", "multiplier"), [(10, 3.0), (2, 0.4), (7, 1.5)])
def test_supertrend_equals_a_plain_reading(kind: str, period: int, multiplier: float) -> None:
    columns = prices(kind, 100.1)
    ours = indicators.supertrend(*columns, period, multiplier)
    turns = 0
    for bar, expected in enumerate(plain_supertrend(columns, period, multiplier)):
        if expected is None:
            assert np.isnan(ours.value[bar])
            assert np.isnan(ours.direction[bar])
            continue
        assert ours.value[bar] == pytest.approx(expected[0], rel=1e-9)
        assert ours.direction[bar] == expected[1]
        turns += bar > period and ours.direction[bar] != ours.direction[bar - 1]
    assert turns > 5


def test_supertrend_starts_down() -> None:
    rising = np.linspace(100.0, 101.0, 40)
    direction = indicators.supertrend(rising + 1, rising - 1, rising, 10, 3.0).direction
    assert np.isnan(direction[:10]).all()
    assert set(direction[10:].tolist()) == {-1.0}


@pytest.mark.parametrize("period", [1, 2, 20, 500])
def test_donchian_looks_at_the_bars_before(period: int) -> None:
    high, low, _ = prices("ticks", 100.1)
    channel = indicators.donchian(high, low, period)
    assert np.isnan(channel.upper[:period]).all()
    assert np.isnan(channel.lower[:period]).all()
    for bar in range(period, len(high)):
        assert channel.upper[bar] == high[bar - period : bar].max()
        assert channel.lower[bar] == low[bar - period : bar].min()


def every_output(columns: Columns, period: int) -> dict[str, FloatArray]:
    found = {}
    for name, ours, _, _ in CASES:
        for position, values in enumerate(each(ours(*columns, period))):
            found[f"{name}{position}"] = values
    trend = indicators.supertrend(*columns, period, 2.0)
    channel = indicators.donchian(columns[0], columns[1], period)
    return found | {
        "value": trend.value,
        "direction": trend.direction,
        "upper": channel.upper,
        "lower": channel.lower,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_values_do_not_change_when_later_bars_do(kind: str) -> None:
    """Other prices, and prices of another form, follow the prefix."""
    columns = prices(kind, 100.1, 600)
    before = every_output(columns, 14)
    for factor in (3.0, 1 / 3):
        changed: Any = tuple(
            np.concatenate((column[:300], column[300:] * factor)) for column in columns
        )
        after = every_output(changed, 14)
        for name, values in before.items():
            np.testing.assert_array_equal(values[:300], after[name][:300], err_msg=name)


@pytest.mark.parametrize("bars", [0, 1, 5])
@pytest.mark.parametrize("period", [6, 2**31 - 1])
def test_a_period_beyond_the_data_has_no_value(bars: int, period: int) -> None:
    columns = prices("ticks", 100.1, 1_200)
    short = (columns[0][:bars], columns[1][:bars], columns[2][:bars])
    for name, values in every_output(short, period).items():
        assert len(values) == bars, name
        assert np.isnan(values).all(), name


def test_a_period_of_one_is_the_price_itself() -> None:
    close = prices("ticks", 100.1)[2]
    for average in (indicators.sma, indicators.ema, indicators.wma):
        np.testing.assert_array_equal(average(close, 1), close)


def test_large_values_keep_their_precision() -> None:
    volume = np.random.default_rng(5).integers(10**11, 10**13, 500).astype(np.float64)
    np.testing.assert_allclose(indicators.sma(volume, 50), talib.SMA(volume, 50), rtol=1e-14)


_PRINT_BITS = """
from tests.engine.test_indicators import every_output, prices
for kind in ("random", "ticks", "steps"):
    for name, values in every_output(prices(kind, 100.1, 300), 14).items():
        print(kind, name, values.tobytes().hex())
"""


def test_without_the_compiler_the_bits_are_the_same() -> None:
    def bits(**extra: str) -> str:
        return subprocess.run(
            [sys.executable, "-W", "error:::engine", "-c", _PRINT_BITS],
            env={**os.environ, **extra},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    compiled = bits()
    assert len(compiled) > 100_000
    assert bits(NUMBA_DISABLE_JIT="1") == compiled


@pytest.mark.parametrize("odd", [np.pi, 2.0**46 + 0.5, 1e-9])
@pytest.mark.parametrize("period", [1, 3, 20])
def test_one_price_that_is_no_decimal_changes_no_bit_before_it(period: int, odd: float) -> None:
    decimals = np.round(100.0 + np.random.default_rng(4).normal(0.0, 1.0, 300).cumsum(), 2)
    mixed = np.append(decimals, odd)
    np.testing.assert_array_equal(
        indicators.sma(mixed, period)[:-1], indicators.sma(decimals, period)
    )
