"""One row a variant: what it sets, what came of it, or why nothing did.

A chunk job writes the rows of its variants, the end of the bundle those of all, both as Parquet
with the same columns: ``index``, ``overrides`` (JSON), the sweep metrics, ``summaryDigest``, for
each regime how many completed cycles it dominates and their average return, ``errorCode`` and
``errorMessage``. A variant that failed has nulls for figures, any other one no error.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.digest import SUMMARY_METRICS
from worker.jobs.chunks import Chunk
from worker.jobs.errors import JobFailure

if TYPE_CHECKING:
    from engine.sweep import SweepRow

#: The regimes of which a row has ``{name}Cycles`` and ``{name}AvgCycleReturn``.
REGIMES = ("uptrend", "downtrend", "sideways")
COUNTS = ("tradeCount",)

Variants = Sequence[Mapping[str, Any]]


def cycles_column(regime: str) -> str:
    return f"{regime}Cycles"


def average_column(regime: str) -> str:
    return f"{regime}AvgCycleReturn"


def schema() -> Any:
    """The Arrow schema of rows."""
    import pyarrow

    metrics = [
        (name, pyarrow.int64() if name in COUNTS else pyarrow.float64()) for name in SUMMARY_METRICS
    ]
    regimes = [
        field
        for regime in REGIMES
        for field in (
            (cycles_column(regime), pyarrow.int64()),
            (average_column(regime), pyarrow.float64()),
        )
    ]
    return pyarrow.schema(
        [
            ("index", pyarrow.int32()),
            ("overrides", pyarrow.string()),
            *metrics,
            ("summaryDigest", pyarrow.string()),
            *regimes,
            ("errorCode", pyarrow.string()),
            ("errorMessage", pyarrow.string()),
        ]
    )


class ChunkRows:
    """The rows of one chunk's variants, filled in any order.

    ``completed`` and ``failed`` count those that are there. Kept in columns, so that a chunk of a
    hundred thousand variants takes some tens of megabytes.
    """

    def __init__(self, chunk: Chunk, variants: Variants) -> None:
        """``variants`` are all of the bundle; rows are of ``chunk`` only."""
        self._chunk = chunk
        self._variants = variants
        # Column by column, None where nothing was written yet.
        self._columns: dict[str, list[Any]] = {
            name: [None] * chunk.count for name in schema().names if name not in _GIVEN
        }
        self.completed = 0
        self.failed = 0

    def add(self, place: int, row: "SweepRow") -> None:
        """Keep what the engine says of the variant at ``place``, counted from the chunk's start."""
        if row.error is not None:
            self._fail(place, row.error.code, row.error.message)
            return
        for name, value in (row.figures() or {}).items():
            self._columns[name][place] = value
        self._columns["summaryDigest"][place] = row.summary_digest
        for regime in REGIMES if row.regimes is not None else ():
            cycles = getattr(row.regimes, regime)
            self._columns[cycles_column(regime)][place] = cycles.completed
            self._columns[average_column(regime)][place] = cycles.avg_return
        self.completed += 1

    def end_rest(self, failure: JobFailure) -> None:
        """Give every variant that has no row yet this reason."""
        digests, codes = self._columns["summaryDigest"], self._columns["errorCode"]
        for place in range(self._chunk.count):
            if digests[place] is None and codes[place] is None:
                self._fail(place, failure.code, failure.message)

    def columns(self) -> dict[str, Any]:
        """All rows as Arrow columns, in the order of their variants."""
        import pyarrow

        start, count = self._chunk.start, self._chunk.count
        given = {
            "index": np.arange(start, start + count, dtype=np.int32),
            "overrides": [to_json(self._variants[start + place]) for place in range(count)],
        }
        return {
            field.name: pyarrow.array({**self._columns, **given}[field.name], field.type)
            for field in schema()
        }

    def _fail(self, place: int, code: str, message: str) -> None:
        self._columns["errorCode"][place] = str(code)
        # It may quote half of a character, which no column of text holds.
        self._columns["errorMessage"][place] = message.encode("utf-8", "replace").decode()
        self.failed += 1


