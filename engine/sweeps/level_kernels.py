"""When stop, target and trailing stop of a sweep's positions are touched."""

from engine._jit import inlined, kernel
from engine.levels import fixed_levels
from engine.simulation import FloatArray
from engine.sweeps.accounts import A_BEST


@kernel
def touching_prices(
    first: int, last: int, open_: FloatArray, high: FloatArray, low: FloatArray,
    lowest: FloatArray, highest: FloatArray,
) -> None:  # fmt: skip
    """Write the lowest and the highest price of a tile's bars, their opens included."""
    opens, highs, lows = open_[first:last], high[first:last], low[first:last]
    for place in range(last - first):
        lowest[place] = min(opens[place], lows[place])
        highest[place] = max(opens[place], highs[place])


@inlined
def first_touch(
    begin: int, end: int, tile: int, side: int, stop_distance: float, target_distance: float,
    trailing: float, entry_price: float, lowest: FloatArray, highest: FloatArray,
    favorable: FloatArray, account: FloatArray,
) -> int:  # fmt: skip
    """The first bar of begin … end − 1 that touches a level, or −1. Keeps the best price up.

    ``lowest`` and ``highest`` are those of the tile's bars and include the open; ``favorable`` is
    the high of a long, the low of a short position's bars.
    """
    stop, target = fixed_levels(side, entry_price, stop_distance, target_distance)
    # A level is touched from above or from below, whichever side it belongs to.
    lower = stop if side > 0 else -target
    upper = target if side > 0 else -stop
    if trailing <= 0.0:
        for bar in range(begin, end):
            if (lowest[bar - tile] <= lower) | (highest[bar - tile] >= upper):
                return bar
        return -1
    best = account[A_BEST]
    for bar in range(begin, end):
        level = side * (best * (1.0 - side * trailing))
        if level > stop:
            if side > 0:
                lower = level
            else:
                upper = -level
        if (lowest[bar - tile] <= lower) | (highest[bar - tile] >= upper):
            account[A_BEST] = best
            return bar
        if side * favorable[bar] > side * best:
            best = favorable[bar]
    account[A_BEST] = best
    return -1
