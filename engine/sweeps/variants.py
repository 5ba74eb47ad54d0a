"""Variants on their way through a sweep: put into batches, and run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import Stopped
from engine.sweeps import tiles
from engine.sweeps.blocks import RowBlock
from engine.sweeps.frames import Frame
from engine.sweeps.one_by_one import run_variant
from engine.sweeps.rows import SweepRow, Variant, failure
from engine.sweeps.shared import Data, Shared
from engine.sweeps.tiles import TileBatch

#: Variants that one thread takes at a time and runs one after the other.
BATCH = 16


class Batch:
    """Some variants that one thread runs; ``rows`` grows as they end. There are no ``blocks``."""

    blocks: Sequence[RowBlock] = ()

    def __init__(self, variants: Sequence[Variant], shared: Shared) -> None:
        self.rows: list[SweepRow] = []
        self._variants = variants
        self._shared = shared

    @property
    def done(self) -> float:
        """How many variants have ended."""
        return float(len(self.rows))

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run them all, or until ``should_stop`` says yes. A variant fails alone."""
        for one in self._variants:
            try:
                row = run_variant(one.index, one.config, self._shared, should_stop)
            except Stopped:
                return
            except Exception as error:
                row = failure(one.index, error)
            self.rows.append(row)


class Batcher:
    """Puts variants together that one thread can run, and hands batches out when they are full."""

    def __init__(
        self, base: Mapping[str, Any], shared: Shared, depth: int, threads: int, total: int
    ) -> None:
        self._base = base
        self._shared = shared
        self._depth = depth
        self._threads = threads
        # So many that each thread gets some.
        self._most = min(tiles.BATCH_VARIANTS, max(-(-total // threads), 1))
        self._tiled: dict[int, TileBatch] = {}
        self._waiting = 0
        self._others: list[Variant] = []
        self._frame: Frame | None = None

    def add(self, variant: Variant) -> list[Batch | TileBatch]:
        """Take a variant, and give what is full.

        Raises:
            DataError: there are no candles for it, or they cannot be used.
        """
        if not variant.frame.trades_on_signals:
            self._others.append(variant)
            return [self._take_others()] if len(self._others) >= min(BATCH, self._most) else []
        data = self._data_of(variant.frame)
        full: list[Batch | TileBatch] = []
        batch = self._tiled.get(data.token)
        if batch is None or not batch.takes(variant):
            if batch is not None:
                full.append(self._take(data.token))
            batch = TileBatch(self._base, data, self._shared, self._depth, self._threads)
            batch.takes(variant)
            self._tiled[data.token] = batch
        self._waiting += 1
        if len(batch) >= self._most:
            full.append(self._take(data.token))
        elif self._waiting >= tiles.BATCH_VARIANTS:
            full += self.rest()
        return full

    def _data_of(self, frame: Frame) -> Data:
        """The bars of a frame, which are often those of the last variant."""
        if self._frame is not frame:
            self._data = self._shared.data_of(frame.config)
            self._frame = frame
        return self._data

    def rest(self) -> list[Batch | TileBatch]:
        """What there is, full or not."""
        found: list[Batch | TileBatch] = [self._take(token) for token in list(self._tiled)]
        return [*found, self._take_others()] if self._others else found

    def _take(self, token: int) -> TileBatch:
        batch = self._tiled.pop(token)
        self._waiting -= len(batch)
        return batch

    def _take_others(self) -> Batch:
        batch, self._others = Batch(self._others, self._shared), []
        return batch
