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
    """The bars of a CSV or Parquet file, or of a CSV file packed with gzip or alone in a ZIP.

    What a file is, is read from its first bytes, not from its name.

    Raises:
        Refused: names the row that stands in the way.
        OSError: the file cannot be read.
    """
    content = _unpack(path.read_bytes())
    return read_parquet(content) if content.startswith(PARQUET) else read_csv(content)


def _unpack(content: bytes) -> bytes:
    try:
        if content.startswith(_GZIP):
            return _bounded(gzip.GzipFile(fileobj=io.BytesIO(content)))
        if content.startswith(_ZIP):
            return _only_member(zipfile.ZipFile(io.BytesIO(content)))
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise Refused(f"it cannot be unpacked ({error})") from None
    return content


def _only_member(archive: zipfile.ZipFile) -> bytes:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise Refused(f"the archive holds {len(members)} files, expected one")
    if members[0].flag_bits & 1:
        raise Refused("the archive is encrypted")
    with archive.open(members[0]) as file:
        return _bounded(file)


def _bounded(file: IO[bytes] | gzip.GzipFile) -> bytes:
    content = file.read(MAX_UNPACKED_BYTES + 1)
    if len(content) > MAX_UNPACKED_BYTES:
        raise Refused(f"unpacked it is longer than {MAX_UNPACKED_BYTES:,} bytes")
    return content
