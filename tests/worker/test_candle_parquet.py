"""Parquet candles: the types a column may have, and which row is named when one is wrong."""

import io
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.support.candle_rows import bars_in
from worker.candle_parquet import ROW_BYTES, read_parquet
from worker.candle_reading import read_candle_file
from worker.candle_rows import Bar, Refused

DAY = datetime(2020, 1, 2, tzinfo=UTC)
NEXT = datetime(2020, 1, 3, tzinfo=UTC)
MILLISECONDS = [1_577_923_200_000, 1_578_009_600_000]
BARS = [
    Bar(MILLISECONDS[0], 10.0, 12.0, 9.0, 11.0, 100.0),
    Bar(MILLISECONDS[1], 11.0, 13.0, 10.0, 12.0, 0.0),
]


ROOM = 10_000_000


def parquet(**columns: Any) -> bytes:
    table = {
        "time": [DAY, NEXT],
        "open": [10.0, 11.0],
        "high": [12.0, 13.0],
        "low": [9.0, 10.0],
        "close": [11.0, 12.0],
        "volume": [100.0, 0.0],
    } | columns
    buffer = io.BytesIO()
    arrays = {name: values for name, values in table.items() if values is not None}
    pyarrow.parquet.write_table(pyarrow.table(arrays), buffer)
    return buffer.getvalue()


def timestamps(unit: str, zone: str | None) -> pyarrow.Array:
    return pyarrow.array([DAY, NEXT], pyarrow.timestamp(unit, tz=zone))


def refusal(**columns: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read_parquet(parquet(**columns), ROOM)
    return caught.value


@pytest.mark.parametrize(
    "times",
    [
        timestamps("s", None),
        timestamps("ms", "UTC"),
        timestamps("us", "UTC"),
        timestamps("ns", None),
        timestamps("ns", "America/New_York"),
        pyarrow.array([date(2020, 1, 2), date(2020, 1, 3)]),
        pyarrow.array(MILLISECONDS),
        pyarrow.array([time // 1000 for time in MILLISECONDS]),
        pyarrow.array([time * 1_000_000 for time in MILLISECONDS]),
        pyarrow.array([float(time) for time in MILLISECONDS]),
        pyarrow.array(["2020-01-02", "2020-01-03T00:00:00Z"]),
        pyarrow.array(["2020-01-02", "2020-01-03"]).dictionary_encode(),
    ],
    ids=lambda times: str(times.type),
)
def test_times_of_any_type(times: pyarrow.Array) -> None:
    assert bars_in(read_parquet(parquet(time=times), ROOM)) == BARS


@pytest.mark.parametrize(
    "columns",
    [
        {"open": pyarrow.array([10, 11])},
        {"open": pyarrow.array([10.0, 11.0], pyarrow.float32())},
        {"open": [Decimal("10.00"), Decimal("11.00")]},
        {"volume": [100, 0]},
        {"time": None, "Date": [DAY, NEXT]},
        {"time": None, "__index_level_0__": [DAY, NEXT]},
    ],
)
def test_other_types_and_names(columns: dict[str, Any]) -> None:
    assert bars_in(read_parquet(parquet(**columns), ROOM)) == BARS


def test_what_is_missing_or_left_out_is_noted() -> None:
    rows = read_parquet(parquet(volume=None, vwap=[1.0, 2.0]), ROOM)
    assert rows.values[4].tolist() == [0.0, 0.0]
    assert rows.notes == ["ignored columns: 'vwap'", "there is no volume; it is 0"]


def test_newest_first_is_turned_round() -> None:
    rows = read_parquet(parquet(time=[NEXT, DAY]), ROOM)
    assert rows.times.tolist() == MILLISECONDS
    assert list(rows.numbers) == [2, 1]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"open": [10.0, None]}, "row 2: open is empty"),
        ({"close": [float("nan"), 12.0]}, "row 1: close is nan, expected a positive"),
        ({"high": [12.0, float("inf")]}, "row 2: high is inf"),
        ({"low": [9.0, -1.0]}, "row 2: low is -1.0"),
        ({"open": [True, False]}, "row 1: open is True"),
        ({"open": [[10.0], [11.0]]}, "row 1: open is '[10.0]'"),
        ({"volume": [1.0, None]}, "row 2: volume is empty"),
        ({"time": [DAY, None]}, "row 2: timestamp is empty"),
        ({"time": [DAY, DAY]}, "row 2: its time repeats row 1's"),
        ({"time": [True, False]}, "row 1: timestamp is True"),
        ({"high": [12.0, 5.0]}, "row 2: high 5 is below low 10"),
        ({"low": None}, "no column low among 'time', 'open', 'high', 'close', 'volume'"),
    ],
)
def test_a_bad_row_is_named(columns: dict[str, Any], complaint: str) -> None:
    assert str(refusal(**columns)).startswith(complaint)


def test_rows_are_counted_across_groups() -> None:
    count = 70_000
    times = [MILLISECONDS[0] + 60_000 * bar for bar in range(count)]
    table: dict[str, Any] = {name: [1.0] * count for name in ("open", "high", "low", "close")}
    table["low"][69_999] = 2.0
    with pytest.raises(Refused, match=r"^row 70000: high 1 is below low 2$"):
        read_parquet(parquet(time=times, volume=None, **table), ROOM)


def test_more_rows_than_there_is_room_for_are_refused_before_they_are_read() -> None:
    """A million bars that never change take a few kilobytes of a file."""
    two = parquet(time=[DAY, NEXT])
    assert len(read_parquet(two, 2 * ROW_BYTES)) == 2
    with pytest.raises(Refused, match="it has more than 1 rows"):
        read_parquet(two, 2 * ROW_BYTES - 1)


def test_an_empty_table_is_refused() -> None:
    empty = {name: pyarrow.array([], pyarrow.float64()) for name in ("time", "open", "high")}
    rest = {name: pyarrow.array([], pyarrow.float64()) for name in ("low", "close", "volume")}
    assert str(refusal(**empty, **rest)) == "the file has no rows"


@pytest.mark.parametrize("content", [b"PAR1", parquet()[:-20], b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_broken_file_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(Refused, match=r"^not readable as Parquet \(.*\)$") as caught:
        read_parquet(content, ROOM)
    assert len(str(caught.value)) < 150


def test_it_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(parquet())
    assert bars_in(read_candle_file(path)) == BARS


def test_importing_text_does_not_load_pyarrow() -> None:
    code = "import sys, worker.candle_import; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
