"""The rules of one wheel run, and its account between two bars, as the kernels take them."""

from typing import NamedTuple

from engine.expiries import NO_EXPIRY
from engine.simulation import NO_INDEX

#: In place of the kind of the short option.
NO_OPTION = -1


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
        option=NO_OPTION,
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
