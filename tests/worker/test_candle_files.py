"""Candles in a directory: what broken files, lost descriptions and failed writes do."""

import io
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engine.candles import Candles
from tests.support.patience import PATIENCE_SECONDS
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


def damage(directory: Path, content: bytes | None = b"no array") -> None:
    """Of a series, its description gone with it; ``None`` puts a directory in the file's place."""
    (directory / "about.json").unlink()
    path = directory / "candles.npy"
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def times_beyond_any_calendar() -> bytes:
    file = io.BytesIO()
    np.save(file, np.full((6, 3), 1e18))
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"no array", None, times_beyond_any_calendar()])
def test_a_damaged_series_is_told_and_the_others_are_listed(
    library: CandleFiles, tmp_path: Path, content: bytes | None
) -> None:
    stored = [library.replace(candles(symbol)) for symbol in ("A", "B", "C")]
    damage(tmp_path / "B" / "1d", content)
    told: list[JobFailure] = []
    assert library.entries(told.append) == [stored[0], stored[2]]
    said = ["The stored candles of B 1d cannot be read; import them again."]
    assert [failure.message for failure in told] == said
    with pytest.raises(JobFailure, match="B 1d cannot be read"):
        library.entries()


def test_a_damaged_series_in_capitals_is_not_told_of(library: CandleFiles, tmp_path: Path) -> None:
    library.replace(candles("AAPL"))
    damage(tmp_path / "AAPL" / "1d")
    with pytest.raises(JobFailure) as caught:
        library.load("aapl", "1d", None, None)
    assert caught.value.message == "No candles for aapl 1d; nothing is held for aapl."


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
    reader.join(PATIENCE_SECONDS)
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
