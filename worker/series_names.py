"""Which symbols and timeframes a candle series may be stored under."""

from engine.symbols import check_symbol
from engine.timeframes import TIMEFRAMES


def check_series_name(symbol: str, timeframe: str) -> None:
    """Refuse a name that no job could ask for, or that would leave the candle directory.

    Raises:
        ValueError: says which of the two is wrong and what is accepted.
    """
    try:
        check_symbol(symbol)
    except ValueError as error:
        raise ValueError(f"symbol {symbol[:40]!r}: expected {error}") from None
    if timeframe not in TIMEFRAMES:
        raise ValueError(f"timeframe {timeframe[:40]!r}: expected one of {' '.join(TIMEFRAMES)}")
