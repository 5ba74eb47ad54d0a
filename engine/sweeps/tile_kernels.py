"""Many tiles of many variants: series, conditions, accounts, and then the next tile."""

import numpy as np
from numpy.typing import NDArray

from engine._jit import borrowing
from engine.simulation import FloatArray, IntArray
from engine.sweeps.account_kernel import run_tile
from engine.sweeps.plane_kernels import TILE_BARS, Planes, run_steps
from engine.sweeps.regime_kernels import advance_regimes
from engine.sweeps.series_kernels import advance_series
from engine.sweeps.tile_prices import TilePrices, measure_tile


@borrowing
def run_tiles(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    close: FloatArray, volume: FloatArray, makers: IntArray, state: FloatArray,
    kept: FloatArray, places: IntArray, totals: IntArray, sources: IntArray, values: FloatArray,
    is_clean: NDArray[np.bool_], steps: IntArray, memory: FloatArray, carries: Planes,
    planes: Planes, rules: FloatArray, choices: IntArray, account: FloatArray, counts: IntArray,
    orders: Planes, returns: FloatArray, lowest: FloatArray, highest: FloatArray,
    extremes: FloatArray, lookbacks: IntArray, thresholds: FloatArray, regimes: IntArray,
    depth: int, starts: IntArray, program_variants: int,
) -> None:  # fmt: skip
    """Run bars first … last − 1, ``first`` a tile's first bar, in tiles.

    Program k has the steps from starts[k] on and the next ``program_variants`` variants. The other
    arrays are as ``advance_series``, ``run_steps``, ``advance_regimes`` and ``run_tile`` take them.
    """
    columns = (open_, high, low, close, volume)
    for begin in range(first, last, TILE_BARS):
        end = min(begin + TILE_BARS, last)
        advance_series(
            begin, end, columns, makers, state, kept, places, totals, sources, values, is_clean
        )
        tile = TilePrices(
            open_[begin:end], high[begin:end], low[begin:end], close[begin:end],
            close[begin:end].view(np.int64), lowest, highest, extremes[0], extremes[1],
            extremes[2], extremes[3],
        )  # fmt: skip
        measure_tile(tile)
        advance_regimes(begin, end, close, lookbacks, thresholds, regimes)
        for k in range(len(starts) - 1):
            run_steps(
                end - begin, steps, values, is_clean, memory, carries, planes, starts[k],
                starts[k + 1],
            )  # fmt: skip
            run_tile(
                tile, end == len(close), rules, choices, account, counts, planes, orders, returns,
                regimes, depth, k * program_variants, min((k + 1) * program_variants, len(rules)),
            )  # fmt: skip
