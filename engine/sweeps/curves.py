"""The sums of an equity curve, made some bars at a time.

They are those of :func:`engine.metrics.curve_of`, to the last bit, without the curve being held.
"""

import math

import numpy as np

from engine._jit import kernel
from engine.metrics import Curve
from engine.return_kernels import BLOCK, block_spread, gains_and_losses, merged_squares, sum_of
from engine.simulation import BoolArray, FloatArray, IntArray

#: What is kept of the bars so far.
(C_BEFORE, C_TOTAL, C_SQUARES, C_LOSSES, C_GROWTH, C_PEAK, C_DEEPEST, C_GROWN_PEAK,
 C_GROWN_DEEPEST) = range(9)  # fmt: skip
CURVE_NUMBERS = 9
C_RETURNS, C_HELD = range(2)
CURVE_COUNTS = 2


def start_curve(starting_capital: float) -> tuple[FloatArray, IntArray]:
    """Before the first bar."""
    sums = np.zeros(CURVE_NUMBERS)
    sums[[C_BEFORE, C_PEAK]] = starting_capital
    sums[C_GROWTH] = 1.0
    sums[C_GROWN_PEAK] = 100.0
    return sums, np.zeros(CURVE_COUNTS, np.int64)


@kernel
def add_bars(
    equity: FloatArray, holds_position: BoolArray, sums: FloatArray, counts: IntArray
) -> None:
    """Count more bars; all calls but the last one with a whole number of blocks."""
    before = sums[C_BEFORE]
    growth = sums[C_GROWTH]
    peak, deepest = sums[C_PEAK], sums[C_DEEPEST]
    grown_peak, grown_deepest = sums[C_GROWN_PEAK], sums[C_GROWN_DEEPEST]
    for first in range(0, len(equity), BLOCK):
        last = min(first + BLOCK, len(equity))
        pivot = 0.0
        some = 0
        zeros = 0
        shifted = 0.0
        squares = 0.0
        for i in range(first, last):
            value = equity[i]
            if before != 0.0:
                change = value / before - 1.0
            else:
                change = math.nan if value == 0.0 else math.inf
            before = value
            counts[C_HELD] += holds_position[i]
            if value < peak:
                deepest = min(deepest, (value - peak) / peak)
            else:
                peak = value
            if not math.isnan(change):
                if some == 0:
                    pivot = change
                some += 1
                growth *= 1.0 + change
                if change == 0.0:
                    zeros += 1
                else:
                    distance = change - pivot
                    shifted += distance
                    squares += distance * distance
                    if change < 0.0:
                        sums[C_LOSSES] += change * change
            grown = growth * 100.0
            grown_peak = max(grown_peak, grown)
            grown_deepest = min(grown_deepest, (grown - grown_peak) / grown_peak)
        if some > 0:
            total, squares = block_spread(shifted, squares, zeros, some, pivot)
            sums[C_SQUARES] = merged_squares(
                counts[C_RETURNS], sums[C_TOTAL], sums[C_SQUARES], some, total, squares
            )
            counts[C_RETURNS] += some
            sums[C_TOTAL] += total
    sums[C_BEFORE] = before
    sums[C_GROWTH] = growth
    sums[C_PEAK], sums[C_DEEPEST] = peak, deepest
    sums[C_GROWN_PEAK], sums[C_GROWN_DEEPEST] = grown_peak, grown_deepest


def curve_from(
    sums: FloatArray, counts: IntArray, *, bars: int, span: int, pnl: FloatArray, fees: float
) -> Curve:
    """The sums of all bars, and of closed trades; ``span`` is in milliseconds."""
    count = int(counts[C_RETURNS])
    won, lost = gains_and_losses(pnl)
    squares = float(sums[C_SQUARES])
    return Curve(
        bars=bars,
        span=span,
        final_equity=float(sums[C_BEFORE]),
        mean=float(sums[C_TOTAL]) / count if count else math.nan,
        deviation=math.sqrt(squares / (count - 1)) if count > 1 else math.nan,
        downside=float(sums[C_LOSSES]) / count if count else math.nan,
        growth=float(sums[C_GROWTH]),
        deepest=float(sums[C_DEEPEST]),
        compounded=float(sums[C_GROWN_DEEPEST]),
        held=int(counts[C_HELD]),
        trades=len(pnl),
        wins=int(np.count_nonzero(pnl > 0.0)),
        won=won,
        lost=lost,
        gained=sum_of(pnl),
        fees_paid=float(fees),
    )
