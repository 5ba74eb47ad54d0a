"""Full results of variants, beside their rows: Parquet of one result a row.

A chunk writes them in parts named by the first variant of each (``results-120``), so that no more
than a few megabytes are held at a time. Whoever keeps only the best of a bundle writes those of
all chunks into one, named ``results``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.jobs.job import Artifact
from worker.jobs.states import EnumStyle
from worker.ports import ArtifactStore
from worker.services.bundles.reading_ahead import read_ahead
from worker.services.bundles.variant_rows import read_rows
from worker.services.result_document import build_result_document

if TYPE_CHECKING:
    from worker.services.bundles.summary import EndedChunk

NAME = "results"
#: How many are kept where the best are.
BEST = 10
#: A part is written when it has this much.
PART_BYTES = 8 * 1024 * 1024

_COLUMNS = ("index", "resultDigest", "summaryDigest", "backtestResult")


class KeptResults:
    """Takes a chunk's full results one by one, in the order of their variants."""

    def __init__(
        self, artifacts: ArtifactStore, key: str, enum_style: EnumStyle = EnumStyle.PLAIN
    ) -> None:
        """``key`` is that of the chunk's artifacts: job and attempt."""
        self._artifacts = artifacts
        self._key = key
        self._enum_style = enum_style
        self._rows: list[tuple[int, str, str, str]] = []
        self._bytes = 0
        self._stored: dict[str, Artifact] = {}

    def add(self, index: int, result: Any) -> None:
        """Keep the engine's result of variant ``index``, cut like a job's (900 KiB).

        Raises:
            JobFailure: RESULT_TOO_LARGE.
        """
        document = build_result_document(str(index), result.to_outline(), self._enum_style)
        # A list without anything in it may still be one that is made when it is asked for.
        text = json.dumps(
            document.backtest_result,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
            default=list,
        )
        self._rows.append((index, result.result_digest, result.summary_digest, text))
        self._bytes += len(text)
        if self._bytes >= PART_BYTES:
            self._write()

    def artifacts(self) -> dict[str, Artifact]:
        """All parts, by name."""
        if self._rows:
            self._write()
        return dict(self._stored)

    def _write(self) -> None:
        name = f"{NAME}-{self._rows[0][0]}"
        columns = dict(zip(_COLUMNS, zip(*self._rows, strict=True), strict=True))
        self._stored[name] = self._artifacts.put(f"{self._key}/{name}", columns)
        self._rows, self._bytes = [], 0


def part_of(parts: Mapping[str, Artifact], index: int) -> Artifact | None:
    """The part in which the result of a variant would be."""
    starts = {int(name.rpartition("-")[2]): name for name in parts if name.startswith(f"{NAME}-")}
    fitting = [start for start in starts if start <= index]
    return parts[starts[max(fitting)]] if fitting else None


def find(content: bytes, index: int) -> dict[str, Any] | None:
    """The result of a variant as a user reads it, if it is among these."""
    table = read_rows(content, only=[index])
    for row in table.to_pylist():
        return {**row, "backtestResult": json.loads(row["backtestResult"])}
    return None


def gathered(
    wanted: Sequence[int], ended: Sequence["EndedChunk"], artifacts: ArtifactStore
) -> Any | None:
    """The results of these variants as one table, in their order; None if there are none at all.

    Raises:
        FileNotFoundError: some that were kept are not here, and nothing may be said of that.
    """
    import pyarrow

    found = list(_found(wanted, ended, artifacts))
    if not found:
        return None
    table = pyarrow.concat_tables(found)
    places = {index: place for place, index in enumerate(table["index"].to_pylist())}
    return table.take([places[index] for index in wanted if index in places])


def _found(
    wanted: Sequence[int], ended: Sequence["EndedChunk"], artifacts: ArtifactStore
) -> Iterator[Any]:
    parts = {
        part.uri: (part, one.gone is not None)
        for one in ended
        for index in wanted
        if index in one.chunk and (part := part_of(one.artifacts, index))
    }
    return (
        table
        for table in read_ahead(parts.values(), lambda part: _rows_in(*part, wanted, artifacts))
        if table is not None and len(table)
    )


def _rows_in(
    part: Artifact, may_miss: bool, wanted: Sequence[int], artifacts: ArtifactStore
) -> Any | None:
    try:
        return read_rows(artifacts.read(part), only=wanted)
    except FileNotFoundError:
        if may_miss:
            return None
        raise
