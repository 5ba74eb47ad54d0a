"""Reading one candle file of any accepted format, packed or not."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO

from worker.candle_csv import read_csv
from worker.candle_parquet import MAGIC as PARQUET
from worker.candle_parquet import read_parquet
from worker.candle_rows import Refused, Rows

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"

#: What a packed file may hold: more than thirty years of minutes.
MAX_UNPACKED_BYTES = 2 * 1024**3


def read_candle_file(path: Path) -> Rows:
    """The bars of a file; see :func:`read_candle_content`.

    Raises:
        Refused: names the row that stands in the way.
        OSError: the file cannot be read.
    """
    return read_candle_content(path.read_bytes(), MAX_UNPACKED_BYTES)


def read_candle_content(content: bytes, most_unpacked: int) -> Rows:
    """The bars of CSV or Parquet, or of CSV packed with gzip or alone in a ZIP.

    What it is, is read from its first bytes, not from a name.

    Raises:
        Refused: names the row that stands in the way.
    """
    content = _unpack(content, most_unpacked)
    if content.startswith(PARQUET):
        return read_parquet(content, most_unpacked)
    return read_csv(content)


def _unpack(content: bytes, most: int) -> bytes:
    try:
        if content.startswith(_GZIP):
            return _bounded(gzip.GzipFile(fileobj=io.BytesIO(content)), most)
        if content.startswith(_ZIP):
            return _only_member(zipfile.ZipFile(io.BytesIO(content)), most)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise Refused(f"it cannot be unpacked ({error})") from None
    return content


def _only_member(archive: zipfile.ZipFile, most: int) -> bytes:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise Refused(f"the archive holds {len(members)} files, expected one")
    if members[0].flag_bits & 1:
        raise Refused("the archive is encrypted")
    with archive.open(members[0]) as file:
        return _bounded(file, most)


def _bounded(file: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    content = file.read(most + 1)
    if len(content) > most:
        raise Refused(f"unpacked it is longer than {most:,} bytes")
    return content
