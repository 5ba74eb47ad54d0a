"""The figures of a run: of its equity curve, of its trades, and against its market.

Annual figures, ``sharpe`` … ``omega`` follow empyrical-reloaded 0.7.1 with a risk-free rate of 0,
on simple returns that start from the starting capital. What it gives as NaN or infinity is None.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.return_kernels import (
    alpha_and_beta,
    deepest_drawdown,
    drawdowns,
    gains_and_losses,
    moments,
    simple_returns,
    sum_of,
)
from engine.simulation import ExitReason, Simulation, TradeTable
from engine.summary_figures import LEAST_DEVIATION, summary_figures
from engine.timeframes import DAY

TAIL = 0.05


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
    deepest, mean_square, longest = drawdowns(equity, market.times, starting_capital)
    curve = curve_of_simulation(simulation, market.times, starting_capital, returns, deepest)
    summary = sweep_metrics(curve, starting_capital, bars_per_year)
    varies = curve.varies
    alpha, beta = _against(market.close, returns, bars_per_year) if varies else (None, None)
    gains, losses = gains_and_losses(returns)
    tail = _tail(returns)
    closed = _closed(simulation.trades)
    trade_returns = simulation.trades.trade_return[closed]
    count = len(trade_returns)
    return FullMetrics(
        **figures_of(summary),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What the sweep metrics are made of: sums over bars and over closed trades.

    ``mean``, ``deviation``, ``downside`` and ``growth`` are as ``moments`` gives them;
    ``deepest`` is the equity's deepest drawdown and ``compounded`` that of its returns;
    ``span`` the milliseconds from the first bar to the last; ``held`` the bars that end with a
    position; ``won``, ``lost`` and ``gained`` the sums of profits, of losses (≥ 0) and of both.
    """

    bars: int
    span: int
    final_equity: float
    mean: float
    deviation: float
    downside: float
    growth: float
    deepest: float
    compounded: float
    held: int
    trades: int
    wins: int
    won: float
    lost: float
    gained: float
    fees_paid: float

    @property
    def varies(self) -> bool:
        """Whether there is a deviation to divide by."""
        return self.bars > 1 and bool(self.deviation >= LEAST_DEVIATION)


def curve_of(
    *,
    equity: NDArray[np.float64],
    times: NDArray[np.int64],
    starting_capital: float,
    holds_position: NDArray[np.bool_],
    pnl: NDArray[np.float64],
    fees_paid: float,
    returns: NDArray[np.float64] | None = None,
    deepest: float | None = None,
) -> Curve:
    """The sums of an account of at least one bar; ``pnl`` is that of its closed trades.

    ``returns`` and ``deepest``: the equity's simple returns and its deepest drawdown, for those
    who have them.
    """
    if returns is None:
        returns = simple_returns(equity, starting_capital)
    if deepest is None:
        deepest, _, _ = drawdowns(equity, times, starting_capital)
    mean, deviation, downside, growth = moments(returns)
    won, lost = gains_and_losses(pnl)
    return Curve(
        bars=len(equity),
        span=int(times[-1] - times[0]),
        final_equity=float(equity[-1]),
        mean=mean,
        deviation=deviation,
        downside=downside,
        growth=growth,
        deepest=deepest,
        compounded=deepest_drawdown(returns),
        held=int(np.count_nonzero(holds_position)),
        trades=len(pnl),
        wins=int(np.count_nonzero(pnl > 0.0)),
        won=won,
        lost=lost,
        gained=sum_of(pnl),
        fees_paid=float(fees_paid),
    )


def curve_of_simulation(
    simulation: Simulation,
    times: NDArray[np.int64],
    starting_capital: float,
    returns: NDArray[np.float64] | None = None,
    deepest: float | None = None,
) -> Curve:
    """The sums of a finished simulation; ``returns`` and ``deepest`` as for :func:`curve_of`."""
    return curve_of(
        equity=simulation.equity,
        times=times,
        starting_capital=starting_capital,
        holds_position=simulation.holds_position,
        pnl=simulation.trades.pnl[_closed(simulation.trades)],
        fees_paid=simulation.fees_paid,
        returns=returns,
        deepest=deepest,
    )


def figures_of(metrics: Any) -> dict[str, Any]:
    """A dataclass's figures by name; unlike ``asdict`` it copies none of them."""
    return {one.name: getattr(metrics, one.name) for one in fields(metrics)}


def sweep_metrics(curve: Curve, starting_capital: float, bars_per_year: float) -> SweepMetrics:
    """The metrics that every run has."""
    figures = summary_figures(
        curve.bars, curve.span, curve.final_equity, curve.mean, curve.deviation, curve.downside,
        curve.growth, curve.deepest, curve.compounded, curve.held, curve.trades, curve.wins,
        curve.won, curve.lost, curve.gained, curve.fees_paid, starting_capital, bars_per_year,
    )  # fmt: skip
    return metrics_from(figures)


def metrics_from(figures: Sequence[float]) -> SweepMetrics:
    """The metrics of ``summary_figures``."""
    (
        total_return, final_equity, max_drawdown, cagr, annualized_return, annualized_volatility,
        sharpe, sortino, calmar, exposure, trade_count, win_rate, profit_factor, expectancy,
        fees_paid,
    ) = figures  # fmt: skip
    return SweepMetrics(
        total_return=total_return,
        final_equity=final_equity,
        max_drawdown=max_drawdown,
        cagr=known(cagr),
        annualized_return=known(annualized_return),
        annualized_volatility=known(annualized_volatility),
        sharpe=known(sharpe),
        sortino=known(sortino),
        calmar=known(calmar),
        exposure=exposure,
        trade_count=int(trade_count),
        win_rate=known(win_rate),
        profit_factor=known(profit_factor),
        expectancy=known(expectancy),
        fees_paid=fees_paid,
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
