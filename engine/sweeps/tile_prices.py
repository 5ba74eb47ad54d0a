"""The prices of one tile, with the extremes of every 64 bars: most positions need no others."""

import math
from typing import NamedTuple

import numpy as np

from engine._jit import borrowing
from engine.bits import WORD_BARS
from engine.simulation import FloatArray, IntArray


class TilePrices(NamedTuple):
    """A tile's bars, and the extremes of its words.

    ``lowest`` and ``highest`` are those of a bar, its open included; ``close_bits`` are the closes
    as whole numbers. ``touch_lows`` and ``touch_highs`` are the extremes of a word's bars,
    ``close_lows`` and ``close_highs`` those of its closes.
    """

    opens: FloatArray
    highs: FloatArray
    lows: FloatArray
    closes: FloatArray
    close_bits: IntArray
    lowest: FloatArray
    highest: FloatArray
    touch_lows: FloatArray
    touch_highs: FloatArray
    close_lows: FloatArray
    close_highs: FloatArray


@borrowing
def measure_tile(tile: TilePrices) -> None:
    """Write everything of a tile that is not a candle's own."""
    bars = len(tile.closes)
    for bar in range(np.uint64(bars)):
        tile.lowest[bar] = min(tile.opens[bar], tile.lows[bar])
        tile.highest[bar] = max(tile.opens[bar], tile.highs[bar])
    for word in range(len(tile.close_lows)):
        low, high = math.inf, -math.inf
        close_low, close_high = math.inf, -math.inf
        for bar in range(np.uint64(word * WORD_BARS), np.uint64(min((word + 1) * WORD_BARS, bars))):
            low = min(low, tile.lowest[bar])
            high = max(high, tile.highest[bar])
            close_low = min(close_low, tile.closes[bar])
            close_high = max(close_high, tile.closes[bar])
        tile.touch_lows[word] = low
        tile.touch_highs[word] = high
        tile.close_lows[word] = close_low
        tile.close_highs[word] = close_high
