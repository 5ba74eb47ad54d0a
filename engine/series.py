"""Which stored candles a config needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.config import BacktestConfig
from engine.portfolio_parameters import PortfolioParameters
from engine.wheel_parameters import SeriesVolatility, WheelParameters


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Candles to load: bars that open in [start, end]; ``None`` leaves that side open."""

    symbol: str
    timeframe: str
    start: datetime | None
    end: datetime | None


def required_series(config: BacktestConfig) -> tuple[SeriesRequest, ...]:
    """The candles to load for a run, one request a symbol and timeframe; none for a price path.

    A volatility series has no ``start``, because its last value before the run counts.
    """
    return _widest(_requests(config))


def traded_series(config: BacktestConfig) -> tuple[SeriesRequest, ...]:
    """The bars that a run goes through, with both ends, whatever else it reads of their symbols."""
    return _widest(request for request in _requests(config) if request.start is not None)


def volatility_symbol(config: BacktestConfig) -> str | None:
    """The symbol whose closes are the wheel's volatility, if it is taken from one."""
    parameters = config.parameters
    if isinstance(parameters, WheelParameters) and isinstance(
        parameters.volatility, SeriesVolatility
    ):
        return parameters.volatility.symbol
    return None


def _requests(config: BacktestConfig) -> Iterator[SeriesRequest]:
    end = config.end if config.price_path is None else None
    if config.price_path is None:
        yield SeriesRequest(config.symbol, config.timeframe, config.start, end)
    volatility = volatility_symbol(config)
    if volatility is not None:
        yield SeriesRequest(volatility, config.timeframe, None, end)
    if isinstance(config.parameters, PortfolioParameters):
        for sleeve in config.parameters.sleeves:
            yield from _requests(sleeve.config)


def _widest(requests: Iterable[SeriesRequest]) -> tuple[SeriesRequest, ...]:
    """One request a symbol and timeframe."""
    widest: dict[tuple[str, str], SeriesRequest] = {}
    for request in requests:
        key = (request.symbol, request.timeframe)
        widest[key] = _union(widest[key], request) if key in widest else request
    return tuple(widest.values())


def _union(one: SeriesRequest, other: SeriesRequest) -> SeriesRequest:
    starts = (one.start, other.start)
    ends = (one.end, other.end)
    return SeriesRequest(
        one.symbol,
        one.timeframe,
        None if None in starts else min(time for time in starts if time is not None),
        None if None in ends else max(time for time in ends if time is not None),
    )
