"""Option prices, and the wheel that sells options, both on one core."""

import math
import time

import numpy as np
from numpy.typing import NDArray

import engine
from benchmarks.targets import Row, duration, medians
from engine import wheel
from engine._jit import kernel
from engine.candles import Candles
from engine.pricing import option_value
from engine.simulation import Simulation

PRICES = 200_000
DAYS = 100_000
RATE, YIELD = 0.04, 0.01
#: Spots, strikes, years, volatilities.
Quotes = tuple[NDArray[np.float64], ...]


@kernel
def _puts(
    spot: NDArray[np.float64],
    strike: NDArray[np.float64],
    years: NDArray[np.float64],
    volatility: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for i in range(len(out)):
        out[i] = option_value(True, spot[i], strike[i], years[i], RATE, YIELD, volatility[i])


def quotes(count: int) -> Quotes:
    """Puts as a wheel sells them, the same every time."""
    rng = np.random.default_rng(5)
    spot = rng.uniform(50.0, 150.0, count)
    return (
        spot,
        spot * rng.uniform(0.8, 1.1, count),
        rng.uniform(5, 60, count) / 365,
        rng.uniform(0.1, 0.6, count),
    )


def our_puts(market: Quotes) -> NDArray[np.float64]:
    """Every put's value by the engine."""
    out = np.empty(len(market[0]))
    _puts(*market, out)
    return out


def scipy_puts(market: Quotes) -> NDArray[np.float64]:
    """Every put's value by the same formula over whole arrays."""
    from scipy.special import ndtr

    spot, strike, years, volatility = market
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (RATE - YIELD + 0.5 * volatility**2) * years) / deviation
    cash, asset = strike * np.exp(-RATE * years), spot * np.exp(-YIELD * years)
    puts: NDArray[np.float64] = cash * ndtr(deviation - d1) - asset * ndtr(-d1)
    return puts


def prices(count: int = PRICES, rounds: int = 9) -> Row:
    """Black–Scholes prices a second."""
    market = quotes(count)
    took = medians(
        rounds,
        {"ours": lambda: our_puts(market), "scipy": lambda: scipy_puts(market)},
        clock=time.process_time,
    )
    return Row(
        what="Black–Scholes prices",
        figure=count / took["ours"] / 1e6,
        target=10.0,
        stretch=20.0,
        unit=" M/s",
        at_most=False,
        detail=f"{took['scipy'] / took['ours']:.2g}× scipy's {count / took['scipy'] / 1e6:.2g} M/s",
    )


def days(count: int) -> Candles:
    """Daily closes of a random walk around 100, the same every time."""
    rng = np.random.default_rng(6)
    level = np.empty(count)
    value = 0.0
    for day, step in enumerate(rng.normal(0.0, 0.011, count)):
        value = 0.995 * value + step
        level[day] = value
    times = 86_400_000 * np.arange(count, dtype=np.int64)
    return Candles.from_closes("WALK", "1d", times, 100.0 * np.exp(level))


def wheel_run(candles: Candles) -> Simulation:
    """The wheel with its defaults, marked every day."""
    config = engine.parse_config(
        {
            "strategyId": "wheel",
            "symbol": "WALK",
            "timeframe": "1d",
            "startDate": "1970-01-01",
            "endDate": "2500-12-31",
            "startingCapital": 100_000,
        }
    )
    return wheel.simulate(config, candles, 252.0, {})


def wheel_days(count: int = DAYS, rounds: int = 7) -> Row:
    """Nanoseconds a day of one wheel."""
    candles = days(count)
    took = medians(rounds, {"ours": lambda: wheel_run(candles)}, clock=time.process_time)["ours"]
    return Row(
        what="wheel, marked daily",
        figure=took / count * 1e9,
        target=100.0,
        stretch=50.0,
        unit=" ns a day",
        at_most=True,
        detail=f"{duration(took)} for {count:,} days",
    )


def largest_difference(count: int = PRICES) -> float:
    """Between the engine's prices and scipy's, as a share of the spot."""
    market = quotes(count)
    return float(np.max(np.abs(our_puts(market) - scipy_puts(market)) / market[0])) or math.ulp(0.0)