_GIVEN = ("index", "overrides")

#: How much of a file of rows is held at a time while some rows are looked for.
PIECE_BYTES = 1024 * 1024


def lost_rows(chunk: Chunk, variants: Variants, failure: JobFailure) -> dict[str, Any]:
    """The rows of a chunk that left none: every variant has the same reason."""
    rows = ChunkRows(chunk, variants)
    rows.end_rest(failure)
    return rows.columns()


def read_rows(
    content: bytes, columns: Iterable[str] | None = None, only: Sequence[int] | None = None
) -> Any:
    """The Arrow table in a Parquet file of rows: some of its columns, ``only`` some indices.

    For some rows the file is gone through in pieces of :data:`PIECE_BYTES`, so that no more than
    one of them is held beside what is found.
    """
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    names = None if columns is None else list(columns)
    if only is None:
        return pyarrow.parquet.read_table(
            pyarrow.BufferReader(content), columns=names, use_threads=False
        )
    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content))
    bytes_of_all = sum(
        file.metadata.row_group(group).total_byte_size
        for group in range(file.metadata.num_row_groups)
    )
    rows_a_piece = max(1, file.metadata.num_rows * PIECE_BYTES // max(1, bytes_of_all))
    wanted = pyarrow.array(list(only), file.schema_arrow.field("index").type)
    found = [
        piece.filter(pyarrow.compute.is_in(piece["index"], wanted))
        for piece in file.iter_batches(rows_a_piece, columns=names, use_threads=False)
    ]
    return pyarrow.Table.from_batches(found, file.schema_arrow if names is None else None)


def plain_columns(table: Any) -> dict[str, Any]:
    """An Arrow table as columns for an artifact."""
    return {name: table[name].combine_chunks() for name in table.column_names}


def fingerprint(table: Any) -> str:
    """16 hexadecimal digits that name an Arrow table by its content, however it is chunked."""
    import pyarrow

    digest = _Digest()
    whole = pyarrow.table(plain_columns(table))
    with pyarrow.ipc.new_stream(pyarrow.PythonFile(digest, "w"), whole.schema) as stream:
        stream.write_table(whole)
    return digest.hasher.hexdigest()[:16]


class _Digest(io.RawIOBase):
    """A file of which only the digest is kept."""

    def __init__(self) -> None:
        self.hasher = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.hasher.update(content)
        return len(content)


def numbers(table: Any, name: str) -> NDArray[np.float64]:
    """A column of figures, NaN where there is none."""
    found: NDArray[np.float64] = table[name].cast("float64").to_numpy()
    return found


def order_of(
    values: NDArray[np.float64], indices: NDArray[np.int64], *, descending: bool = True
) -> NDArray[np.int64]:
    """The places of rows by value, nulls last in either direction, ties by index."""
    # lexsort's last key counts first; NaN sorts after every number.
    return np.lexsort((indices, -values if descending else values))


def figures_of(row: Mapping[str, Any]) -> dict[str, float | int | None]:
    """The sweep metrics of a row that is read as plain data."""
    return {name: row[name] for name in SUMMARY_METRICS}


def to_json(overrides: Mapping[str, Any]) -> str:
    """Overrides as a row holds them: as they are, or escaped where there is no UTF-8 for them."""
    text = json.dumps(overrides, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(overrides, separators=(",", ":"), default=str)
    return text


def from_json(text: str) -> dict[str, Any]:
    """Overrides as they were given; numbers that JSON does not have come as text."""
    overrides: dict[str, Any] = json.loads(text, parse_constant=str)
    return overrides


def joined(tables: Iterable[Mapping[str, Any]]) -> Any:
    """One Arrow table of rows given in columns."""
    import pyarrow

    names = schema()
    parts = [pyarrow.table(dict(table), schema=names) for table in tables]
    return pyarrow.concat_tables(parts) if parts else names.empty_table()
