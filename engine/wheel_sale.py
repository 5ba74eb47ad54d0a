"""What the wheel sells next: expiry, strike and number of contracts, or why nothing."""

import numpy as np

from engine._jit import kernel
from engine.expiries import NO_EXPIRY, choose_expiry
from engine.pricing import strike_of_delta
from engine.wheel_account import Terms
from engine.wheel_skips import Skip

DAYS_A_YEAR = 365.0
#: A strike this near to a step, in steps, is on it.
STEP_TOLERANCE = 1e-6

_SKIP_VOLATILITY = int(Skip.VOLATILITY)
_SKIP_EXPIRY = int(Skip.EXPIRY)
_SKIP_DELTA = int(Skip.DELTA)
_SKIP_STRIKE = int(Skip.STRIKE)
_SKIP_CASH = int(Skip.CASH)


@kernel
def _strike(terms: Terms, is_put: bool, close: float, years: float, volatility: float) -> float:
    """The strike wanted, on the grid of steps; NaN if no strike has the wanted delta."""
    delta = terms.put_delta if is_put else terms.call_delta
    if delta == delta:
        strike = strike_of_delta(
            is_put, close, delta, years, terms.risk_free_rate, terms.dividend_yield, volatility
        )
        if strike != strike:
            return strike
    elif is_put:
        strike = close * (1.0 - terms.put_moneyness)
    else:
        strike = close * (1.0 + terms.call_moneyness)
    step = terms.strike_step
    if step > 0.0:
        if is_put:
            return float(np.floor(strike / step + STEP_TOLERANCE)) * step
        return float(np.ceil(strike / step - STEP_TOLERANCE)) * step
    return strike


@kernel
def _secured_puts(terms: Terms, cash: float, strike: float) -> float:
    """How many puts the cash secures: the wanted number or none, or as many as it can."""
    if terms.contracts > 0.0:
        needed = strike * terms.contract_size * terms.contracts
        return terms.contracts if cash >= needed else 0.0
    each = strike * terms.contract_size
    if cash < each:
        return 0.0
    most = float(np.floor(cash / each))
    if most == np.inf:
        return 0.0
    if each * most > cash:
        return most - 1.0
    return most + 1.0 if each * (most + 1.0) <= cash else most


@kernel
def choose_sale(
    terms: Terms,
    is_put: bool,
    today: int,
    close: float,
    volatility: float,
    cash: float,
    cost: float,
    covered: float,
) -> tuple[int, int, float, float]:
    """What to sell: (skip, expiry, strike, contracts); a skip other than 0 says why nothing.

    ``cost`` is the strike the shares were assigned at, ``covered`` the calls that they cover.
    """
    if not volatility > 0.0:
        return _SKIP_VOLATILITY, NO_EXPIRY, 0.0, 0.0
    expiry = choose_expiry(
        today, terms.target_days, terms.lowest_days, terms.highest_days, terms.expiries
    )
    if expiry == NO_EXPIRY:
        return _SKIP_EXPIRY, NO_EXPIRY, 0.0, 0.0
    strike = _strike(terms, is_put, close, (expiry - today) / DAYS_A_YEAR, volatility)
    if strike != strike:
        return _SKIP_DELTA, NO_EXPIRY, 0.0, 0.0
    if terms.floor_at_cost and not is_put and strike < cost:
        strike = cost
    if strike <= 0.0:
        return _SKIP_STRIKE, NO_EXPIRY, 0.0, 0.0
    contracts = _secured_puts(terms, cash, strike) if is_put else covered
    if contracts == 0.0:
        return _SKIP_CASH, NO_EXPIRY, 0.0, 0.0
    return 0, expiry, strike, contracts
