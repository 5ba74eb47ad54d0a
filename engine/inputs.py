"""Which bars a run sees, and the hash of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.candles import Candles, to_milliseconds
from engine.config import BacktestConfig
from engine.digest import digest
from engine.errors import DataError, DataNotFoundError
from engine.limits import shown
from engine.series import volatility_symbol
from engine.soundness import check_usable
from engine.timeframes import TIMEFRAMES

#: Candles by symbol, or by (symbol, timeframe) where a symbol has bars of several lengths.
Given = Mapping[Any, Candles]


def by_symbol(config: BacktestConfig, candles: Candles | Given | None) -> Given:
    """Candles that come alone are those of the config's symbol, whatever they are called.

    Raises:
        DataError: as :func:`check_given` says.
    """
    check_given(candles)
    if isinstance(candles, Candles):
        return {config.symbol: candles}
    return {} if candles is None else candles


def check_given(candles: Any) -> None:
    """Whether that is something in which candles can be looked for.

    Raises:
        DataError: neither candles, nor a mapping, nor None.
    """
    if candles is not None and not isinstance(candles, Candles | Mapping):
        raise DataError(
            "candles: expected Candles or a mapping of them by symbol or (symbol, timeframe), "
            f"got {shown(candles)}"
        )


def bars_of(config: BacktestConfig, given: Given) -> Candles:
    """The bars between the config's dates, or those of its price path, checked.

    Raises:
        DataNotFoundError: there are none.
        DataError: a bar that cannot be used.
    """
    if config.price_path is not None:
        first = to_milliseconds(config.start)
        times = (
            first + np.arange(len(config.price_path), dtype=np.int64) * TIMEFRAMES[config.timeframe]
        )
        return Candles.from_closes(config.symbol, config.timeframe, times, config.price_path)
    stored = _of_symbol(given, config.symbol, config.timeframe)
    bars = stored.between(config.start, config.end)
    if not len(bars):
        raise DataNotFoundError(
            f"no candles of {config.symbol} {config.timeframe} from {config.start_date} to "
            f"{config.end_date}; {_held(stored)}"
        )
    check_usable(bars)
    return bars


def volatility_series(config: BacktestConfig, bars: Candles, given: Given) -> Mapping[str, Candles]:
    """The candles whose closes are the wheel's volatility, by symbol; empty without one.

    From the last one on or before the first bar to the last one on or before the last bar, so
    that what else is stored makes no difference.

    Raises:
        DataNotFoundError: the symbol was not given.
        DataError: a bar that cannot be used.
    """
    symbol = volatility_symbol(config)
    if symbol is None:
        return {}
    stored = _of_symbol(given, symbol, config.timeframe)
    first = int(np.searchsorted(stored.times, bars.times[0], side="right")) - 1
    last = int(np.searchsorted(stored.times, bars.times[-1], side="right"))
    used = stored.rows(max(first, 0), last)
    check_usable(used)
    return {symbol: used}


def fingerprint_of(bars: Candles, series: Mapping[str, Candles]) -> str:
    """The hash of all candles that a run used."""
    if not series:
        return bars.fingerprint()
    others = {symbol: candles.fingerprint() for symbol, candles in series.items()}
    return digest({"bars": bars.fingerprint(), "series": others})


def _of_symbol(given: Given, symbol: str, timeframe: str) -> Candles:
    candles = given.get((symbol, timeframe))
    if candles is None:
        candles = given.get(symbol)
    if candles is None:
        raise DataNotFoundError(f"no candles of {symbol} {timeframe}")
    if not isinstance(candles, Candles):
        raise DataError(f"candles of {symbol} {timeframe}: expected Candles, got {shown(candles)}")
    if candles.timeframe != timeframe:
        raise DataNotFoundError(
            f"no candles of {symbol} {timeframe}; those at hand are {candles.timeframe}"
        )
    return candles


def _held(stored: Candles) -> str:
    if not len(stored):
        return "none are held"
    first, last = stored.time_of(0), stored.time_of(-1)
    return f"held: {first:%Y-%m-%d} to {last:%Y-%m-%d}"
