"""What a sweep gives back: one row a variant, kept in columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.digest import SUMMARY_METRICS, summary_digest
from engine.inputs import Given
from engine.result import BacktestResult
from engine.run import run_backtest
from engine.sweeps.blocks import RowBlock
from engine.sweeps.rows import METRIC_NAMES, SweepRow, VariantError

_COUNTS = ("tradeCount",)


class Ending(IntEnum):
    """How a variant ended."""

    NOT_RUN = 0
    FINISHED = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class BestVariant:
    """One of the best: its place in the sweep, and the way to its full result."""

    index: int
    overrides: Mapping[str, Any]
    config: BacktestConfig
    candles: Candles | Given | None

    def result(
        self,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> BacktestResult:
        """The full result: the single run of this variant's config.

        It is computed here, because it is thousands of times larger than a row.
        """
        return run_backtest(self.config, self.candles, on_progress, should_stop)


class SweepResult:
    """Rows of a sweep, in the order of its variants.

    ``endings`` (int8, an ``Ending`` a variant) and the columns in ``metrics`` (float64, by
    camelCase name; NaN stands for null) have one value a variant. ``stopped`` tells that the
    sweep was told to stop: what was finished stays, the rest is ``NOT_RUN``.
    """

    def __init__(self, total: int, rank_by: str) -> None:
        self.rank_by = rank_by
        self.endings: NDArray[np.int8] = np.zeros(total, np.int8)
        self.metrics: dict[str, NDArray[np.float64]] = {
            name: np.full(total, np.nan) for name in SUMMARY_METRICS
        }
        self.errors: dict[int, VariantError] = {}
        self.stopped = False
        self.best: tuple[BestVariant, ...] = ()
        self._fingerprints: list[str] = []
        self._data: NDArray[np.int32] = np.full(total, -1, np.int32)

    def __len__(self) -> int:
        return len(self.endings)

    def keep(self, row: SweepRow) -> None:
        """Keep a variant's metrics, or the reason why it has none."""
        if row.error is not None:
            self.errors[row.index] = row.error
            self.endings[row.index] = Ending.FAILED
            return
        for field, name in METRIC_NAMES.items():
            value = getattr(row.metrics, field)
            if value is not None:
                self.metrics[name][row.index] = value
        self._data[row.index] = self._place_of(row.fingerprint)
        self.endings[row.index] = Ending.FINISHED

    def keep_block(self, block: RowBlock) -> None:
        """Keep the metrics of all variants of a block."""
        for name, column in self.metrics.items():
            column[block.indices] = block.column(name)
        self._data[block.indices] = self._place_of(block.fingerprint)
        self.endings[block.indices] = Ending.FINISHED

    def _place_of(self, fingerprint: str) -> int:
        if not self._fingerprints or self._fingerprints[-1] != fingerprint:
            self._fingerprints.append(fingerprint)
        return len(self._fingerprints) - 1

    def count(self, ending: Ending) -> int:
        """How many variants ended that way."""
        return int(np.count_nonzero(self.endings == ending))

    def metrics_of(self, index: int) -> dict[str, float | int | None] | None:
        """A finished variant's sweep metrics by their camelCase names; None for another."""
        if self.endings[index] != Ending.FINISHED:
            return None
        row: dict[str, float | int | None] = {}
        for name, column in self.metrics.items():
            value = float(column[index])
            row[name] = None if np.isnan(value) else int(value) if name in _COUNTS else value
        return row

    def summary_digest(self, index: int) -> str | None:
        """A finished variant's digest, that of its single run; None for another.

        There is none either where not all figures were counted.
        """
        metrics = self.metrics_of(index)
        if metrics is None:
            return None
        fingerprint = self._fingerprints[self._data[index]]
        return summary_digest(fingerprint, metrics) if fingerprint else None

    def ranking(self) -> list[int]:
        """The finished variants, best first: by ``rank_by`` descending, nulls last, then index."""
        finished = np.flatnonzero(self.endings == Ending.FINISHED)
        values = self.metrics[self.rank_by][finished]
        # lexsort's last key counts first; NaN sorts after every number.
        ranked: list[int] = finished[np.lexsort((finished, -values))].tolist()
        return ranked

    def rows(self) -> Sequence[dict[str, Any]]:
        """All variants as plain data: index, metrics, summaryDigest and error."""
        return [
            {
                "index": index,
                "metrics": self.metrics_of(index),
                "summaryDigest": self.summary_digest(index),
                "error": error._asdict() if (error := self.errors.get(index)) else None,
            }
            for index in range(len(self))
        ]
