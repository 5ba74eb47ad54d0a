"""The figures of many finished accounts at once."""

import math

from engine._jit import kernel
from engine.simulation import FloatArray, IntArray
from engine.summary_figures import MAY_BE_NULL, summary_figures
from engine.sweeps.accounts import (
    A_DEEPEST,
    A_EQUITY,
    A_FEES_PAID,
    A_GAINED,
    A_GROWN_DEEPEST,
    A_GROWTH,
    A_HELD,
    A_LOSSES,
    A_LOST,
    A_RETURNS,
    A_SQUARES,
    A_TOTAL,
    A_TRADES,
    A_WINS,
    A_WON,
    DRAWDOWN,
    RETURNS,
    settle_drawdowns,
)

FIGURES = len(MAY_BE_NULL)
_figures = kernel(summary_figures)


@kernel
def write_figures(
    account: FloatArray, counts: IntArray, starting_capital: FloatArray,
    bars_per_year: FloatArray, bars: int, span: int, depth: int, figures: FloatArray,
) -> None:  # fmt: skip
    """Write the ``summary_figures`` of each account, NaN for null and for what was not counted.

    Args:
        account, counts: (V, ACCOUNT_NUMBERS) and (V, ACCOUNT_COUNTS), after the last bar.
        starting_capital, bars_per_year: one a variant; ``span`` in milliseconds.
        depth: TRADES, DRAWDOWN or RETURNS.
        figures: (V, FIGURES).
    """
    for row in range(len(account)):
        sums, numbers = account[row], counts[row]
        settle_drawdowns(sums)
        mean = deviation = downside = growth = compounded = deepest = math.nan
        if depth >= DRAWDOWN:
            deepest = sums[A_DEEPEST]
        if depth >= RETURNS:
            count = numbers[A_RETURNS]
            mean = sums[A_TOTAL] / count
            if count > 1:
                deviation = math.sqrt(sums[A_SQUARES] / (count - 1))
            downside = sums[A_LOSSES] / count
            growth = sums[A_GROWTH]
            compounded = sums[A_GROWN_DEEPEST]
        found = _figures(
            bars, span, sums[A_EQUITY], mean, deviation, downside, growth, deepest, compounded,
            numbers[A_HELD], numbers[A_TRADES], numbers[A_WINS], sums[A_WON], sums[A_LOST],
            sums[A_GAINED], sums[A_FEES_PAID], starting_capital[row], bars_per_year[row],
        )  # fmt: skip
        for place in range(FIGURES):
            value = found[place]
            if not MAY_BE_NULL[place]:
                figures[row, place] = value
            elif math.isfinite(value):
                figures[row, place] = value + 0.0
            else:
                figures[row, place] = math.nan
