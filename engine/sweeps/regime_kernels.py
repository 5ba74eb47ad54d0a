"""Cycles by regime in a sweep: which regime had most of a position's bars, and what it returned."""

from engine._jit import borrowing, inlined
from engine.regimes import Regime
from engine.simulation import FloatArray, IntArray
from engine.sweeps.accounts import A_BY_REGIME, A_CYCLES, A_SEEN, A_START_EQUITY
from engine.sweeps.plane_kernels import TILE_BARS

_UP = int(Regime.UPTREND)
_DOWN = int(Regime.DOWNTREND)
_SIDEWAYS = int(Regime.SIDEWAYS)

#: A tile's regimes are six rows of whole numbers: for each regime how many bars it had before a
#: bar of the tile, and the last bar that it had up to there.
REGIME_COUNT = 3
REGIME_ROWS = 2 * REGIME_COUNT
REGIME_COLUMNS = TILE_BARS + 1


def start_regimes(regimes: IntArray) -> None:
    """Before the first bar: nothing was seen of any regime."""
    regimes[:, :REGIME_COUNT] = 0
    regimes[:, REGIME_COUNT:] = -1


@borrowing
def advance_regimes(
    first: int, last: int, close: FloatArray, lookbacks: IntArray, thresholds: FloatArray,
    regimes: IntArray,
) -> None:  # fmt: skip
    """Write a tile's regimes under each rule.

    Args:
        lookbacks: (K,) bars; ``thresholds``: (K, 2) up and down.
        regimes: (K, REGIME_ROWS, REGIME_COLUMNS): the tile before, whose last column goes on.
    """
    for rule in range(len(lookbacks)):
        lookback = lookbacks[rule]
        up, down = thresholds[rule, 0], thresholds[rule, 1]
        table = regimes[rule]
        for row in range(REGIME_ROWS):
            table[row, 0] = table[row, TILE_BARS]
        for place in range(last - first):
            for row in range(REGIME_ROWS):
                table[row, place + 1] = table[row, place]
            bar = first + place
            if bar < lookback:
                continue
            change = close[bar] / close[bar - lookback] - 1.0
            regime = _UP if change >= up else _DOWN if change <= down else _SIDEWAYS
            table[regime, place + 1] += 1
            table[REGIME_COUNT + regime, place + 1] = bar


@inlined
def open_cycle(
    place: int, cash: float, regimes: IntArray, account: FloatArray, counts: IntArray
) -> None:
    """A position is about to be opened on bar ``place`` of the tile."""
    account[A_START_EQUITY] = cash
    for regime in range(REGIME_COUNT):
        counts[A_SEEN + regime] = regimes[regime, place]


@inlined
def count_cycle(
    place: int, cash: float, regimes: IntArray, account: FloatArray, counts: IntArray
) -> None:
    """A position has been closed on bar ``place``; of equals the regime seen last is dominant."""
    dominant = -1
    most = 0
    latest = -1
    for regime in range(REGIME_COUNT):
        bars = regimes[regime, place + 1] - counts[A_SEEN + regime]
        seen = regimes[REGIME_COUNT + regime, place + 1]
        if bars > most or (bars == most and bars > 0 and seen > latest):
            dominant = regime
            most = bars
            latest = seen
    if dominant >= 0:
        counts[A_CYCLES + dominant] += 1
        account[A_BY_REGIME + dominant] += cash / account[A_START_EQUITY] - 1.0
