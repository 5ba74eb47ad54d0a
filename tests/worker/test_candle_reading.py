"""Candle files by their first bytes: plain, packed, Parquet."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import worker.candle_reading as candle_reading
from tests.support.candle_rows import bars_in
from worker.candle_reading import read_candle_file
from worker.candle_rows import Bar, Refused

CSV = b"date,open,high,low,close,volume\n2020-01-02,10,12,9,11,100\n"
#: Without the time of packing, so that every run of the tests has the same cases.
GZIPPED = gzip.compress(CSV, mtime=0)
BARS = [Bar(1_577_923_200_000, 10.0, 12.0, 9.0, 11.0, 100.0)]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file-without-an-ending"


@pytest.mark.parametrize("content", [CSV, GZIPPED, zipped(a=CSV)], ids=["plain", "gz", "zip"])
def test_what_a_file_is_stands_in_its_first_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert bars_in(read_candle_file(path)) == BARS


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (GZIPPED[:-10], "cannot be unpacked"),
        (GZIPPED[:12] + b"\xff" * 40, "cannot be unpacked"),
        (zipped(a=CSV)[:-30], "cannot be unpacked"),
        (zipped(a=CSV, b=CSV), "the archive holds 2 files, expected one"),
        (b"", "the file is empty"),
    ],
    ids=["gz cut off", "gz broken", "zip cut off", "two files", "nothing"],
)
def test_what_cannot_be_unpacked_is_refused(path: Path, content: bytes, complaint: str) -> None:
    path.write_bytes(content)
    with pytest.raises(Refused, match=r".*") as caught:
        read_candle_file(path)
    assert complaint in str(caught.value)


def test_an_encrypted_archive_is_refused(path: Path) -> None:
    content = bytearray(zipped(a=CSV))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="the archive is encrypted"):
        read_candle_file(path)


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped(a=content)])
def test_a_bomb_is_not_unpacked_to_its_end(
    path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_reading, "MAX_UNPACKED_BYTES", 1000)
    path.write_bytes(pack(CSV + b"\n" * 1000))
    with pytest.raises(Refused, match="longer than 1,000 bytes"):
        read_candle_file(path)
