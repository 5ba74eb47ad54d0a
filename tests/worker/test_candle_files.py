"""The candle library: what is loaded, what is missing, and what a broken file does."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.candles import Candles
from engine.errors import DataError
from worker.adapters.candle_files import CandleFiles
from worker.jobs.errors import ErrorCode, JobFailure

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = 86_400_000


def candles(
    symbol: str = "X", timeframe: str = "1d", count: int = 5, price: float = 10.0
) -> Candles:
    first = int(START.timestamp() * 1000)
    return Candles.from_closes(
        symbol,
        timeframe,
        [first + i * DAY for i in range(count)],
        [price + i for i in range(count)],
    )


@pytest.fixture
def library(tmp_path: Path) -> CandleFiles:
    return CandleFiles(tmp_path)


def missing(library: CandleFiles, symbol: str, timeframe: str, *days: int | None) -> str:
    start, end = (None if day is None else START + timedelta(days=day) for day in days)
    with pytest.raises(JobFailure) as caught:
        library.load(symbol, timeframe, start, end)
    assert caught.value.code is ErrorCode.DATA_NOT_FOUND
    return caught.value.message


def test_what_is_stored_is_what_is_loaded(library: CandleFiles) -> None:
    stored = Candles(
        "X",
        "1d",
        np.array([0, DAY]),
        np.array([10.0, 11.0]),
        np.array([12.0, 13.0]),
        np.array([9.0, 10.5]),
        np.array([11.0, 12.25]),
        np.array([1e12, 0.0]),
    )
    library.replace(stored)
    loaded = library.load("X", "1d", None, None)
    for column in ("times", "open", "high", "low", "close", "volume"):
        assert getattr(loaded, column).tolist() == getattr(stored, column).tolist()
    assert loaded.times.dtype == np.int64
    assert loaded.fingerprint() == stored.fingerprint()


def test_both_ends_are_inclusive(library: CandleFiles) -> None:
    library.replace(candles())
    loaded = library.load("X", "1d", START + timedelta(days=1), START + timedelta(days=3))
    assert loaded.close.tolist() == [11.0, 12.0, 13.0]


def test_a_side_may_stay_open(library: CandleFiles) -> None:
    library.replace(candles())
    assert len(library.load("X", "1d", None, START + timedelta(days=1))) == 2
    assert len(library.load("X", "1d", START + timedelta(days=1), None)) == 4


def test_prices_are_mapped_not_copied(library: CandleFiles) -> None:
    library.replace(candles(count=1000))
    loaded = library.load("X", "1d", None, None)
    base = loaded.close
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_writing_into_loaded_candles_does_not_change_the_store(library: CandleFiles) -> None:
    library.replace(candles())
    library.load("X", "1d", None, None).close[0] = 99.0
    assert library.load("X", "1d", None, None).close[0] == 10.0


def test_an_unknown_symbol_says_so(library: CandleFiles) -> None:
    assert missing(library, "ZZ", "1d", None, None) == (
        "No candles for ZZ 1d; nothing is held for ZZ."
    )


def test_another_timeframe_is_named(library: CandleFiles) -> None:
    library.replace(candles())
    assert missing(library, "X", "1h", 0, 1) == (
        "No candles for X 1h from 2020-01-01 to 2020-01-02; held: 1d from 2020-01-01 to 2020-01-05."
    )


def test_a_range_outside_what_is_held_is_named(library: CandleFiles) -> None:
    library.replace(candles())
    assert missing(library, "X", "1d", 400, 500) == (
        "No candles for X 1d from 2021-02-04 to 2021-05-15; held: 2020-01-01 to 2020-01-05."
    )


@pytest.mark.parametrize("symbol", ["../X", "", "a b", "X\x00", "/etc", "X" * 500])
def test_a_name_that_cannot_be_stored_is_just_not_there(library: CandleFiles, symbol: str) -> None:
    assert len(missing(library, symbol, "1d", None, None)) < 200


@pytest.mark.parametrize("symbol", ["BTC/USDT", "^GSPC", "BRK.B", "EURUSD=X", ".", ".X", "X:Y"])
def test_every_symbol_of_the_contract_survives_the_file_system(
    library: CandleFiles, symbol: str
) -> None:
    library.replace(candles(symbol))
    assert [entry.symbol for entry in library.entries()] == [symbol]
    assert library.load(symbol, "1d", None, None).symbol == symbol


def test_a_listing_is_sorted_by_symbol_and_length_of_bar(library: CandleFiles) -> None:
    for symbol, timeframe in (("B", "1d"), ("A", "1w"), ("A", "1h"), ("A", "15m")):
        library.replace(candles(symbol, timeframe))
    assert [(entry.symbol, entry.timeframe) for entry in library.entries()] == [
        ("A", "15m"),
        ("A", "1h"),
        ("A", "1w"),
        ("B", "1d"),
    ]


def test_a_listing_says_what_is_held(library: CandleFiles) -> None:
    stored = library.replace(candles())
    assert library.entries() == [stored]
    assert (stored.rows, stored.first, stored.last) == (5, START, START + timedelta(days=4))
    assert stored.fingerprint == candles().fingerprint()


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"rows": "many"}'])
def test_a_lost_description_is_made_again(
    library: CandleFiles, tmp_path: Path, content: str | None
) -> None:
    stored = library.replace(candles())
    about = tmp_path / "X" / "1d" / "about.json"
    about.unlink()
    if content is not None:
        about.write_text(content, encoding="utf-8")
    assert library.entries() == [stored]


def test_nothing_is_held_where_there_is_no_directory(tmp_path: Path) -> None:
    assert CandleFiles(tmp_path / "absent").entries() == []


def test_bars_that_no_run_could_use_are_not_stored(library: CandleFiles) -> None:
    stored = library.replace(candles())
    bad = replace(candles(), low=np.full(5, 50.0))
    with pytest.raises(DataError, match="bar 0"):
        library.replace(bad)
    assert library.entries() == [stored]


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00", np.zeros(3).tobytes()])
def test_a_file_that_is_no_array_is_invalid_data(
    library: CandleFiles, tmp_path: Path, content: bytes
) -> None:
    library.replace(candles())
    (tmp_path / "X" / "1d" / "candles.npy").write_bytes(content)
    with pytest.raises(JobFailure, match="X 1d cannot be read") as caught:
        library.load("X", "1d", None, None)
    assert caught.value.code is ErrorCode.DATA_INVALID
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("table", [np.zeros((5, 3)), np.zeros(6), np.zeros((6, 2), np.int64)])
def test_an_array_of_another_shape_is_invalid_data(
    library: CandleFiles, tmp_path: Path, table: np.ndarray
) -> None:
    library.replace(candles())
    np.save(tmp_path / "X" / "1d" / "candles.npy", table)
    with pytest.raises(JobFailure) as caught:
        library.load("X", "1d", None, None)
    assert caught.value.code is ErrorCode.DATA_INVALID


def test_readers_see_one_series_or_the_other_while_it_is_replaced(library: CandleFiles) -> None:
    library.replace(candles(price=100.0))
    seen: set[float] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            loaded = library.load("X", "1d", None, None)
            assert (np.diff(loaded.close) == 1.0).all()
            seen.add(float(loaded.close[0]))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        library.replace(candles(price=100.0 if turn % 2 else 200.0))
    done.set()
    reader.join(timeout=30)
    assert not reader.is_alive()
    assert seen <= {100.0, 200.0}
    assert seen


def test_a_failed_write_leaves_no_rest(
    library: CandleFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.replace(candles())

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        library.replace(candles(price=50.0))
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "X" / "1d").iterdir()) == ["candles.npy"]
    assert library.load("X", "1d", None, None).close[0] == 10.0
    assert json.dumps([entry.rows for entry in library.entries()]) == "[5]"
