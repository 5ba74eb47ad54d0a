"""Rows of a sweep as the engine hands them over, without an engine."""

from typing import Any

from engine.metrics import SweepMetrics
from engine.sweep import CyclesByRegime, RegimeCycles, SweepRow
from worker.jobs.errors import ErrorCode, JobFailure

FIGURES: dict[str, Any] = {
    "total_return": 0.5,
    "final_equity": 1500.0,
    "max_drawdown": -0.1,
    "cagr": None,
    "annualized_return": 0.1,
    "annualized_volatility": 0.2,
    "sharpe": 0.7,
    "sortino": 0.9,
    "calmar": None,
    "exposure": 0.4,
    "trade_count": 7,
    "win_rate": 0.5,
    "profit_factor": None,
    "expectancy": 70.0,
    "fees_paid": 3.5,
}
LOST = JobFailure(ErrorCode.WORKER_LOST, "It stopped answering.")


def a_row(index: int = 0, **figures: Any) -> SweepRow:
    regimes = CyclesByRegime(RegimeCycles(3, 0.01), RegimeCycles(0, 0.0), RegimeCycles(4, -0.02))
    return SweepRow(index, SweepMetrics(**{**FIGURES, **figures}), "sha256:data", regimes)
