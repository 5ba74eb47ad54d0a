"""When stop, target and trailing stop of a sweep's positions are touched."""

import numpy as np

from engine._jit import inlined
from engine.bits import WORD_BARS
from engine.levels import fixed_levels
from engine.simulation import FloatArray
from engine.sweeps.accounts import A_BEST
from engine.sweeps.tile_prices import TilePrices


@inlined
def first_touch(
    begin: int, end: int, side: int, stop_distance: float, target_distance: float,
    trailing: float, entry_price: float, tile: TilePrices, account: FloatArray,
) -> int:  # fmt: skip
    """The first of bars begin … end − 1 of the tile that touches a level, or −1.

    Keeps the best price up, which a trailing stop follows.
    """
    stop, target = fixed_levels(side, entry_price, stop_distance, target_distance)
    # A level is touched from above or from below, whichever side it belongs to.
    lower = stop if side > 0 else -target
    upper = target if side > 0 else -stop
    touched = -1
    if trailing <= 0.0:
        bar = begin
        while bar < end:
            word = bar // WORD_BARS
            word_end = min((word + 1) * WORD_BARS, end)
            if tile.touch_lows[word] <= lower or tile.touch_highs[word] >= upper:
                for place in range(np.uint64(bar), np.uint64(word_end)):
                    if (tile.lowest[place] <= lower) | (tile.highest[place] >= upper):
                        touched = int(np.int64(place))
                        break
                if touched >= 0:
                    break
            bar = word_end
        return touched
    best = account[A_BEST]
    for place in range(np.uint64(begin), np.uint64(end)):
        level = side * (best * (1.0 - side * trailing))
        if level > stop:
            if side > 0:
                lower = level
            else:
                upper = -level
        if (tile.lowest[place] <= lower) | (tile.highest[place] >= upper):
            touched = int(np.int64(place))
            break
        favorable = tile.highs[place] if side > 0 else tile.lows[place]
        if side * favorable > side * best:
            best = favorable
    account[A_BEST] = best
    return touched
