"""Regimes bar by bar, and which of them a span of bars has most of."""

import numpy as np

from engine._jit import kernel
from engine.regimes import REGIMES, Regime
from engine.simulation import FloatArray, IntArray

# Plain integers: numba would otherwise have to know the enumeration.
_NONE = int(Regime.NONE)
_UP = int(Regime.UPTREND)
_DOWN = int(Regime.DOWNTREND)
_SIDEWAYS = int(Regime.SIDEWAYS)
_KINDS = len(REGIMES)


@kernel
def write_regimes(
    close: FloatArray, lookback: int, up: float, down: float, regimes: IntArray
) -> None:
    """Write each bar's regime: its return over ``lookback`` bars against two thresholds."""
    for i in range(min(lookback, len(close))):
        regimes[i] = _NONE
    back = np.uint64(lookback)
    for i in range(back, np.uint64(len(close))):
        change = close[i] / close[i - back] - 1.0
        regimes[i] = _UP if change >= up else _DOWN if change <= down else _SIDEWAYS


@kernel
def write_dominant(regimes: IntArray, start: IntArray, end: IntArray, dominant: IntArray) -> None:
    """Write for each span start … end, both inclusive, the regime that most of its bars have.

    Of regimes with equally many bars the one seen last; none where no bar has one.
    """
    counts = np.zeros(_KINDS, np.int64)
    seen_at = np.zeros(_KINDS, np.int64)
    for row in range(len(start)):
        for kind in range(_KINDS):
            counts[kind] = 0
        for bar in range(start[row], end[row] + 1):
            kind = regimes[bar]
            if kind != _NONE:
                counts[kind] += 1
                seen_at[kind] = bar
        best = _NONE
        for kind in range(_KINDS):
            if counts[kind] > 0 and (
                best == _NONE
                or counts[kind] > counts[best]
                or (counts[kind] == counts[best] and seen_at[kind] > seen_at[best])
            ):
                best = kind
        dominant[row] = best
