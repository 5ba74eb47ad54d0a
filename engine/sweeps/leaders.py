"""The best of many variants, kept while their rows go by."""

import heapq
import math

from engine.sweeps.blocks import RowBlock
from engine.sweeps.rows import METRIC_NAMES, SweepRow

_FIELDS = {name: field for field, name in METRIC_NAMES.items()}


class Leaders:
    """The ``keep`` best rows seen so far: by ``rank_by`` descending, nulls last, ties by index.

    Takes rows in any order and keeps no others.
    """

    def __init__(self, rank_by: str, keep: int) -> None:
        self._rank_by = rank_by
        self._field = _FIELDS[rank_by]
        self._keep = keep
        self._worst_first: list[tuple[float, int, SweepRow]] = []

    def add(self, row: SweepRow) -> None:
        """Take a row into account; failed variants are never among the best."""
        if row.metrics is None:
            return
        value = getattr(row.metrics, self._field)
        rank = -math.inf if value is None or math.isnan(value) else float(value)
        entry = (rank, -row.index, row)
        if len(self._worst_first) < self._keep:
            heapq.heappush(self._worst_first, entry)
        elif self._keep:
            heapq.heappushpop(self._worst_first, entry)

    def add_block(self, block: RowBlock) -> None:
        """Take all rows of a block into account."""
        if self._keep:
            for row in block.best(self._rank_by, self._keep):
                self.add(row)

    def rows(self) -> list[SweepRow]:
        """The best first."""
        return [row for _, _, row in sorted(self._worst_first, key=lambda one: one[:2])][::-1]
