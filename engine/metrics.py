"""The figures of a run: of its equity curve, of its trades, and against its market.

Annual figures, ``sharpe`` … ``omega`` follow empyrical-reloaded 0.7.1 with a risk-free rate of 0,
on simple returns that start from the starting capital. What it gives as NaN or infinity is None.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.return_kernels import (
    alpha_and_beta,
    deepest_drawdown,
    drawdowns,
    gains_and_losses,
    moments,
    power,
    simple_returns,
    sum_of,
)
from engine.simulation import ExitReason, Simulation, TradeTable
from engine.timeframes import DAY

#: Below this deviation of returns a ratio to it is noise.
LEAST_DEVIATION = 1e-12
TAIL = 0.05
_YEAR = 365.25 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepMetrics:
    """What every run has, a sweep's variants included. Fractions, money, counts."""

    total_return: float
    final_equity: float
    max_drawdown: float
    cagr: float | None
    annualized_return: float | None
    annualized_volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    exposure: float
    trade_count: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    fees_paid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FullMetrics(SweepMetrics):
    """All figures of a single run. ``max_drawdown_days`` and ``avg_trade_days`` are days."""

    max_drawdown_days: float
    open_trade_count: int
    avg_trade_return: float | None
    best_trade_return: float | None
    worst_trade_return: float | None
    avg_trade_days: float | None
    peak_equity: float
    buy_and_hold_return: float
    alpha: float | None
    beta: float | None
    var95: float | None
    cvar95: float | None
    ulcer_index: float
    tail_ratio: float | None
    omega: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a run is measured against: opening times and closes, one a bar of the equity curve."""

    times: NDArray[np.int64]
    close: NDArray[np.float64]


def known(value: float) -> float | None:
    """The value as a plain float, or None if it is no number. −0.0 becomes 0.0."""
    return float(value) + 0.0 if math.isfinite(value) else None


def metrics_of(
    simulation: Simulation, market: Market, starting_capital: float, bars_per_year: float
) -> FullMetrics:
    """Every metric of a run of at least one bar."""
    equity = simulation.equity
    returns = simple_returns(equity, starting_capital)
    mean, deviation, downside, growth = moments(returns)
    compounded = deepest_drawdown(returns)
    deepest, mean_square, longest = drawdowns(equity, market.times, starting_capital)
    years = len(returns) / bars_per_year
    annualized = power(growth, 1.0 / years) - 1.0
    span = int(market.times[-1] - market.times[0])
    cagr = power(equity[-1] / starting_capital, _YEAR / span) - 1.0 if span > 0 else math.nan
    varies = len(returns) > 1 and deviation >= LEAST_DEVIATION
    root = math.sqrt(bars_per_year)
    shortfall = math.sqrt(downside) * root if downside > 0.0 else 0.0
    alpha, beta = _against(market.close, returns, bars_per_year) if varies else (None, None)
    gains, losses = gains_and_losses(returns)
    tail = _tail(returns)
    closed = _closed(simulation.trades)
    pnl, trade_returns = simulation.trades.pnl[closed], simulation.trades.trade_return[closed]
    won, lost = gains_and_losses(pnl)
    count = len(pnl)
    return FullMetrics(
        total_return=float(equity[-1] / starting_capital - 1.0) + 0.0,
        final_equity=float(equity[-1]) + 0.0,
        max_drawdown=float(deepest) + 0.0,
        cagr=known(cagr),
        annualized_return=known(annualized),
        annualized_volatility=known(deviation * root) if varies else None,
        sharpe=known(mean / deviation * root) if varies else None,
        sortino=known(mean * bars_per_year / shortfall) if varies and shortfall > 0.0 else None,
        calmar=known(annualized / -compounded) if compounded < 0.0 else None,
        exposure=float(np.count_nonzero(simulation.holds_position) / len(equity)),
        trade_count=count,
        win_rate=float(np.count_nonzero(pnl > 0.0) / count) if count else None,
        profit_factor=known(won / lost) if lost > 0.0 else None,
        expectancy=known(sum_of(pnl) / count) if count else None,
        fees_paid=float(simulation.fees_paid) + 0.0,
        max_drawdown_days=longest / DAY,
        open_trade_count=len(simulation.trades) - count,
        avg_trade_return=known(sum_of(trade_returns) / count) if count else None,
        best_trade_return=known(trade_returns.max()) if count else None,
        worst_trade_return=known(trade_returns.min()) if count else None,
        avg_trade_days=_average_days(simulation.trades, closed, market.times),
        peak_equity=float(equity.max()) + 0.0,
        buy_and_hold_return=float(market.close[-1] / market.close[0] - 1.0) + 0.0,
        alpha=alpha,
        beta=beta,
        var95=tail.var95,
        cvar95=tail.cvar95,
        ulcer_index=math.sqrt(mean_square),
        tail_ratio=tail.ratio,
        omega=known(gains / losses) if len(returns) > 1 and losses > 0.0 else None,
    )


def _against(
    close: NDArray[np.float64], returns: NDArray[np.float64], bars_per_year: float
) -> tuple[float | None, float | None]:
    """Alpha and beta against close-to-close returns, which bar 0 does not have."""
    market = simple_returns(close[1:], close[0])
    alpha, beta = alpha_and_beta(returns[1:], market, bars_per_year)
    return known(alpha), known(beta)


@dataclass(frozen=True, slots=True)
class _Tail:
    var95: float | None
    cvar95: float | None
    ratio: float | None


def _tail(returns: NDArray[np.float64]) -> _Tail:
    """The 5 % quantile, the mean of the returns up to it, and the two tails' ratio."""
    rising = np.sort(returns)
    rising = rising[: len(rising) - np.count_nonzero(np.isnan(rising))]
    if not len(rising):
        return _Tail(None, None, None)
    low, high = _quantile(rising, TAIL), _quantile(rising, 1.0 - TAIL)
    worst = rising[: int((len(rising) - 1) * TAIL) + 1]
    return _Tail(
        known(low) if len(rising) == len(returns) else None,
        known(sum_of(worst) / len(worst)),
        known(abs(high) / abs(low)) if low != 0.0 else None,
    )


def _quantile(rising: NDArray[np.float64], share: float) -> float:
    """Linear between the neighbouring order statistics, as ``numpy.percentile``."""
    position = (len(rising) - 1) * share
    below = int(position)
    if below + 1 >= len(rising):
        return float(rising[-1])
    part = position - below
    return float(rising[below] + (rising[below + 1] - rising[below]) * part)


def _closed(trades: TradeTable) -> NDArray[np.bool_]:
    closed: NDArray[np.bool_] = trades.exit_reason != ExitReason.OPEN
    return closed


def _average_days(
    trades: TradeTable, closed: NDArray[np.bool_], times: NDArray[np.int64]
) -> float | None:
    if not closed.any():
        return None
    held = times[trades.exit_index[closed]] - times[trades.entry_index[closed]]
    return float(held.sum() / len(held) / DAY)
