"""Rows of finished variants in columns, as they come from variants that ran side by side."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.metrics import metrics_from
from engine.simulation import FloatArray, IntArray
from engine.sweeps.rows import METRIC_NAMES, CyclesByRegime, RegimeCycles, SweepRow

_COLUMNS = {name: place for place, name in enumerate(METRIC_NAMES.values())}


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """What :class:`SweepRow` says of one variant, of V on the same data.

    ``indices``: (V,); ``figures``: (V, 15), the sweep metrics in their order, NaN for null;
    ``completed`` and ``average_returns``: (V, 3), the cycles by regime. Where not all figures were
    asked for, there is no ``fingerprint``, and no cycles count.
    """

    indices: IntArray
    figures: FloatArray
    completed: IntArray
    average_returns: FloatArray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.indices)

    def column(self, metric: str) -> FloatArray:
        """A sweep metric, by its camelCase name, of each variant."""
        values: FloatArray = self.figures[:, _COLUMNS[metric]]
        return values

    def best(self, rank_by: str, count: int) -> Iterator[SweepRow]:
        """The first by a metric descending, nulls last, ties by index."""
        # lexsort's last key counts first; NaN sorts after every number.
        ranked = np.lexsort((self.indices, -self.column(rank_by)))
        return (self._row(place) for place in ranked[:count].tolist())

    def lists(self, most: int) -> Iterator[list[SweepRow]]:
        """All rows, at most so many at a time."""
        for first in range(0, len(self), most):
            yield [self._row(place) for place in range(first, min(first + most, len(self)))]

    def _row(self, place: int) -> SweepRow:
        metrics = metrics_from(self.figures[place].tolist())
        index = int(self.indices[place])
        if not self.fingerprint:
            return SweepRow(index, metrics)
        cycles = zip(
            self.completed[place].tolist(), self.average_returns[place].tolist(), strict=True
        )
        regimes = CyclesByRegime(*(RegimeCycles(count, average) for count, average in cycles))
        return SweepRow(index, metrics, self.fingerprint, regimes)
