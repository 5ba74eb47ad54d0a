"""Artifacts as Parquet, wherever they are kept."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.lists import PART_ITEMS, LazyList

#: ``{jobId}/{attempt}/{name}`` and the like: a plain relative path.
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")

MEDIA_TYPE = "application/vnd.apache.parquet"

#: In what pieces an artifact is handed out.
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A table as the bytes of a file."""

    content: bytes
    rows: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def is_key(text: str) -> bool:
    """Whether an artifact may bear this key, or lie below it."""
    return bool(_KEY.fullmatch(text))


def path_of(key: str) -> str:
    """The relative path of an artifact's file.

    Raises:
        ValueError: a key that is no plain relative path.
    """
    if not is_key(key):
        raise ValueError(f"{key!r} cannot name an artifact")
    return f"{key}.parquet"


def encode(columns: Mapping[str, Sequence[object]]) -> ParquetTable:
    """The table of these columns.

    Raises:
        ValueError: columns of different lengths.
    """
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    table = pyarrow.table({name: _column(values) for name, values in columns.items()})
    pyarrow.parquet.write_table(table, buffer)
    return ParquetTable(buffer.getvalue(), table.num_rows)


def _column(values: Sequence[object]) -> Any:
    """An Arrow array of what may be a list that makes its items when they are read: never all of
    them at once, as Python objects take ten times the memory.
    """
    import pyarrow

    if not isinstance(values, LazyList):
        return pyarrow.array(values)
    if hasattr(values, "__array__"):
        return pyarrow.array(values.__array__())
    parts = range(0, len(values), PART_ITEMS)
    pieces = [pyarrow.array(values[first : first + PART_ITEMS]) for first in parts]
    return pyarrow.chunked_array(pieces).combine_chunks() if pieces else pyarrow.array([])
