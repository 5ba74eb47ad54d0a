"""Cycles from flat to flat, joined with the market's regimes, and their averages."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.regimes import Regime, dominant_regimes
from engine.return_kernels import sum_of
from engine.simulation import CycleTable
from engine.timeframes import DAY


@dataclass(frozen=True, slots=True)
class CycleColumns:
    """What cycles have beyond their table, one row a cycle."""

    cycle_return: NDArray[np.float64]
    duration_days: NDArray[np.int64]
    dominant_regime: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CycleAverages:
    """Over the completed cycles of one regime, or of all. 0.0 where there are none."""

    count: int
    avg_return: float
    avg_duration_days: float
    assignment_rate: float


def describe(
    cycles: CycleTable, times: NDArray[np.int64], regimes: NDArray[np.int64]
) -> CycleColumns:
    """Returns, durations (differences of UTC dates) and dominant regimes.

    ``times`` and ``regimes`` have one value a bar of the run.
    """
    return CycleColumns(
        cycles.end_equity / cycles.start_equity - 1.0,
        times[cycles.end_index] // DAY - times[cycles.start_index] // DAY,
        dominant_regimes(regimes, cycles.start_index, cycles.end_index),
    )


def averages(
    cycles: CycleTable, columns: CycleColumns, regime: Regime | None = None
) -> CycleAverages:
    """Averages over completed cycles, of one dominant regime if it is given."""
    counted = cycles.completed.copy()
    if regime is not None:
        counted &= columns.dominant_regime == regime
    count = int(np.count_nonzero(counted))
    if count == 0:
        return CycleAverages(0, 0.0, 0.0, 0.0)
    return CycleAverages(
        count,
        float(sum_of(columns.cycle_return[counted]) / count) + 0.0,
        float(columns.duration_days[counted].sum() / count),
        float(np.count_nonzero(cycles.had_assignment[counted]) / count),
    )
