"""Which symbols and timeframes a candle series may be stored under."""

import re

from engine.timeframes import TIMEFRAMES

_SYMBOL = re.compile(r"[A-Za-z0-9^=._/:-]{1,32}")


def check_series_name(symbol: str, timeframe: str) -> None:
    """Refuse a name that no job could ask for, or that would leave the candle directory.

    Raises:
        ValueError: says which of the two is wrong and what is accepted.
    """
    if not _SYMBOL.fullmatch(symbol) or ".." in symbol or symbol.startswith("/"):
        raise ValueError(
            f"symbol {symbol[:40]!r}: expected 1 to 32 letters, digits or ^=._/:- "
            "(no '..', no leading '/')"
        )
    if timeframe not in TIMEFRAMES:
        raise ValueError(f"timeframe {timeframe[:40]!r}: expected one of {' '.join(TIMEFRAMES)}")
