"""What the wheel left undone, said in notes: which bars, and why."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from engine.candles import from_milliseconds


class Skip(IntEnum):
    """Why a sale, or a buy-back, did not happen on a bar."""

    NONE = 0
    VOLATILITY = 1
    EXPIRY = 2
    DELTA = 3
    STRIKE = 4
    CASH = 5
    BUY_BACK = 6


REASONS = {
    Skip.VOLATILITY: "nothing sold: the volatility is undefined or not above 0",
    Skip.EXPIRY: "nothing sold: no expiry lies within the wanted days",
    Skip.DELTA: "nothing sold: no strike has the wanted delta",
    Skip.STRIKE: "nothing sold: the strike would not be above 0",
    Skip.CASH: "no put sold: the cash does not cover strike × contract size × contracts",
    Skip.BUY_BACK: "the option was not bought back: the cash does not cover it",
}


def skip_notes(skips: NDArray[np.int8], times: NDArray[np.int64], limit: int) -> list[str]:
    """One note for each run of bars with one reason; at most ``limit``, the last counting the rest.

    Args:
        skips: a ``Skip`` a bar.
        times: the bars' opening times, milliseconds since 1970 UTC.
        limit: at least 1.
    """
    starts = np.flatnonzero(np.diff(skips, prepend=np.int8(Skip.NONE)))
    ends = np.append(starts[1:], len(skips))
    skipped = skips[starts] != Skip.NONE
    starts, ends = starts[skipped], ends[skipped]
    shown = len(starts) if len(starts) <= limit else limit - 1
    notes = [
        f"{_when(times, int(start), int(end))}: {REASONS[Skip(int(skips[start]))]}"
        for start, end in zip(starts[:shown], ends[:shown], strict=True)
    ]
    if shown < len(starts):
        bars = int(np.sum(ends[shown:] - starts[shown:]))
        notes.append(
            f"{len(starts) - shown} more spells without a sale or buy-back ({bars} bars), "
            f"the last on {_date(times, int(ends[-1]) - 1)}"
        )
    return notes


def _when(times: NDArray[np.int64], start: int, end: int) -> str:
    if end - start == 1:
        return _date(times, start)
    return f"{_date(times, start)} to {_date(times, end - 1)} ({end - start} bars)"


def _date(times: NDArray[np.int64], bar: int) -> str:
    """The date, with the time where the bar does not open at midnight."""
    moment = from_milliseconds(int(times[bar]))
    return f"{moment:%Y-%m-%d}" if moment.hour == moment.minute == 0 else f"{moment:%Y-%m-%d %H:%M}"
