"""One sweep on its way: variants are read, put together, run by a crew and handed out."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from typing import Any

from engine.errors import DataError
from engine.sweeps.blocks import RowBlock
from engine.sweeps.crew import Crew
from engine.sweeps.overrides import Overrides, Variants
from engine.sweeps.reading import Reader
from engine.sweeps.rows import SweepRow, failure
from engine.sweeps.shared import Shared
from engine.sweeps.tiles import TileBatch
from engine.sweeps.variants import Batch, Batcher

#: What has ended: variants that ran side by side, or others.
Ended = RowBlock | list[SweepRow]


class Running:
    """What has ended waits in ``_blocks`` and ``_rows`` until it is asked for."""

    def __init__(
        self,
        base: Mapping[str, Any],
        overrides: Variants,
        shared: Shared,
        depth: int,
        on_progress: Callable[[float], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._base = base
        self._reader = Reader(base)
        self._overrides = overrides
        self._shared = shared
        self._depth = depth
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._ended = 0
        self._blocks: list[RowBlock] = []
        self._rows: list[SweepRow] = []

    def ended(self, threads: int, most_rows: int) -> Generator[Ended, None, None]:
        """Every variant once; ``most_rows``: the longest list of rows."""
        total = len(self._overrides)
        batcher = Batcher(self._base, self._shared, self._depth, threads, total)
        with Crew[Batch | TileBatch](threads, self._look, self._keep) as crew:
            self._crew = crew
            for index, changes in enumerate(_each(self._overrides)):
                for work in self._read(batcher, index, changes):
                    crew.take(work)
                crew.glance()
                if self._blocks or len(self._rows) >= most_rows:
                    yield from self._taken(most_rows, most_rows)
                if crew.stopped:
                    break
            for work in batcher.rest():
                crew.take(work)
            while crew.works():
                yield from self._taken(1, most_rows)
            yield from self._taken(1, most_rows)
            if self._on_progress is not None and not crew.stopped:
                self._on_progress(1.0)

    def _read(self, batcher: Batcher, index: int, changes: Overrides) -> list[Batch | TileBatch]:
        """What is to be run now that this variant is there."""
        found = self._reader.read(index, changes)
        if isinstance(found, SweepRow):
            self._keep_row(found)
            return []
        try:
            return batcher.add(found)
        except DataError as error:
            self._keep_row(failure(index, error))
            return []

    def _look(self) -> bool:
        total = len(self._overrides)
        if self._on_progress is not None and total:
            self._on_progress((self._ended + self._crew.in_hand) / total)
        return self._should_stop is not None and self._should_stop()

    def _keep(self, batch: Batch | TileBatch) -> None:
        self._ended += len(batch.rows)
        for block in batch.blocks:
            self._ended += len(block)
        self._rows += batch.rows
        self._blocks += batch.blocks

    def _keep_row(self, row: SweepRow) -> None:
        self._ended += 1
        self._rows.append(row)

    def _taken(self, least: int, most: int) -> Iterator[Ended]:
        while self._blocks:
            yield self._blocks.pop(0)
        while len(self._rows) >= least:
            rows, self._rows = self._rows[:most], self._rows[most:]
            yield rows


def _each(overrides: Variants) -> Iterator[Overrides]:
    if isinstance(overrides, Collection):
        return iter(overrides)
    return (overrides[index] for index in range(len(overrides)))
