"""One strategy over one symbol, up to the point where its account is known bar by bar."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine import signal_strategies, wheel
from engine.annualization import bars_per_year
from engine.candles import Candles
from engine.config import BacktestConfig
from engine.coverage import range_note
from engine.inputs import Given, bars_of, fingerprint_of, volatility_series
from engine.simulation import Simulation

OnProgress = Callable[[float], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleRun:
    """The bars that were used, the account over them, and the bars a year that were counted."""

    bars: Candles
    simulation: Simulation
    bars_per_year: float
    fingerprint: str


def run_single(
    config: BacktestConfig,
    given: Given,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> SingleRun:
    """Run any strategy but a portfolio.

    Raises:
        DataError: candles are missing or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    bars = bars_of(config, given)
    series = volatility_series(config, bars, given)
    return SingleRun(
        bars=bars,
        simulation=_simulation(config, bars, series, on_progress, should_stop),
        bars_per_year=_bars_per_year(config, bars),
        fingerprint=fingerprint_of(bars, series),
    )


def simulate_single(
    config: BacktestConfig,
    given: Given,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Simulation:
    """As :func:`run_single`, for those who want nothing but the account.

    Raises:
        DataError: candles are missing or cannot be used.
        Stopped: ``should_stop`` said yes.
    """
    bars = bars_of(config, given)
    series = volatility_series(config, bars, given)
    return _simulation(config, bars, series, on_progress, should_stop)


def _simulation(
    config: BacktestConfig,
    bars: Candles,
    series: Mapping[str, Candles],
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Simulation:
    is_wheel = config.strategy_id == "wheel"
    if is_wheel:
        yearly = _bars_per_year(config, bars)
        simulation = wheel.simulate(config, bars, yearly, series, on_progress, should_stop)
    else:
        simulation = signal_strategies.simulate(config, bars, on_progress, should_stop)
    note = range_note(config, bars)
    if note is not None:
        # A wheel's first note says where its premiums come from.
        simulation.notes.insert(1 if is_wheel else 0, note)
    return simulation


def _bars_per_year(config: BacktestConfig, bars: Candles) -> float:
    return bars_per_year(
        config.annualization,
        config.timeframe,
        bars.times,
        is_price_path=config.price_path is not None,
    )
