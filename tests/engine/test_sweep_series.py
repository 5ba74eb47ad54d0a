"""Indicators made tile by tile are those of whole columns, bit for bit."""

import random
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from engine import Candles
from engine.indicator_outputs import outputs
from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.simulation import FloatArray
from engine.sweeps import makers
from engine.sweeps.plane_kernels import TILE_BARS
from engine.sweeps.programs import Known, SeriesKey, series_of
from engine.sweeps.series import SeriesTable, first_defined, kept_numbers, series_bytes
from engine.sweeps.series_kernels import advance_series
from engine.sweeps.shared import Data, Shared
from tests.support.markets import every, rough, walk
from tests.support.random_variants import SOURCES, random_indicator

INDICATORS: TypeAdapter[Indicator] = TypeAdapter(Indicator)


def indicator(**fields: Any) -> Indicator:
    return INDICATORS.validate_python(fields)


def tiled(keys: list[SeriesKey], candles: Candles) -> tuple[SeriesTable, FloatArray]:
    """Every series over all bars, tile by tile; checks what is said to be defined throughout."""
    shared, data = Shared(candles), Data(0, candles, {})
    table = SeriesTable(keys, shared, data)
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    found = np.empty((len(keys), len(candles)))
    for first in range(0, len(candles), TILE_BARS):
        last = min(first + TILE_BARS, len(candles))
        advance_series(
            first, last, columns, table.makers, table.state, table.kept, table.places,
            table.totals, table.sources, table.values, table.is_clean,
        )  # fmt: skip
        tile = table.values[: len(keys), : last - first]
        found[:, first:last] = tile
        assert not (np.isnan(tile).any(axis=1) & table.is_clean[: len(keys)]).any()
    return table, found


def whole(key: SeriesKey, candles: Candles) -> FloatArray:
    if isinstance(key, str):
        column: FloatArray = getattr(candles, key)
        return column
    if isinstance(key, float):
        return np.full(len(candles), key)
    return outputs(key[0].indicator, candles)[key[1]]


def assert_same_bits(found: FloatArray, expected: FloatArray, what: object) -> None:
    defined = ~np.isnan(expected)
    assert (defined == ~np.isnan(found)).all(), what
    assert found[defined].tobytes() == expected[defined].tobytes(), what


@pytest.mark.parametrize("seed", range(8))
def test_every_series_is_that_of_whole_columns(seed: int) -> None:
    chance = random.Random(seed)
    bars = 2_100 + 97 * seed
    candles = rough(bars, seed) if seed % 2 else walk(bars, seed)
    some = [Known(indicator(**random_indicator(chance))) for _ in range(40)]
    keys: list[SeriesKey] = [
        series_of("x" + name, {"x": one}) for one in some for name in OUTPUTS[one.indicator.type]
    ]
    keys = [*dict.fromkeys(chance.sample(keys, 50)), "close", "volume", 3.5]
    _, found = tiled(keys, candles)
    for row, key in enumerate(keys):
        assert_same_bits(found[row], whole(key, candles), key)


@pytest.mark.parametrize("bars", [1, 2, 1023, 1024, 1025, 2048])
@pytest.mark.parametrize("period", [1, 2, 1023, 1024, 1025, 2047])
def test_periods_and_lengths_at_the_edges_of_tiles(bars: int, period: int) -> None:
    candles = walk(bars, 5)
    kinds = [
        *(indicator(type=kind, period=period) for kind in ("sma", "ema", "wma", "rsi", "roc")),
        *(indicator(type=kind, period=period) for kind in ("bollinger", "atr", "donchian")),
        indicator(type="macd", fast=1, slow=period + 1, signal=period),
        indicator(type="supertrend", period=period, multiplier=2.0),
        indicator(type="stochastic", fastK=period, slowK=3, slowD=2),
        indicator(type="stochastic", fastK=3, slowK=period, slowD=period),
        indicator(type="stochRsi", period=2, fastK=period, fastD=4),
        indicator(type="stochRsi", period=period, fastK=2, fastD=period),
    ]
    keys: list[SeriesKey] = [
        (one, name)
        for one in map(Known, kinds)
        for name in OUTPUTS[one.indicator.type]
        if (one.indicator.type, name) != STRAY
    ]
    _, found = tiled(keys, candles)
    for row, key in enumerate(keys):
        assert_same_bits(found[row], whole(key, candles), key)


#: Another name of the first output, which no series has of its own.
STRAY = ("stochRsi", ".k")


@pytest.mark.parametrize("source", SOURCES)
def test_averages_of_whole_prices_come_from_running_totals(source: str) -> None:
    average = indicator(type="sma", period=20, source=source)
    table, _ = tiled([(Known(average), "")], walk(50))
    assert table.makers[0, makers.M_KIND] == makers.WHOLE_AVERAGE
    assert table.totals.shape == (1, 20 + 1 + TILE_BARS)


@pytest.mark.parametrize(
    ("candles", "period"),
    [
        (rough(3_000, 1), 20),  # Prices with more digits than are counted.
        (walk(20_000, 1), 17_000),  # Further back than totals are kept.
        (Candles.from_closes("X", "1d", every("1d", 3_000), np.full(3_000, 9e7)), 20),
    ],
)
def test_other_averages_are_summed_as_pairs(candles: Candles, period: int) -> None:
    average = indicator(type="sma", period=period)
    table, found = tiled([(Known(average), "")], candles)
    assert table.makers[0, makers.M_KIND] == makers.SIMPLE_AVERAGE
    assert_same_bits(found[0], outputs(average, candles)[""], average)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_first_value_is_where_it_is_expected(kind: str) -> None:
    """What is never defined is not made at all, so this has to be right."""
    one = indicator(type=kind, **({} if kind not in ("sma", "ema", "wma") else {"period": 9}))
    values = np.vstack(list(outputs(one, walk(300)).values()))
    defined = np.flatnonzero((~np.isnan(values)).any(axis=0))
    assert defined[0] == first_defined(one)


def test_what_is_never_defined_takes_nothing_and_is_undefined() -> None:
    one = indicator(type="donchian", period=2_000_000_000)
    assert kept_numbers(one, 100) == (0, 0)
    known = Known(one)
    table, found = tiled([(known, ".upper"), (known, ".lower")], walk(100))
    assert np.isnan(found).all()
    assert len(table.places) == 0


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_memory_of_series_is_told_beforehand(kind: str) -> None:
    """Batches are cut by it."""
    one = indicator(type=kind, **({} if kind not in ("sma", "ema", "wma") else {"period": 9}))
    known = Known(one)
    keys: list[SeriesKey] = [(known, name) for name in OUTPUTS[kind] if (kind, name) != STRAY]
    table, _ = tiled(keys, walk(300))
    own = (table.makers, table.state, table.kept, table.places, table.values[1:])
    told = sum(series_bytes(key, 300) for key in keys)
    assert sum(array.nbytes for array in own) <= told


def test_the_columns_are_numbered_as_the_kernels_take_them() -> None:
    assert COLUMNS == ("open", "high", "low", "close", "volume")
