"""The wheel's account: each bar is one step, made at its close.

A step takes income first, then ends the option if it is time to, sells one, and marks. The kernel
runs over a range of bars and hands its state to the next range, so that others can look in between.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine._jit import kernel
from engine.pricing import option_value
from engine.simulation import NO_INDEX, ExitReason, Instrument, Outcome, Side
from engine.wheel_account import NO_OPTION, State, Terms
from engine.wheel_records import close_cycle, close_trade, open_cycle, open_trade, weigh_trade
from engine.wheel_sale import DAYS_A_YEAR, choose_sale
from engine.wheel_skips import Skip

#: A close this near to the strike (relative) counts as touching it.
TIE_TOLERANCE = 1e-9
#: Early assignment: at most this many days left, and deeper in the money than this much of strike.
EARLY_DAYS = 4
EARLY_DEPTH = 0.05

_LONG = float(Side.LONG)
_SHORT = float(Side.SHORT)
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
_SKIP_BUY_BACK = int(Skip.BUY_BACK)


@kernel
def _depth(is_put: bool, close: float, strike: float) -> float:
    """How far the option is in the money."""
    return strike - close if is_put else close - strike


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

    ``days`` are UTC dates as counts since 1970-01-01; they, ``closes`` and ``volatilities`` are of
    all bars. Writes ``equity``, ``holds_position`` and ``skips`` (a ``Skip``) of these bars alone,
    and the rows of ``trades`` (TRADE_ROW) and ``cycles`` (CYCLE_ROW) that open or close there; each
    table has room for one more row a bar.
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

        if option != NO_OPTION:
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
                option = NO_OPTION
                outcome = _OUTCOME_NONE
                close_trade(trades[option_row], bar, exit_price, exit_reason)
                weigh_trade(
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
                    open_trade(
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
                    close_trade(trades[shares_row], bar, strike, exit_reason)
                    weigh_trade(
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
                    close_cycle(cycles[cycle_row], bar, cash, outcome, True)
                    completed += 1

        may_open = shares > 0.0 or terms.max_cycles == 0 or completed < terms.max_cycles
        if option == NO_OPTION and not closed_one and may_open:
            is_put = shares == 0.0
            skip, wanted_expiry, wanted_strike, wanted_contracts = choose_sale(
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
                    open_cycle(cycles[cycle_row], bar, cash)
                price = value * (1.0 - spread)
                premium = price * size * contracts
                commission = terms.commission * contracts
                cash = cash + premium - commission
                fees_total += commission
                premium_total += premium
                cycles[cycle_row]["premium_collected"] += premium
                option_row = trade_rows
                trade_rows += 1
                open_trade(
                    trades[option_row], option, bar, contracts, price, commission, strike, expiry
                )

        liability = contracts * size * value if option != NO_OPTION else 0.0
        equity[bar - first] = cash + shares * close - liability
        holds_position[bar - first] = option != NO_OPTION or shares > 0.0
        skips[bar - first] = skip
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
    if state.option != NO_OPTION:
        units = state.contracts * terms.contract_size
        weigh_trade(
            trades[state.option_row],
            _SHORT,
            state.value,
            units,
            state.strike * units,
            state.lowest_value,
            state.highest_value,
        )
    if has_shares:
        weigh_trade(
            trades[state.shares_row],
            _LONG,
            state.last_close,
            state.shares,
            state.cost * state.shares,
            state.lowest_close,
            state.highest_close,
        )
    if has_shares or state.option != NO_OPTION:
        outcome = _OUTCOME_ASSIGNED if has_shares else _OUTCOME_NONE
        close_cycle(cycles[state.cycle_row], bar, equity, outcome, False)
