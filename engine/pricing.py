"""European options on an asset with a continuous dividend yield (Black, Scholes, Merton 1973).

Money is per unit of the underlying, rates and volatility are annual and continuous, time is in
years. Zero time or zero volatility gives the limit: the discounted intrinsic value.
"""

import math

import numpy as np

from engine._jit import kernel
from engine.special_functions import exp, inverse_normal_cdf, log, normal_cdf


@kernel
def discount(rate: float, years: float) -> float:
    """Present value of one unit of money in ``years``."""
    if rate == 0.0:
        return 1.0
    return exp(-rate * years)


@kernel
def option_value(
    is_put: bool,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
) -> float:
    """Value of a put or a call.

    Never below the discounted intrinsic value: far in the money rounding would put it there, and
    an option without time value would look worth exercising.
    """
    years = max(years, 0.0)
    asset = spot * discount(dividend_yield, years)
    cash = strike * discount(rate, years)
    intrinsic = max(cash - asset, 0.0) if is_put else max(asset - cash, 0.0)
    if not (years > 0.0 and volatility > 0.0):
        return intrinsic
    deviation = volatility * math.sqrt(years)
    drift = (rate - dividend_yield + 0.5 * volatility * volatility) * years
    d1 = (log(spot / strike) + drift) / deviation
    d2 = d1 - deviation
    if is_put:
        return max(cash * normal_cdf(-d2) - asset * normal_cdf(-d1), intrinsic)
    return max(asset * normal_cdf(d1) - cash * normal_cdf(d2), intrinsic)


@kernel
def spot_delta(
    is_put: bool,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
) -> float:
    """Change of the value with the spot: e^(−qT) N(d1) for a call, −e^(−qT) N(−d1) for a put.

    In the limit of no time or no volatility: all, nothing, or half of e^(−qT) at the money.
    """
    years = max(years, 0.0)
    share = discount(dividend_yield, years)
    if not (years > 0.0 and volatility > 0.0):
        moneyness = spot * share - strike * discount(rate, years)
        call_side = 0.5 if moneyness == 0.0 else (1.0 if moneyness > 0.0 else 0.0)
        return -share * (1.0 - call_side) if is_put else share * call_side
    drift = (rate - dividend_yield + 0.5 * volatility * volatility) * years
    d1 = (log(spot / strike) + drift) / (volatility * math.sqrt(years))
    return -share * normal_cdf(-d1) if is_put else share * normal_cdf(d1)


@kernel
def strike_of_delta(
    is_put: bool,
    spot: float,
    absolute_delta: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
) -> float:
    """The strike whose spot delta has this absolute value; NaN if no strike has it.

    With z = N⁻¹(|Δ| e^(qT)), d1 is z for a call and −z for a put, and
    K = S exp((r − q + σ²/2) T − d1 σ √T). Spot deltas reach e^(−qT) at most.
    """
    if not (years > 0.0 and volatility > 0.0):
        return np.nan
    probability = absolute_delta / discount(dividend_yield, years)
    if not 0.0 < probability < 1.0:
        return np.nan
    z = inverse_normal_cdf(probability)
    d1 = -z if is_put else z
    drift = (rate - dividend_yield + 0.5 * volatility * volatility) * years
    strike = spot * exp(drift - d1 * volatility * math.sqrt(years))
    return strike if strike < np.inf else np.nan
