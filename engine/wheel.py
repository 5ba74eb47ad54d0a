"""The wheel: sell puts until assigned, then calls until called away, and again."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.errors import Stopped
from engine.expiries import Expiries
from engine.simulation import (
    NO_INDEX,
    CycleTable,
    Instrument,
    Side,
    Simulation,
    TradeTable,
    WheelTotals,
)
from engine.timeframes import DAY
from engine.volatility import from_series, log_returns, realized, sample_deviation
from engine.wheel_account import Terms, start
from engine.wheel_kernel import close_books, run_bars
from engine.wheel_parameters import (
    ByDelta,
    ByMoneyness,
    ConstantVolatility,
    DteWindow,
    RealizedVolatility,
    SeriesVolatility,
    WheelParameters,
)
from engine.wheel_records import CYCLE_ROW, TRADE_ROW
from engine.wheel_skips import skip_notes

if TYPE_CHECKING:
    from engine.candles import Candles
    from engine.config import BacktestConfig

#: Bars between two looks at ``should_stop``.
CHUNK_BARS = 10_000
#: Notes of one run, the first included.
MAX_NOTES = 500


def simulate(
    config: "BacktestConfig",
    candles: "Candles",
    bars_per_year: float,
    series: "Mapping[str, Candles]",
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Simulation:
    """Run the wheel over ``candles``.

    Args:
        config: with ``WheelParameters``.
        candles: the bars of the run, oldest first.
        bars_per_year: annualizes the realized volatility.
        series: holds the candles of the volatility series, earlier ones included, if one is used.
        on_progress: told the finished fraction after each chunk of bars.
        should_stop: asked before each chunk.

    Raises:
        Stopped: ``should_stop`` said yes.
    """
    parameters = cast("WheelParameters", config.parameters)
    chosen = parameters.volatility
    terms = terms_of(parameters, config.max_cycles)
    bars = len(candles)
    days = candles.times // DAY
    returns = np.empty(bars)
    volatilities = np.empty(bars)
    if isinstance(chosen, ConstantVolatility):
        volatilities.fill(chosen.value)
    elif isinstance(chosen, SeriesVolatility):
        quoted = series[chosen.symbol]
        volatilities = from_series(candles.times, quoted.times, quoted.close, chosen.scale)
    equity = np.empty(bars)
    holds_position = np.empty(bars, dtype=np.bool_)
    skips = np.empty(bars, dtype=np.int8)
    trades = np.empty(bars, dtype=TRADE_ROW)
    cycles = np.empty(bars, dtype=CYCLE_ROW)
    state = start(config.starting_capital)
    for first in range(0, bars, CHUNK_BARS):
        if should_stop is not None and should_stop():
            raise Stopped("stopped before the last bar")
        last = min(first + CHUNK_BARS, bars)
        log_returns(candles.close, first, last, returns)
        if isinstance(chosen, RealizedVolatility):
            factor = math.sqrt(bars_per_year) * chosen.scale
            realized(returns, first, last, chosen.window, factor, volatilities)
        state = run_bars(
            terms,
            state,
            first,
            last,
            days,
            candles.close,
            volatilities,
            equity[first:last],
            holds_position[first:last],
            skips[first:last],
            trades,
            cycles,
        )
        if on_progress is not None:
            on_progress(last / bars)
    if bars:
        close_books(terms, state, bars - 1, float(equity[-1]), trades, cycles)
    deviation = float(sample_deviation(returns, 1, max(bars, 1))) * math.sqrt(bars_per_year)
    first_note = _first_note(parameters, deviation, stored=not config.price_path)
    return Simulation(
        equity=equity,
        holds_position=holds_position,
        trades=_trade_table(trades[: state.trade_rows]),
        cycles=cycle_table(cycles[: state.cycle_rows]),
        fees_paid=float(state.fees),
        notes=[first_note, *skip_notes(skips, candles.times, MAX_NOTES - 1)],
        wheel=WheelTotals(
            premium_collected=float(state.premium),
            assignment_count=int(state.assignments),
            called_away_count=int(state.call_aways),
        ),
    )


def terms_of(parameters: WheelParameters, max_cycles: int | None) -> Terms:
    """The parameters as the kernel takes them."""
    if isinstance(parameters.dte, DteWindow):
        target, lowest, highest = parameters.dte.target, parameters.dte.min, parameters.dte.max
        expiries = Expiries[parameters.dte.expiries.upper()]
    else:
        target = lowest = highest = parameters.dte
        expiries = Expiries.ANY
    contracts = 0.0 if parameters.contracts == "max" else float(parameters.contracts)
    profit, days_left = parameters.close_at_profit, parameters.close_at_dte
    put_moneyness, put_delta = _strike_choice(parameters.put)
    call_moneyness, call_delta = _strike_choice(parameters.call)
    return Terms(
        contracts=contracts,
        contract_size=float(parameters.contract_size),
        target_days=target,
        lowest_days=lowest,
        highest_days=highest,
        expiries=int(expiries),
        put_moneyness=put_moneyness,
        put_delta=put_delta,
        call_moneyness=call_moneyness,
        call_delta=call_delta,
        floor_at_cost=parameters.call_floor == "costBasis",
        strike_step=float(parameters.strike_step),
        risk_free_rate=float(parameters.risk_free_rate),
        dividend_yield=float(parameters.dividend_yield),
        cash_rate=float(parameters.cash_rate),
        commission=float(parameters.commission_per_contract),
        assignment_fee=float(parameters.assignment_fee),
        spread=float(parameters.spread),
        close_at_profit=math.nan if profit is None else float(profit),
        close_at_days=NO_INDEX if days_left is None else days_left,
        early_assignment=parameters.early_assignment == "deepInTheMoney",
        max_cycles=max_cycles or 0,
    )


def _strike_choice(choice: ByMoneyness | ByDelta) -> tuple[float, float]:
    """(moneyness, delta), one of them NaN."""
    if isinstance(choice, ByDelta):
        return math.nan, float(choice.delta)
    return float(choice.moneyness), math.nan


def _first_note(parameters: WheelParameters, realized_volatility: float, *, stored: bool) -> str:
    opening = "Premiums are model values (Black–Scholes–Merton), not market prices, from "
    chosen = parameters.volatility
    if isinstance(chosen, RealizedVolatility):
        return (
            f"{opening}the realized volatility of the last {chosen.window} returns × "
            f"{chosen.scale:g}."
        )
    if isinstance(chosen, SeriesVolatility):
        return f"{opening}the last close of {chosen.symbol} ÷ 100 × {chosen.scale:g}."
    note = f"{opening}a constant volatility of {chosen.value:.2%}"
    if stored and math.isfinite(realized_volatility):
        return f"{note}; the realized volatility of this run's closes is {realized_volatility:.2%}."
    return f"{note}."


def _trade_table(rows: NDArray[Any]) -> TradeTable:
    is_shares = rows["instrument"] == Instrument.SHARES
    return TradeTable(
        instrument=rows["instrument"].copy(),
        side=np.where(is_shares, int(Side.LONG), int(Side.SHORT)).astype(np.int64),
        quantity=rows["quantity"].copy(),
        entry_index=rows["entry_index"].copy(),
        exit_index=rows["exit_index"].copy(),
        entry_price=rows["entry_price"].copy(),
        exit_price=rows["exit_price"].copy(),
        fees=rows["fees"].copy(),
        pnl=rows["pnl"].copy(),
        trade_return=rows["trade_return"].copy(),
        exit_reason=rows["exit_reason"].copy(),
        ambiguous=np.zeros(len(rows), dtype=np.bool_),
        mae=rows["mae"].copy(),
        mfe=rows["mfe"].copy(),
        strike=rows["strike"].copy(),
        expiry=rows["expiry"].copy(),
    )


def cycle_table(rows: NDArray[Any]) -> CycleTable:
    """The kernel's rows (CYCLE_ROW) as columns."""
    columns = {name: rows[name].copy() for name in CYCLE_ROW.names or ()}
    return CycleTable(**columns)
