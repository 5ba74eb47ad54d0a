"""What every place for candles promises: a directory and a bucket alike."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.candles import Candles, to_milliseconds
from engine.errors import DataError
from engine.resampling import resample
from engine.timeframes import TIMEFRAMES
from tests.support.patience import PATIENCE_SECONDS
from worker.adapters.candle_files import CandleFiles
from worker.adapters.gcs import GcsCandles
from worker.adapters.gcs.download_cache import DownloadCache
from worker.jobs.errors import ErrorCode, JobFailure
from worker.ports import CandleLibrary

START = datetime(2020, 1, 6, tzinfo=UTC)  # a Monday
COLUMNS = ("times", "open", "high", "low", "close", "volume")


@pytest.fixture(params=["directory", "bucket", "prefix in a bucket"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> CandleLibrary:
    if request.param == "directory":
        return CandleFiles(tmp_path / "candles")
    bucket = request.getfixturevalue("bucket")
    prefix = "/some/where" if request.param == "prefix in a bucket" else ""
    return GcsCandles(f"gs://{bucket}{prefix}", DownloadCache(tmp_path / "cache", 10**9))


def bars(
    symbol: str = "X", timeframe: str = "1d", count: int = 5, price: float = 10.0, seed: int = 0
) -> Candles:
    chance = np.random.default_rng(seed)
    times = to_milliseconds(START) + TIMEFRAMES[timeframe] * np.arange(count)
    low, opened, close, high = price + np.sort(chance.uniform(0, 1, (4, count)), axis=0)
    return Candles(symbol, timeframe, times, opened, high, low, close, np.arange(count) * 1.0)


def same(one: Candles, other: Candles) -> bool:
    return all(getattr(one, name).tolist() == getattr(other, name).tolist() for name in COLUMNS)


def missing(library: CandleLibrary, symbol: str, timeframe: str, *days: int) -> str:
    start, end = (START + timedelta(days=day) for day in days) if days else (None, None)
    with pytest.raises(JobFailure) as caught:
        library.load(symbol, timeframe, start, end)
    assert caught.value.code is ErrorCode.DATA_NOT_FOUND
    return caught.value.message


def test_what_is_stored_is_what_is_loaded(library: CandleLibrary) -> None:
    stored = bars()
    library.replace(stored)
    loaded = library.load("X", "1d", None, None)
    assert same(loaded, stored)
    assert (loaded.symbol, loaded.timeframe) == ("X", "1d")
    assert loaded.times.dtype == np.int64
    assert loaded.fingerprint() == stored.fingerprint()


def test_both_ends_are_inclusive_and_either_may_stay_open(library: CandleLibrary) -> None:
    library.replace(bars())
    second, fourth = START + timedelta(days=1), START + timedelta(days=3)
    assert library.load("X", "1d", second, fourth).volume.tolist() == [1.0, 2.0, 3.0]
    assert library.load("X", "1d", None, second).volume.tolist() == [0.0, 1.0]
    assert library.load("X", "1d", fourth, None).volume.tolist() == [3.0, 4.0]


def test_a_new_series_is_seen_at_once_and_an_open_one_stays(library: CandleLibrary) -> None:
    library.replace(bars(price=100.0))
    held = library.load("X", "1d", None, None)
    for turn in range(1, 4):
        newer = bars(price=100.0 * turn, count=5 + turn, seed=turn)
        library.replace(newer)
        assert same(library.load("X", "1d", None, None), newer)
    assert same(held, bars(price=100.0))


def test_writing_into_loaded_candles_does_not_change_the_store(library: CandleLibrary) -> None:
    library.replace(bars())
    library.load("X", "1d", None, None).close[0] = 99.0
    assert same(library.load("X", "1d", None, None), bars())


def test_prices_are_mapped_not_copied(library: CandleLibrary) -> None:
    library.replace(bars(count=1000))
    base: object = library.load("X", "1d", None, None).close
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_nothing_is_held_at_first(library: CandleLibrary) -> None:
    assert library.entries() == []
    assert missing(library, "ZZ", "1d") == "No candles for ZZ 1d; nothing is held for ZZ."


def test_a_symbol_in_small_letters_is_told_of_the_one_in_capitals(library: CandleLibrary) -> None:
    library.replace(bars("AAPL"))
    library.replace(bars("btc"))
    assert missing(library, "aapl", "1d") == (
        "No candles for aapl 1d; nothing is held for aapl, but AAPL is held."
    )
    assert missing(library, "BTC", "1d") == "No candles for BTC 1d; nothing is held for BTC."
    assert missing(library, "msft", "1d") == "No candles for msft 1d; nothing is held for msft."


def test_what_is_missing_and_what_is_held_are_named(library: CandleLibrary) -> None:
    library.replace(bars("Y", "1w"))
    library.replace(bars())
    assert missing(library, "X", "1h", 0, 1) == (
        "No candles for X 1h from 2020-01-06 to 2020-01-07; held: 1d from 2020-01-06 to 2020-01-10."
    )
    assert missing(library, "X", "1d", 400, 500) == (
        "No candles for X 1d from 2021-02-09 to 2021-05-20; held: 2020-01-06 to 2020-01-10."
    )


@pytest.mark.parametrize("symbol", ["../X", "", "a b", "X\x00", "/etc", "X" * 500])
def test_a_name_that_cannot_be_stored_is_just_not_there(
    library: CandleLibrary, symbol: str
) -> None:
    assert len(missing(library, symbol, "1d")) < 200
    with pytest.raises(ValueError, match="symbol"):
        library.replace(bars(symbol))
    assert library.entries() == []


@pytest.mark.parametrize("timeframe", ["", "2d", "../1d", "1D"])
def test_a_timeframe_that_does_not_exist_is_just_not_there(
    library: CandleLibrary, timeframe: str
) -> None:
    library.replace(bars())
    assert f"No candles for X {timeframe}" in missing(library, "X", timeframe)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "^GSPC", "BRK.B", "EURUSD=X", ".", ".X", "X:Y"])
def test_every_symbol_has_a_place_of_its_own(library: CandleLibrary, symbol: str) -> None:
    library.replace(bars(symbol))
    library.replace(bars("X", price=50.0))
    assert [entry.symbol for entry in library.entries()] == sorted([symbol, "X"])
    assert same(library.load(symbol, "1d", None, None), bars(symbol))


def test_a_symbol_that_begins_like_another_is_another(library: CandleLibrary) -> None:
    library.replace(bars("XY", "1h"))
    assert missing(library, "X", "1d") == "No candles for X 1d; nothing is held for X."


def test_a_listing_is_sorted_and_says_what_is_held(library: CandleLibrary) -> None:
    names = [("B", "1d"), ("A", "1w"), ("A", "1h"), ("A", "15m")]
    stored = {name: library.replace(bars(*name)) for name in names}
    listed = library.entries()
    assert listed == [
        stored[name] for name in [("A", "15m"), ("A", "1h"), ("A", "1w"), ("B", "1d")]
    ]
    last = listed[-1]
    assert (last.rows, last.first, last.last) == (5, START, START + timedelta(days=4))
    assert last.fingerprint == bars("B").fingerprint()


@pytest.mark.parametrize(
    "column", [{"low": np.full(5, 50.0)}, {"close": np.full(5, np.nan)}, {"times": np.zeros(5)}]
)
def test_bars_that_no_run_could_use_are_not_stored(
    library: CandleLibrary, column: dict[str, np.ndarray]
) -> None:
    stored = library.replace(bars())
    with pytest.raises(DataError, match=r"bar [01]"):
        library.replace(replace(bars(), **column))
    assert library.entries() == [stored]
    assert same(library.load("X", "1d", None, None), bars())


class TestResampling:
    """A timeframe that is not stored comes from a shorter one."""

    def test_it_is_made_of_what_is_stored(self, library: CandleLibrary) -> None:
        hours = bars(timeframe="1h", count=100)
        library.replace(hours)
        made = library.load("X", "4h", None, None)
        assert (made.symbol, made.timeframe, len(made)) == ("X", "4h", 25)
        assert same(made, resample(hours, "4h"))
        assert made.fingerprint() == resample(hours, "4h").fingerprint()

    def test_a_stored_timeframe_is_never_made(self, library: CandleLibrary) -> None:
        library.replace(bars(timeframe="1h", count=100))
        library.replace(bars(timeframe="4h", count=3, price=77.0))
        assert same(library.load("X", "4h", None, None), bars(timeframe="4h", count=3, price=77.0))

    @pytest.mark.parametrize(
        ("stored", "asked", "source"),
        [
            (["1m", "1h", "4h"], "1d", "4h"),
            (["1m", "1h", "6h"], "8h", "1h"),
            (["3m", "5m"], "15m", "5m"),
            (["3m", "5m"], "1h", "5m"),
            (["1h", "1d"], "1w", "1d"),
            (["1h", "1w"], "1d", "1h"),
        ],
    )
    def test_the_longest_bars_that_divide_are_taken(
        self, library: CandleLibrary, stored: list[str], asked: str, source: str
    ) -> None:
        series = {name: bars(timeframe=name, count=600, seed=len(name)) for name in stored}
        for candles in series.values():
            library.replace(candles)
        assert same(library.load("X", asked, None, None), resample(series[source], asked))

    @pytest.mark.parametrize("hours", [0, 1, 3, 5, 8])
    def test_a_bar_is_whole_wherever_the_range_begins_or_ends(
        self, library: CandleLibrary, hours: int
    ) -> None:
        library.replace(bars(timeframe="1h", count=100))
        start, end = START + timedelta(hours=hours), START + timedelta(hours=hours + 30)
        whole = library.load("X", "4h", None, None)
        assert same(library.load("X", "4h", start, end), whole.between(start, end))

    def test_a_range_that_the_longest_do_not_hold_comes_from_shorter_ones(
        self, library: CandleLibrary
    ) -> None:
        hours = bars(timeframe="1h", count=100)
        library.replace(hours)
        later = bars(timeframe="4h", count=10)
        library.replace(replace(later, times=later.times + 1000 * TIMEFRAMES["1d"]))
        end = START + timedelta(days=2)
        assert same(library.load("X", "8h", None, end), resample(hours, "8h").between(None, end))

    @pytest.mark.parametrize(("count", "days"), [(24, 1), (47, 1), (48, 2), (23, None)])
    def test_a_partial_last_bar_does_not_appear(
        self, library: CandleLibrary, count: int, days: int | None
    ) -> None:
        library.replace(bars(timeframe="1h", count=count))
        if days is None:
            assert "held: 1h from 2020-01-06 to" in missing(library, "X", "1d")
        else:
            assert len(library.load("X", "1d", None, None)) == days

    def test_what_cannot_be_made_names_what_is_held(self, library: CandleLibrary) -> None:
        library.replace(bars(timeframe="6h", count=8))
        library.replace(bars(timeframe="1w"))
        assert missing(library, "X", "8h", 0, 1) == (
            "No candles for X 8h from 2020-01-06 to 2020-01-07; "
            "held: 6h from 2020-01-06 to 2020-01-07T18:00:00Z, 1w from 2020-01-06 to 2020-02-03."
        )


def test_many_readers_and_a_writer(library: CandleLibrary, at_once: Callable[..., list]) -> None:
    series = [bars(price=100.0 * (turn + 1), seed=turn) for turn in range(8)]
    library.replace(series[0])
    known = {candles.fingerprint() for candles in series}

    def write() -> set[str]:
        return {library.replace(candles).fingerprint for candles in series}

    def read() -> set[str]:
        return {library.load("X", "1d", None, None).fingerprint() for _ in range(12)}

    for seen in at_once(write, read, read):
        assert seen <= known
    assert same(library.load("X", "1d", None, None), series[-1])


@pytest.fixture
def at_once() -> Callable[..., list]:
    from concurrent.futures import ThreadPoolExecutor

    def run(*calls: Callable[[], object]) -> list:
        with ThreadPoolExecutor(len(calls)) as pool:
            return [
                future.result(timeout=PATIENCE_SECONDS)
                for future in [pool.submit(call) for call in calls]
            ]

    return run
