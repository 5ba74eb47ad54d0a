"""From sums to the figures that every run has; one formula for single runs and for sweeps.

Plain Python, so that a single run needs no more compiled code; a sweep compiles it.
"""

import math

from engine.return_kernels import power
from engine.timeframes import DAY

#: Below this deviation of returns a ratio to it is noise.
LEAST_DEVIATION = 1e-12
_YEAR = 365.25 * DAY

#: Which of the figures need not exist, in the order of ``engine.metrics.SweepMetrics``.
MAY_BE_NULL = (
    False, False, False, True, True, True, True, True, True, False, False, True, True, True, False,
)  # fmt: skip
Figures = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float, float,
    float, float,
]  # fmt: skip


def summary_figures(
    bars: int, span: int, final_equity: float, mean: float, deviation: float, downside: float,
    growth: float, deepest: float, compounded: float, held: int, trades: int, wins: int,
    won: float, lost: float, gained: float, fees_paid: float, starting_capital: float,
    bars_per_year: float,
) -> Figures:  # fmt: skip
    """The fields of ``engine.metrics.SweepMetrics``; the arguments are ``Curve``'s.

    Where ``MAY_BE_NULL``, NaN and infinity stand for a figure that does not exist, and a zero may
    have a sign; elsewhere it has none.
    """
    varies = bars > 1 and deviation >= LEAST_DEVIATION
    annualized = power(growth, 1.0 / (bars / bars_per_year)) - 1.0
    final = final_equity / starting_capital
    grows = span > 0 and final >= 0.0
    root = math.sqrt(bars_per_year)
    shortfall = math.sqrt(downside) * root if downside > 0.0 else 0.0
    return (
        final - 1.0 + 0.0,
        final_equity + 0.0,
        deepest + 0.0,
        power(final, _YEAR / span) - 1.0 if grows else math.nan,
        annualized,
        deviation * root if varies else math.nan,
        mean / deviation * root if varies else math.nan,
        mean * bars_per_year / shortfall if varies and shortfall > 0.0 else math.nan,
        annualized / -compounded if compounded < 0.0 else math.nan,
        held / bars,
        float(trades),
        wins / trades if trades > 0 else math.nan,
        won / lost if lost > 0.0 else math.nan,
        gained / trades if trades > 0 else math.nan,
        fees_paid + 0.0,
    )
