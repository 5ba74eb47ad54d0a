"""Rows of candle files as bars, and the other way round."""

from collections.abc import Sequence

import numpy as np

from worker.candle_rows import Bar, Rows


def bars_in(rows: Rows) -> list[Bar]:
    return [rows.bar(index) for index in range(len(rows))]


def rows_of_bars(bars: Sequence[Bar], numbers: Sequence[int]) -> Rows:
    return Rows(
        times=np.array([bar.time for bar in bars], np.int64),
        values=np.array([bar[1:] for bar in bars], np.float64).T,
        numbers=np.array(numbers, np.int64),
    )
