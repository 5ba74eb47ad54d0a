"""The wheel's account, one step a bar, all at the bar's close.

Order in a bar: interest and dividends, settlement or buy-back, sale, mark. The kernel runs over
a range of bars and hands its state to the next range, so that others can look in between.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.expiries import NO_EXPIRY, choose_expiry
from engine.pricing import option_value, strike_of_delta
from engine.simulation import NO_INDEX, ExitReason, Instrument, Outcome, Side
from engine.wheel_skips import Skip

DAYS_A_YEAR = 365.0
#: A close this near to the strike (relative) counts as touching it.
TIE_TOLERANCE = 1e-9
#: A strike this near to a step, in steps, is on it.
STEP_TOLERANCE = 1e-6
#: Early assignment: at most this many days left, and deeper in the money than this much of strike.
EARLY_DAYS = 4
EARLY_DEPTH = 0.05

_LONG = float(Side.LONG)
_SHORT = float(Side.SHORT)
_NONE = -1
_PUT = int(Instrument.PUT)
_CALL = int(Instrument.CALL)
_SHARES = int(Instrument.SHARES)
_OPEN = int(ExitReason.OPEN)
_EXPIRED = int(ExitReason.EXPIRED)
_ASSIGNED = int(ExitReason.ASSIGNED)
_CALLED_AWAY = int(ExitReason.CALLED_AWAY)
_CLOSE_AT_PROFIT = int(ExitReason.CLOSE_AT_PROFIT)
_CLOSE_AT_DTE = int(ExitReason.CLOSE_AT_DTE)
_OUTCOME_NONE = int(Outcome.NONE)
_OUTCOME_EXPIRED = int(Outcome.EXPIRED_OTM)
_OUTCOME_ASSIGNED = int(Outcome.ASSIGNED)
_OUTCOME_CALLED_AWAY = int(Outcome.CALLED_AWAY)
_OUTCOME_CLOSED = int(Outcome.CLOSED)
_SKIP_VOLATILITY = int(Skip.VOLATILITY)
_SKIP_EXPIRY = int(Skip.EXPIRY)
_SKIP_DELTA = int(Skip.DELTA)
_SKIP_STRIKE = int(Skip.STRIKE)
_SKIP_CASH = int(Skip.CASH)
_SKIP_BUY_BACK = int(Skip.BUY_BACK)

#: One row a trade. ``quantity`` is in contracts for options and in shares for shares.
TRADE_ROW = np.dtype(
    [
        ("instrument", np.int64),
        ("entry_index", np.int64),
        ("exit_index", np.int64),
        ("exit_reason", np.int64),
        ("expiry", np.int64),
        ("quantity", np.float64),
        ("strike", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("fees", np.float64),
        ("pnl", np.float64),
        ("trade_return", np.float64),
        ("mae", np.float64),
        ("mfe", np.float64),
    ]
)

#: One row a cycle.
CYCLE_ROW = np.dtype(
    [
        ("start_index", np.int64),
        ("end_index", np.int64),
        ("outcome", np.int64),
        ("completed", np.bool_),
        ("had_assignment", np.bool_),
        ("start_equity", np.float64),
        ("end_equity", np.float64),
        ("assignment_price", np.float64),
        ("assignment_strike", np.float64),
        ("called_away_price", np.float64),
        ("called_away_strike", np.float64),
        ("premium_collected", np.float64),
    ]
)


class Terms(NamedTuple):
    """The rules of one run as plain numbers; NaN or ``NO_INDEX`` switches a rule off.

    ``contracts`` 0 sells as many puts as cash secures. Exactly one of each pair of moneyness and
    delta is a number.
    """

    contracts: float
    contract_size: float
    target_days: int
    lowest_days: int
    highest_days: int
    expiries: int
    put_moneyness: float
    put_delta: float
    call_moneyness: float
    call_delta: float
    floor_at_cost: bool
    strike_step: float
    risk_free_rate: float
    dividend_yield: float
    cash_rate: float
    commission: float
    assignment_fee: float
    spread: float
    close_at_profit: float
    close_at_days: int
    early_assignment: bool
    max_cycles: int


class State(NamedTuple):
    """The account between two bars.

    ``option`` is the kind of the short option (−1: none); its value at the sale and the range of
    its values while held are kept a share. ``cost`` is the strike the shares were assigned at.
    ``…_row`` are rows of the trade and cycle tables, ``trade_rows`` and ``cycle_rows`` how many
    are used.
    """

    cash: float
    shares: float
    cost: float
    lowest_close: float
    highest_close: float
    last_close: float
    shares_row: int
    option: int
    contracts: float
    strike: float
    expiry: int
    sold_value: float
    value: float
    lowest_value: float
    highest_value: float
    option_row: int
    cycle_row: int
    trade_rows: int
    cycle_rows: int
    completed: int
    premium: float
    fees: float
    assignments: int
    call_aways: int


def start(capital: float) -> State:
    """Nothing but cash, before the first bar."""
    return State(
        cash=float(capital),
        shares=0.0,
        cost=0.0,
        lowest_close=0.0,
        highest_close=0.0,
        last_close=0.0,
        shares_row=NO_INDEX,
        option=_NONE,
        contracts=0.0,
        strike=0.0,
        expiry=NO_EXPIRY,
        sold_value=0.0,
        value=0.0,
        lowest_value=0.0,
        highest_value=0.0,
        option_row=NO_INDEX,
        cycle_row=NO_INDEX,
        trade_rows=0,
        cycle_rows=0,
        completed=0,
        premium=0.0,
        fees=0.0,
        assignments=0,
        call_aways=0,
    )


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
    if each * most > cash:
        return most - 1.0
    return most + 1.0 if each * (most + 1.0) <= cash else most


@kernel
def _choose_sale(
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


@kernel
def _depth(is_put: bool, close: float, strike: float) -> float:
    """How far the option is in the money."""
    return strike - close if is_put else close - strike


@kernel
def _open_trade(
    trade: Any,
    instrument: int,
    bar: int,
    quantity: float,
    price: float,
    fees: float,
    strike: float,
    expiry: int,
) -> None:
    """Fill a row of the trade table; its result stays unknown until it is closed."""
    trade["instrument"] = instrument
    trade["entry_index"] = bar
    trade["exit_index"] = NO_INDEX
    trade["exit_reason"] = _OPEN
    trade["quantity"] = quantity
    trade["entry_price"] = price
    trade["exit_price"] = np.nan
    trade["fees"] = fees
    trade["strike"] = strike
    trade["expiry"] = expiry


@kernel
def _weigh_trade(
    trade: Any, side: float, price: float, units: float, basis: float, low: float, high: float
) -> None:
    """Fill in what a trade has made at ``price`` a unit, having been worth ``low`` to ``high``.

    Its return is per ``basis`` of money; excursions are fractions of the entry price.
    """
    entry = trade["entry_price"]
    trade["pnl"] = side * (price - entry) * units - trade["fees"]
    trade["trade_return"] = trade["pnl"] / basis
    at_low = side * (min(low, price) - entry) / entry if entry > 0.0 else 0.0
    at_high = side * (max(high, price) - entry) / entry if entry > 0.0 else 0.0
    trade["mae"] = min(0.0, min(at_low, at_high))
    trade["mfe"] = max(0.0, max(at_low, at_high))


@kernel
def _close_trade(trade: Any, bar: int, price: float, reason: int) -> None:
    trade["exit_index"] = bar
    trade["exit_price"] = price
    trade["exit_reason"] = reason


@kernel
def _open_cycle(cycle: Any, bar: int, equity: float) -> None:
    cycle["start_index"] = bar
    cycle["start_equity"] = equity
    cycle["outcome"] = _OUTCOME_NONE
    cycle["completed"] = False
    cycle["had_assignment"] = False
    cycle["assignment_price"] = np.nan
    cycle["assignment_strike"] = np.nan
    cycle["called_away_price"] = np.nan
    cycle["called_away_strike"] = np.nan
    cycle["premium_collected"] = 0.0


@kernel
def _close_cycle(cycle: Any, bar: int, equity: float, outcome: int, completed: bool) -> None:
    cycle["end_index"] = bar
    cycle["end_equity"] = equity
    cycle["outcome"] = outcome
    cycle["completed"] = completed


@kernel
def run_bars(
    terms: Terms,
    state: State,
    first: int,
    last: int,
    days: NDArray[np.int64],
    closes: NDArray[np.float64],
    volatilities: NDArray[np.float64],
    equity: NDArray[np.float64],
    holds_position: NDArray[np.bool_],
    skips: NDArray[np.int8],
    trades: NDArray[Any],
    cycles: NDArray[Any],
) -> State:
    """Run bars first … last − 1 and return the account after them.

    ``days`` are UTC dates as counts since 1970-01-01. Writes ``equity``, ``holds_position`` and
    ``skips`` (a ``Skip``) at those bars, and the rows of ``trades`` (TRADE_ROW) and ``cycles``
    (CYCLE_ROW) that open or close there; each table has room for one row a bar.
    """
    cash = state.cash
    shares = state.shares
    cost = state.cost
    lowest_close = state.lowest_close
    highest_close = state.highest_close
    last_close = state.last_close
    shares_row = state.shares_row
    option = state.option
    contracts = state.contracts
    strike = state.strike
    expiry = state.expiry
    sold_value = state.sold_value
    value = state.value
    lowest_value = state.lowest_value
    highest_value = state.highest_value
    option_row = state.option_row
    cycle_row = state.cycle_row
    trade_rows = state.trade_rows
    cycle_rows = state.cycle_rows
    completed = state.completed
    premium_total = state.premium
    fees_total = state.fees
    assignments = state.assignments
    call_aways = state.call_aways

    size = terms.contract_size
    rate = terms.risk_free_rate
    dividend_yield = terms.dividend_yield
    spread = terms.spread

    for bar in range(first, last):
        close = float(closes[bar])
        today = int(days[bar])
        volatility = float(volatilities[bar])
        skip = 0
        closed_one = False

        if bar > 0:
            elapsed = today - int(days[bar - 1])
            if elapsed > 0:
                interest = cash * terms.cash_rate * elapsed / DAYS_A_YEAR if cash > 0.0 else 0.0
                dividends = shares * close * dividend_yield * elapsed / DAYS_A_YEAR
                cash = cash + interest
                cash = cash + dividends

        if option != _NONE:
            is_put = option == _PUT
            exit_reason = _OPEN
            exit_price = 0.0
            if today >= expiry:
                value = 0.0
                exit_reason = _EXPIRED
                if _depth(is_put, close, strike) >= -TIE_TOLERANCE * strike:
                    exit_reason = _ASSIGNED if is_put else _CALLED_AWAY
            else:
                left = expiry - today
                value = option_value(
                    is_put, close, strike, left / DAYS_A_YEAR, rate, dividend_yield, volatility
                )
                if value <= (1.0 - terms.close_at_profit) * sold_value:
                    exit_reason = _CLOSE_AT_PROFIT
                elif left <= terms.close_at_days:
                    exit_reason = _CLOSE_AT_DTE
                if exit_reason != _OPEN:
                    exit_price = value * (1.0 + spread)
                    commission = terms.commission * contracts
                    price = exit_price * size * contracts
                    if price + commission <= cash:
                        cash = cash - (price + commission)
                        fees_total += commission
                        trades[option_row]["fees"] += commission
                    else:
                        exit_reason = _OPEN
                        exit_price = 0.0
                        skip = _SKIP_BUY_BACK
                if exit_reason == _OPEN and terms.early_assignment and left <= EARLY_DAYS:
                    depth = _depth(is_put, close, strike)
                    if depth > EARLY_DEPTH * strike and depth > value * (1.0 - spread):
                        exit_reason = _ASSIGNED if is_put else _CALLED_AWAY

            if exit_reason == _OPEN:
                lowest_value = min(lowest_value, value)
                highest_value = max(highest_value, value)
            else:
                closed_one = True
                units = contracts * size
                option = _NONE
                outcome = _OUTCOME_NONE
                _close_trade(trades[option_row], bar, exit_price, exit_reason)
                _weigh_trade(
                    trades[option_row],
                    _SHORT,
                    exit_price,
                    units,
                    strike * units,
                    lowest_value,
                    highest_value,
                )
                if exit_reason == _ASSIGNED:
                    shares = units
                    cost = strike
                    lowest_close = close
                    highest_close = close
                    cash = cash - cost * shares - terms.assignment_fee
                    fees_total += terms.assignment_fee
                    assignments += 1
                    shares_row = trade_rows
                    trade_rows += 1
                    _open_trade(
                        trades[shares_row],
                        _SHARES,
                        bar,
                        shares,
                        cost,
                        terms.assignment_fee,
                        np.nan,
                        NO_INDEX,
                    )
                    cycles[cycle_row]["had_assignment"] = True
                    cycles[cycle_row]["assignment_price"] = close
                    cycles[cycle_row]["assignment_strike"] = strike
                elif exit_reason == _CALLED_AWAY:
                    cash = cash + strike * shares - terms.assignment_fee
                    fees_total += terms.assignment_fee
                    call_aways += 1
                    trades[shares_row]["fees"] += terms.assignment_fee
                    _close_trade(trades[shares_row], bar, strike, exit_reason)
                    _weigh_trade(
                        trades[shares_row],
                        _LONG,
                        strike,
                        shares,
                        cost * shares,
                        lowest_close,
                        highest_close,
                    )
                    shares = 0.0
                    cycles[cycle_row]["called_away_price"] = close
                    cycles[cycle_row]["called_away_strike"] = strike
                    outcome = _OUTCOME_CALLED_AWAY
                elif shares == 0.0:
                    outcome = _OUTCOME_EXPIRED if exit_reason == _EXPIRED else _OUTCOME_CLOSED
                if outcome != _OUTCOME_NONE:
                    _close_cycle(cycles[cycle_row], bar, cash, outcome, True)
                    completed += 1

        may_open = shares > 0.0 or terms.max_cycles == 0 or completed < terms.max_cycles
        if option == _NONE and not closed_one and may_open:
            is_put = shares == 0.0
            skip, wanted_expiry, wanted_strike, wanted_contracts = _choose_sale(
                terms, is_put, today, close, volatility, cash, cost, contracts
            )
            if skip == 0:
                option = _PUT if is_put else _CALL
                strike = wanted_strike
                expiry = wanted_expiry
                contracts = wanted_contracts
                value = option_value(
                    is_put,
                    close,
                    strike,
                    (expiry - today) / DAYS_A_YEAR,
                    rate,
                    dividend_yield,
                    volatility,
                )
                sold_value = value
                lowest_value = value
                highest_value = value
                if is_put:
                    cycle_row = cycle_rows
                    cycle_rows += 1
                    _open_cycle(cycles[cycle_row], bar, cash)
                price = value * (1.0 - spread)
                premium = price * size * contracts
                commission = terms.commission * contracts
                cash = cash + premium - commission
                fees_total += commission
                premium_total += premium
                cycles[cycle_row]["premium_collected"] += premium
                option_row = trade_rows
                trade_rows += 1
                _open_trade(
                    trades[option_row], option, bar, contracts, price, commission, strike, expiry
                )

        liability = contracts * size * value if option != _NONE else 0.0
        equity[bar] = cash + shares * close - liability
        holds_position[bar] = option != _NONE or shares > 0.0
        skips[bar] = skip
        last_close = close
        if shares > 0.0:
            lowest_close = min(lowest_close, close)
            highest_close = max(highest_close, close)

    return State(
        cash,
        shares,
        cost,
        lowest_close,
        highest_close,
        last_close,
        shares_row,
        option,
        contracts,
        strike,
        expiry,
        sold_value,
        value,
        lowest_value,
        highest_value,
        option_row,
        cycle_row,
        trade_rows,
        cycle_rows,
        completed,
        premium_total,
        fees_total,
        assignments,
        call_aways,
    )


@kernel
def close_books(
    terms: Terms, state: State, bar: int, equity: float, trades: NDArray[Any], cycles: NDArray[Any]
) -> None:
    """Mark what is still open after the last bar, number ``bar``, in its rows.

    ``equity`` is that bar's.
    """
    has_shares = state.shares > 0.0
    if state.option != _NONE:
        units = state.contracts * terms.contract_size
        _weigh_trade(
            trades[state.option_row],
            _SHORT,
            state.value,
            units,
            state.strike * units,
            state.lowest_value,
            state.highest_value,
        )
    if has_shares:
        _weigh_trade(
            trades[state.shares_row],
            _LONG,
            state.last_close,
            state.shares,
            state.cost * state.shares,
            state.lowest_close,
            state.highest_close,
        )
    if has_shares or state.option != _NONE:
        outcome = _OUTCOME_ASSIGNED if has_shares else _OUTCOME_NONE
        _close_cycle(cycles[state.cycle_row], bar, equity, outcome, False)
